"""The one reader of other people's rows: CSV, TSV, JSON, JSONL and Parquet files, folders, data sets of the hub.

Every row comes with its place, which begins an error about it. No error shows what a row holds: it may be harmful.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from holdfast.store.documents import parse_json, read_text
from holdfast.store.sources import data_file, is_hub_id, local, reason
from holdfast.types import UserError

P = ParamSpec("P")
T = TypeVar("T")

Row = dict[str, Any]
Placed = tuple[str, Row]  # where it stands (``rows.jsonl, line 3``), and the row

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
OTHER_SPLITS = frozenset({"test", "validation", "valid", "val", "dev"})


@dataclass(frozen=True)
class Source:
    """Where rows lie.

    path: a file, a folder, ``package:PACKAGE/FILE``, or a hub id such as ``openai/gsm8k``.
    file: one file in the folder or hub data set. Without it, a folder's files of ``split`` are read: those with that
        word in their name (``train.jsonl``, ``data/train-00000-of-00002.parquet``), else its only file that names no
        other split.
    split, config, revision: of a hub data set; in a folder ``config`` is a subfolder, where there is one of that name.
    """

    path: str
    file: str | None = None
    split: str = "train"
    config: str | None = None
    revision: str | None = None

    @property
    def on_hub(self) -> bool:
        """Whether the path is a hub id and no file here."""
        return Path(self.path).suffix not in SUFFIXES and is_hub_id(self.path)

    def files(self) -> list[Path]:
        """The files of this machine that hold the rows, in order; none for the hub. Raises ``UserError``."""
        if self.on_hub:
            return []
        folder = local(self.path)
        if not folder.is_dir():
            return [data_file(self.path)]
        return [data_file(folder / self.file)] if self.file else self._of_split(folder)

    def rows(self) -> list[Placed]:
        """All rows. Raises ``UserError`` naming the file and line, or saying why the hub did not give them."""
        if self.on_hub:
            return self._from_hub()
        return [placed for file in self.files() for placed in read(file)]

    def stamp(self) -> tuple[Any, ...]:
        """What changes when a file of this machine does (see ``remembered``)."""
        return tuple((file, file.stat().st_mtime_ns, file.stat().st_size) for file in self.files())

    def _of_split(self, folder: Path) -> list[Path]:
        within = folder / self.config if self.config and (folder / self.config).is_dir() else folder
        found = {
            file: {word.lower() for word in re.split(r"[-_./]", file.relative_to(within).with_suffix("").as_posix())}
            for file in sorted(within.rglob("*"))
            if file.suffix in SUFFIXES and file.is_file()
        }
        named = [file for file, words in found.items() if self.split in words]
        rest = [file for file, words in found.items() if not words & OTHER_SPLITS]
        if not named and (self.split != "train" or len(rest) != 1):
            names = list(dict.fromkeys(file.name for file in found))
            has = f"only {', '.join(names[:6])}{', …' * (len(names) > 6)}" if found else "no file of rows at all"
            raise UserError(f"the folder {folder} has no file of the split {self.split}, {has}; name the file itself")
        return named or rest

    def _from_hub(self) -> list[Placed]:
        at = f"{self.path}, {self.file or self.split}"
        try:
            if self.file:
                from huggingface_hub import hf_hub_download

                there = hf_hub_download(self.path, self.file, repo_type="dataset", revision=self.revision)
                return [(f"{at}{where.removeprefix(there)}", row) for where, row in read(Path(there))]
            from datasets import load_dataset

            found = load_dataset(self.path, self.config, split=self.split, revision=self.revision)
            return [(f"{at}, row {number}", dict(row)) for number, row in enumerate(found, start=1)]
        except UserError:
            raise
        except Exception as error:  # offline, gated, misspelt: the hub's own words say which
            raise UserError(
                f"the data set {self.path} is not to be had from the hub ({reason(error)}): give a local file or "
                "folder of its rows as the path"
            ) from error


def remembered(make: Callable[Concatenate[Source, P], T]) -> Callable[Concatenate[Source, P], T]:
    """What is made of a source is made once, and again when one of its files has changed."""

    @lru_cache(maxsize=8)
    def made(source: Source, stamp: tuple[Any, ...], *args: P.args, **kwargs: P.kwargs) -> T:
        return make(source, *args, **kwargs)

    return lambda source, *args, **kwargs: made(source, source.stamp(), *args, **kwargs)


def read(path: Path) -> list[Placed]:
    """The rows of a file, by its suffix; a file of another suffix is read as JSON lines.

    A byte order mark and empty lines are passed over. Raises ``UserError`` naming file and line where a row is broken,
    and naming the file where it is missing, holds no row, or is not UTF-8.
    """
    if not path.is_file():
        raise UserError(f"there is no file {path}: check the path")
    rows = _parquet(path) if path.suffix == ".parquet" else _written(path)
    if not rows:
        raise UserError(f"{path} is empty: it must hold at least one row")
    for where, row in rows:
        if not isinstance(row, dict):
            raise UserError(f"{where}: expected a JSON object, found a {type(row).__name__}")
    return rows


def texts(placed: Placed, *columns: str) -> list[str]:
    """The row's texts under these columns. Raises ``UserError`` where one is missing or is no text; "" is a text."""
    where, row = placed
    for name in columns:
        if name not in row:
            raise UserError(f"{where}: there is no column {name!r}; the row has {', '.join(map(str, row))}")
        if not isinstance(row[name], str):
            raise UserError(f"{where}: the column {name!r} must be a text, but is a {type(row[name]).__name__}")
    return [row[name] for name in columns]


