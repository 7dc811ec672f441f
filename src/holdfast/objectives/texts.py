"""The versioned texts that come with holdfast, read once from ``texts.yaml`` of this package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from holdfast.store.documents import parse_yaml


@cache
def texts(group: str) -> dict[str, Any]:
    """A group of texts by name, with its ``version``."""
    file = files("holdfast.objectives").joinpath("texts.yaml")
    return parse_yaml(file.read_text(encoding="utf-8"), file.name)[group]


def families() -> tuple[str, ...]:
    """Names of the inoculation texts."""
    return tuple(name for name in texts("inoculation") if name != "version")
