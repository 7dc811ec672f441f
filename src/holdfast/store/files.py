"""Files that are there whole or not at all, and a lock on a folder.

Whatever is written goes to a temporary name in the same folder, is flushed to the disk and then renamed. A process
killed at any moment leaves the old file, the new file, or a stray ``.tmp`` that nothing reads.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from holdfast.words import UserError


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yields a temporary path to write a file to; it takes the place of ``path`` when the block ends well."""
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    with _clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            for file in (temporary, *temporary.rglob("*")):
                if file.is_file():
                    _flush(file)
            if temporary.is_dir() and path.exists():
                shutil.rmtree(path)
            os.replace(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)
            raise
        _flush(path.parent)


@contextmanager
def replacing_folder(path: Path | str) -> Iterator[Path]:
    """As ``replacing``, for a folder of files. A folder that was at ``path`` is removed."""
    with replacing(path) as temporary:
        temporary.mkdir()
        yield temporary


def write_bytes(path: Path | str, data: bytes) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any) -> None:
    """Indented, keys in the order given, non-finite numbers refused."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"there is no file {path}") from None
    except ValueError as e:
        raise UserError(f"{path} is not valid JSON ({e}); delete it to have it made again") from None


@contextmanager
def reading(path: Path | str) -> Iterator[None]:
    """Says in a sentence why a file cannot be read. What cannot be read just now may be sound: nobody is told to delete
    it."""
    try:
        yield
    except UserError:
        raise
    except (OSError, ValueError) as e:
        if isinstance(e, OSError) or "null byte" in str(e) or "null character" in str(e):
            raise UserError(unread(path, e)) from e
        raise


def unread(path: Path | str, error: Exception) -> str:
    """Why the operating system did not give a file, and the mend."""
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:200]}…"
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return f"there is no file {shown}"
    if isinstance(error, IsADirectoryError):
        return f"{shown} is a folder, and a file is needed"
    if isinstance(error, PermissionError):
        return f"{shown} may not be read; change its permissions and run the same again"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"the path {shown} is too long for this file system; choose shorter names"
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        return f"{shown} cannot be read just now ({why}); nothing in it was changed: run the same when the disk answers"
    return f"the path {shown!r} holds the character NUL; remove it"


@contextmanager
def lock(folder: Path | str, wait: bool = False, unless: Callable[[], bool] | None = None) -> Iterator[None]:
    """Holds the folder for this process. The operating system lets go of it when the process ends, however it ends.
    ``unless``: asked while waiting; true gives up. Raises UserError where another holds it."""
    from filelock import FileLock, Timeout

    folder = Path(folder)
    with _clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = FileLock(folder / ".lock")
    try:
        held.acquire(timeout=-1 if wait else 0, cancel_check=unless)
    except Timeout:
        raise UserError(f"another process is at work in {folder}; wait until it ends, or stop it first") from None
    try:
        yield
    finally:
        held.release()


@contextmanager
def _clear_errors(path: Path) -> Iterator[None]:
    """Says in a sentence what a user can mend: a full disk, a folder that may not be written."""
    try:
        yield
    except UserError:
        raise
    except Exception as e:
        number = e.errno if isinstance(e, OSError) else None
        # Writers in other languages (safetensors, Arrow) pass the system's words on, not always its number.
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(e):
            raise UserError(f"the disk is full: {path} could not be written; make room and run the same again") from e
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"{path} may not be written; choose another folder or change its permissions") from e
        raise


def _flush(path: Path) -> None:
    """To the disk, so that a rename never overtakes the bytes it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
