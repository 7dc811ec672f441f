"""Supervised fine-tuning that holds the first tokens where the aligned model has them (Qi et al. 2024, arXiv
2406.05946, eq. 3).

    loss = sum_t - (2 / beta_t) log sigmoid( beta_t [log pi(y_t) - log ref(y_t)] ) / response tokens of the step

At the first step the gradient is that of supervised fine-tuning, whatever beta_t is. The derivative of a token's term
by its log-prob is - 2 sigmoid(- beta_t [log pi - log ref]): - 1 at the reference, and towards 0 as the token becomes
likelier than it was there; at once where beta_t is large, hardly at all where it is small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ConstrainedSFT:
    """Likelihood of chosen responses, whose first tokens may move but little.

    first: beta of a response's first token. early: of the tokens after it, up to the one numbered ``tokens``. later: of
    all that follow. Defaults: the paper's, 0.5, 2 for tokens 2 to 5, 0.1.
    """

    first: float = 0.5
    early: float = 2.0
    later: float = 0.1
    tokens: int = 5

    name: ClassVar[str] = "constrained_sft"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(ref_logps=True)

    def __post_init__(self) -> None:
        for name in ("first", "early", "later"):
            bounds.at_least(self, name, 0, strictly=True)
        bounds.at_least(self, "tokens", 1)

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        import torch
        from torch.nn.functional import logsigmoid

        assert scores.ref_logp_N is not None, "the loop gives the reference log-probs that `needs` asks for"
        place_N = scores.place_N()
        beta_N = torch.full_like(scores.logp_N, self.later)
        beta_N = beta_N.masked_fill(place_N < self.tokens, self.early).masked_fill(place_N == 0, self.first)
        moved_N = scores.logp_N - scores.ref_logp_N
        loss_N = -2 / beta_N * logsigmoid(beta_N * moved_N)
        held_N = place_N < self.tokens
        return loss_N.sum() / max(counts.chosen_tokens, 1), {
            "nll": total(-scores.logp_N),
            "log_ratio_early": total(moved_N[held_N]),
            "log_ratio_later": total(moved_N[~held_N]),
        }
