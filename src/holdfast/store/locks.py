"""A lock on a folder: of the operating system where its file system can be trusted with it, else a lease.

A lease is one file, the token, in ``FOLDER/.lease``. It is called ``free`` or, with the name of whoever holds it,
``held.ID``; it is taken, let go and taken over by renaming it. A rename is one act on every shared file system, and
``ID`` is never used again: of several that rename the token from one name, one alone finds it there. Nothing is
decided by what was read, which a cache may hold back. Reading only says whose turn it may be to try.

The holder counts in a file of its own, ``ID.json``. Who has seen the same count for a whole term by a clock of its own,
or knows the holder to be gone, for it was a process of its own machine, takes the token over. No two clocks are ever
compared. A holder counts six times a term, so a cache may hold a reading back by half a term (90 s; that of NFS does so
for 60 s at most, by default) before a live one is taken for dead.

A process that was stopped for longer than a term finds its lease taken when it goes on. By then its last write may
stand beside another's; whatever is written under a lock must bear that: it is whole, and has the same bytes whoever
writes it, or adds up in files of each writer's own (the ledger).
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from holdfast.store.files import clear_errors, temporary_name
from holdfast.store.processes import gone, here, me
from holdfast.store.shared import shared
from holdfast.types import UserError

TERM = 180.0  # seconds without a sign of life after which a lease is anybody's
SIGNS = 6  # of life in a term
SWITCH = "HOLDFAST_LOCKS"
_AT, _FREE, _HELD = ".lease", "free", "held."

Ask = Callable[[], bool]


@contextmanager
def lock(folder: Path | str, wait: bool = False, unless: Ask | None = None) -> Iterator[Ask]:
    """Holds the folder for this process: a thread of it at a time. Let go of when the process ends, however it ends; on
    a shared file system, where it ended on another machine, a term later.

    ``unless``: asked while waiting; true gives up. Yields what says whether it was found that the lock is lost. Raises
    UserError where another holds it, and in place of an error that came up after it was lost.
    """
    folder = Path(folder)
    with clear_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    held = _Lease(folder) if leased(folder) else _Flock(folder)
    with clear_errors(folder / ".lock"):
        if not held.acquire(wait, unless or (lambda: False)):
            by = held.holder()
            raise UserError(f"another process is at work in {folder}{by}; wait until it ends, or stop it first")
    try:
        yield lambda: held.noticed
    except Exception as error:
        if held.lost():
            raise UserError(
                f"this process was stopped for so long that another took {folder} over; leave the work to that one, or "
                "run the same again when it has ended"
            ) from error
        raise
    finally:
        held.release()


def leased(folder: Path) -> bool:
    """Whether the folder is locked by leases: its file system is shared (or ``HOLDFAST_LOCKS`` says so), or another
    machine, to which it is, has worked in it."""
    asked = os.environ.get(SWITCH, "")
    if asked not in ("", "flock", "lease"):
        raise UserError(f"the environment variable {SWITCH} is {asked!r}: make it `lease` or `flock`, or leave it out")
    return asked == "lease" if asked else shared(folder) or (folder / _AT).is_dir()


class _Flock:
    """The operating system's lock on ``.lock``, which is never lost."""

    noticed = False

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self._lock = FileLock(folder / ".lock")

    def acquire(self, wait: bool, unless: Ask) -> bool:
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=-1 if wait else 0, cancel_check=unless)
        except Timeout:
            return False
        except NotImplementedError:
            raise UserError(
                f"the file system of {self._lock.lock_file} has no locks: set {SWITCH}=lease in the environment"
            ) from None
        return True

    def release(self) -> None:
        self._lock.release()

    def lost(self) -> bool:
        return False

    def holder(self) -> str:
        return ""


class Names:
    """The folder of a lease: what is done there, each in one act."""

    def __init__(self, at: Path) -> None:
        self._at = at

    def make(self, first: str) -> None:
        """The folder, with an empty file of this name in it. Nothing happens where it is there."""
        if self._at.is_dir():
            return
        new = temporary_name(self._at)
        new.mkdir()
        (new / first).touch()
        try:
            os.rename(new, self._at)  # onto a folder that is not empty: refused
        except OSError:
            shutil.rmtree(new, ignore_errors=True)
            if not self._at.is_dir():
                raise

    def rename(self, old: str, new: str) -> bool:
        """Whether the file was there under its old name. ``new`` is one that only the caller gives."""
        try:
            os.rename(self._at / old, self._at / new)
        except FileNotFoundError:
            return self.has(new)  # a server may answer late, be asked again, and then find nothing
        return True

    def has(self, name: str) -> bool:
        return name in self.all()

    def all(self) -> list[str]:
        return os.listdir(self._at)

    def write(self, name: str, text: str) -> None:
        (self._at / name).write_text(text)

    def read(self, name: str) -> str | None:
        """None: not there, or not just now."""
        try:
            return (self._at / name).read_text()
        except OSError:
            return None

    def remove(self, name: str) -> None:
        with suppress(OSError):
            (self._at / name).unlink(missing_ok=True)


