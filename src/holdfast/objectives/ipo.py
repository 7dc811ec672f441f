"""Identity preference optimisation (Azar et al. 2023, arXiv 2310.12036, eq. 17).

    loss = mean over pairs of  ( h(y_w) - h(y_l) - 1 / (2 tau) )²,   h(y) = log pi(y) - log ref(y)

The preferred response is to win by 1 / (2 tau) and by no more, so that a pair which is told apart already pulls back.
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
class IPO:
    """Prefers the chosen to the rejected response by a fixed margin, relative to where training started from.

    tau: strength of the tie to the reference; the margin aimed at is 1 / (2 tau) nats.
    per_token: h is averaged over the response's tokens, as in the authors' experiments and in TRL; else summed, as
        equation 17 is written.
    """

    tau: float = 0.1
    per_token: bool = True

    name: ClassVar[str] = "ipo"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True, ref_logps=True)

    def __post_init__(self) -> None:
        bounds.at_least(self, "tau", 0, strictly=True)

    def view(self, example: Example) -> tuple[Segment, ...]:
        return views.pair(example)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        assert scores.ref_logp_N is not None, "the loop gives the reference log-probs that `needs` asks for"
        over = scores.mean_S if self.per_token else scores.sum_S
        chosen_P, rejected_P = scores.split_P(over(scores.logp_N - scores.ref_logp_N))
        margin_P = chosen_P - rejected_P
        loss = (margin_P - 1 / (2 * self.tau)).square().sum() / max(counts.pairs, 1)
        return loss, {"log_ratio_margin": total(margin_P), "reward_accuracy": total((margin_P > 0).float())}
