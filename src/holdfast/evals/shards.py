"""Planned minus present: a subject's rows in a planned order, in one file in the end.

Until then what is made is kept in shards of 256 rows, each whole or not there: a killed run loses one at most."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import TypeVar

from holdfast.store import tables
from holdfast.store.folder import shard

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
    turn: Callable[[str], int] = lambda id: 0,
    done: Callable[[int], None] = lambda rows: None,
) -> None:
    """Brings the folder to hold exactly the planned rows, in their order, in one file.

    Rows that are there (in whatever file) and pass ``keep`` stay; the others are made, a shard at a time, in the order
    of their ``turn``. ``done`` is told after each shard how many rows are finished.
    """
    before = tables.shards(folder, lambda files: {file: tables.read_rows(file, name, cls) for file in files})
    kept = {key(row): row for rows in before.values() for row in rows if keep(row)}
    missing = sorted((i for i in planned if i not in kept), key=turn)
    whole, beside = folder / shard(0), _free(folder, before)
    if len(missing) > SHARD:  # shards will stand beside these files, and nothing may stand there in two versions
        for file, rows in before.items():
            before[file] = [row for row in rows if keep(row)]
            if len(before[file]) < len(rows):
                tables.write(file, name, before[file])
    for start in range(0, len(missing), SHARD):
        some = missing[start : start + SHARD]
        made = make(some)
        kept |= {key(row): row for row in made}
        if start + SHARD < len(missing):
            before[file := next(beside)] = list(made)
            tables.write(file, name, made)
            done(len(planned) - len(missing) + start + len(some))
    if [key(row) for row in before.get(whole, [])] != list(planned) or missing:
        tables.write(whole, name, [kept[i] for i in planned])
    done(len(planned))
    for file in before.keys() - {whole}:
        file.unlink(missing_ok=True)  # another process that did the same may have been here


def _free(folder: Path, taken: Container[Path]) -> Iterator[Path]:
    """Places for shards, which stand only until all rows are there."""
    return (file for k in count(1) if (file := folder / shard(k)) not in taken)
