"""Texts that are data: YAML files of named and versioned entries, this package's or the user's in their form."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from holdfast.store.documents import read_yaml
from holdfast.store.sources import data_file
from holdfast.types import UserError


def entries(file: str | None, package: str, kind: str) -> tuple[Path, Mapping[str, Any]]:
    """Where all ``kind`` (``attacks``) stand, and what is there, by name; None is the package's own file of them."""
    where = data_file(file) if file else Path(str(resources.files(package))) / f"{kind}.yaml"
    found = read_yaml(where) or {}
    if not isinstance(found, dict):
        raise UserError(f"{where} is no YAML file of {kind}: it holds no names")
    return where, found


def entry(
    file: str | None, package: str, kind: str, name: str, places: Sequence[str], *, rounds: bool = False
) -> Mapping[str, Any]:
    """One of them, whose ``text`` has room for each of ``places`` once. Raises UserError with what is wrong in it.

    With ``rounds`` it may be a list of texts, of which the last must have room and the others may.
    """
    where, there = entries(file, package, kind)
    one, found = kind.removesuffix("s"), there.get(name)
    texts = found.get("text") if isinstance(found, dict) else None
    texts = texts if rounds and isinstance(texts, list) else [texts]
    if not isinstance(found, dict) or not texts or not all(isinstance(text, str) for text in texts):
        raise UserError(f"{where} has no text for the {one} {name!r}: write `{name}: {{version: 1, text: …}}`")
    if not isinstance(found.get("version"), int):
        raise UserError(f"the {one} {name!r} in {where} needs a version, a whole number")
    for place in (*places, *(["levels"] if found.get("levels") else [])):
        times = [text.count(f"{{{place}}}") for text in texts]
        if times[-1] != 1 or max(times) > 1:
            raise UserError(f"the text of the {one} {name!r} in {where} must hold {{{place}}} exactly once")
    return found
