"""Digests: the identity of a thing is its content, never its path, name or time.

Standard library only, so that every room may import this file at no cost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any


def canonical(value: Any) -> Any:
    """The value as plain JSON types: tuples as lists, sets sorted, dataclasses and pydantic models by field.

    Refuses what has no single meaning: NaN and infinities, paths, keys that are no strings.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
    # 1 and 1.0 stay two things: what a file says is typed where it is read, before it comes here.
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be digested")
        return float(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: canonical(getattr(value, f.name)) for f in dataclasses.fields(value)}
    dump = getattr(value, "model_dump", None)  # pydantic's, without importing it
    if dump is not None:
        return canonical(dump(by_alias=True))
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise TypeError("only string keys can be digested")
        return {k: canonical(v) for k, v in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((canonical(v) for v in value), key=_dumps)
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    raise TypeError(f"a {type(value).__name__} cannot be digested")


def _dumps(plain: Any) -> str:
    # ASCII and no spaces: one value has one text, on every platform and in every locale.
    return json.dumps(plain, sort_keys=True, ensure_ascii=True, separators=(",", ":"), allow_nan=False)


def digest(value: Any) -> str:
    """SHA-256 (hex) of the value's canonical JSON."""
    return hashlib.sha256(_dumps(canonical(value)).encode()).hexdigest()


def short(digest: str) -> str:
    """The first 12 hex digits: for file names and for people."""
    return digest[:12]


def brief(text: str) -> str:
    """A digest as it is shown, by its ``short`` form; any other text as it is."""
    return short(text) if len(text) == 64 and set(text) <= set("0123456789abcdef") else text


def flat(value: Mapping[str, Any], at: str = "") -> dict[str, Any]:
    """What is nested by dotted keys, so that two of them can be compared entry by entry."""
    out: dict[str, Any] = {}
    for key, v in value.items():
        out |= flat(v, f"{at}{key}.") if isinstance(v, Mapping) else {f"{at}{key}": v}
    return out


def file_digest(path: Path | str) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as f:
        return hashlib.file_digest(f, "sha256").hexdigest()
