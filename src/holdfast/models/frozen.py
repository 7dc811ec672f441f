"""Exact token log-probs and full-vocabulary KL through a frozen output head, without keeping its logits.

The head is fixed, so all that its backward pass can need of it is one vector per token, and that vector is already
known in the forward pass:

    logits     z = cap(s · (h Wᵀ + b)),  cap(x) = c · tanh(x / c) where the model soft-caps, else x
    chain      ∂z_i / ∂h = d_i W_i,      d_i = s · (1 − (z_i / c)²), or s without a cap
    log-prob   ℓ = z_y − log Σ_i exp z_i         ∂ℓ / ∂z_i = 1[i = y] − p_i
    KL(p ‖ q)  K = Σ_i p_i (log p_i − log q_i)   ∂K / ∂z_i = p_i (log p_i − log q_i − K)
    KL(q ‖ p)  K = Σ_i q_i (log q_i − log p_i)   ∂K / ∂z_i = p_i − q_i

So g_t = ((∂/∂z) ∘ d) W is computed and kept with the value, and backward multiplies: ∂L/∂h_t = ∂L/∂value_t · g_t
(for the log-prob without cap and scale, g_t = W[y_t] − pᵀ W). The result is exact, nothing is run again, and one
hidden-size vector a token is kept. The vocabulary is only ever held for a chunk of tokens.

Matrix products are in W's dtype, as in the model itself; everything over the vocabulary is in fp32.
Shape legend: N tokens, C tokens of a chunk, V vocabulary, D hidden size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

Direction = Literal["policy_reference", "reference_policy"]

CHUNK_BYTES = 64 * 2**20  # of fp32 logits; about three such buffers are alive at once


@dataclass(frozen=True, slots=True)
class Head:
    """What stands between the last hidden state and the logits."""

    weight_VD: Tensor
    bias_V: Tensor | None = None
    scale: float = 1.0
    cap: float | None = None

    def logits(self, hidden_CD: Tensor) -> Tensor:
        """(C, V) logits in fp32."""
        z_CV = torch.nn.functional.linear(hidden_CD.to(self.weight_VD.dtype), self.weight_VD, self.bias_V).float()
        if self.scale != 1.0:
            z_CV = z_CV * self.scale
        if self.cap is not None:
            z_CV = torch.tanh(z_CV / self.cap) * self.cap
        return z_CV

    def pull(self, dz_CV: Tensor, z_CV: Tensor) -> Tensor:
        """(C, D): a gradient by the logits as one by the hidden states, in fp32. Overwrites ``dz_CV`` and ``z_CV``."""
        if self.cap is not None:
            dz_CV.mul_(z_CV.div_(self.cap).square_().neg_().add_(1.0))
        if self.scale != 1.0:
            dz_CV.mul_(self.scale)
        return (dz_CV.to(self.weight_VD.dtype) @ self.weight_VD).float()


class _Known(torch.autograd.Function):
    """A value per token whose gradient by the hidden states is known beforehand."""

    # Autograd would keep (N, V) logits for backward: 4 GiB for 8,192 tokens and a vocabulary of 128k. This keeps (N,
    # D).
    @staticmethod
    def forward(ctx: Any, hidden_ND: Tensor, value_N: Tensor, gradient_ND: Tensor) -> Tensor:
        ctx.save_for_backward(gradient_ND)
        ctx.dtype = hidden_ND.dtype
        return value_N.clone()

    # Once: the kept gradient is a constant here, so a second derivative through it would be wrong without a word.
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:  # pyright: ignore
        (gradient_ND,) = ctx.saved_tensors
        return (grads[0].unsqueeze(1) * gradient_ND).to(ctx.dtype), None, None


def token_logps(head: Head, hidden_ND: Tensor, target_N: Tensor) -> Tensor:
    """(N,) fp32 log-prob of each target, differentiable once by ``hidden_ND``."""
    wanted, value_N, gradient_ND = _results(hidden_ND)
    with torch.no_grad():
        for span in _chunks(hidden_ND, head):
            z_CV = head.logits(hidden_ND[span])
            y_C1 = target_N[span].unsqueeze(1)
            logp_CV = torch.log_softmax(z_CV, -1)
            value_N[span] = logp_CV.gather(1, y_C1).squeeze(1)
            if wanted:
                # ∂ℓ/∂z = 1[i = y] − p, written over the log-probs: one buffer over the vocabulary less.
                dz_CV = logp_CV.exp_().neg_()
                dz_CV.scatter_add_(1, y_C1, torch.ones_like(y_C1, dtype=dz_CV.dtype))
                gradient_ND[span] = head.pull(dz_CV, z_CV)
    return finite(_Known.apply(hidden_ND, value_N, gradient_ND) if wanted else value_N, "a token's log-prob")


def token_kls(head: Head, hidden_ND: Tensor, ref_hidden_ND: Tensor, direction: Direction) -> Tensor:
    """(N,) fp32 KL over the full vocabulary between policy and reference, differentiable once by ``hidden_ND``."""
    wanted, value_N, gradient_ND = _results(hidden_ND)
    with torch.no_grad():
        for span in _chunks(hidden_ND, head):
            z_CV = head.logits(hidden_ND[span])
            logp_CV = torch.log_softmax(z_CV, -1)
            logq_CV = torch.log_softmax(head.logits(ref_hidden_ND[span]), -1)
            if direction == "policy_reference":
                p_CV = logp_CV.exp()
                ratio_CV = logp_CV.sub_(logq_CV)
                # Summed over the whole vocabulary, not sampled: no estimator's noise and no top-k's bias.
                value_C = value_N[span] = (p_CV * ratio_CV).sum(-1)
                dz_CV = ratio_CV.sub_(value_C.unsqueeze(1)).mul_(p_CV)
            else:
                q_CV = logq_CV.exp()
                value_N[span] = (q_CV * logq_CV.sub_(logp_CV)).sum(-1)
                dz_CV = logp_CV.exp_().sub_(q_CV)
            if wanted:
                gradient_ND[span] = head.pull(dz_CV, z_CV)
    return finite(_Known.apply(hidden_ND, value_N, gradient_ND) if wanted else value_N, "a token's KL")


def _results(hidden_ND: Tensor) -> tuple[bool, Tensor, Tensor]:
    """Whether a gradient is wanted, and room for the values and the gradients."""
    wanted = torch.is_grad_enabled() and hidden_ND.requires_grad
    n, d = hidden_ND.shape
    value_N = hidden_ND.new_empty(n, dtype=torch.float32)
    return wanted, value_N, hidden_ND.new_empty((n, d) if wanted else (0,), dtype=torch.float32)


def _chunks(hidden_ND: Tensor, head: Head) -> Iterator[slice]:
    size = rows_at_once(len(head.weight_VD))
    return (slice(i, i + size) for i in range(0, len(hidden_ND), size))


def rows_at_once(vocabulary: int) -> int:
    """Of logits, by the size of a chunk."""
    return max(1, CHUNK_BYTES // (4 * vocabulary))


def finite(x_N: Tensor, what: str) -> Tensor:
    """Raises FloatingPointError: a loss that is not finite must never reach an optimiser."""
    if not torch.isfinite(x_N).all():
        raise FloatingPointError(f"{what} is not finite")
    return x_N
