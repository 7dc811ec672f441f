"""A user's own rows: JSONL in TRL's forms, plain or conversational, or in ShareGPT's or Alpaca's."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from holdfast.data import answers, perturb, row_forms
from holdfast.data.tasks.task import Task, Verdict, example_id
from holdfast.store.rows import Source, remembered
from holdfast.types import Example, UserError

Check = Literal["number", "text", "coverage"]


@dataclass(frozen=True)
class Jsonl(Task):
    """Rows of a JSONL file: ``prompt`` and ``chosen`` with or without ``rejected``, or another form that
    ``data.row_forms`` reads; optionally ``answer``, ``tags`` (a text or a list of texts, by which a mixture may tell
    rows apart) and ``id``, which is by content where there is none.

    path: the file (JSONL, JSON, CSV or Parquet), a folder, or a hub id.
    test: a file of test rows in the same form; None holds out a share of ``path``.
    check_by: how a response is checked against ``answer``: as a `number`, as a `text`, or by `coverage`, the share of
        the reference's content words that it holds (an open-ended task). None: `coverage` of ``chosen`` where no row
        has an answer, else `number` where most answers are numbers, else `text`. Rows whose answer is of another kind
        are named as mistakes.
    """

    path: str
    test: str | None = None
    check_by: Check | None = None

    name: ClassVar[str] = "jsonl"
    version: ClassVar[int] = 3  # numbers are read in more forms than in 2

    def sources(self) -> list[Source]:
        return [Source(path) for path in (self.path, self.test) if path is not None]

    def rows(self) -> list[Example]:
        return self._checkable(self.path)

    def test_rows(self) -> list[Example] | None:
        return None if self.test is None else self._checkable(self.test)

    def where(self, id: str) -> str:
        paths = (self.path, self.test)
        return next((at for p in paths if p for at, example in _read(Source(p)) if example.id == id), "")

    def check(self, response: str, answer: str) -> Verdict:
        checks = {"number": answers.numeric, "text": answers.short_text, "coverage": answers.coverage}
        return checks[self.check_name](response, answer)

    def perturb(self, example: Example) -> str | None:
        """Only worked answers that arrive at a number can be made wrong for sure."""
        return perturb.worked(example.chosen, example.answer, example.id) if self.check_name == "number" else None

    @cached_property  # asked for every response that is checked
    def check_name(self) -> Check:
        if self.check_by is not None:
            return self.check_by
        given = [example.answer for _, example in _read(Source(self.path)) if example.answer]
        if not given:
            return "coverage"
        # By what most are: one answer that is none would otherwise change how all the others are checked.
        return "number" if 2 * sum(answers.number(answer) is not None for answer in given) > len(given) else "text"

    @property
    def metric(self) -> str:
        return "coverage" if self.check_name == "coverage" else "accuracy"

    def _checkable(self, path: str) -> list[Example]:
        """The rows, each with an answer of the kind that it is checked by."""
        by, rows = self.check_name, _read(Source(path))
        if by == "coverage":
            return [example if example.answer else replace(example, answer=example.chosen) for _, example in rows]
        for where, example in rows:
            if not example.answer or (by == "number" and answers.number(example.answer) is None):
                wanted = "a number" if by == "number" else "a text"
                raise UserError(
                    f"{where}: `answer` must be {wanted}, as in other rows; give every row one, or set the "
                    "task's `check_by`"
                )
        return [example for _, example in rows]


@remembered
def _read(source: Source) -> tuple[tuple[str, Example], ...]:
    """(where, example) of every row."""
    made: list[tuple[str, Example]] = []
    places: dict[str, str] = {}
    copies: Counter[str] = Counter()
    for where, row in source.rows():
        try:
            example = _example(row)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None
        if "id" not in row:
            # Rows that are the same to the letter are told apart by counting, which no order of rows can change.
            copies[example.id] += 1
            if copies[example.id] > 1:
                i = example_id(example.prompt, example.chosen, example.rejected or "", f"copy {copies[example.id]}")
                example = replace(example, id=i)
        if example.id in places:
            raise UserError(f"{where}: its `id` is also that of {places[example.id]}; ids must be unique")
        places[example.id] = where
        made.append((where, example))
    return tuple(made)


def _example(row: dict[str, Any]) -> Example:
    """One row. Raises ``ValueError`` saying what is wrong with it."""
    prompt, chosen, rejected = row_forms.read(row)
    i = row.get("id", example_id(prompt, chosen, rejected or ""))
    if not isinstance(i, str | int) or isinstance(i, bool) or i == "":
        raise ValueError("`id` must be a text or a whole number")
    return Example(str(i), prompt, chosen, rejected, _tags(row.get("tags")), _answer(row.get("answer")))


def _tags(value: Any) -> frozenset[str]:
    given = [value] if isinstance(value, str) and value else value or []
    if not isinstance(given, list) or not all(isinstance(tag, str) for tag in given):
        raise ValueError("`tags` must be a text or a list of texts")
    return frozenset(given)


def _answer(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError("`answer` must be a text or a number")
    return str(value)
