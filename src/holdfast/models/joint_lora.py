"""LoRA layers that read one input, run as one: what a training step spends beside the base's own products.

PEFT runs each adapted layer apart. Beside y = x Wᵀ that is six small products, a sum and a scaling as large as the
output, and where the precisions differ a copy of the input for each, kept until the backward pass. Here the layers
that read the same input (query, key and value; gate and up) are one function of it:

    forward     u = x Aᵀ (all A's stacked),  y_i = x W_iᵀ + s_i u_i B_iᵀ
    backward    d_i = s_i ∂y_i B_i,  ∂x = Σ_i ∂y_i W_i + d A (all d_i side by side),  ∂A = dᵀ x,  ∂B_i = s_i ∂y_iᵀ u_i

which are Hu et al. 2021's (arXiv 2106.09685) products in another order. The input is kept once, in the precision that
the base computes in; of the outputs nothing is. The adapter's products are in its own precision (fp32), or in
autocast's.

Shape legend: N tokens, D inputs, O outputs of a layer, R rank of a layer, S ranks of all layers together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from peft.tuners.lora.layer import Linear
from torch import Tensor, nn

# Of one parent module, by the names that transformers' models use; a layer that is in none is its own group. That they
# do read one input is seen when they are run.
TOGETHER = (("q_proj", "k_proj", "v_proj"), ("gate_proj", "up_proj"))


class _Joint(torch.autograd.Function):
    """Outputs of layers that read one input: ``tensors`` are their W, then their A, then their B."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scales: tuple[float, ...], biases: tuple[Tensor | None, ...], *tensors: Tensor
    ) -> tuple[Tensor, ...]:
        n = len(scales)
        weights, As, Bs = (tensors[k * n : (k + 1) * n] for k in range(3))
        auto = torch.is_autocast_enabled(x.device.type)
        of_base = torch.get_autocast_dtype(x.device.type) if auto else weights[0].dtype
        of_lora = of_base if auto else As[0].dtype
        with torch.autocast(x.device.type, enabled=False):
            x_ND = x.reshape(-1, x.shape[-1]).to(of_base)
            A_SD = torch.cat(As).to(of_lora)
            u_NS = x_ND.to(of_lora) @ A_SD.T
            outs = []
            for w_OD, bias_O, b_OR, s, u_NR in zip(weights, biases, Bs, scales, _parts(u_NS, As), strict=True):
                w_OD, b_RO = w_OD.to(of_base), b_OR.to(of_lora).T
                y_NO = x_ND @ w_OD.T if bias_O is None else torch.addmm(bias_O.to(of_base), x_ND, w_OD.T)
                if of_base == of_lora:
                    y_NO.addmm_(u_NR, b_RO, alpha=s)
                else:
                    y_NO = torch.addmm(y_NO.to(of_lora), u_NR, b_RO, alpha=s).to(of_base)
                outs.append(y_NO.reshape(*x.shape[:-1], -1))
        ctx.save_for_backward(x_ND, u_NS, *weights, *As, *Bs)
        ctx.scales, ctx.shape, ctx.dtype = scales, x.shape, x.dtype
        return tuple(outs)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:  # pyright: ignore
        x_ND, u_NS, *tensors = ctx.saved_tensors
        n = len(ctx.scales)
        weights, As, Bs = (tensors[k * n : (k + 1) * n] for k in range(3))
        of_base, of_lora = x_ND.dtype, u_NS.dtype
        dys = [dy.reshape(len(x_ND), -1) for dy in grads]
        d_NS, dBs = torch.empty_like(u_NS), []
        for dy_NO, b_OR, s, u_NR, d_NR in zip(dys, Bs, ctx.scales, _parts(u_NS, As), _parts(d_NS, As), strict=True):
            wide_NO = dy_NO.to(of_lora)
            d_NR.copy_(wide_NO @ b_OR.to(of_lora)).mul_(s)
            dBs.append((wide_NO.T @ u_NR).mul_(s).to(b_OR.dtype))
        dA_SD = (d_NS.T @ x_ND.to(of_lora)).to(As[0].dtype)
        dx = None
        if ctx.needs_input_grad[0]:
            dx_ND = dys[0] @ weights[0].to(of_base)
            for dy_NO, w_OD in zip(dys[1:], weights[1:], strict=True):
                dx_ND.addmm_(dy_NO, w_OD.to(of_base))
            A_SD = torch.cat(As).to(of_lora)
            dx_ND = dx_ND.addmm_(d_NS, A_SD) if of_base == of_lora else torch.addmm(dx_ND.to(of_lora), d_NS, A_SD)
            dx = dx_ND.reshape(ctx.shape).to(ctx.dtype)
        return dx, None, None, *(None for _ in weights), *dA_SD.split([len(a) for a in As]), *dBs


def _parts(u_NS: Tensor, As: Iterable[Tensor]) -> tuple[Tensor, ...]:
    return u_NS.split([len(a) for a in As], 1)


class Group:
    """Layers that read one input. The first that is run makes the outputs of all, which the others then take."""

    def __init__(self, layers: Mapping[str, Linear], adapter: str):
        self.layers, self.adapter = layers, adapter
        self._of: Tensor | None = None
        self._ready: dict[str, Tensor] = {}

    def run(self, name: str, x: Tensor) -> Tensor:
        """(…, O) what the layer of that name makes of ``x``."""
        layer = self.layers[name]
        # Without a gradient nothing is kept that could be saved, and what is measured keeps PEFT's own bits.
        if not torch.is_grad_enabled() or layer.disable_adapters:
            return Linear.forward(layer, x)
        if self._of is not x or name not in self._ready:
            outs = _Joint.apply(x, *self._tensors())
            self._of, self._ready = x, dict(zip(self.layers, outs, strict=True))
        out = self._ready.pop(name)
        if not self._ready:
            self._of = None
        return out

    def _tensors(self) -> tuple[Any, ...]:
        layers, at = list(self.layers.values()), self.adapter
        bases: list[Any] = [layer.get_base_layer() for layer in layers]
        return (
            tuple(layer.scaling[at] for layer in layers),
            tuple(base.bias for base in bases),
            *(base.weight for base in bases),
            *(layer.lora_A[at].weight for layer in layers),
            *(layer.lora_B[at].weight for layer in layers),
        )


def join(layers: Mapping[str, Any], adapter: str) -> None:
    """Run these adapted layers, by module name, in groups from here on.

    Those that are no plain linear ones with a plain LoRA (dropout, a quantised base, own biases) are left to PEFT.
    """
    plain = {name: layer for name, layer in layers.items() if _is_plain(layer, adapter)}
    grouped: dict[tuple[str, Any], dict[str, Linear]] = {}
    for name, layer in plain.items():
        parent, _, last = name.rpartition(".")
        together = next((names for names in TOGETHER if last in names), last)
        grouped.setdefault((parent, together), {})[last] = layer
    for group in (Group(members, adapter) for members in grouped.values()):
        for last, layer in group.layers.items():
            layer.forward = _forward(group, last)  # type: ignore[method-assign]


def _forward(group: Group, name: str) -> Any:
    return lambda x: group.run(name, x)


def _is_plain(layer: Any, adapter: str) -> bool:
    return (
        type(layer) is Linear
        and type(layer.get_base_layer()) is nn.Linear
        and set(layer.lora_A) == {adapter}
        and adapter not in layer.lora_variant
        and isinstance(layer.lora_dropout[adapter], nn.Identity)
        and layer.lora_A[adapter].bias is None
        and layer.lora_B[adapter].bias is None
    )
