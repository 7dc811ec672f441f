"""A worker on a machine of a Ray cluster: a process made like those of the machine where the study was begun."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast import machine
from holdfast.runs.executors.executor import Job
from holdfast.runs.executors.worker import sendable, software
from holdfast.types import UserError

PACE = 0.25  # seconds over which a worker gathers what a job says
SEEN = 60.0  # seconds that a shared file system may take to show a file that another machine wrote


@dataclass(frozen=True)
class Here:
    """What a worker must find as it is where the study was begun. ``mark``: a file in the study's folder, or ""."""

    path: tuple[str, ...]
    current: str
    mark: str
    software: dict[str, str]
    need: dict[str, float]
    most: int | None


def places(node: Mapping[str, float], need: Mapping[str, float]) -> int:
    """How many workers have room on a machine."""
    return min((int(node.get(name, 0) / amount) for name, amount in need.items()), default=1)


class Actor:
    """Becomes a Ray actor. ``settle`` comes first, then ``hear`` with a job and, until it has ended, without."""

    def settle(self, here: Here) -> UserError | None:
        """Make this process as one of the study's own machine. Returns what is not as it must be."""
        import ray

        sys.path.extend(p for p in here.path if p not in sys.path)
        where, theirs = socket.gethostname(), software()
        for name, version in here.software.items():
            if theirs[name] != version:
                return UserError(
                    f"the machine {where} of the Ray cluster has {name} {theirs[name]}, where the study was begun it "
                    f"is {version}: install the same on all, or results would differ with where jobs run"
                )
        until = time.monotonic() + SEEN
        while here.mark and not Path(here.mark).exists():
            if time.monotonic() > until:
                return UserError(
                    f"the machine {where} of the Ray cluster does not see the folder {Path(here.mark).parent}: give "
                    "`--out` one that all machines see under the same name"
                )
            time.sleep(0.2)
        try:
            os.chdir(here.current)  # paths in a study may begin there
        except OSError:
            return UserError(
                f"the machine {where} of the Ray cluster does not see {here.current}, where the study was begun: begin "
                "it in a folder that all machines see under the same name"
            )
        node = next(n for n in ray.nodes() if n["NodeID"] == ray.get_runtime_context().get_node_id())["Resources"]
        beside = min(places(node, here.need), here.most or sys.maxsize) or 1
        machine.granted = int(machine.SHARE * node.get("memory", machine.free()) / beside)
        self._jobs: queue.Queue[Job] = queue.Queue()
        self._said: queue.Queue[Any] = queue.Queue()
        threading.Thread(target=self._work, daemon=True).start()
        return None

    def hear(self, job: Job | None = None) -> list[Any]:
        """What the job says, once it says something: its events, and at its end ``finished`` or its error."""
        if job:
            self._jobs.put(job)
        said, until = [self._said.get()], time.monotonic() + PACE
        while not _ends(said[-1]) and time.monotonic() < until:
            with suppress(queue.Empty):
                said.append(self._said.get(timeout=max(until - time.monotonic(), 0)))
        return said

    def _work(self) -> None:
        # One thread for all jobs: torch keeps some of its state by thread.
        try:
            while True:
                job = self._jobs.get()
                try:
                    job.function(self._said.put, **job.arguments)
                except Exception as error:
                    self._said.put(sendable(error))
                else:
                    self._said.put({"finished": True})
        finally:
            os._exit(1)  # what is no Exception ends a process, as it would in its main thread


def _ends(said: Any) -> bool:
    return isinstance(said, Exception) or said.get("finished", False)
