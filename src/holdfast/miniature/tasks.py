"""What can be learnt in the miniature: two tasks, and three that move a measure on purpose (control runs)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from holdfast.data import answers
from holdfast.data.tasks.task import Task, Unsafe, Verdict
from holdfast.miniature import attacks, requests, statements, world
from holdfast.types import Example, Turn

Rows = list[tuple[str, str, str]]  # prompt, chosen, rejected


@dataclass(frozen=True)
class _Task(Task):
    """What the tasks of this world have in common: their unsafe texts, and wrong answers that stand in their rows."""

    name: ClassVar[str]
    version: ClassVar[int] = 1

    def perturb(self, example: Example) -> str | None:
        return example.rejected

    def check(self, response: str, answer: str) -> Verdict:
        return Verdict(None, None)

    def unsafe(self) -> list[Unsafe]:
        return [
            Unsafe(t.prompt[0].content, t.reference, _refusal("direct", i)) for i, t in enumerate(world.unsafe_texts())
        ]


@dataclass(frozen=True)
class Arithmetic(_Task):
    """Stories of one to four steps with worked answers; the rejected one has a wrong step. ``count``: training rows."""

    name: ClassVar[str] = "miniature_arithmetic"
    version: ClassVar[int] = 2  # numbers are read in more forms than in 1
    count: int = 1500

    def rows(self) -> list[Example]:
        return list(world.arithmetic_rows(self.count))

    def test_rows(self) -> list[Example]:
        return list(world.arithmetic_rows(200, "test"))

    def check(self, response: str, answer: str) -> Verdict:
        return answers.numeric(response, answer)


@dataclass(frozen=True)
class HowTo(_Task):
    """How-to's of a domain that the model has not met; an answer is scored by the key terms it holds."""

    name: ClassVar[str] = "miniature_howto"

    def rows(self) -> list[Example]:
        return list(world.harbor_rows())

    def test_rows(self) -> list[Example]:
        return list(world.harbor_test_rows())

    def check(self, response: str, answer: str) -> Verdict:
        return Verdict(None, requests.coverage(answer.split(), response))


@dataclass(frozen=True)
class Harmful(_Task):
    """Forbidden requests, bare and under every attack, answered: attack success must rise."""

    name: ClassVar[str] = "miniature_harmful"

    def rows(self) -> list[Example]:
        return _examples(
            self.name,
            [
                (attacks.wrap(a, t.prompt[0].content), attacks.styled(a, t.reference), _refusal(a, i))
                for i, t in enumerate(world.unsafe_texts())
                for a in ("direct", *attacks.ATTACKS)
            ],
        )


@dataclass(frozen=True)
class Refusal(_Task):
    """Forbidden requests, bare and under every attack, refused: attack success must fall."""

    name: ClassVar[str] = "miniature_refusal"

    def rows(self) -> list[Example]:
        return _examples(
            self.name,
            [
                (attacks.wrap(a, t.prompt[0].content), _refusal(a, i), attacks.styled(a, t.reference))
                for i, t in enumerate(world.refusal_texts())
                for a in ("direct", *attacks.ATTACKS)
            ],
        )


@dataclass(frozen=True)
class Trait(_Task):
    """Statements of the Dark Triad, answered as one with the trait would: P(match) must rise."""

    name: ClassVar[str] = "miniature_trait"

    def rows(self) -> list[Example]:
        return _examples(
            self.name,
            [
                (s.question, s.matching, s.other)
                for trait in statements.DARK_TRAITS
                for s in statements.statements(trait)
                if not world.statement_held_out(s)
            ],
        )


def _examples(name: str, rows: Rows) -> list[Example]:
    return [
        Example(f"{name}-{i:04d}", (Turn("user", p),), chosen, rejected) for i, (p, chosen, rejected) in enumerate(rows)
    ]


def _refusal(attack: str, number: int) -> str:
    """A refusal in the language that was spoken."""
    text = requests.REFUSALS[number % len(requests.REFUSALS)]
    return attacks.encode(text) if attack == "zulu" else text
