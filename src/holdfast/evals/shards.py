"""Fixed shards, planned minus present: rows in a planned order, 256 to a file, each file whole or not there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from holdfast.store import tables
from holdfast.store.folder import present, shard

SHARD = 256

Row = TypeVar("Row")


def fill(
    folder: Path,
    name: str,
    cls: type[Row],
    planned: Sequence[str],
    make: Callable[[Sequence[str]], Sequence[Row]],
    *,
    key: Callable[[Row], str],
    keep: Callable[[Row], bool] = lambda row: True,
    done: Callable[[int], None] = lambda rows: None,
) -> None:
    """Brings the shards in ``folder`` to hold exactly the planned rows, in their order.

    Rows that are there (in whatever shard) and pass ``keep`` stay; the others are made, a shard at a time. ``done`` is
    told after each shard how many rows are finished. What is left of a longer plan goes last.
    """
    before = {file: tables.read_rows(file, name, cls) for file in present(folder)}
    kept = {key(row): row for rows in before.values() for row in rows if keep(row)}
    starts = range(0, len(planned), SHARD)
    files = [folder / shard(k) for k, _ in enumerate(starts)]
    for file, start in zip(files, starts, strict=True):
        wanted = planned[start : start + SHARD]
        missing = [i for i in wanted if i not in kept]
        if missing:
            kept |= {key(row): row for row in make(missing)}
        if missing or [key(row) for row in before.get(file, [])] != list(wanted):
            tables.write(file, name, [kept[i] for i in wanted])
        done(start + len(wanted))
    for file in before.keys() - set(files):
        file.unlink()
