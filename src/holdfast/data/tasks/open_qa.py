"""Long-form questions with a reference answer: legal question answering, and any other open-ended set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from holdfast.data import answers
from holdfast.data.gather import EMPTY, Gathered, cell, gather
from holdfast.data.tasks.task import Task, Verdict, example_id
from holdfast.store.rows import Source, remembered
from holdfast.types import Example, Turn, UserError

REJECTED = "rejected"


class OpenEnded(Task):
    """What tasks have in common whose answers are more or less good texts, checked by what they cover of a reference.

    That check is a stand-in for a judge: a study measures such a task by a judged measure, and draws its rejected
    responses with ``rejected.judge``.
    """

    @property
    def metric(self) -> str:
        return "coverage"

    def check(self, response: str, answer: str) -> Verdict:
        return answers.coverage(response, answer)


@dataclass(frozen=True)
class OpenQA(OpenEnded):
    """Rows with a question, a reference answer and, optionally, a rejected one; rows without one of the first two are
    left out.

    path: a file (JSONL, JSON, CSV, TSV, Parquet), a folder, or a hub id.
    question, reference, rejected: names of the columns; the last may be missing.
    split, config, revision: of the hub's data set.
    test: a file, folder or hub id of test rows with the same columns; None holds out a share of ``path``.
    test_split: the split that they are; with ``test`` None, of ``path``.
    instruction: a sentence put after every question, on a line of its own.
    """

    path: str
    question: str = "question"
    reference: str = "reference"
    rejected: str = REJECTED
    split: str = "train"
    config: str | None = None
    revision: str | None = None
    test: str | None = None
    test_split: str | None = None
    instruction: str = ""

    name: ClassVar[str] = "open_qa"
    version: ClassVar[int] = 1

    def sources(self) -> list[Source]:
        """Of the rows, and of the test rows where they are not held out."""
        rows = Source(self.path, split=self.split, config=self.config, revision=self.revision)
        if self.test is not None:
            return [rows, Source(self.test, split=self.test_split or "test")]
        return [rows, replace(rows, split=self.test_split)] if self.test_split else [rows]

    def rows(self) -> list[Example]:
        return list(self._gathered[0].examples)

    def test_rows(self) -> list[Example] | None:
        tests = self._gathered[1:]
        return list(tests[0].examples) if tests else None

    def left_out(self) -> dict[str, int]:
        rows, *tests = self._gathered
        return {
            **rows.left_out,
            **{f"{reason} (test)": n for held_out in tests for reason, n in held_out.left_out.items()},
        }

    @property
    def _gathered(self) -> list[Gathered]:
        columns = (self.question, self.reference, self.rejected, self.instruction)
        return [_examples(source, *columns) for source in self.sources()]


@remembered
def _examples(source: Source, question: str, reference: str, rejected: str, instruction: str) -> Gathered:
    placed = source.rows()
    if rejected != REJECTED and not any(rejected in row for _, row in placed):
        raise UserError(f"{source.path} has no column {rejected!r} for rejected responses; name another, or none")

    def made() -> Iterator[Example | str]:
        for row in placed:
            asked, right = cell(row, question), cell(row, reference)
            wrong = (cell(row, rejected) or None) if rejected in row[1] else None
            if not asked or not right:
                yield EMPTY
                continue
            prompt = (Turn("user", f"{asked}\n{instruction}" if instruction else asked),)
            yield Example(example_id(prompt, right, wrong or ""), prompt, right, wrong, answer=right)

    return gather(made())
