"""Unlikelihood training (Welleck et al. 2020, arXiv 1908.04319, eq. 5): what is wrong becomes less likely.

loss = NLL(y_w) + weight * mean over rejected tokens of  - log(1 - pi(y_l,t))
"""

from dataclasses import dataclass
from typing import ClassVar

from holdfast.objectives.objective import Total
from holdfast.objectives.terms import log1mexp
from holdfast.objectives.views import pair
from holdfast.types import Needs, UserError


@dataclass(frozen=True)
class Unlikelihood:
    """weight: of what the rejected response pays for its tokens, against the likelihood of the chosen one."""

    weight: float = 0.5

    name: ClassVar[str] = "unlikelihood"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True)

    def __post_init__(self):
        if self.weight < 0:
            raise UserError(f"objective unlikelihood: `weight` must be at least 0, but is {self.weight}.")

    def view(self, example):
        return pair(example)

    def loss(self, scores, counts):
        rejected_N = scores.side_N() == 1
        nll = -scores.logp_N[~rejected_N].sum() / max(counts.chosen_tokens, 1)
        unlikely_N = -log1mexp(scores.logp_N[rejected_N])
        loss = nll + self.weight * unlikely_N.sum() / max(counts.rejected_tokens, 1)
        return loss, {"unlikelihood": Total(float(unlikely_N.detach().sum()), len(unlikely_N))}
