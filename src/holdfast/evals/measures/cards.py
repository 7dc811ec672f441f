"""The card of each measure, one file each in ``cards/``: where it comes from, what its score means, what changed.

``size`` is for a plan that is made where the data are not: items with default parameters, prompts an item (the direct
request and five attacks are six), tokens of a prompt, roughly, and whether responses are written (else continuations
are scored).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from holdfast.store.documents import parse_yaml


@cache
def card(name: str) -> Mapping[str, Any]:
    """The card of a measure of this package; empty for a measure that brings its own or none."""
    file = resources.files("holdfast.evals.measures").joinpath("cards", f"{name}.yaml")
    return parse_yaml(file.read_text(encoding="utf-8"), file.name) if file.is_file() else {}
