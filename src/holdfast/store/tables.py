"""The tables of a study as Parquet: one schema each, with a version that stands in the file.

Rows are the dataclasses of ``types``: tuples become lists, mappings become JSON strings. The same rows give the same
bytes (with the same pyarrow).
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import re
import time
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from holdfast.store.files import read_bytes, reading, write_bytes
from holdfast.store.folder import present
from holdfast.store.schemas import COLUMNS, FLAG, FRAMES, REAL, SCHEMAS, TEXT, WHOLE
from holdfast.types import UserError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
_TRIES = 20
GROUP = 1024  # rows that are read together where some of a file are wanted

_NOTHING: Mapping[pa.DataType, Any] = {TEXT: "", REAL: None, WHOLE: None, FLAG: False}


def complete(name: str, frame: pd.DataFrame, **same: Any) -> pd.DataFrame:
    """The frame with exactly the columns of the table, in their order and of their types; what it lacks is empty."""
    schema = SCHEMAS[name][1]
    there = frame.assign(**same)
    missing = {f.name: _NOTHING[f.type] for f in schema if f.name not in there}
    return pa.Table.from_pandas(there.assign(**missing), schema=schema, preserve_index=False).to_pandas()


_GONE = {"findings": 3}  # tables that this version no longer writes, and their last version


def read_any(path: Path, name: str) -> tuple[int, pd.DataFrame]:
    """Version and content of a table of whatever version, with the columns that it has: for those who know what became
    of them."""
    known = {n: version for n, (version, _) in (COLUMNS | FRAMES).items()} | _GONE
    with reading(path):
        data = read_bytes(path)
    try:
        _check_seal(data)
        file = pq.ParquetFile(pa.BufferReader(data))
        version = _check_kind(file.schema_arrow.metadata or {}, path, name, known[name])
        return version, file.read(use_threads=False).to_pandas()
    except _DAMAGE as e:
        raise _damaged(path, e) from None


def write_frame(path: Path, name: str, frame: pd.DataFrame) -> None:
    """One of ``FRAMES``, whole or not at all; ``read_frame`` gives the same back, types and all."""
    version, columns = FRAMES[name]
    assert not (unlike := set(frame.columns) - set(columns.split())), f"{name}: {sorted(unlike)}"
    table = pa.Table.from_pandas(frame.reset_index(drop=True), preserve_index=False)
    _put(path, name, version, table, (table.schema.metadata or {}))


def read_frame(path: Path, name: str) -> pd.DataFrame:
    """What ``write_frame`` wrote. Raises UserError where it is missing, altered, or of another kind or version."""
    return read_any(path, name)[1]


def write(path: Path | str, name: str, rows: Iterable[Any] | pd.DataFrame, **same: Any) -> None:
    """One file, whole or not at all. Rows are dataclasses, mappings or a data frame; ``same`` are columns that hold one
    value throughout (``write(path, "items", items, measure="gsm8k", cell=id)``)."""
    version, schema = SCHEMAS[name]
    if hasattr(rows, "columns"):
        frame = typing.cast("pd.DataFrame", rows).assign(**same)
        unlike = set(frame.columns) ^ set(schema.names)
        assert not unlike, f"{name}: columns too many or missing: {sorted(unlike)}"
        table = pa.Table.from_pandas(frame, schema=schema, preserve_index=False)
    else:
        plain = [_plain(row) | same for row in rows]
        for row in plain:
            assert row.keys() == set(schema.names), f"{name}: {sorted(row.keys() ^ set(schema.names))}"
        table = pa.Table.from_pylist(plain, schema=schema)
    _check_values(table, name, path)
    _put(path, name, version, table)


def _put(path: Path | str, name: str, version: int, table: pa.Table, more: Mapping[bytes, bytes] | None = None) -> None:
    about = {b"holdfast.table": name.encode(), b"holdfast.schema": str(version).encode(), _SEAL: _BLANK}
    about = {**(more or {}), **about}
    buffer = io.BytesIO()
    pq.write_table(table.replace_schema_metadata(about), buffer, compression="zstd", row_group_size=GROUP)
    write_bytes(path, _sealed(buffer.getvalue()))


def read(
    path: Path | str | Iterable[Path],
    name: str,
    columns: Sequence[str] = (),
    where: Mapping[str, Collection[Any]] | None = None,
) -> pd.DataFrame:
    """One file or several, as a data frame; no file at all gives an empty one with all columns.

    ``columns``: only these, which is much less to read where the rest is text. ``where``: only rows whose value of each
    column named is among those given; of a file without such a row nothing else is read.
    """
    wanted = {c: pa.array(list(v), SCHEMAS[name][1].field(c).type) for c, v in (where or {}).items()}  # once for all
    tables = [arrow(p, name, columns, wanted) for p in _paths(path)] or [empty(name, columns)]
    return pa.concat_tables(tables).to_pandas()


def read_rows(path: Path | str | Iterable[Path], name: str, cls: type[T]) -> list[T]:
    """One file or several, back to the dataclass; columns that it has no field for are left out."""
    hints = _hints(cls)  # type: ignore[arg-type]  # a class is hashable
    rows = [row for p in _paths(path) for row in arrow(p, name).to_pylist()]
    return [cls(**{k: _back(v, hints[k]) for k, v in row.items() if k in hints}) for row in rows]


def shards(folder: Path, reading: Callable[[list[Path]], T]) -> T:
    """What ``reading`` makes of a folder's shards. Where one is gone that was there just now, they are listed again:
    whoever is at work in the folder removes a shard once its rows stand in another."""
    for _ in range(_TRIES):
        files = present(folder)
        try:
            return reading(files)
        except UserError as e:
            if not isinstance(e.__cause__, FileNotFoundError):
                raise
            error = e
            time.sleep(0.01)
    raise error


def empty(name: str, columns: Sequence[str]) -> pa.Table:
    """These columns of a table without rows."""
    return _shape(name, columns).empty_table()


def _paths(given: Path | str | Iterable[Path]) -> list[Path]:
    return [Path(given)] if isinstance(given, (str, Path)) else list(given)


def _shape(name: str, columns: Sequence[str]) -> pa.Schema:
    schema = SCHEMAS[name][1]
    return pa.schema([schema.field(c) for c in columns]) if columns else schema


def arrow(
    path: Path | str,
    name: str,
    columns: Sequence[str] = (),
    where: Mapping[str, pa.Array] | None = None,
) -> pa.Table:
    """One file as Arrow's own table, for those who want columns and no frame; arguments as of ``read``."""
    version, schema = SCHEMAS[name][0], _shape(name, columns)
    with reading(path):
        data = read_bytes(path)
    try:
        is_sealed = _check_seal(data)
        # A study is thousands of small files: pq.read_table, which can do far more, takes five times as long for each.
        file = pq.ParquetFile(pa.BufferReader(data))
        there = file.schema_arrow
        _check_kind(there.metadata or {}, path, name, version)
        keep = None
        for column, values in (where or {}).items():
            mine = file.read([column], use_threads=False)[column]
            hit = pc.is_in(mine, value_set=values.cast(mine.type))
            keep = hit if keep is None else pc.and_(keep, hit)
            if not pc.any(keep).as_py():
                return schema.empty_table()
        table = _of_groups(file, [c for c in schema.names if c in there.names], keep)
        for column in schema:  # written before the column was
            if column.name not in table.column_names:
                nothing = [None if column.nullable else ""] * len(table)
                table = table.append_column(column, pa.array(nothing, column.type))
        table = table.replace_schema_metadata(None).select(schema.names)
        table = table if table.schema.equals(schema) else table.cast(schema)
        if not is_sealed:
            table.validate(full=True)
    except _DAMAGE as e:
        raise _damaged(path, e) from None
    _check_values(table, name, path)
    return table


