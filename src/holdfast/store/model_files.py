"""A model's folder in Hugging Face's format, as files: whether they are whole, and the digest of what they hold.

No torch: a plan asks before anything is loaded, and a file that was cut off is named then, not minutes into a run.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from holdfast.store.digest import digest, file_digest
from holdfast.store.documents import read_json
from holdfast.types import UserError

CONFIG = "config.json"
INDEX = "model.safetensors.index.json"
ADAPTER_CONFIG = "adapter_config.json"
# What a file says about how it was written, not about the model.
_INCIDENTAL = {"_name_or_path", "transformers_version"}
_MAY_LACK = ("max_position_embeddings", "vocab_size")
_SIZES = ("hidden_size", "num_hidden_layers", *_MAY_LACK)  # what a plan reckons with
# Bits of a number; a type that is not listed here is left to who loads it.
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "U16": 16, "I16": 16, "F16": 16, "BF16": 16,
    "U32": 32, "I32": 32, "F32": 32, "U64": 64, "I64": 64, "F64": 64, "C64": 64,
}  # fmt: skip
FLOATS = {"F16", "BF16", "F32", "F64"}
_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
_SETTLED = 2.0  # seconds: a file changed later than that may change again within one tick of the file system's clock
_POINTER = b"version https://git-lfs"


class TensorInfo(NamedTuple):
    """What a safetensors header says of a tensor."""

    dtype: str
    shape: tuple[int, ...]


# -- whole or not ---------------------------------------------------------------------------------------------------


def check_model(folder: Path) -> None:
    """Raises UserError where the folder is no whole model: nothing is loaded, of the weights only headers are read."""
    if not (folder / CONFIG).is_file():
        raise UserError(f"{folder} holds no model: {_instead(folder)}")
    config = json_object(folder / CONFIG)
    if not isinstance(config.get("model_type"), str):
        raise UserError(f"{folder / CONFIG} names no `model_type`: it is no model's configuration, or damaged")
    text = config.get("text_config")
    if not isinstance(text, dict | None):
        raise UserError(f"{folder / CONFIG} has text_config: {text}, which is no configuration")
    for key in _SIZES:
        value = (config | (text or {})).get(key, 1)
        if not (type(value) is int and value > 0) and not (value is None and key in _MAY_LACK):
            raise UserError(f"{folder / CONFIG} has {key}: {str(value)[:40]}, which is no size; fetch the model again")
    for shard in _shards(folder):
        if shard.suffix == ".safetensors":
            read_header(shard)
        elif not shard.is_file() or shard.stat().st_size == 0:
            raise UserError(f"{shard} is missing or empty: fetch the model again")


def read_header(file: Path) -> dict[str, TensorInfo]:
    """The tensors of a safetensors file, by name, from its header alone.

    Raises UserError where the file is missing, cut off or damaged. Format: 8 bytes of length, little endian; a JSON
    object; the tensors' bytes without gaps (https://github.com/huggingface/safetensors).
    """
    if not file.is_file():
        raise UserError(f"{file} is missing, or no regular file: fetch or save it again")
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            first = stream.read(len(_POINTER))
            length = int.from_bytes(first[:8], "little")
            if first == _POINTER:
                raise UserError(f"{file} is a pointer of Git LFS, not the weights: run `git lfs pull` where it is from")
            if size < 8 or not 2 <= length <= min(size - 8, _LONGEST_HEADER):
                raise UserError(f"{file} is cut off or no safetensors file: fetch or save it again")
            stream.seek(8)
            header = json.loads(stream.read(length))
        tensors = {name: _Entry.of(entry) for name, entry in header.items() if name != "__metadata__"}
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise UserError(f"the header of {file} is damaged: fetch or save it again") from error
    at = 0
    for name, entry in sorted(tensors.items(), key=lambda item: item[1].begin):
        bits = _BITS.get(entry.dtype)
        if entry.begin != at or (bits and (entry.end - at) * 8 != bits * math.prod(entry.shape)):
            raise UserError(f"the header of {file} is damaged (at {name}): fetch or save it again")
        at = entry.end
    if 8 + length + at != size:
        raise UserError(
            f"{file} is {'cut off' if size < 8 + length + at else 'too long'}: its tensors take {8 + length + at:,} "
            f"bytes and it has {size:,}; fetch or save it again"
        )
    return {name: TensorInfo(entry.dtype, entry.shape) for name, entry in tensors.items()}


def model_shapes(folder: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of a model's plain weights by name; empty where they lie in another format than safetensors."""
    return {
        name: info.shape
        for shard in _shards(folder)
        if shard.suffix == ".safetensors"
        for name, info in read_header(shard).items()
        if info.dtype in FLOATS  # packed ones have shapes of their own
    }


