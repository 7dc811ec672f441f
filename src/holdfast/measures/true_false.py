"""Plain statements, true or false: does tuning bend what a model takes for a fact?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast.measures.contract import WHERE, Summary
from holdfast.measures.sources import column, distinct, item_id, table
from holdfast.measures.yes_no import SECONDARY, YesNo
from holdfast.words import Axis, Item, Turn, UserError

_ANSWERS = {"yes": "Yes", "true": "Yes", "1": "Yes", "no": "No", "false": "No", "0": "No"}


@dataclass(frozen=True, kw_only=True)
class Facts(YesNo):
    """Score: the probability of the right answer. A subclass has a name and overrides ``items``."""

    axis: ClassVar[Axis] = "normative"

    @property
    def summary(self) -> Summary:
        return Summary("p_correct", secondary=SECONDARY)


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
        if self.question.count("{statement}") != 1:
            raise UserError("the parameter 'question' of true_false must hold {statement} exactly once")
        rows = table(self.path)
        statement = column(rows, ("statement",), self.path)
        items = [fact(self.question.replace("{statement}", row[statement]), _answer(row, self.path)) for row in rows]
        distinct([i.id for i in items], self.path)
        return items


def fact(question: str, answer: str) -> Item:
    """An item: a question and its right answer, ``Yes`` or ``No``."""
    return Item(item_id(question, answer), (Turn("user", question),), reference=answer, fields={"answer": answer})


def _answer(row: dict[str, Any], where: str) -> str:
    said = str(row.get("answer", "")).strip().lower()
    if said not in _ANSWERS:
        raise UserError(f"{where} has an answer that is neither true nor false: {said!r}")
    return _ANSWERS[said]
