"""What is wrong with a study file, as one sentence: the key, what is wrong with it, and the mend."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from holdfast.config.study import Spec, Study
from holdfast.registry import close

_SHOWN = 60  # characters of a wrong value
_ELSEWHERE = {  # what other tools call a key of a study
    "lr": "learning_rate",
    "epochs": "passes",
    "num_train_epochs": "passes",
    "batch_size": "batch_rows",
    "per_device_train_batch_size": "batch_rows",
    "max_length": "max_tokens",
    "max_seq_length": "max_tokens",
    "warmup": "warmup_steps",
    "grad_clip": "clip",
    "max_grad_norm": "clip",
    "r": "rank",
    "lora_alpha": "alpha",
    "lora_r": "rank",
    "seed": "seeds",
    "model": "models",
    "task": "tasks",
    "limit": "items",
    "n": "items",
}


def sentence(error: ValidationError) -> str:
    """The first problem; the rest are counted."""
    found = error.errors()
    # Of a key with two allowed types each refusal is listed; an unknown or missing key says more than those.
    found.sort(key=lambda e: e["type"] not in ("extra_forbidden", "missing"))
    paths = [_path(e)[0] for e in found]
    same = [e for e, path in zip(found, paths, strict=True) if path == paths[0]]
    more = len({path for path in paths if not paths[0].startswith(path)})
    return _one(found[0], same) + (f" (and {more} more problem{'s' if more > 1 else ''})" if more else "")


def _one(e: ErrorDetails, same: list[ErrorDetails]) -> str:
    path, part = _path(e)
    if e["type"] == "extra_forbidden":
        word, known = str(e["loc"][-1]), keys(part)
        near = f"did you mean {_ELSEWHERE[word]}?" if _ELSEWHERE.get(word) in known else close(word, known)
        return f"{path} is not a key that a study has; {near}"
    if e["type"] == "missing":
        return f"{path} is missing{_about(part, e['loc'][-1])}"
    reasons = [_reason(x, part) for x in same]
    reason = " or ".join([reasons[0], *(r.removeprefix("should be ") for r in reasons[1:])])
    if not path:
        return reason
    if e["type"] == "too_short":
        reason = "should have at least one entry"
    if e["input"] is None:
        return f"{path} is empty: it {reason}" if reason.startswith("should") else f"{path} is empty"
    value = repr(e["input"])
    value = value if len(value) <= _SHOWN else f"{value[:_SHOWN]}…"
    return f"{path} cannot be {value}: it {reason}" if reason.startswith("should") else f"{path}: {reason}"


def _reason(e: ErrorDetails, part: type[Spec] | None) -> str:
    if e["type"] == "model_type":
        return f"should be a mapping with the keys {', '.join(keys(part))}"
    if e["type"] == "dict_type":
        return "should be a mapping"
    return e["msg"].removeprefix("Value error, ").removeprefix("Input ").replace("tuple", "list")


def keys(part: type[Spec] | None) -> list[str]:
    """The keys of a part, as a study file writes them."""
    return [field.alias or name for name, field in part.model_fields.items()] if part else []


def section_of(annotation: Any) -> type[Spec] | None:
    """The part inside an annotation such as ``tuple[ModelSpec, ...]`` or ``TaskSpec | None``."""
    if isinstance(annotation, type) and issubclass(annotation, Spec):
        return annotation
    return next((found for inner in typing.get_args(annotation) if (found := section_of(inner))), None)


def _path(e: ErrorDetails) -> tuple[str, type[Spec] | None]:
    """``controls.lora.rank``, ``objectives[1].label``, and the part that the last key belongs to (or is)."""
    path = ""
    part: type[Spec] | None = Study
    inside: type[Spec] | None = Study
    free = False  # the next key is a label of the user's own
    for key in e["loc"]:
        names: dict[Any, Any] = {}
        if isinstance(key, int):
            path += f"[{key}]"
            continue
        if part is not None and not free:
            names = {field.alias or name: field.annotation for name, field in part.model_fields.items()}
            if key not in names and (e["type"] != "extra_forbidden" or key != e["loc"][-1]):
                continue  # pydantic's word for one of several allowed types
        if "[" in key and key not in names:
            break
        path += f".{key}" if path else key
        if not free:
            inside, part = part, section_of(names.get(key)) if key in names else None
        free = typing.get_origin(names.get(key)) is dict
    return path, part or inside


def _about(part: type[Spec] | None, key: int | str) -> str:
    for name, field in (part.model_fields if part is not None else {}).items():
        if (field.alias or name) == key:
            return f" ({field.description})"
    return ""
