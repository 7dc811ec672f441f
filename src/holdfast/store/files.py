"""Files that are there whole or not at all.

Whatever is written goes to a temporary name in the same folder, is flushed to the disk and then renamed. A process
killed at any moment leaves the old file, the new file, or a stray ``.tmp`` that nothing reads.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from holdfast.store.processes import gone, me
from holdfast.types import UserError

SEAL = "sha256"
AGAIN = "delete it to have it made again"
STALE = 5  # times that a file is opened


@contextmanager
def replacing(path: Path | str, unless: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """Yields a temporary path to write a file to; it takes the place of ``path`` when the block ends well. Where a
    folder was made there, what lies at ``path`` is removed; but ``unless`` that says so, it stays: another process may
    have put it there meanwhile."""
    path = Path(path)
    temporary = temporary_name(path)
    with clear_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            for file in (temporary, *temporary.rglob("*")):
                if file.is_file():
                    _flush(file)
            if temporary.is_dir():
                _put_folder(temporary, path, unless)
            else:
                os.replace(temporary, path)
        # Ctrl-C too.
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.unlink(missing_ok=True)
            raise
        # The name, after the bytes: else a power cut could leave a file that is there and empty.
        _flush(path.parent)


@contextmanager
def replacing_folder(path: Path | str, unless: Callable[[], bool] = lambda: False) -> Iterator[Path]:
    """As ``replacing``, for a folder of files."""
    with replacing(path, unless) as temporary:
        temporary.mkdir()
        yield temporary


def _put_folder(folder: Path, path: Path, unless: Callable[[], bool]) -> None:
    while not unless():
        try:
            os.rename(folder, path)
            return
        except OSError as e:  # there is one, which a rename only replaces where it is empty
            if e.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        aside = temporary_name(path)
        with suppress(FileNotFoundError):  # another process is at the same
            os.rename(path, aside)
        shutil.rmtree(aside, ignore_errors=True)
    shutil.rmtree(folder)


def temporary_name(path: Path) -> Path:
    """In the same folder: a rename is one act within a file system only. Hidden, so that no pattern finds it; with the
    name of this process, so that ``sweep`` knows when it is nobody's."""
    return path.with_name(f".{path.name}.{me()}-{uuid.uuid4().hex[:8]}.tmp")


def sweep(*folders: Path) -> None:
    """Remove what a killed process left half-written there. What one that lives, or may live on another machine, has
    under way stays."""
    for stray in (stray for folder in folders for stray in folder.glob(".*.tmp")):
        *_, of, _ = stray.name.split(".")
        process, _, number = of.rpartition("-")
        if not number or process.count("-") != 2 or gone(process):  # earlier versions named no process
            shutil.rmtree(stray, ignore_errors=True)
            stray.unlink(missing_ok=True)