class Turn:
    """One wish for a lease, from the wait to the end. ``attempt`` while it waits, ``sign`` while it holds it."""

    def __init__(self, names: Names, id: str, term: float, clock: Callable[[], float]) -> None:
        self._names, self._id, self._term, self._clock = names, id, term, clock
        self._mine, self._count = f"{_HELD}{id}", 0
        self._seen: tuple[str, str | None] | None = None  # who held it when last looked at, and the count
        self._since = 0.0  # when that was first seen
        self.alive = False  # whether whoever held it has shown that it lives

    def sign(self) -> None:
        """Of life."""
        self._count += 1
        said = {"count": self._count, "term": self._term, "host": platform.node(), "pid": os.getpid()}
        self._names.write(f"{self._id}.json", json.dumps(said))

    def attempt(self) -> bool:
        """Whether the lease is had now."""
        return self.take(_FREE) or bool((dead := self.look()) and self.take(dead))

    def take(self, token: str) -> bool:
        """The token from the name that it has, if it has it still."""
        if not self._names.rename(token, self._mine):
            return False
        if token != _FREE:
            self._names.remove(f"{token.removeprefix(_HELD)}.json")
            for name in self._names.all():  # of those that were ended while they waited
                if name.endswith(".json") and gone(name.rpartition("-")[0]):
                    self._names.remove(name)
        return True

    def look(self) -> str:
        """The token's name where it is to be taken over, else ""."""
        token = next((name for name in self._names.all() if name.startswith(_HELD)), "")
        if not token:  # free by now, or on its way from one name to another
            return ""
        if token == self._mine:  # which a cache held back until now
            return token
        holder = token.removeprefix(_HELD)
        seen, now, who = (holder, self._names.read(f"{holder}.json")), self._clock(), holder.rpartition("-")[0]
        if seen != self._seen:
            self.alive = self.alive or (self._seen is not None and seen[0] == self._seen[0])
            self._seen, self._since = seen, now
        if gone(who):
            return token
        self.alive = self.alive or here(who)
        return token if now - self._since > self._term_of(seen[1]) else ""

    def _term_of(self, said: str | None) -> float:
        """As the holder has it, whose signs come by it."""
        try:
            return max(self._term, float(json.loads(said or "")["term"]))
        except (ValueError, KeyError, TypeError):
            return self._term

    def holder(self) -> str:
        """Who that is, in words."""
        try:
            said = json.loads((self._seen or ("", ""))[1] or "")
            return f" (process {said['pid']} on {said['host']})"
        except (ValueError, KeyError, TypeError):
            return ""

    def lost(self) -> bool:
        return not self._names.has(self._mine)

    def end(self) -> None:
        """Let go of it, where it is had."""
        self._names.rename(self._mine, _FREE)
        self._names.remove(f"{self._id}.json")


class _Lease:
    """A turn that shows that it lives from a thread of its own."""

    def __init__(self, folder: Path) -> None:
        self._names = Names(folder / _AT)
        self._turn = Turn(self._names, f"{me()}-{uuid.uuid4().hex[:8]}", TERM, time.monotonic)
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        self.noticed = False  # that it is lost

    def acquire(self, wait: bool, unless: Ask) -> bool:
        """Without ``wait`` it takes as long as it takes to know whether the holder lives: on another machine up to a
        term."""
        self._names.make(_FREE)
        pause = 0.01
        try:
            self._turn.sign()  # first, so that whoever finds it held finds by whom
            while not self._turn.attempt():
                if unless() or (not wait and self._turn.alive):
                    self._turn.end()
                    return False
                time.sleep(pause)
                pause = min(2 * pause, 1.0, TERM / 20)
        except BaseException:
            self._turn.end()
            raise
        self._thread = threading.Thread(target=self._live, name="lease", daemon=True)
        self._thread.start()
        return True

    def _live(self) -> None:
        while not self._ended.wait(TERM / SIGNS):
            with suppress(OSError):  # the server is away, for all: at the next turn
                self.noticed = self._turn.lost()
                if self.noticed:
                    return
                self._turn.sign()

    def release(self) -> None:
        self._ended.set()
        if self._thread is not None:
            self._thread.join()
        with suppress(OSError):  # else it runs out by itself
            self._turn.end()

    def lost(self) -> bool:
        with suppress(OSError):
            return self._turn.lost()
        return False

    def holder(self) -> str:
        return self._turn.holder()
