"""The Kullback-Leibler term of ``kl`` alone, to be a part of a mixture whose weight is scheduled or steered.

loss = mean over response tokens of KL_t
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KLPenalty:
    """Pays for every nat of distance from the base model, and learns nothing by itself.

    direction: ``policy_reference`` is KL(policy || reference), ``reference_policy`` the other way round.
    """

    direction: Literal["policy_reference", "reference_policy"] = "policy_reference"

    name: ClassVar[str] = "kl_penalty"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        bounds.one_of(self, "direction", ("policy_reference", "reference_policy"))

    @property
    def needs(self) -> Needs:
        return Needs(signals={"kl": {"direction": self.direction}})

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        kl_N = scores.signals["kl"]
        return kl_N.sum() / max(counts.chosen_tokens, 1), {"kl": total(kl_N)}