def write_bytes(path: Path | str, data: bytes) -> None:
    """Whole or not at all. Raises UserError for a full disk or a place that may not be written."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)


def write_text(path: Path | str, text: str) -> None:
    """In UTF-8, with the line ends that it has; as ``write_bytes``."""
    write_bytes(path, text.encode("utf-8"))


def write_json(path: Path | str, value: Any, *, indent: int | None = 2, seal: bool = True) -> None:
    """Keys in the order given, non-finite numbers refused. A mapping is sealed: its last key is a checksum of the rest,
    which ``read_json`` holds it to. ``seal=False``: for files that others write, too."""
    value = sealed(value) if seal else value
    write_text(path, json.dumps(value, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def write_first(path: Path, value: Mapping[str, Any]) -> Any:
    """As ``write_json``; where the file is there already, it stays. Returns what is there now, the same for all:
    of several who write at once one alone is first, lock or no lock."""
    temporary = temporary_name(path)
    try:
        write_json(temporary, value)
        with clear_errors(path):
            try:
                os.link(temporary, path)
            except FileExistsError:
                pass
            except OSError:  # no such links here
                if not path.exists():
                    os.rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    return read_json(path)


def read_json(path: Path | str, *needs: str, mend: str = AGAIN) -> Any:
    """What ``write_json`` wrote. ``needs``: keys that it must have.

    Raises UserError where the file is missing or cannot be read just now, and, with ``mend``, where it is damaged: no
    JSON, without a key that is needed, or altered. A file of earlier versions, which has no checksum, is believed.
    """
    with reading(path):
        data = read_bytes(path)
    return from_json(data, path, *needs, mend=mend)


def from_json(data: bytes, path: Path | str, *needs: str, mend: str = AGAIN) -> Any:
    """``read_json`` of what was read from ``path``, or of one line of it."""
    try:
        value = opened(json.loads(data))
        if not isinstance(value, dict) or not value:
            raise ValueError("it holds nothing of what was written")
        if missing := [key for key in needs if key not in value]:
            raise ValueError(f"it has no {missing[0]}")
    except (ValueError, RecursionError) as e:
        raise UserError(f"{path} is damaged ({str(e).splitlines()[0][:200]}); {mend}") from None
    return value


def read_bytes(path: Path | str) -> bytes:
    """All of a file. It is opened again where its server no longer has what was opened (ESTALE): another machine has
    put a new file in its place, and a cache still named the old one."""
    for again in reversed(range(STALE)):
        try:
            return Path(path).read_bytes()
        except OSError as e:
            if e.errno != errno.ESTALE or not again:
                raise
    raise AssertionError


def write_lines(path: Path | str, values: Iterable[Mapping[str, Any]]) -> None:
    """JSON lines, each sealed."""
    lines = (json.dumps(sealed(value), ensure_ascii=False, allow_nan=False) for value in values)
    write_text(path, "".join(line + "\n" for line in lines))


def read_lines(path: Path | str, *needs: str, mend: str = AGAIN) -> list[dict[str, Any]]:
    """What ``write_lines`` wrote; UserError as of ``read_json``. No file has no lines."""
    if not Path(path).exists():
        return []
    with reading(path):
        data = read_bytes(path)
    if not data.endswith(b"\n"):
        raise UserError(f"{path} is damaged (it was cut off); {mend}")
    return [from_json(line, path, *needs, mend=mend) for line in data.splitlines()]


def sealed(value: Any) -> Any:
    """A mapping with a checksum of itself as its last key; anything else as it is."""
    if not isinstance(value, Mapping) or not value:
        return value
    assert SEAL not in value
    return {**value, SEAL: _checksum(dict(value))}


def opened(value: Any) -> Any:
    """What ``sealed`` was given, and what was never sealed as it is. Raises ValueError where it was altered since."""
    if not isinstance(value, dict) or not value:
        return value
    *keys, last = value
    rest = {key: value[key] for key in keys}
    if isinstance(value[last], str) and len(value[last]) == 64 and value[last] == _checksum(rest):
        return rest  # whatever became of the key's own name
    if SEAL in value:
        raise ValueError("it was altered: its checksum does not match")
    return value


def _checksum(value: Any) -> str:
    """Of the content and its order, however it is laid out."""
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


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
        return f"{shown} may not be read or written; change its permissions and run the same again"
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return f"the path {shown} is too long for this file system; choose shorter names"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full: {shown} could not be written; make room and run the same again"
    if isinstance(error, OSError):
        why = error.strerror or type(error).__name__
        return f"{shown} cannot be read just now ({why}); nothing in it was changed: run the same when the disk answers"
    return f"the path {shown!r} holds the character NUL; remove it"


@contextmanager
def clear_errors(path: Path) -> Iterator[None]:
    """Says in a sentence what a user can mend: a full disk, a folder that may not be written, a name too long."""
    from filelock import Timeout

    try:
        yield
    except (UserError, Timeout):
        raise
    except Exception as e:
        number = e.errno if isinstance(e, OSError) else None
        # Writers in other languages (safetensors, Arrow) pass the system's words on, not always its number.
        if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(e):
            raise UserError(unread(path, OSError(errno.ENOSPC, ""))) from e
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise UserError(f"{path} may not be written; choose another folder or change its permissions") from e
        if number == errno.ENAMETOOLONG or (isinstance(e, ValueError) and "null" in str(e)):
            raise UserError(unread(path, e)) from e
        if number in (errno.ENOTDIR, errno.EEXIST, errno.EISDIR):
            raise UserError(f"{path} cannot be written: a file stands where a folder must be; move it away") from e
        if number == errno.EIO:
            raise UserError(f"{path} could not be written: the disk does not answer (input/output error)") from e
        raise


def _flush(path: Path) -> None:
    """To the disk, so that a rename never overtakes the bytes it names."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
