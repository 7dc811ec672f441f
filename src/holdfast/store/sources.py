"""From what a study file says (``path``) to a folder or file on this machine."""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from holdfast.store.adapter_files import check_adapter
from holdfast.store.gguf_files import gguf_folder
from holdfast.store.model_files import check_model
from holdfast.types import UserError

_HUB = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
# How transformers reads every folder: from this machine, and without running a line of what lies in it. Left unsaid, it
# would ask on standard input whether to run `auto_map`'s code.
AS_FILES: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
# Weights in one format, and no checkpoints of other libraries beside them.
_WANTED = ["*.json", "*.safetensors", "*.jinja", "*.model", "*.txt"]

# Where study files that were written earlier look for texts of this package.
_EARLIER = re.compile(r"package:holdfast([./])(measures|judges)/")


def model_folder(path: str, revision: str | None = None, *, download: bool = True) -> Path:
    """The folder of a model: a local one, ``package:PACKAGE/FOLDER``, that of a GGUF file (``gguf_files``), or of a hub
    id from the cache or the hub.

    With ``download=False`` nothing is fetched: a plan must not pull gigabytes. Raises UserError where there is none, or
    none that is whole (``model_files.check_model``).
    """
    return _folder("model", check_model, path, revision, download)


def adapter_folder(path: str, base: Path | None = None, *, download: bool = True) -> Path:
    """The folder of a LoRA adapter in PEFT's format, found as ``model_folder`` finds a model's.

    Raises UserError where it is no adapter that can be measured, or does not fit the model in ``base``.
    """
    return _folder("adapter", lambda folder: check_adapter(folder, base), path, None, download)


def _folder(kind: str, check: Callable[[Path], Any], path: str, revision: str | None, download: bool) -> Path:
    folder = local(path)
    try:
        here, file = folder.is_dir(), folder.exists()
    except OSError as error:
        raise UserError(f"the {kind} at {path} cannot be looked at ({error.strerror or error})") from error
    except ValueError as error:  # a NUL
        raise UserError(f"{path!r} is no path ({error})") from error
    if here:
        pass
    elif file and kind == "model" and folder.suffix == ".gguf":
        folder = gguf_folder(folder)
    elif file:
        raise UserError(f"there is no {kind} at {path}: it is a file; give the folder in Hugging Face's format")
    elif is_hub_id(path):
        folder = _from_hub(kind, path, revision, download)
    else:
        raise UserError(f"there is no {kind} at {path}: give a local folder, a hub id or package:PACKAGE/FOLDER")
    try:
        check(folder)
    except PermissionError as error:
        raise UserError(f"the {kind} at {path} may not be read: change its permissions") from error
    return folder


def is_hub_id(path: str) -> bool:
    """Whether the path reads as a hub id and is no folder here."""
    return not path.startswith("package:") and bool(_HUB.fullmatch(path)) and not local(path).exists()


def data_file(path: str | Path) -> Path:
    """A data file: local, or ``package:PACKAGE/FILE``."""
    file = local(str(path))
    if not file.is_file():
        where = f"from {Path.cwd()}" if not file.is_absolute() else "on this machine"
        raise UserError(f"there is no file {path} ({where}); check the path")
    return file


def local(path: str) -> Path:
    """Where a path of a study file lies on this machine, whether or not anything is there."""
    if not path.strip():
        raise UserError("a path is empty, and would be read as the current folder: name a file or folder, or a hub id")
    if "\0" in path:
        raise UserError(f"the path {path[:60]!r} holds the character NUL; remove it")
    parts = [part.encode("utf-8", "surrogatepass") for part in path.split("/")]
    if max(map(len, parts)) > 255 or sum(map(len, parts)) + len(parts) > 4096:  # Linux's limits; others have lower ones
        raise UserError(f"the path {path[:60]}… is too long for a file system; check it")
    if not path.startswith("package:"):
        try:
            return Path(path).expanduser()
        except RuntimeError:
            raise UserError(f"{path} names the home of somebody who is not known on this machine") from None
    now = _EARLIER.sub(r"package:holdfast\1evals\1\2/", path)
    package, _, inside = now.removeprefix("package:").partition("/")
    try:  # found, not imported: a package of weights may need others that are not here
        spec = find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise UserError(f"{path} names the package {package!r}, which is not installed")
    return Path(spec.submodule_search_locations[0]) / inside


def reason(error: Exception) -> str:
    """The first line of what another library says of a fault."""
    text = (str(error).strip().splitlines() or [""])[0]
    if "trust_remote_code" in str(error):
        return "it needs code of its own folder (`auto_map`), which is never run; give a model that transformers knows"
    bare = isinstance(error, (LookupError, TypeError, AttributeError, ArithmeticError))
    return f"{type(error).__name__}: {text}" if bare or not text else text


def _from_hub(kind: str, repo: str, revision: str | None, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    at = f"{repo} at revision {revision}" if revision else repo
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=_WANTED, local_files_only=True))
    except Exception as missing:
        if not download:
            raise UserError(
                f"the {kind} {at} is not on this machine; holdfast run fetches it from the hub"
            ) from missing
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=_WANTED))
    except Exception as e:  # offline, gated, misspelt: the hub's own words say which
        raise UserError(
            f"the {kind} {at} is neither on this machine nor to be had from the hub ({reason(e)}): check the name and "
            "the network, or give a local folder"
        ) from e
