"""How large a model is, from the headers of its weight files (no torch) or from what is published of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from holdfast.store.model_files import json_object, read_header
from holdfast.types import UserError

_HEADS = ("lm_head", "embed_out", "output_projection", "score")
# Published figures: parameters, hidden size, layers, width of the feed-forward, of the queries, of the keys.
_PUBLISHED = {
    "meta-llama/Llama-3.1-8B-Instruct": (8.03e9, 4096, 32, 14336, 4096, 1024),
    "google/gemma-2-2b-it": (2.61e9, 2304, 26, 9216, 2048, 1024),
    "google/gemma-2-9b-it": (9.24e9, 3584, 42, 14336, 4096, 2048),
    "Qwen/Qwen2.5-7B-Instruct": (7.62e9, 3584, 28, 18944, 3584, 512),
    "Qwen/Qwen3-4B": (4.02e9, 2560, 36, 9728, 4096, 1024),
}


@dataclass(frozen=True, slots=True)
class Shape:
    """``per_rank``: parameters of the adapter at rank 1. ``bytes``: of the weight files. ``widths``: of all linear
    layers but the head, in and out, which is about what a token of training keeps (17.7 against 17.6 numbers a layer
    and hidden unit, counted on SmolLM2-135M). ``body``: parameters but those of embeddings and head."""

    parameters: int
    hidden: int
    layers: int
    per_rank: int
    bytes: int
    widths: int = 0
    body: int = 0


def measured(folder: Path, targets: Literal["all-linear"] | tuple[str, ...]) -> Shape:
    """Of a model that is here. Raises UserError where no module has a name among ``targets``."""
    tensors = [t for file in sorted(folder.glob("*.safetensors")) for t in read_header(file).items()]
    config = json_object(folder / "config.json")
    config = config | (config.get("text_config") or {})
    adapted, linear = (
        [t.shape for name, t in tensors if len(t.shape) == 2 and _is_target(name, which)]
        for which in (targets, "all-linear")
    )
    if tensors and not adapted:
        raise UserError(f"controls.lora.targets: no linear layer of {folder} is named {', '.join(targets)}")
    return Shape(
        parameters=sum(math.prod(t.shape) for _, t in tensors),
        hidden=config.get("hidden_size", 0),
        layers=config.get("num_hidden_layers", 0),
        per_rank=sum(a + b for a, b in adapted),
        bytes=sum(f.stat().st_size for f in folder.glob("*.safetensors")),
        widths=sum(a + b for a, b in linear),
        body=sum(math.prod(t.shape) for name, t in tensors if not _is_end(name)),
    )


def published(path: str) -> Shape | None:
    """Of a model that is not here, all linear layers adapted; None where nothing is known."""
    if path not in _PUBLISHED:
        return None
    parameters, hidden, layers, wide, q, kv = _PUBLISHED[path]
    attention = 2 * (hidden + q) + 2 * (hidden + kv)
    widths = layers * (attention + 3 * (hidden + wide))
    return Shape(int(parameters), hidden, layers, widths, int(2 * parameters), widths, int(parameters))


def _is_target(name: str, targets: Literal["all-linear"] | tuple[str, ...]) -> bool:
    module = name.removesuffix(".weight").split(".")
    if targets == "all-linear":
        return not _is_end(name) and "wpe" not in module
    return module[-1] in targets


def _is_end(name: str) -> bool:
    """Of token embeddings or head, as far as names tell."""
    return any("embed" in part or part in (*_HEADS, "wte") for part in name.split("."))
