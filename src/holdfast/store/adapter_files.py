"""A LoRA adapter's folder in PEFT's format, as files: which settings are taken, its digest, and which base it fits.
Beside it the folder that training all weights leaves, whose tensors have the model's own names.

Only settings that were compared with PEFT's own layers are taken; whatever else a file asks for is refused by name, for
an adapter that is loaded without one of its settings is another adapter. No torch: a plan asks before anything loads.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from holdfast.store.digest import digest, file_digest
from holdfast.store.model_files import CONFIG as MODEL_CONFIG
from holdfast.store.model_files import FLOATS, json_object, model_shapes, read_header
from holdfast.types import UserError

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."  # of every tensor in PEFT's files
FULL = "trained_config.json", "trained.safetensors"  # of trained weights: what they are, and the tensors

# What changes the output: in the digest, absent ones as null.
_COUNTED = (
    "peft_type", "r", "lora_alpha", "target_modules", "exclude_modules", "rank_pattern", "alpha_pattern", "use_rslora",
    "use_dora", "bias", "fan_in_fan_out", "modules_to_save", "layers_to_transform", "layers_pattern",
)  # fmt: skip
# How it was trained or written: what it gives is the same whatever these say.
_INCIDENTAL = {
    "base_model_name_or_path", "revision", "inference_mode", "auto_mapping", "task_type", "peft_version",
    "lora_dropout", "init_lora_weights", "runtime_config", "megatron_core", "qalora_group_size",
    "eva_config", "loftq_config", "corda_config", "lora_ga_config",
}  # fmt: skip
# Initialisations that leave the base as it is; others subtract from its weights what they put into the adapter.
_INITIALISED = (True, False, None, "gaussian", "orthogonal", "eva")
_MOST = 1e6  # of a rank or alpha; the scale alpha / r must stay a number that fp32 can multiply weights with
_WHY = {
    "modules_to_save": "changes more than LoRA layers",
    "bias": "changes more than LoRA layers",
    "lora_bias": "changes more than LoRA layers",
    "trainable_token_indices": "changes more than LoRA layers",
    "target_parameters": "changes more than LoRA layers",
    "layer_replication": "changes the base itself",
    "kasa_config": "changes the base itself",
    "alora_invocation_tokens": "acts only after its own tokens (aLoRA)",
}
MERGED = "merge it into a whole model with PEFT's `merge_and_unload` and measure that against its base"


def adapter_digest(folder: Path | str) -> str:
    """Digest of a LoRA adapter in PEFT's format, its weights and the settings that change its output, or of trained
    weights."""
    # Of the file's bytes and these fields alone: a copy under another name, or written by another PEFT, is the same
    # subject.
    config = adapter_config(folder)
    if "trainable" in config:
        return digest({"trainable": config["trainable"], "weights": file_digest(Path(folder) / FULL[1])})
    fields: dict[str, Any] = {k: config.get(k) for k in _COUNTED}
    for key in ("target_modules", "exclude_modules"):  # PEFT writes a set, in any order
        if isinstance(fields[key], list):
            fields[key] = sorted(fields[key])
    return digest({"config": fields, "weights": file_digest(Path(folder) / WEIGHTS)})


def essential(config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings that decide which layers there are and what they compute; those that are off are left out."""
    kept = {
        k: v
        for k, v in config.items()
        if k in (*_CHECKS, "lora_dropout", "trainable") and v not in (None, False, [], {}, "")
    }
    return {k: sorted(v) if k.endswith("_modules") and isinstance(v, list) else v for k, v in kept.items()}


def file_names(config: Mapping[str, Any]) -> tuple[str, str]:
    """Of the configuration and the tensors in a folder with that configuration."""
    return FULL if "trainable" in config else (CONFIG, WEIGHTS)


def adapter_config(folder: Path | str) -> dict[str, Any]:
    """PEFT's configuration of an adapter, every setting of which is understood, or that of trained weights, which alone
    says what was ``trainable``.

    Raises UserError for a folder that holds no adapter, and for whatever is more, or else, than plain LoRA layers.
    """
    folder = Path(folder)
    if all((folder / name).is_file() for name in FULL):
        config = json_object(folder / FULL[0])
        if config.get("trainable") not in ("full", "body"):
            raise UserError(f"{folder / FULL[0]} does not say what was trained (`trainable`): put it back as it was")
        return config
    if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
        raise UserError(f"{folder} holds no adapter: {_instead(folder)}")
    config = json_object(folder / CONFIG)
    if config.get("peft_type") != "LORA":
        raise UserError(f"the adapter at {folder} is of type {config.get('peft_type')}: only LORA can be measured")
    if config.get("task_type") not in (None, "CAUSAL_LM"):
        raise UserError(f"the adapter at {folder} is for {config['task_type']}, not for a causal language model")
    if (init := config.get("init_lora_weights")) not in _INITIALISED:
        raise UserError(
            f"the adapter at {folder} was begun with {init}, for changed base weights: convert it to a plain "
            "LoRA with PEFT's `path_initial_model_for_weight_conversion`"
        )
    for key, value in sorted(config.items()):
        if key in _CHECKS and value is not None and not _CHECKS[key](value):
            raise UserError(f"the adapter at {folder} has {key}: {_shown(value)}, which is no setting of a plain LoRA")
        known = key in _CHECKS or key in _INCIDENTAL or key == "peft_type"
        off: tuple[Any, ...] = (None, False, [], {}, "", *(["none"] if key == "bias" else []))
        if not known and value not in off:
            mend = MERGED if key != "alora_invocation_tokens" else "it cannot be measured here"
            why = _WHY.get(key, "asks for what holdfast does not know")
            raise UserError(f"the adapter at {folder} {why} ({key}: {_shown(value)}): {mend}")
    missing = [key for key in ("r", "lora_alpha", "target_modules") if config.get(key) is None]
    if missing:
        raise UserError(f"{folder / CONFIG} does not say {missing[0]}: save the adapter again with PEFT")
    return config


