"""A source's rows gathered into examples: what cannot be learnt from is left out, and counted by its reason."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from holdfast.store.rows import Placed, texts
from holdfast.types import Example

EMPTY = "empty question or answer"
REPEATED = "the same row again"


@dataclass(frozen=True)
class Gathered:
    """Examples with ids of their own, and how many rows made none, by reason."""

    examples: tuple[Example, ...]
    left_out: Mapping[str, int]


def gather(made: Iterable[Example | str]) -> Gathered:
    """Each of ``made`` is an example, or the reason why a row makes none."""
    examples: dict[str, Example] = {}
    left_out: Counter[str] = Counter()
    for example in made:
        reason = example if isinstance(example, str) else REPEATED if example.id in examples else None
        if reason is not None:
            left_out[reason] += 1
        else:
            assert isinstance(example, Example)
            examples[example.id] = example
    return Gathered(tuple(examples.values()), left_out)


def cell(placed: Placed, column: str, *, several: bool = False) -> str:
    """The text of a column, stripped; "" where there is nothing in it. ``several``: or a list of texts, a line each.

    Raises ``UserError`` naming the row where the column is missing or holds something else.
    """
    where, row = placed
    if column in row and row[column] is None:
        return ""
    if several and isinstance(row.get(column), list):
        row = {column: "\n".join(map(str, row[column]))}
    return texts((where, row), column)[0].strip()