def json_object(file: Path) -> dict[str, Any]:
    """A JSON file that holds one object. Raises UserError where it is missing, unreadable or holds anything else."""
    if not file.is_file():
        raise UserError(f"there is no file {file}")
    found = read_json(file)
    if not isinstance(found, dict):
        raise UserError(f"{file} must hold a JSON object, but holds a {type(found).__name__}")
    return found


class _Entry(NamedTuple):
    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int

    @staticmethod
    def of(entry: Any) -> _Entry:
        shape, (begin, end) = entry["shape"], entry["data_offsets"]
        if not all(type(n) is int and n >= 0 for n in (*shape, begin, end)) or end < begin:
            raise ValueError("sizes are whole numbers")
        return _Entry(str(entry["dtype"]), tuple(shape), begin, end)


def _shards(folder: Path) -> list[Path]:
    """The files that hold a model's weights, as transformers looks for them."""
    for whole in ("model.safetensors", "pytorch_model.bin"):
        index = folder / f"{whole}.index.json"
        if (folder / whole).exists() or (folder / whole).is_symlink():
            return [folder / whole]
        if index.is_file():
            places = json_object(index).get("weight_map")
            if not isinstance(places, dict) or not all(isinstance(name, str) for name in places.values()):
                raise UserError(f"{index} has no `weight_map`: fetch or save it again")
            names = sorted(set(places.values()))
            if odd := [name for name in names if Path(name).name != name or not (folder / name).exists()]:
                raise UserError(f"{folder} lacks {len(odd)} of its {len(names)} weight files, {odd[0]} first")
            return [folder / name for name in names]
    raise UserError(f"{folder} holds no weights: there is no model.safetensors and no {INDEX} in it")


def _instead(folder: Path) -> str:
    """What a folder without ``config.json`` is, where that can be told."""
    if (folder / ADAPTER_CONFIG).is_file():
        on = json_object(folder / ADAPTER_CONFIG).get("base_model_name_or_path") or "its base"
        return f"it is an adapter on {on}; give that base as the model, and this folder as an adapter (`--adapter`)"
    if file := next(folder.glob("*.gguf"), None):
        return f"it holds a GGUF file; give the file itself as the path ({file})"
    return f"there is no {CONFIG} in it"


# -- identity -------------------------------------------------------------------------------------------------------


def model_digest(folder: Path | str, quantization: str = "none") -> str:
    """Digest of a model's configuration and weights, and of how they are rounded where they are loaded so.

    Hashing is remembered by path, inode, size and times of change.
    """
    folder = Path(folder)
    weights = sorted(folder.glob("*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
    if not (folder / CONFIG).is_file() or not weights:
        raise UserError(f"{folder} holds no model: it needs a {CONFIG} and *.safetensors files")
    config = json_object(folder / CONFIG)
    return digest(
        {
            "config": {k: v for k, v in config.items() if k not in _INCIDENTAL},
            "weights": {w.name: remembered_digest(w) for w in weights},
        }
        | ({} if quantization == "none" else {"quantization": quantization})
    )


def remembered_digest(path: Path) -> str:
    """``file_digest``, from the user's cache where this very file was hashed before.

    An edit that puts size and time of modification back still changes ``ctime``, which nobody can set. A file that was
    changed a moment ago is not remembered, for it could change again within one tick; a note that was altered is not
    believed.
    """
    import platformdirs

    if not path.is_file():
        raise UserError(f"{path} is missing, or no regular file: fetch or save it again")
    key = _state(path)
    note = Path(platformdirs.user_cache_dir("holdfast")) / "digests" / key
    try:
        known, proof = note.read_text(encoding="utf-8").split()
        if proof == digest([key, known]):
            return known
    except (OSError, ValueError):
        pass
    try:
        found = file_digest(path)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror})") from error
    if time.time() - path.stat().st_ctime < _SETTLED or _state(path) != key:
        return found
    try:  # a cache that cannot be written is no reason to stop
        note.parent.mkdir(parents=True, exist_ok=True)
        temporary = note.with_name(f"{key}.{os.getpid()}")
        temporary.write_text(f"{found} {digest([key, found])}", encoding="utf-8")
        temporary.replace(note)
    except OSError:
        pass
    return found


def _state(path: Path) -> str:
    stat = path.stat()
    times = stat.st_mtime_ns, stat.st_ctime_ns
    return digest([str(path.resolve()), stat.st_dev, stat.st_ino, stat.st_size, *times])


def altered(folder: Path, digests: Any) -> Iterator[str]:
    """Names of the files in a folder that are not what was written, by the digests that were kept beside them."""
    for name, known in digests.items() if isinstance(digests, dict) else ():
        file = folder / name
        if not file.is_file() or remembered_digest(file) != known:
            yield name
