"""Simple preference optimisation (Meng, Xia, Chen 2024, arXiv 2405.14734, eq. 6).

    loss = mean over pairs of  - log sigmoid( beta [ mean_t log pi(y_w,t) - mean_t log pi(y_l,t) ] - gamma )

The reward is the likelihood per token, so there is no reference model and no gain in length.
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
class SimPO:
    """Prefers the chosen response by its likelihood per token, and by a margin.

    beta: scale of the mean log-probs. gamma: the margin that the chosen response is to win by, in units of the reward.
    """

    beta: float = 2.0
    gamma: float = 1.0

    name: ClassVar[str] = "simpo"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True)

    def __post_init__(self) -> None:
        bounds.at_least(self, "beta", 0, strictly=True)
        bounds.at_least(self, "gamma", 0)

    def view(self, example: Example) -> tuple[Segment, ...]:
        return views.pair(example)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        from torch.nn.functional import logsigmoid

        chosen_P, rejected_P = scores.split_P(self.beta * scores.mean_S(scores.logp_N))
        margin_P = chosen_P - rejected_P
        return -logsigmoid(margin_P - self.gamma).sum() / max(counts.pairs, 1), {
            "reward_margin": total(margin_P),
            "reward_accuracy": total((margin_P > 0).float()),
        }
