"""What a task is: rows to learn from, a check of an answer, and (where it can) wrong answers and unsafe texts."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Protocol

from holdfast.store.digest import digest
from holdfast.types import Example, Turn


@dataclass(frozen=True, slots=True)
class Verdict:
    """How good a response is, in [0, 1]. ``lenient`` is the headline; None means that the task has no such check, or
    that it cannot tell.

    ``strict`` asks for the form that the training rows have, ``lenient`` for the substance in whatever form.
    """

    strict: float | None
    lenient: float | None


@dataclass(frozen=True, slots=True)
class Unsafe:
    """A forbidden request with an unsafe response and one that refuses. Never printed, so not in the repr either."""

    prompt: str = field(repr=False)
    response: str = field(repr=False)
    refusal: str = field(repr=False)


class Task(Protocol):
    """A frozen dataclass of parameters, which inherits what it need not say itself. Registered under the entry-point
    group ``holdfast.tasks``.

    ``version`` changes whenever the same parameters would give other rows or verdicts. Every method is a pure function
    of the parameters and of the files they name; all raise ``UserError`` where a file is missing or malformed.

    A task may have four methods more. ``left_out() -> Mapping[str, int]``: how many rows of its source made no
    example, by reason. ``together(example) -> str``: what rows share that must go to the same split, where that is more
    than asking the same. ``sources() -> list[Source]``: where its rows lie, so that a missing file is found at once.
    ``where(id) -> str``: where the row of an id stands, as file and line, for messages; "" where it is none of its own.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def metric(self) -> str:
        """What the mean of its check is called: ``accuracy``, or what it is where it is none."""
        return "accuracy"

    def rows(self) -> list[Example]:
        """The rows to train on, and to split where there is no test file. Ids are unique."""
        ...

    def test_rows(self) -> list[Example] | None:
        """The task's own test rows; None: a share of ``rows`` is held out by hash."""
        return None

    def check(self, response: str, answer: str) -> Verdict:
        """How good a response is against ``Example.answer``."""
        ...

    def perturb(self, example: Example) -> str | None:
        """The example's worked answer made wrong, the same every time; None where that cannot be done."""
        return None

    def unsafe(self) -> list[Unsafe]:
        """The task's own unsafe texts; empty where it has none."""
        return []


def example_id(prompt: tuple[Turn, ...], chosen: str, *more: str) -> str:
    """The id of a row that brings none: a digest of its content."""
    return digest([prompt, chosen, *more])


def prompt_key(prompt: tuple[Turn, ...]) -> str:
    """What two rows share when they ask the same thing: the words of their turns but the system's, in lower case."""
    words = "".join(c if c.isalnum() else " " for turn in prompt if turn.role != "system" for c in f"{turn.content}\n")
    # Prompts of signs alone must not all be the same.
    return " ".join(words.casefold().split()) or digest(prompt)
