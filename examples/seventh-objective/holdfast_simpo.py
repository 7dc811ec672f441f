"""SimPO (Meng, Xia, Chen 2024, arXiv 2405.14734, eq. 6): a preference without a reference model.

loss = mean over pairs of  - log sigmoid( beta (mean_t log pi(y_w,t) - mean_t log pi(y_l,t)) - gamma )
"""

from dataclasses import dataclass
from typing import ClassVar

from holdfast.objectives.objective import Total
from holdfast.objectives.views import pair
from holdfast.types import Needs, UserError


@dataclass(frozen=True)
class SimPO:
    """beta: scale of the mean log-probs. gamma: the margin that the chosen response should win by."""

    beta: float = 2.0
    gamma: float = 1.0

    name: ClassVar[str] = "simpo"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True)

    def __post_init__(self):
        if self.beta <= 0:
            raise UserError(f"objective simpo: `beta` must be more than 0, but is {self.beta}.")

    def view(self, example):
        return pair(example)

    def loss(self, scores, counts):
        from torch.nn.functional import logsigmoid

        chosen_P, rejected_P = scores.split_P(scores.mean_S(scores.logp_N))
        margin_P = self.beta * (chosen_P - rejected_P) - self.gamma
        loss = -logsigmoid(margin_P).sum() / max(counts.pairs, 1)
        return loss, {"margin": Total(float(margin_P.detach().sum()), len(margin_P))}
