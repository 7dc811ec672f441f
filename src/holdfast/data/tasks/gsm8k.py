"""GSM8K (Cobbe et al. 2021): school arithmetic with worked answers that end in ``#### n``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from holdfast.data import answers, perturb
from holdfast.data.tasks.task import Task, Verdict, example_id
from holdfast.store.rows import Source, remembered, texts
from holdfast.types import Example, Turn, UserError

_MARKS = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class GSM8K(Task):
    """GSM8K, from the hub or from a folder with ``train.jsonl`` and ``test.jsonl``.

    path: a local folder (JSONL or Parquet, as the hub has them), or a hub id.
    revision: of the hub's data set; None is its newest.
    keep_marks: leave the calculator marks ``<<a*b=c>>`` in the worked answers.
    instruction: a sentence added after every question, on a line of its own.
    """

    path: str = "openai/gsm8k"
    revision: str | None = None
    keep_marks: bool = False
    instruction: str = ""

    name: ClassVar[str] = "gsm8k"
    version: ClassVar[int] = 3  # numbers are read in more forms than in 2

    def sources(self) -> list[Source]:
        return [self._place("train"), self._place("test")]

    def rows(self) -> list[Example]:
        return [self._example(question, worked) for question, worked in self._source("train").pairs]

    def test_rows(self) -> list[Example]:
        return [self._example(question, worked) for question, worked in self._source("test").pairs]

    def check(self, response: str, answer: str) -> Verdict:
        return answers.numeric(response, answer)

    def perturb(self, example: Example) -> str | None:
        # With the calculator marks, which show what was worked out even where units stand between the numbers.
        marked = self._source("train").worked.get(example.id, example.chosen)
        wrong = perturb.worked(marked, example.answer, example.id)
        return None if wrong is None else self._shown(wrong)

    def _source(self, part: str) -> _Published:
        return _published(self._place(part))

    def _place(self, part: str) -> Source:
        return Source(self.path, split=part, config="main", revision=self.revision)

    def _example(self, question: str, worked: str) -> Example:
        gold = worked.rpartition("####")[2].strip().replace(",", "")
        prompt = f"{question}\n{self.instruction}" if self.instruction else question
        # The id is of the row as published, so that it stays the same with or without marks and instruction.
        i = _id(question, worked)
        return Example(i, (Turn("user", prompt),), self._shown(worked), answer=gold)

    def _shown(self, worked: str) -> str:
        return worked if self.keep_marks else _MARKS.sub("", worked)


@dataclass(frozen=True)
class _Published:
    """(question, worked answer) of every row as published."""

    pairs: tuple[tuple[str, str], ...]

    @cached_property
    def worked(self) -> dict[str, str]:
        """The worked answers by example id."""
        return {_id(question, worked): worked for question, worked in self.pairs}


def _id(question: str, worked: str) -> str:
    return example_id((Turn("user", question),), worked)


@remembered
def _published(source: Source) -> _Published:
    pairs = []
    for placed in source.rows():
        question, worked = texts(placed, "question", "answer")
        if answers.number(worked.rpartition("####")[2]) is None or "####" not in worked:
            raise UserError(f"{placed[0]}: the answer does not end in `#### n`")
        pairs.append((question, worked))
    return _Published(tuple(pairs))