def check_adapter(folder: Path, base: Path | None = None) -> dict[str, Any]:
    """The adapter's configuration; its files are whole then, and fit the weights in ``base`` as far as names tell.

    Raises UserError otherwise. Only headers are read.
    """
    config = adapter_config(folder)
    tensors = read_header(folder / file_names(config)[1])
    if not tensors:
        raise UserError(f"the adapter at {folder} holds no weights: save it again with PEFT")
    for name, info in tensors.items():
        if info.dtype not in FLOATS:
            raise UserError(f"the adapter at {folder} holds {name} as {info.dtype}, which is no weight of a LoRA")
    weights = model_shapes(base) if base else {}
    for name, info in tensors.items():
        if "trainable" in config and weights.get(name, info.shape) != info.shape:
            raise UserError(
                f"the weights at {folder} do not fit {base}: {name} is {' × '.join(map(str, info.shape))} there and "
                f"{' × '.join(map(str, weights[name]))} here; give the base that they were trained from"
            )
        module, found, part = name.removeprefix(PREFIX).rpartition(".lora_")
        shape = weights.get(f"{module}.weight", ())
        if found and part in ("A.weight", "B.weight") and len(shape) == len(info.shape) == 2:
            mine = info.shape[1] if part == "A.weight" else info.shape[0]
            if mine not in shape:
                raise UserError(
                    f"the adapter at {folder} does not fit {base}: {name} is made for {mine} numbers, where "
                    f"{module} has {' × '.join(map(str, shape))}; give the base that it was trained on"
                )
    return config


def foreign(config: Mapping[str, Any], name: str, path: str, folder: Path) -> str | None:
    """The base that an adapter names as its own, where it reads as another than the model of that name and path."""
    recorded = config.get("base_model_name_or_path")
    if not isinstance(recorded, str) or not recorded:
        return None
    also = json_object(folder / MODEL_CONFIG).get("_name_or_path")
    own = {_last(text) for text in (name, path, str(folder), also) if isinstance(text, str) and text}
    return None if _last(recorded) in own else recorded


def _last(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1].lower()


def _instead(folder: Path) -> str:
    if not folder.is_dir():
        return "there is no such folder"
    if (folder / MODEL_CONFIG).is_file() and not (folder / CONFIG).exists():
        return "it is a whole model; give it as the model, and its base with `--against` (or as `weights` of `given`)"
    if (folder / "adapter_model.bin").is_file() and not (folder / WEIGHTS).exists():
        return "adapter_model.bin is not read; save it again with PEFT's `save_pretrained`, which writes safetensors"
    return f"it needs {CONFIG} and {WEIGHTS}"


def _shown(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


# -- what a setting may be ------------------------------------------------------------------------------------------


def _rank(value: Any) -> bool:
    return type(value) is int and 1 <= value <= _MOST


def _alpha(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and 0 < value <= _MOST


def _names(value: Any) -> bool:
    if isinstance(value, str):
        return _compiles(value)
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _layers(value: Any) -> bool:
    return all(type(n) is int and n >= 0 for n in (value if isinstance(value, list) else [value]))


def _compiles(pattern: str) -> bool:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError):
        return False
    return bool(pattern)


def _by_pattern(check: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, dict) and all(_compiles(k) and check(v) for k, v in value.items())


_CHECKS: Mapping[str, Callable[[Any], bool]] = {
    "r": _rank,
    "lora_alpha": _alpha,
    "rank_pattern": _by_pattern(_rank),
    "alpha_pattern": _by_pattern(_alpha),
    "target_modules": lambda value: bool(value) and _names(value),
    "exclude_modules": _names,
    "layers_to_transform": _layers,
    "layers_pattern": _names,
    **dict.fromkeys(("use_rslora", "use_dora", "fan_in_fan_out"), lambda value: type(value) is bool),
}
