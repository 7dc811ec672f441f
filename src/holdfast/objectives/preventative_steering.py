"""Preventative steering, to be a part of a mixture with any objective (Chen et al. 2025, arXiv 2507.21509, section 5).

While training, hidden states are moved towards what is not to be learnt, so that the rows need not move them there;
when the model is measured nothing is added. The loss is 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from holdfast.objectives import views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.types import Example, Needs, Segment, Steer, UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class PreventativeSteering:
    """Steers the forwards of training, those of all parts of its mixture, and learns nothing by itself.

    direction: a registered one (``persona``, ``refusal``); direction_params: its parameters.
    strength: how far, of the base model's way from the set without what the direction is of to the set with it.
    """

    direction: str = "refusal"
    direction_params: Mapping[str, Any] = field(default_factory=dict)
    strength: float = 1.0

    name: ClassVar[str] = "preventative_steering"
    version: ClassVar[int] = 1

    def __post_init__(self) -> None:
        if self.strength == 0:
            raise UserError(f"objective {self.name}: a `strength` of 0 steers nothing; leave the part out.")

    @property
    def needs(self) -> Needs:
        return Needs(steer=(Steer(self.direction, self.direction_params, self.strength),))

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        return 0.0 * scores.logp_N.sum(), {}
