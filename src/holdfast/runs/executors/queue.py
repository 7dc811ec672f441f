"""Jobs as files below the study's folder, which processes of several machines take in turn.

    waiting/ORDER.MODEL.KEY.LOST            a job, pickled by reference
    held/ORDER.MODEL.KEY.LOST.TASK-LIFE     who has it in hand; LIFE: a task that the batch system begins again counts
    done/KEY, failed/KEY                    until whoever waits for it has seen it; ``failed``: the error, pickled
    events/TASK-LIFE.jsonl                  what a task's jobs report; it is there as soon as the task has begun
    closed                                  no more jobs: tasks end
    name                                    what the tasks are called
    logs/                                   the batch system's own

A job is one file, and every step of its way is one rename of it, which a file server does once whoever asks: so a job
is in one place and in one task's hand, with no file lock. An answer may be lost on the network though the rename was
done: whoever is told that there was nothing to rename looks whether the new name is there.
"""

from __future__ import annotations

import json
import os
import pickle
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from holdfast.runs.executors.executor import Event, Job
from holdfast.store.digest import digest, short
from holdfast.store.files import replacing, write_bytes
from holdfast.store.folder import plain
from holdfast.types import UserError


class Ticket(NamedTuple):
    """What lies in a job's file. ``folder``: where the paths among its arguments begin. ``lost``: how often it may be
    lost with who has it in hand."""

    job: Job
    folder: Path
    lost: int


@dataclass(frozen=True)
class Entry:
    """A job's file. ``lost``: how often it was; ``holder``: the task that has it in hand, and which life of it."""

    order: int
    model: str
    key: str
    lost: int = 0
    holder: str = ""

    @property
    def name(self) -> str:
        fields = [f"{self.order:06d}", self.model, self.key, str(self.lost)]
        return ".".join([*fields, self.holder] if self.holder else fields)

    @property
    def task(self) -> str:
        return self.holder.rpartition("-")[0]

    @classmethod
    def of(cls, name: str) -> Entry:
        order, model, key, lost, *holder = name.split(".")
        return cls(int(order), model, key, int(lost), *holder)


def key(job: Job) -> str:
    """What tells a job from others, the same in whatever process."""
    arguments = {name: repr(value) for name, value in job.arguments.items()}
    return short(digest([job.name, f"{job.function.__module__}.{job.function.__qualname__}", arguments]))


def of_model(model: str) -> str:
    return short(digest(model))


