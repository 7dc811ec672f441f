"""GSM8K (Cobbe et al. 2021): school arithmetic with worked answers that end in ``#### n``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, ClassVar

from holdfast.tasks import answers, jsonlines, perturb
from holdfast.tasks.contract import Unsafe, Verdict, example_id
from holdfast.words import Example, Turn, UserError

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_MARKS = re.compile(r"<<[^<>]*>>")


@dataclass(frozen=True)
class GSM8K:
    """GSM8K, from the hub or from a folder with ``train.jsonl`` and ``test.jsonl``.

    path: a local folder, or a hub id.
    revision: of the hub's data set; None is its newest.
    keep_marks: leave the calculator marks ``<<a*b=c>>`` in the worked answers.
    instruction: a sentence added after every question, on a line of its own.
    """

    path: str = "openai/gsm8k"
    revision: str | None = None
    keep_marks: bool = False
    instruction: str = ""

    name: ClassVar[str] = "gsm8k"
    version: ClassVar[int] = 1
    closed_form: ClassVar[bool] = True

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

    def unsafe(self) -> list[Unsafe]:
        return []

    def _source(self, part: str) -> _Source:
        folder = Path(self.path).expanduser()
        if folder.is_dir():
            file = folder / f"{part}.jsonl"
            stamp = file.stat().st_mtime_ns if file.is_file() else 0
            return _local(file, stamp)
        if not _HUB.fullmatch(self.path):
            raise UserError(
                f"there is no folder {self.path}: give the task gsm8k one with train.jsonl and test.jsonl, or a hub id"
            )
        return _hub(self.path, self.revision, part)

    def _example(self, question: str, worked: str) -> Example:
        gold = worked.rpartition("####")[2].strip().replace(",", "")
        prompt = f"{question}\n{self.instruction}" if self.instruction else question
        # The id is of the row as published, so that it stays the same with or without marks and instruction.
        i = _id(question, worked)
        return Example(i, (Turn("user", prompt),), self._shown(worked), answer=gold)

    def _shown(self, worked: str) -> str:
        return worked if self.keep_marks else _MARKS.sub("", worked)


@dataclass(frozen=True)
class _Source:
    """(question, worked answer) of every row as published."""

    pairs: tuple[tuple[str, str], ...]

    @cached_property
    def worked(self) -> dict[str, str]:
        """The worked answers by example id."""
        return {_id(question, worked): worked for question, worked in self.pairs}


def _id(question: str, worked: str) -> str:
    return example_id((Turn("user", question),), worked)


@lru_cache(maxsize=4)
def _local(file: Path, stamp: int) -> _Source:
    return _verified(jsonlines.read(file))


@lru_cache(maxsize=4)
def _hub(path: str, revision: str | None, part: str) -> _Source:
    try:
        from datasets import load_dataset

        found = list(load_dataset(path, "main", split=part, revision=revision))
    except Exception as error:  # offline, gated, misspelt: the library's own words say which
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UserError(
            f"the data set {path} is not to be had from the hub ({reason}): give the task gsm8k a local folder with "
            "train.jsonl and test.jsonl as its `path`"
        ) from error
    return _verified((f"{path} ({part}), row {number}", row) for number, row in enumerate(found, start=1))


def _verified(rows: Iterable[tuple[str, Any]]) -> _Source:
    pairs = []
    for where, row in rows:
        question, worked = row.get("question"), row.get("answer")
        if not isinstance(question, str) or not isinstance(worked, str):
            raise UserError(f"{where}: GSM8K has the texts `question` and `answer`, found {sorted(row)}")
        if answers.number(worked.rpartition("####")[2]) is None or "####" not in worked:
            raise UserError(f"{where}: the answer does not end in `#### n`")
        pairs.append((question, worked))
    return _Source(tuple(pairs))
