"""An item that is both learnt and measured is an error."""

from __future__ import annotations

from collections.abc import Iterable

from holdfast.tasks.contract import prompt_key
from holdfast.words import Example, Item, UserError


def check(rows: Iterable[Example], items: Iterable[Item], measure: str) -> None:
    """Raises ``UserError`` where a measure asks what a training row asks: the same words, but for case and signs.

    The message holds counts and an id, never a prompt: it may be a forbidden one.
    """
    learnt = {prompt_key(row.prompt): row.id for row in rows}
    shared = [(item.id, learnt[key]) for item in items if (key := prompt_key(item.prompt)) in learnt]
    if shared:
        item, row = shared[0]
        raise UserError(
            f"{len(shared)} item(s) of the measure {measure} are also training rows, e.g. the item {item} is the row "
            f"{row}: take them out of the training data"
        )
