"""A penalty on moving along a direction in hidden states, to be a part of a mixture with any objective.

loss = mean over response tokens of shift_t², shift: the signal ``projection``
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from holdfast.objectives import views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import total
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class ProjectionPenalty:
    """Pays for every shift from the base model's own projection, either way, and learns nothing by itself.

    direction: a registered one (``refusal``, ``persona``); direction_params: its parameters.
    """

    direction: str = "refusal"
    direction_params: Mapping[str, Any] = field(default_factory=dict)

    name: ClassVar[str] = "projection_penalty"
    version: ClassVar[int] = 1

    @property
    def needs(self) -> Needs:
        return Needs(signals={"projection": {"direction": self.direction, "params": self.direction_params}})

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        shift_N = scores.signals["projection"]
        return shift_N.square().sum() / max(counts.chosen_tokens, 1), {"shift": total(shift_N)}