def _of_groups(file: pq.ParquetFile, columns: list[str], keep: pa.ChunkedArray | None) -> pa.Table:
    """All rows, or those to ``keep``, for which the groups that have one are read."""
    if keep is None:
        return file.read(columns, use_threads=False)
    sizes = [file.metadata.row_group(g).num_rows for g in range(file.num_row_groups)]
    parts = [keep.slice(end - n, n) for n, end in zip(sizes, accumulate(sizes), strict=True)]
    groups = [g for g, part in enumerate(parts) if pc.any(part).as_py()]
    chosen = pa.chunked_array([chunk for g in groups for chunk in parts[g].chunks], pa.bool_())
    return file.read_row_groups(groups, columns, use_threads=False).filter(chosen)


def _check_kind(about: Mapping[bytes, bytes], path: Path | str, name: str, version: int) -> int:
    if about.get(b"holdfast.table") != name.encode():
        raise UserError(f"{path} is not a table of {name} written by holdfast")
    found = int(about.get(b"holdfast.schema", b"0"))
    if found > version:
        raise UserError(
            f"{path} has version {found} of the {name} schema and this holdfast reads up to {version}; upgrade holdfast"
        )
    return found


_DAMAGE = (pa.ArrowException, OSError, ValueError, KeyError, OverflowError)


