"""Sentences of the page by section, from ``phrases.yaml``; code fills in names and numbers."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any

from holdfast.store.documents import parse_yaml


@cache
def _phrases() -> dict[str, dict[str, str]]:
    file = files("holdfast.report").joinpath("phrases.yaml")
    return parse_yaml(file.read_text(encoding="utf-8"), file.name)


def phrase(key: str, **values: Any) -> str:
    """``phrase("judges.agreement", level="95%")``: that of a section, with its ``{level}`` filled in."""
    section, name = key.split(".")
    return _phrases()[section][name].format(**values)
