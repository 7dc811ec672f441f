"""Direct preference optimisation (Rafailov et al. 2023, arXiv 2305.18290, eq. 7).

    loss = mean over pairs of  - log sigmoid( beta [ (log pi(y_w) - log ref(y_w)) - (log pi(y_l) - log ref(y_l)) ] )

Log-probs are summed over the response, end of turn included. At the first step policy and reference are the same
network and the loss is ln 2.
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
class DPO:
    """Prefers the chosen to the rejected response, relative to the model that training started from.

    beta: strength of the tie to the reference (per nat of summed log-ratio). Larger keeps the policy nearer.
    """

    beta: float = 0.1

    name: ClassVar[str] = "dpo"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True, ref_logps=True)

    def __post_init__(self) -> None:
        bounds.at_least(self, "beta", 0, strictly=True)

    def view(self, example: Example) -> tuple[Segment, ...]:
        return views.pair(example)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        from torch.nn.functional import logsigmoid

        assert scores.ref_logp_N is not None, "the loop gives the reference log-probs that `needs` asks for"
        # Summed and not averaged over the response, as in the paper: a long one counts for more.
        reward_S = self.beta * scores.sum_S(scores.logp_N - scores.ref_logp_N)
        chosen_P, rejected_P = scores.split_P(reward_S)
        margin_P = chosen_P - rejected_P
        return -logsigmoid(margin_P).sum() / max(counts.pairs, 1), {
            "reward_chosen": total(chosen_P),
            "reward_rejected": total(rejected_P),
            "reward_accuracy": total((margin_P > 0).float()),
        }