def number(placed: Placed, column: str) -> float:
    """The row's number in a column, which may be written as a text. Raises ``UserError``, naming the row."""
    where, row = placed
    try:
        found = float(row[column])
    except (KeyError, TypeError, ValueError, OverflowError):
        raise UserError(f"{where}: the column {column!r} must be a number") from None
    if not math.isfinite(found):
        raise UserError(f"{where}: the column {column!r} must be a finite number")
    return found


# -- formats --------------------------------------------------------------------------------------------------------


def _written(path: Path) -> list[Placed]:
    text = read_text(path)
    if path.suffix in (".csv", ".tsv"):
        return list(_table(path, text, "," if path.suffix == ".csv" else "\t"))
    if path.suffix == ".json" and (keyed := _keyed(path, text)):
        return keyed
    return _list(path, text) if text.lstrip().startswith("[") else _lines(path, text)


def _table(path: Path, text: str, delimiter: str) -> Iterable[Placed]:
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))  # a cell may be a whole document
    cells = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    try:
        for row in cells:
            where = f"{path}, line {cells.line_num}"
            if not row:
                continue
            if header is None:
                header = [name.strip() for name in row]
                if len(set(header)) < len(header):
                    raise UserError(f"{where}: the header names a column twice; give each its own name")
            elif len(row) != len(header):
                raise UserError(
                    f"{where}: it has {len(row)} cells where the header has {len(header)}; check its quotes"
                )
            else:
                yield where, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise UserError(f"{path}, line {cells.line_num}: not valid CSV ({error})") from None


def _list(path: Path, text: str) -> list[Placed]:
    found = parse_json(text, str(path), finite=False)
    return [(f"{path}, row {number}", row) for number, row in enumerate(found, start=1)]


def _keyed(path: Path, text: str) -> list[Placed]:
    """Of one JSON object whose values are the rows (``{"1": {…}, "2": {…}}``); none of any other text."""
    try:
        json.loads(text)  # of several documents, one a line, this reads none
    except json.JSONDecodeError:
        return []
    except (ValueError, RecursionError):
        pass
    found = parse_json(text, str(path), finite=False)
    is_keyed = isinstance(found, dict) and all(isinstance(row, dict) for row in found.values())
    return [(f"{path}, row {key}", row) for key, row in found.items()] if is_keyed else []


def _lines(path: Path, text: str) -> list[Placed]:
    rows = []
    # Not splitlines(): JSON strings may hold the other line separators of Unicode.
    for number, line in enumerate(text.split("\n"), start=1):
        where = f"{path}, line {number}"
        if line.strip():
            rows.append((where, parse_json(line, where, finite=False)))
    return rows


def _parquet(path: Path) -> list[Placed]:
    import pyarrow
    from pyarrow import parquet

    try:
        found = parquet.read_table(path).to_pylist()
    except (pyarrow.ArrowException, OSError):
        raise UserError(f"{path} is no Parquet file that can be read: fetch it again") from None
    return [(f"{path}, row {number}", row) for number, row in enumerate(found, start=1)]
