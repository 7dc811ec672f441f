"""Tensors in a file that says what it belongs to and carries a digest of its content: what was altered is not believed.

One flipped bit in an optimiser's moments, or another run's state put in place of this one's, loads without a word and
changes every later step.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from holdfast.store.files import replacing
from holdfast.types import UserError


class Altered(ValueError):
    """The file is not what was written for this purpose; it can be made again."""


def write(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> None:
    """Whole or not at all. The same tensors and words give the same bytes."""
    words = json.dumps({**about, "digest": _digest(tensors, about)}, sort_keys=True)
    with replacing(path) as temporary:  # not by way of bytes: the whole state a second time in memory
        save_file(dict(tensors), temporary, {"about": words})  # under one key: several are written in any order


def read(path: Path, of: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors and what was said about them, whose ``of`` must be this.

    Raises ``FileNotFoundError``, and ``Altered`` where the file is damaged, another's, or without a digest (of an
    earlier version), and UserError where it is there and cannot be read just now.
    """
    try:
        with safe_open(path, "pt") as file:
            about = json.loads((file.metadata() or {}).get("about", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (no mapping)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): mend that and run again") from error
    except Exception as error:  # safetensors raises errors of several kinds for bytes that are not its own
        raise Altered(f"{path.name} is damaged") from error
    if about.get("of") != of:
        raise Altered(f"{path.name} belongs to something else")
    if about.pop("digest", None) != _digest(tensors, about):
        raise Altered(f"{path.name} is not what was written")
    return tensors, about


def _digest(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> str:
    hashed = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        hashed.update(f"{name} {tuple(tensor.shape)} {tensor.dtype} ".encode())
        hashed.update(tensor.contiguous().numpy().tobytes())
    return hashed.hexdigest()
