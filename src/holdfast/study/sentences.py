"""What is wrong with a study file, as one sentence: the key, what is wrong with it, and the mend."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from holdfast.registry import close
from holdfast.spec import Part, Study

_SHOWN = 60  # characters of a wrong value


def sentence(error: ValidationError) -> str:
    """The first problem; the rest are counted."""
    found = error.errors()
    # Of a key with two allowed types each refusal is listed; an unknown key says more than what follows from it.
    found.sort(key=lambda e: e["type"] != "extra_forbidden")
    first = _path(found[0]["loc"])[0]
    same = [e for e in found if _path(e["loc"])[0] == first]
    more = len({_path(e["loc"])[0] for e in found}) - 1
    return _one(found[0], same) + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")


def _one(e: ErrorDetails, same: list[ErrorDetails]) -> str:
    path, part = _path(e["loc"])
    if e["type"] == "extra_forbidden":
        return f"{path} is not a key that a study has; {close(str(e['loc'][-1]), keys(part))}"
    if e["type"] == "missing":
        return f"{path} is missing{_about(part, e['loc'][-1])}"
    reasons = [x["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("tuple", "list") for x in same]
    reason = " or ".join([reasons[0], *(r.removeprefix("should be ") for r in reasons[1:])])
    if not path:
        return reason
    if e["type"] == "too_short":
        reason = "should have at least one entry"
    if e["type"] in ("model_type", "dict_type"):
        reason = f"should be a mapping with the keys {', '.join(keys(part))}" if part else "should be a mapping"
    value = repr(e["input"])
    value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    return f"{path} cannot be {value}: it {reason}" if reason.startswith("should") else f"{path}: {reason}"


def keys(part: type[Part] | None) -> list[str]:
    """The keys of a part, as a study file writes them."""
    return [field.alias or name for name, field in part.model_fields.items()] if part else []


def part_of(annotation: Any) -> type[Part] | None:
    """The part inside an annotation such as ``tuple[ModelSpec, ...]`` or ``TaskSpec | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := part_of(inner))), None)


def _path(loc: tuple[int | str, ...]) -> tuple[str, type[Part] | None]:
    """``controls.lora.rank``, ``objectives[1].label``, and the part that the last key belongs to (or is)."""
    path = ""
    part: type[Part] | None = Study
    inside: type[Part] | None = Study
    for key in loc:
        if isinstance(key, int):
            path += f"[{key}]"
            continue
        names = (
            {field.alias or name: field.annotation for name, field in part.model_fields.items()}
            if part is not None
            else {}
        )
        if part is not None and key not in names and key != loc[-1]:
            break  # pydantic's word for one of several allowed types
        if "[" in key and key not in names:
            break
        path += f".{key}" if path else key
        inside, part = part, part_of(names.get(key)) if key in names else None
    return path, part or inside


def _about(part: type[Part] | None, key: int | str) -> str:
    for name, field in (part.model_fields if part is not None else {}).items():
        if (field.alias or name) == key:
            return f" ({field.description})"
    return ""
