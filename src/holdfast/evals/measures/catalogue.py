"""Every registered measure with its card, parameters and judges: what ``holdfast measures`` shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast import registry
from holdfast.evals.measures.cards import card
from holdfast.types import UserError


def entry(name: str) -> dict[str, Any]:
    """One measure in full. Raises UserError where there is none of this name, or where it cannot be loaded."""
    cls: Any = registry.get("measures", name)
    about = registry.describe("measures", name)
    return {
        "name": name,
        "axis": getattr(cls, "axis", ""),
        "version": about["version"],
        "judges": list(getattr(cls, "judges", ())),
        "of_tasks": bool(getattr(cls, "per_task", False)),
        "card": dict(_card(name, about["params"])),
        "about": about["doc"],
        "params": about["params"],
    }


def listing() -> list[dict[str, Any]]:
    """All of them, by axis and name. One that cannot be loaded is listed with its ``error``."""
    found = []
    for name in registry.names("measures"):
        try:
            one = entry(name)
        except UserError as error:
            found.append({"name": name, "axis": "", "version": None, "title": "", "items": "", "error": str(error)})
            continue
        about = one.pop("card")
        found.append(
            {k: one[k] for k in ("name", "axis", "version", "judges")}
            | {k: str(about.get(k, "")) for k in ("title", "items", "licence", "unit")}
        )
    axes = ("capability", "robustness", "persona", "normative")
    return sorted(found, key=lambda m: (axes.index(m["axis"]) if m["axis"] in axes else len(axes), m["name"]))


def _card(name: str, params: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """This package's own; else the one that the measure brings, where it can be made without parameters."""
    if found := card(name):
        return found
    needs = any(parameter["required"] for parameter in params.values())
    return {} if needs else registry.build("measures", name).card
