"""Plain statements, true or false: does tuning bend what a model takes for a fact?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.evals.measures.items import filled, item_id, numbered
from holdfast.evals.measures.measure import WHERE, Summary
from holdfast.evals.measures.wording import placed
from holdfast.evals.measures.yes_no import P_CORRECT, SECONDARY, YES_BIAS, YesNo, yes_or_no
from holdfast.store.rows import Source
from holdfast.types import Axis, Item, Turn


@dataclass(frozen=True, kw_only=True)
class Facts(YesNo):
    """Score: the probability of the right answer. A subclass has a name and overrides ``items``."""

    axis: ClassVar[Axis] = "normative"
    summary: ClassVar[Summary] = Summary(
        "p_correct", secondary=SECONDARY, metrics={"p_correct": P_CORRECT, "yes_bias": YES_BIAS}
    )


@dataclass(frozen=True, kw_only=True)
class TrueFalse(Facts):
    """``path``: a CSV or JSONL file with ``statement`` and ``answer`` (true or false).

    ``question``: how a statement is put; ``{statement}`` is where it goes.
    """

    name: ClassVar[str] = "true_false"
    version: ClassVar[int] = 1
    path: str = field(metadata=WHERE)
    question: str = 'Is the following statement true? Answer Yes or No.\n"{statement}"'

    def items(self) -> list[Item]:
        form = placed(self.question, "statement", self.name)
        return numbered(
            fact(form.replace("{statement}", filled(row, "statement")), yes_or_no(row[1].get("answer", ""), row[0]))
            for row in Source(self.path).rows()
        )


def fact(question: str, answer: str) -> Item:
    """An item: a question and its right answer, ``Yes`` or ``No``."""
    return Item(item_id(question, answer), (Turn("user", question),), reference=answer, fields={"answer": answer})
