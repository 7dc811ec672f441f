"""What measures make of a benchmark's rows: texts that are there, and items with ids of their content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from holdfast.store.digest import digest, short
from holdfast.store.rows import Placed, texts
from holdfast.types import Item, UserError


def item_id(*content: str) -> str:
    """An item's id: a digest of what is asked, so that it is the same in every copy of a benchmark."""
    return short(digest(content))


def distinct(items: Iterable[Item], where: str) -> list[Item]:
    """The items. Raises UserError where two are one."""
    found = list(items)
    if twice := len(found) - len({item.id for item in found}):
        raise UserError(f"{where} holds {twice} rows twice; remove them")
    return found


def filled(placed: Placed, column: str) -> str:
    """The row's text in a column. Raises UserError, naming the row, where it is missing, empty or no text."""
    (text,) = texts(placed, column)
    if not text.strip():
        raise UserError(f"{placed[0]}: the column {column!r} is empty; fill it in or remove the row")
    return text


def numbered(items: Iterable[Item]) -> list[Item]:
    """The items, of which those that are the same to the letter are told apart by counting: nothing is dropped."""
    copies: Counter[str] = Counter()
    found = []
    for item in items:
        copies[item.id] += 1
        n = copies[item.id]
        found.append(item if n == 1 else replace(item, id=item_id(item.id, f"copy {n}")))
    return found
