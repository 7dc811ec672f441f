"""Terms that several losses share. Tensors in, tensors out; fp32.

Shape legend: N tokens; P pairs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.objectives.objective import Total

if TYPE_CHECKING:
    from torch import Tensor

LN2 = 0.6931471805599453
SURE = -(2.0**-24)  # a log-prob nearer to 0 than this is 0 in fp32: the model is certain


def nll(logp_N: Tensor, tokens: int) -> Tensor:
    """Summed negative log-likelihood over the tokens of the whole step; 0 where the step has none of this kind."""
    return -logp_N.sum() / max(tokens, 1)


def total(x: Tensor) -> Total:
    """A tensor's sum over its length, as a logged number."""
    return Total(float(x.detach().sum()), x.numel())


def log1mexp(x: Tensor) -> Tensor:
    """``log(1 - exp(x))`` for x < 0, accurate on both ends, values and gradients (Mächler 2012).

    x is held at ``SURE`` from above, where 1 - exp(x) would be 0: the gradient there is 0, not NaN.
    """
    import torch

    x = x.clamp(max=SURE)
    near = x > -LN2
    # Both branches are computed, so each is fed a harmless number where the other is taken: 0 * inf would be NaN.
    near_value = (-torch.expm1(x.clamp(min=-LN2))).log()
    far_value = torch.log1p(-torch.exp(x.clamp(max=-LN2)))
    return torch.where(near, near_value, far_value)


def log_odds(mean_logp_P: Tensor) -> Tensor:
    """``log(P / (1 - P))`` of P given as its logarithm, which is held at ``SURE`` from above."""
    return mean_logp_P.clamp(max=SURE) - log1mexp(mean_logp_P)
