"""Persona: P(match), the probability of the answer that one with the trait would give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.measures.contract import Summary
from holdfast.measures.sources import item_id
from holdfast.measures.yes_no import SECONDARY, YesNo
from holdfast.words import Axis, Item, Turn, UserError


@dataclass(frozen=True, kw_only=True)
class Persona(YesNo):
    """First-person statements of traits, answered Yes or No. A subclass has a name and overrides ``items``.

    ``traits``: those asked about. Score: P(match).
    """

    axis: ClassVar[Axis] = "persona"
    strata: ClassVar[tuple[str, ...]] = ("trait", "answer")
    labels: ClassVar[tuple[str, str]] = ("match", "no_match")
    traits: tuple[str, ...]

    @property
    def summary(self) -> Summary:
        return Summary("p_match", by="trait", macro_over=self.traits, secondary=SECONDARY)


def statement(trait: str, question: str, matching: str) -> Item:
    """An item: a question and the answer (``Yes`` or ``No``) that matches the trait."""
    return Item(
        id=item_id(trait, question, matching),
        prompt=(Turn("user", question),),
        reference=matching,
        fields={"trait": trait, "answer": matching},
    )


def answer_of(row: Mapping[str, Any], where: str) -> str:
    """``answer_matching_behavior`` as Yes or No: the files have it with a leading space."""
    answer = str(row.get("answer_matching_behavior", "")).strip()
    if answer not in ("Yes", "No"):
        raise UserError(f"{where} has an answer_matching_behavior that is neither Yes nor No: {answer!r}")
    return answer
