"""Digests: the identity of a thing is its content, never its path, name or time.

Standard library only, so that every room may import this file at no cost.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from holdfast.words import UserError

# What a file says about how it was written, not about the model.
_INCIDENTAL = {"_name_or_path", "transformers_version"}

# The part of PEFT's adapter_config.json that changes the network's output.
_ADAPTER_FIELDS = (
    "peft_type", "r", "lora_alpha", "target_modules", "exclude_modules", "rank_pattern", "alpha_pattern", "use_rslora",
    "use_dora", "bias", "fan_in_fan_out", "modules_to_save", "layers_to_transform", "layers_pattern",
)  # fmt: skip


def canonical(value: Any) -> Any:
    """The value as plain JSON types: tuples as lists, sets sorted, dataclasses and pydantic models by field.

    Refuses what has no single meaning: NaN and infinities, paths, keys that are no strings.
    """
    if value is None or isinstance(value, (bool, str, int)):
        return value
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


def model_digest(folder: Path | str, quantization: str = "none") -> str:
    """Digest of a model's configuration and weights, and of how they are rounded where they are loaded so. Hashing is
    remembered by path, size and time of change."""
    folder = Path(folder)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not (folder / "config.json").is_file() or not weights:
        raise UserError(f"{folder} holds no model: it needs a config.json and *.safetensors files")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return digest(
        {
            "config": {k: v for k, v in config.items() if k not in _INCIDENTAL},
            "weights": {w.name: _remembered(w) for w in weights},
        }
        | ({} if quantization == "none" else {"quantization": quantization})
    )


def adapter_digest(folder: Path | str) -> str:
    """Digest of a LoRA adapter in PEFT's format: its weights and the settings that change its output."""
    folder = Path(folder)
    weights = folder / "adapter_model.safetensors"
    if not weights.is_file() or not (folder / "adapter_config.json").is_file():
        raise UserError(f"{folder} holds no adapter: it needs adapter_config.json and adapter_model.safetensors")
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    fields: dict[str, Any] = {k: config.get(k) for k in _ADAPTER_FIELDS}
    if isinstance(fields["target_modules"], list):  # PEFT writes a set, in any order
        fields["target_modules"] = sorted(fields["target_modules"])
    return digest({"config": fields, "weights": file_digest(weights)})


def _remembered(path: Path) -> str:
    """``file_digest``, from the user's cache where this very file was hashed before."""
    import platformdirs

    stat = path.stat()
    key = digest([str(path.resolve()), stat.st_size, stat.st_mtime_ns])
    note = Path(platformdirs.user_cache_dir("holdfast")) / "digests" / key
    try:
        known = note.read_text()
        if len(known) == 64:
            return known
    except OSError:
        pass
    found = file_digest(path)
    try:  # a cache that cannot be written is no reason to stop
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f"{key}.{os.getpid()}")
        temporary.write_text(found)
        temporary.replace(note)
    except OSError:
        pass
    return found
