"""Folders of models and adapters in miniature, made where they are needed."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any


def safetensors(**shapes: tuple[int, ...]) -> bytes:
    """A file of fp32 zeros."""
    header, at = {}, 0
    for name, shape in shapes.items():
        size = 4 * math.prod(shape)
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + bytes(at)


def model(folder: Path, weights: bytes | None = None, **config: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8, **config}))
    (folder / "model.safetensors").write_bytes(safetensors(w=(2, 3)) if weights is None else weights)
    return folder
