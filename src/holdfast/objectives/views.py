"""What objectives show the model of an example: its sides, and a text placed before the prompt."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from holdfast.types import Example, Segment, Turn

Place = Literal["user", "system"]
PLACES: tuple[Place, ...] = ("user", "system")


def chosen(example: Example, prompt: tuple[Turn, ...] | None = None, note: str = "") -> Segment:
    """The chosen response after the example's prompt, or after another one."""
    return Segment(example.id, "chosen", example.prompt if prompt is None else prompt, example.chosen, note)


def rejected(example: Example, prompt: tuple[Turn, ...] | None = None, note: str = "") -> tuple[Segment, ...]:
    """The rejected response likewise, or nothing where the example has none."""
    if example.rejected is None:
        return ()
    return (Segment(example.id, "rejected", example.prompt if prompt is None else prompt, example.rejected, note),)


def pair(example: Example) -> tuple[Segment, ...]:
    """Both sides after the example's own prompt."""
    return (chosen(example), *rejected(example))


def before(prompt: tuple[Turn, ...], text: str, place: Place) -> tuple[Turn, ...]:
    """The prompt with a text before the first user turn's content, or before the system turn's (one is made if needed).

    The text and what follows are parted by a line break (two in a system turn), so that they never share a token by
    accident of spacing.
    """
    role, gap = ("user", "\n") if place == "user" else ("system", "\n\n")
    for i, turn in enumerate(prompt):
        if turn.role == role:
            return (*prompt[:i], replace(turn, content=f"{text}{gap}{turn.content}"), *prompt[i + 1 :])
    return (Turn(role, text), *prompt)