def _damaged(path: Path | str, e: Exception) -> UserError:
    why = (str(e).splitlines() or [type(e).__name__])[0][:200]
    return UserError(f"{path} is damaged ({why}); delete it to have it made again")


# -- whether a file is what was written -----------------------------------------------------------------------------

# The checksum of a file stands in its own metadata, and is that of the file with 64 zeros in its place. Parquet's own
# (a CRC of each page) would leave the footer open: which column is which, where pages begin, how many rows there are.
_SEAL, _BLANK = b"holdfast.sha256", b"0" * 64


def _sealed(data: bytes) -> bytes:
    at = data.index(_BLANK, data.rindex(_SEAL))
    return data[:at] + hashlib.sha256(data).hexdigest().encode() + data[at + 64 :]


def _check_seal(data: bytes) -> bool:
    """Whether the file has a checksum; one of earlier versions has none, and is believed. Raises ValueError where it
    was altered."""
    named = data.rfind(_SEAL)
    if named < 0:
        return False
    there = re.compile(rb"[0-9a-f]{64}").search(data, named, named + 100)
    seal = hashlib.sha256()
    if there:
        for part in (memoryview(data)[: there.start()], _BLANK, memoryview(data)[there.end() :]):  # and no copy of it
            seal.update(part)
    if not there or seal.hexdigest().encode() != there[0]:
        raise ValueError("it was altered: its checksum does not match")
    return True


def _check_values(table: pa.Table, name: str, path: Path | str) -> None:
    """Raises UserError where a judge's score is not finite."""
    if name == "judgements" and "score" in table.column_names:
        scores = table["score"].drop_null()
        if not pc.all(pc.is_finite(scores), min_count=0).as_py():
            raise UserError(f"{path} would hold or holds a score that is no number: mend the judge that gave it")


def _plain(row: Any) -> dict[str, Any]:
    fields = (
        row.items() if isinstance(row, Mapping) else ((f.name, getattr(row, f.name)) for f in dataclasses.fields(row))
    )
    return {k: _config(v) for k, v in fields}


def _config(value: Any) -> Any:
    if isinstance(value, Mapping):
        return json.dumps(value, sort_keys=True, ensure_ascii=False, allow_nan=False)
    if isinstance(value, (tuple, list)):
        return [dataclasses.asdict(v) if dataclasses.is_dataclass(v) else v for v in value]  # type: ignore[arg-type]
    return value


@cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _back(value: Any, hint: Any) -> Any:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if isinstance(value, str) and isinstance(origin, type) and issubclass(origin, Mapping):
        return json.loads(value)
    if origin is tuple and value is not None:
        return tuple(_back(v, inner[0]) for v in value)
    if isinstance(value, dict) and dataclasses.is_dataclass(hint) and not isinstance(hint, types.UnionType):
        return hint(**value)  # type: ignore[operator]
    return value
