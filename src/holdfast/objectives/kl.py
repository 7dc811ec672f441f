"""Likelihood tied to the base model by a full-vocabulary Kullback-Leibler term.

    loss = NLL(y_w) + weight * mean over response tokens of KL_t

KL_t runs over the whole vocabulary at each response position. The reference is the same network with the adapter off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import nll, total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class KL:
    """Supervised fine-tuning that pays for every nat it moves away from the base model.

    weight: lambda, of the KL term.
    direction: ``policy_reference`` is KL(policy || reference), ``reference_policy`` the other way round.
    """

    weight: float = 0.1
    direction: Literal["policy_reference", "reference_policy"] = "policy_reference"

    name: ClassVar[str] = "kl"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        bounds.at_least(self, "weight", 0)
        bounds.one_of(self, "direction", ("policy_reference", "reference_policy"))

    @property
    def needs(self) -> Needs:
        return Needs(signals={"kl": {"direction": self.direction}})

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        likelihood, kl_N = nll(scores.logp_N, counts.chosen_tokens), scores.signals["kl"]
        # Both terms per response token, so that `weight` means the same whatever the length of responses.
        divergence = kl_N.sum() / max(counts.chosen_tokens, 1)
        return likelihood + self.weight * divergence, {"kl": total(kl_N)}
