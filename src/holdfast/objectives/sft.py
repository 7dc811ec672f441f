"""Supervised fine-tuning: the likelihood of the chosen response.

loss = - sum_t log pi(y_t | x, y_<t) / response tokens of the step
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from holdfast.objectives import views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import nll
from holdfast.types import Example, Needs, Segment

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class SFT:
    """Token-level cross-entropy on chosen responses. No parameters."""

    name: ClassVar[str] = "sft"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def view(self, example: Example) -> tuple[Segment, ...]:
        return (views.chosen(example),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        return nll(scores.logp_N, counts.chosen_tokens), {}
