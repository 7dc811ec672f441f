"""Unsafe texts in the schema of PKU-SafeRLHF (Ji et al. 2024). Nothing here prints a text, not even in an error."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from holdfast.data.tasks.task import Unsafe
from holdfast.store.rows import Placed, Source, texts
from holdfast.types import UserError

REFUSAL = "I'm sorry, but I can't help with that."  # where a row has no safe response of its own
COLUMNS = ("prompt", "response_0", "response_1", "is_response_0_safe", "is_response_1_safe")
SHINGLE = 3  # words
NEAR = 0.5  # Jaccard similarity of shingles


def read(source: Source) -> list[Unsafe]:
    """The rows that have an unsafe response, with the safe one as the refusal where there is one.

    Raises ``UserError`` naming the place of a row where a column is missing or of another type.
    """
    found: list[Unsafe] = []
    for placed in source.rows():
        prompt, responses, safe = labelled(placed)
        bad = next((text for text, fine in zip(responses, safe, strict=True) if not fine and text.strip()), None)
        good = next((text for text, fine in zip(responses, safe, strict=True) if fine and text.strip()), REFUSAL)
        if bad is not None and prompt.strip():
            found.append(Unsafe(prompt, bad, good))
    return found


def labelled(placed: Placed) -> tuple[str, list[str], list[bool]]:
    """A row's prompt, its two responses, and whether each is safe. Raises ``UserError`` naming the row's place."""
    where, row = placed
    prompt, *responses = texts(placed, *COLUMNS[:3])
    safe = [row.get(name) for name in COLUMNS[3:]]
    if not all(isinstance(flag, bool) for flag in safe):
        raise UserError(f"{where}: is_response_0_safe and is_response_1_safe must be there, as true or false")
    return prompt, responses, [bool(flag) for flag in safe]


def far_from(texts: Sequence[Unsafe], prompts: Iterable[str], near: float = NEAR) -> tuple[list[Unsafe], int]:
    """The texts whose prompt is not nearly one of ``prompts`` (those a study attacks with), and how many were.

    Nearly: the Jaccard similarity of their sets of three-word shingles is at least ``near``.
    """
    shingled = [_shingles(prompt) for prompt in prompts]
    holders: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for n, shingles in enumerate(shingled):
        for shingle in shingles:
            holders[shingle].append(n)

    def is_near(text: Unsafe) -> bool:
        own = _shingles(text.prompt)
        shared = Counter(n for shingle in own for n in holders.get(shingle, ()))
        return any(count >= near * (len(own) + len(shingled[n]) - count) for n, count in shared.items())

    kept = [text for text in texts if not is_near(text)]
    return kept, len(texts) - len(kept)


def _shingles(text: str) -> frozenset[tuple[str, ...]]:
    words = "".join(c if c.isalnum() else " " for c in text.casefold()).split()
    return frozenset(tuple(words[n : n + SHINGLE]) for n in range(max(1, len(words) - SHINGLE + 1)))
