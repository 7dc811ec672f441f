"""One task of a job array: it takes jobs from the study's queue, one after another, until there are none for a while.

It is told to leave by a signal: jobs stop at their next report, by when what they have is on the disk, and wait again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

from holdfast import interrupt
from holdfast.runs.executors.executor import Event
from holdfast.runs.executors.queue import Entry, Queue
from holdfast.runs.executors.worker import sendable

LOOK = 1.0  # seconds between looks at a queue in which nothing waits
REPORT = 1.0  # seconds between two lines of progress: each is a file that is opened, written and closed


def serve(root: Path, task: str, life: int, idle: float, again: Callable[[], object]) -> None:
    """Do jobs of the queue at ``root`` until none has come for ``idle`` seconds, the queue is closed, or a signal says
    to leave. ``task`` and ``life``: who this is, and how often the batch system began it before. ``again``: has it
    begun again later, which a SIGUSR1 or SIGUSR2 (the time limit is near) asks for."""
    queue, holder = Queue(root), f"{task}-{life}"
    limit = _hear(queue)
    for left in queue.held():
        if left.task == task:  # by an earlier life
            queue.give_back(left)
    queue.log(holder)
    model, since = "", time.monotonic()
    while not interrupt.leaving() and not queue.closed:
        if entry := queue.claim(holder, model):
            _do(queue, entry)
            model, since = entry.model, time.monotonic()
        elif time.monotonic() - since >= idle:
            break
        else:
            time.sleep(LOOK)
    if limit and queue.waiting() and not queue.closed:
        again()


def _do(queue: Queue, entry: Entry) -> None:
    reports = _Reports(queue, entry.holder)
    try:
        ticket = queue.ticket(entry)
        os.chdir(ticket.folder)
        reports.job = ticket.job.name
        ticket.job.function(reports, **ticket.job.arguments)
    except interrupt.Leaving:
        reports.flush()
        # One that got nowhere in the time that a task has would never.
        queue.give_back(entry, lost=not reports.progress)
    except Exception as error:
        reports.flush()
        queue.fail(entry, sendable(error))
    else:
        reports.flush()
        queue.finish(entry)


class _Reports:
    """What a job calls to report, from whatever thread. Of progress only the newest is kept for when a line is due."""

    def __init__(self, queue: Queue, holder: str) -> None:
        self.job, self.progress = "", False
        self._queue, self._holder = queue, holder
        self._due = 0.0
        self._newest: Event | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(self, event: Event) -> None:
        with self._one_at_a_time:
            event = {"job": self.job, **event}
            if "done" in event:
                self.progress = True
                self._newest = event
                if time.monotonic() >= self._due:
                    self._flush()
            else:
                self._queue.log(self._holder, event)
        if interrupt.leaving():
            raise interrupt.Leaving

    def flush(self) -> None:
        """Write what is kept."""
        with self._one_at_a_time:
            self._flush()

    def _flush(self) -> None:
        if self._newest:
            self._queue.log(self._holder, self._newest)
        self._newest, self._due = None, time.monotonic() + REPORT


def _hear(queue: Queue) -> list[int]:
    """Leave by signals from now on. Returns a list that is filled once the time limit is near."""
    near: list[int] = []

    def leave(number: int, frame: FrameType | None) -> None:
        if queue.closed:
            os._exit(1)  # nobody waits for what it has in hand, of which files are whole or absent
        if number != signal.SIGTERM:  # after that one the batch system itself begins it again, or means to end it
            near.append(number)
        interrupt.leave_soon()

    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, leave)
    return near
