"""A GGUF file as a model's folder: written out once, in the user's cache, by its content."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

from holdfast.store.files import read_json, replacing, write_json
from holdfast.store.locks import lock
from holdfast.store.model_files import altered, remembered_digest
from holdfast.types import UserError

_MAGIC = b"GGUF"
_WRITTEN = "written.json"  # digests of what was written: with it the folder is whole


def gguf_folder(file: Path) -> Path:
    """The folder in Hugging Face's format that holds what ``file`` does. Written in another process, so that whoever
    only plans never loads torch; what was altered in the cache since is written anew.

    Raises UserError where the file is no GGUF file or holds what transformers cannot read, where the package ``gguf``
    is missing, and where there is no room.
    """
    import platformdirs

    with file.open("rb") as stream:
        if stream.read(len(_MAGIC)) != _MAGIC:
            raise UserError(f"{file} is no GGUF file, or damaged: fetch it again")
    cache = Path(platformdirs.user_cache_dir("holdfast")) / "gguf"
    folder = cache / remembered_digest(file)[:32]
    if _whole(folder):
        return folder
    if find_spec("gguf") is None:
        raise UserError(f"{file} is a GGUF file: to read it, pip install 'holdfast[gguf]'")
    with lock(cache, wait=True):
        if not _whole(folder):
            with replacing(folder, unless=lambda: _whole(folder)) as made:
                _write(file, made)
                names = sorted(f.name for f in made.iterdir())
                write_json(made / _WRITTEN, {"digests": {name: remembered_digest(made / name) for name in names}})
    return folder


def _whole(folder: Path) -> bool:
    note = folder / _WRITTEN
    return note.is_file() and not list(altered(folder, read_json(note, "digests")["digests"]))


def _write(file: Path, folder: Path) -> None:
    command = [sys.executable, "-m", "holdfast.models.gguf", str(file.resolve()), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it was stopped: is there memory enough?"])[-1]
        raise UserError(said if str(file.name) in said else f"{file} cannot be written out as a model: {said}")
