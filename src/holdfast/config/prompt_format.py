"""Prompt formats: a system prompt before a conversation, and a text around its last user turn."""

from __future__ import annotations

from dataclasses import replace

from holdfast.types import Turn, UserError

PROMPT = "{prompt}"  # what stands for the last user turn


def framed(turns: tuple[Turn, ...], system: str, frame: str) -> tuple[Turn, ...]:
    """The conversation so put. A system turn that is there already comes after the new one's text."""
    last = max(i for i, t in enumerate(turns) if t.role == "user")
    # Not str.format: a prompt may hold braces of its own.
    content = frame.replace(PROMPT, turns[last].content)
    turns = (*turns[:last], replace(turns[last], content=content), *turns[last + 1 :])
    if not system:
        return turns
    if turns[0].role == "system":
        return (replace(turns[0], content=f"{system}\n\n{turns[0].content}"), *turns[1:])
    return (Turn("system", system), *turns)


def check(frame: str, at: str) -> None:
    """Raises UserError where a prompt would be lost or stand twice."""
    if frame.count(PROMPT) != 1:
        raise UserError(f"{at} is {frame!r}: it must hold {PROMPT} exactly once")
