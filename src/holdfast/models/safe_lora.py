"""Safe LoRA: a fine-tune's change of weights, projected onto what alignment changed (Hsu et al. 2024, 2405.16833).

Of each adapted layer, with V the weights of the aligned model less those of the one that it was aligned from (their
equation 1) and ΔW = scale · B A:

    C = V Vᵀ / ‖V‖_F,    cos = ⟨ΔW, C ΔW⟩ / (‖ΔW‖ ‖C ΔW‖)

Where cos is below a threshold, C ΔW takes the place of ΔW, that is, C B of B. As published, C is no projection in the
strict sense: it also scales, by the squares of V's singular values over ‖V‖_F.

Shape legend: O and I, a layer's outputs and inputs; R, the adapter's rank.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from holdfast.models.adapters import NAME
from holdfast.models.network import Network
from holdfast.types import UserError


@torch.no_grad()
def project(network: Network, unaligned: Mapping[str, Tensor], below: float) -> dict[str, float]:
    """Project the layers of the adapter that is on the network, in place; returns each layer's cosine.

    ``unaligned``: the weights of the model that the base was aligned from, by name, in fp32. Raises UserError where it
    is another architecture, where no layer differs from it, and where what is trained is no LoRA on linear layers.
    """
    layers = getattr(network.trained, "layers", None)
    if not layers:
        raise UserError("Safe LoRA changes LoRA adapters, and this checkpoint is none")
    cosines: dict[str, float] = {}
    for name, layer in layers.items():
        base = layer.get_base_layer()
        if not isinstance(base, nn.Linear) or NAME in layer.lora_magnitude_vector:
            raise UserError(f"Safe LoRA is for plain LoRA on linear layers, and {name} is otherwise")
        other = unaligned.get(f"{name}.weight")
        if other is None or other.shape != base.weight.shape:
            raise UserError(f"the unaligned model has no {name} of the same shape: it is another architecture")
        v_OI = base.weight.float() - other.float()
        if not bool(v_OI.any()):  # alignment left it alone, and says nothing of it
            continue
        a_RI, b_OR = layer.lora_A[NAME].weight, layer.lora_B[NAME].weight
        projected_OR = v_OI @ (v_OI.T @ b_OR) / v_OI.norm()
        gram_RR = a_RI @ a_RI.T
        inner, own, other_norm = (
            float((gram_RR * (x.T @ y)).sum())
            for x, y in ((b_OR, projected_OR), (b_OR, b_OR), (projected_OR, projected_OR))
        )
        cosines[name] = inner / max((own * other_norm) ** 0.5, 1e-30)
        if cosines[name] < below:
            b_OR.copy_(projected_OR)
    if not cosines:
        raise UserError("the base is the unaligned model: no layer differs, so there is nothing to project onto")
    return cosines
