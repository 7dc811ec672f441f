"""A task's rows as a file of the study's folder: made once by the plan, read by every worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from holdfast.data.prepare import Prepared
from holdfast.data.stream import Usable
from holdfast.store.digest import canonical
from holdfast.store.files import read_json, write_json
from holdfast.types import Example, Turn

PARTS = ("train", "validation", "test")


def write(path: Path, prepared: Prepared, usable: Usable) -> None:
    plain = canonical(prepared) | {"usable": [e.id for e in usable.rows], "dropped": canonical(usable.dropped)}
    write_json(path, plain, indent=None)


def read(path: Path) -> tuple[Prepared, Usable]:
    plain = read_json(path, *PARTS, "usable", "dropped", "digest", "counts", "left_out")
    parts = {name: tuple(_example(row) for row in plain[name]) for name in PARTS}
    kept = set(plain["usable"])
    rows = tuple(e for e in parts["train"] if e.id in kept)
    prepared = Prepared(**parts, digest=plain["digest"], counts=plain["counts"], left_out=plain["left_out"])
    return prepared, Usable(rows, plain["dropped"])


def _example(row: dict[str, Any]) -> Example:
    return Example(**row | {"prompt": tuple(Turn(**t) for t in row["prompt"]), "tags": frozenset(row["tags"])})
