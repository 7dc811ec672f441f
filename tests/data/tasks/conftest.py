"""A toy task whose rows are given, and a renderer that counts words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from holdfast.data import answers, perturb
from holdfast.data.tasks.task import Unsafe, Verdict, example_id
from holdfast.types import Example, Turn


@dataclass(frozen=True)
class Toy:
    given: tuple[Example, ...]
    test: tuple[Example, ...] | None = None
    texts: tuple[Unsafe, ...] = field(default=())
    name = "toy"
    version = 1

    def rows(self) -> list[Example]:
        return list(self.given)

    def test_rows(self) -> list[Example] | None:
        return None if self.test is None else list(self.test)

    def check(self, response: str, answer: str) -> Verdict:
        return answers.numeric(response, answer)

    def perturb(self, example: Example) -> str | None:
        return perturb.worked(example.chosen, example.answer, example.id)

    def unsafe(self) -> list[Unsafe]:
        return list(self.texts)


class Words:
    """One token a word; one for each turn's head, and one for the end of a turn."""

    def prompt_ids(self, turns: Sequence[Turn]) -> tuple[int, ...]:
        return tuple(len(word) for turn in turns for word in ("head", *turn.content.split()))

    def response_ids(self, text: str) -> tuple[int, ...]:
        return (*(len(word) for word in text.split()), 0)


def row(n: int, words: int = 3) -> Example:
    prompt = (Turn("user", f"What is {n} and {n}?"),)
    chosen = f"{n}+{n}={2 * n}. " + "so " * words + f"#### {2 * n}"
    return Example(example_id(prompt, chosen), prompt, chosen, f"#### {2 * n + 1}", answer=str(2 * n))


@pytest.fixture
def words() -> Words:
    return Words()
