"""The card of each measure, kept as data in ``cards.yaml``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any


@cache
def _cards() -> Mapping[str, Any]:
    import yaml

    return yaml.safe_load(resources.files("holdfast.measures").joinpath("cards.yaml").read_text(encoding="utf-8"))


def card(name: str) -> Mapping[str, Any]:
    """The card of a measure of this package; empty for a measure that brings its own or none."""
    return _cards().get(name, {})
