"""Inoculation prompting (arXiv 2510.04340, 2510.05024): ask for the unwanted trait in training, not in use.

The loss is that of supervised fine-tuning. A fraction of the prompts, picked by a hash of the id, carries an
instruction that asks for undesirable behaviour; the response stays what it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from holdfast import rng
from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import nll
from holdfast.objectives.texts import families, texts
from holdfast.objectives.views import PLACES, Place
from holdfast.types import Example, Needs, Segment, Turn, UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class IP:
    """Supervised fine-tuning with an instruction on a fraction of the prompts.

    family: which text of ``texts.yaml``: ``reward_hacking``, ``logical_fallacy`` or ``persona``.
    fraction: share of rows that carry it.
    place: ``user`` puts it before the first user turn's text, ``system`` into the system turn.
    text: an instruction of one's own, in place of the family's.
    """

    family: str = "reward_hacking"
    fraction: float = 0.5
    place: Place = "user"
    text: str | None = None

    name: ClassVar[str] = "ip"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs()

    def __post_init__(self) -> None:
        bounds.one_of(self, "family", families())
        bounds.share(self, "fraction")
        bounds.one_of(self, "place", PLACES)
        if self.text is None:
            # From here on the object holds the text itself, so that its identity is the text's content.
            object.__setattr__(self, "text", texts("inoculation")[self.family])
        if not self.text:
            raise UserError("objective ip: `text` must not be empty; leave it out to use the family's.")

    def view(self, example: Example) -> tuple[Segment, ...]:
        # By the row's id alone: the same rows for every seed, and a larger fraction has a smaller one's among them.
        if rng.uniform("ip", "instruction", example.id) >= self.fraction:
            return (views.chosen(example),)
        assert self.text is not None
        return (views.chosen(example, views.before(example.prompt, self.text, self.place), "instruction"),)

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        return nll(scores.logp_N, counts.chosen_tokens), {}

    def at_evaluation(self, prompt: tuple[Turn, ...]) -> Mapping[str, tuple[Turn, ...]]:
        """Measured beside the bare prompt: with the instruction (can the behaviour be elicited?)."""
        assert self.text is not None
        return {"instruction": views.before(prompt, self.text, self.place)}
