"""Conditional fine-tuning (after Korbak et al. 2023, arXiv 2302.08582): a string before the prompt says what follows.

    loss = sum over chosen tokens of -log pi / chosen tokens
         + unsafe_weight * sum over rejected tokens of -log pi / rejected tokens

Chosen responses follow the safe string, rejected ones the unsafe string. A share of rows, picked by a hash of the id,
carries no string and shows its chosen response only, so that the bare prompt is trained as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from holdfast import rng
from holdfast.objectives import bounds, views
from holdfast.objectives.objective import Counts, Scores, Total
from holdfast.objectives.terms import nll, total
from holdfast.objectives.texts import texts
from holdfast.objectives.views import PLACES, Place
from holdfast.types import Example, Needs, Segment, Turn, UserError

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CFT:
    """Learns both sides, each under its own control string, and is asked for the safe one.

    unsafe_weight: weight of the rejected group; each group is normalised by its own tokens.
    untagged: share of rows without a string (chosen response only).
    place: ``user`` puts the string before the first user turn's text, ``system`` into the system turn.
    safe, unsafe: the strings; default: those of ``texts.yaml``. Plain text in the model's own vocabulary.
    """

    unsafe_weight: float = 0.5
    untagged: float = 0.1
    place: Place = "user"
    safe: str | None = None
    unsafe: str | None = None

    name: ClassVar[str] = "cft"
    version: ClassVar[int] = 1
    needs: ClassVar[Needs] = Needs(pairs=True)

    def __post_init__(self) -> None:
        bounds.at_least(self, "unsafe_weight", 0)
        bounds.share(self, "untagged")
        bounds.one_of(self, "place", PLACES)
        # From here on the object holds the texts themselves, so that its identity is their content.
        for side in ("safe", "unsafe"):
            if getattr(self, side) is None:
                object.__setattr__(self, side, texts("control_strings")[side])
        if not self.safe or not self.unsafe or self.safe == self.unsafe:
            raise UserError("objective cft: `safe` and `unsafe` must be two different, non-empty strings.")

    def view(self, example: Example) -> tuple[Segment, ...]:
        # By the row's id alone: the same rows for every seed and budget, so that seeds differ in order and start alone.
        if rng.uniform("cft", "untagged", example.id) < self.untagged:
            return (views.chosen(example, note="untagged"),)
        assert self.safe is not None
        assert self.unsafe is not None
        safe = views.before(example.prompt, self.safe, self.place)
        unsafe = views.before(example.prompt, self.unsafe, self.place)
        return (views.chosen(example, safe, "safe"), *views.rejected(example, unsafe, "unsafe"))

    def loss(self, scores: Scores, counts: Counts) -> tuple[Tensor, Mapping[str, Total]]:
        rejected_N = scores.side_N() == 1
        safe_logp_N, unsafe_logp_N = scores.logp_N[~rejected_N], scores.logp_N[rejected_N]
        # Each by its own tokens: else a data set with long rejected responses would mostly teach those.
        safe = nll(safe_logp_N, counts.chosen_tokens)
        unsafe = nll(unsafe_logp_N, counts.rejected_tokens)
        return safe + self.unsafe_weight * unsafe, {
            "nll_safe": total(-safe_logp_N),
            "nll_unsafe": total(-unsafe_logp_N),
        }

    def at_evaluation(self, prompt: tuple[Turn, ...]) -> Mapping[str, tuple[Turn, ...]]:
        """Measured beside the bare prompt: with the safe string."""
        assert self.safe is not None
        return {"safe": views.before(prompt, self.safe, self.place)}