class Queue:
    """``root``: its folder, seen by all machines. Making one writes nothing."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.logs = root / "logs"
        self._closed = root / "closed"

    def __repr__(self) -> str:
        return f"<{len(self.waiting())} jobs wait in {self.root}, {len(self.held())} are in hand>"

    # -- whoever gives jobs -------------------------------------------------------------------------------------------

    def name(self) -> str:
        """What the tasks are called: the same wherever the folder is mounted or moved, another where it is a copy."""
        file = self.root / "name"
        with suppress(FileNotFoundError, ValueError):
            name, inode, path = file.read_text().splitlines()
            if int(inode) == file.stat().st_ino or path == str(file.resolve()):
                return name
        name = f"holdfast-{plain(self.root.resolve().parent.name)}-{uuid.uuid4().hex[:12]}"
        with replacing(file) as new:
            new.touch()
            new.write_text(f"{name}\n{new.stat().st_ino}\n{file.resolve()}\n")
        return name

    def open(self) -> None:
        """Make the folders, and let tasks stay."""
        for name in ("waiting", "held", "done", "failed", "events", "logs"):
            (self.root / name).mkdir(parents=True, exist_ok=True)
        self._closed.unlink(missing_ok=True)

    def close(self) -> None:
        """No more jobs: those that wait are taken back, and tasks end when they look."""
        write_bytes(self._closed, b"")
        for entry in self.waiting():
            self.drop(entry)

    def dismiss(self) -> None:
        """Tasks end when they look, if there is nothing for them to do."""
        if self.root.is_dir() and not self.closed and not self.waiting() and not self.held():
            write_bytes(self._closed, b"")

    def put(self, order: int, job: Job, lost: int) -> None:
        """``lost``: how often it may be."""
        entry = Entry(order, of_model(job.model), key(job))
        write_bytes(self.root / "waiting" / entry.name, pickle.dumps(Ticket(job, Path.cwd(), lost)))

    def waiting(self) -> list[Entry]:
        """In order."""
        return self._entries("waiting")

    def held(self) -> list[Entry]:
        return self._entries("held")

    def done(self) -> list[str]:
        return _names(self.root / "done")

    def failed(self) -> list[str]:
        return _names(self.root / "failed")

    def forget(self, key: str) -> None:
        """That it is done or failed: whoever waits has seen it, or will have it done again."""
        for name in ("done", "failed"):
            (self.root / name / key).unlink(missing_ok=True)

    def error(self, key: str) -> Exception:
        """Why a job failed."""
        return pickle.loads((self.root / "failed" / key).read_bytes())

    def clear(self) -> None:
        """Forget all of it but the logs, once no task lives."""
        for name in ("held", "done", "failed", "events"):
            for file in _names(self.root / name):
                (self.root / name / file).unlink(missing_ok=True)

    def drop(self, entry: Entry) -> None:
        self._at(entry).unlink(missing_ok=True)

    def begun(self) -> set[str]:
        """The tasks that have."""
        return {name.rpartition("-")[0] for name in _names(self.root / "events")}

    def events(self, read: dict[str, int]) -> Iterator[Event]:
        """What was reported since. ``read``: bytes of each file that were; it is brought up to date."""
        for name in _names(self.root / "events"):
            with (self.root / "events" / name).open("rb") as file:
                file.seek(read.get(name, 0))
                lines = file.read().splitlines(keepends=True)
            for line in lines:
                if line.endswith(b"\n"):  # else its other half is on its way
                    read[name] = read.get(name, 0) + len(line)
                    yield json.loads(line)

    # -- whoever does them --------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._closed.exists()

    def claim(self, holder: str, model: str) -> Entry | None:
        """Take the first job of this model in hand, else the first of all. None: there is none."""
        waiting = self.waiting()
        for entry in sorted(waiting, key=lambda e: e.model != model):
            mine = replace(entry, holder=holder)
            if _moved(self._at(entry), self._at(mine)):
                return mine
        return None

    def ticket(self, entry: Entry) -> Ticket:
        return pickle.loads(self._at(entry).read_bytes())

    def finish(self, entry: Entry) -> None:
        """Nothing happens where it was taken out of hand meanwhile."""
        _moved(self._at(entry), self.root / "done" / entry.key)

    def fail(self, entry: Entry, error: Exception) -> None:
        """The error must pickle. Nothing happens where the job was taken out of hand meanwhile."""
        if self._at(entry).exists():
            write_bytes(self.root / "failed" / entry.key, pickle.dumps(error))
            self.drop(entry)

    def give_back(self, entry: Entry, lost: bool = True) -> None:
        """A job that is in hand waits again; it fails where it was ``lost`` too often, with nothing saved in between.
        Whoever comes second does nothing."""
        if not lost:
            _moved(self._at(entry), self._at(replace(entry, holder="", lost=0)))
            return
        try:
            job, _, most = self.ticket(entry)
        except FileNotFoundError:
            return
        if entry.lost < most:
            _moved(self._at(entry), self._at(replace(entry, holder="", lost=entry.lost + 1)))
        else:
            times = "once" if most == 0 else f"{most + 1} times"
            self.fail(
                entry,
                UserError(
                    f"the task that had {job.name!r} in hand was lost {times}, last of all {entry.task}; the batch "
                    f"system's own word is in {self.logs}; what is done is kept: run again to go on, where memory or "
                    "time was short with more of it"
                ),
            )

    def log(self, holder: str, *events: Event) -> None:
        """Bring them to the server: the file is closed each time, for another machine sees it no sooner."""
        with (self.root / "events" / f"{holder}.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)

    def _entries(self, where: str) -> list[Entry]:
        return [Entry.of(name) for name in _names(self.root / where)]

    def _at(self, entry: Entry) -> Path:
        return self.root / ("held" if entry.holder else "waiting") / entry.name


def counts(root: Path) -> dict[str, int]:
    """How many jobs wait and how many are in hand."""
    queue = Queue(root)
    return {"waiting": len(queue.waiting()), "running": len(queue.held())}


def _names(folder: Path) -> list[str]:
    """In order, without temporary files."""
    try:
        with suppress(OSError):  # a change has an NFS client ask for the folder as it is now (submitit does so)
            os.chmod(folder, os.stat(folder).st_mode)
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except FileNotFoundError:
        return []


def _moved(old: Path, new: Path) -> bool:
    try:
        old.rename(new)
    except FileNotFoundError:
        return new.exists()
    return True
