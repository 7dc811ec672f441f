"""The executor of one machine: processes to which jobs go out and from which reports come back.

On a CPU, two one-thread processes beat one two-thread process on small models, and one thread makes sums come out the
same whatever the machine's load; so a worker has one thread, and there is one worker per core. Where there are GPUs
there is one worker for each, which sees no other.

Each worker hangs on a pipe of its own. The standard library's pools share queues instead, whose named semaphores stay
behind in /dev/shm when everything is killed at once, and which cannot say which job it was that a dead worker had.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from holdfast import machine
from holdfast.runs.executors.executor import Event, Job, Resources, take
from holdfast.runs.executors.worker import ENVIRONMENT, sendable
from holdfast.types import UserError

GRACE = 3.0  # seconds that workers have to end when told to; one that is stopped never would
_SPAWN = multiprocessing.get_context("spawn")


@dataclass
class _Worker:
    process: BaseProcess
    pipe: Connection
    job: Job | None = None  # what it has in hand
    model: str = ""  # what its last one loaded


class Local(AbstractContextManager["Local"]):
    """``workers``: processes at a time; by default one for every share of the GPUs that a job needs, or else one per
    core. ``folder``: not needed here."""

    def __init__(self, workers: int | None = None, folder: Path | None = None) -> None:
        self._wanted, self._gpus = workers, machine.gpus()
        self._resources = Resources()
        self._workers: list[_Worker] = []
        self._room = self._granted = 0  # how many there may be, and the bytes that each of them may take
        for name, value in ENVIRONMENT.items():  # before a worker starts: OpenMP reads it when it is first loaded
            os.environ.setdefault(name, value)

    def map(self, jobs: Iterable[Job], resources: Resources | None = None) -> Iterator[Event]:
        """As of ``Executor``. Jobs that need other resources than those before get workers of their own."""
        if (resources or self._resources) != self._resources:
            self.close()
            self._resources = resources or self._resources
        waiting = deque(jobs)
        try:
            while waiting or any(w.job for w in self._workers):
                self._hand_out(waiting)
                for worker in self._spoken():
                    yield self._hear(worker)
        except BaseException:
            self.close()
            raise

    def _shares(self) -> list[str]:
        """The GPUs in as many whole parts as jobs can have at once."""
        n, there = self._resources.gpus, len(self._gpus)
        if n > max(there, 1):
            raise UserError(
                f"a model is to lie on {n} GPUs (`gpus`) and this machine has {there or 'none'}: set it lower, or run "
                "where there are as many"
            )
        return [",".join(self._gpus[k : k + n]) for k in range(0, there - n + 1, n)] if n else []

    def _most(self) -> int:
        most = self._wanted or len(self._shares()) or max(machine.cores() // self._resources.cpus, 1)
        if self._resources.memory and not self._gpus:
            most = min(most, machine.free() // self._resources.memory)
        return max(most, 1)

    def close(self) -> None:
        """Let the workers go, with their memory. Nothing happens the second time.

        What a worker has in hand need not be waited for: stages write whole files or nothing.
        """
        try:
            for worker in self._workers:
                worker.process.terminate()
            until = time.monotonic() + GRACE
            for worker in self._workers:
                worker.process.join(max(0.0, until - time.monotonic()))
        finally:  # a second Ctrl-C comes here at once
            with _heard_later():  # a third would leave some behind, which Python waits for at its exit
                while self._workers:
                    worker = self._workers.pop()
                    worker.process.kill()
                    worker.process.join()
                    worker.pipe.close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _hand_out(self, waiting: deque[Job]) -> None:
        while waiting:
            free = next((w for w in self._workers if w.job is None), None)
            if not self._workers:  # once, before there is one: each takes memory of its own
                self._room = self._most()
                self._granted = machine.free(self._room)
            if free is None and len(self._workers) >= self._room:
                return
            if free is None:
                with _deaf_children():
                    shares = self._shares()
                    free = _start(shares[len(self._workers) % len(shares)] if shares else None, self._granted)
                    self._workers.append(free)
            free.job = take(waiting, free.model)
            free.model = free.job.model
            try:
                free.pipe.send(free.job)
            except BrokenPipeError:
                raise _killed(free) from None

    def _spoken(self) -> list[_Worker]:
        """The workers that have something to say, as soon as there is one."""
        ready = wait([w.pipe for w in self._workers if w.job])
        return [w for w in self._workers if w.pipe in ready]

    def _hear(self, worker: _Worker) -> Event:
        assert worker.job is not None
        try:
            said = worker.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise _killed(worker) from None
        if isinstance(said, BaseException):
            raise said
        event = {"job": worker.job.name, **said}
        if said.get("finished"):
            worker.job = None
        return event


def _killed(worker: _Worker) -> UserError:
    worker.process.join(GRACE)
    assert worker.job is not None
    code = worker.process.exitcode or 0
    how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
    memory = ", most likely for want of memory" if code == -signal.SIGKILL else ""
    return UserError(
        f"the worker that had {worker.job.name!r} in hand was ended {how}{memory}; what is done is kept: "
        "run again to go on; where memory is short, with fewer workers or a lower `micro_tokens` of `controls`"
    )


def _start(gpus: str | None, memory: int) -> _Worker:
    ours, theirs = _SPAWN.Pipe()
    process = _SPAWN.Process(target=_serve, args=(theirs, memory), daemon=False)
    with _no_main_module(), _seeing(gpus):
        process.start()
    theirs.close()  # so that the worker's death ends the pipe
    return _Worker(process, ours)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that start meanwhile do not hear Ctrl-C, from their first instruction: it is the parent's to handle.
    One that comes meanwhile is raised at the end, when the worker is known and can be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say how signals are taken
        return
    resource_tracker.ensure_running()  # it would lift the mask
    with _heard_later():
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def _heard_later() -> Iterator[None]:
    """A Ctrl-C meanwhile is raised at the end. By the handler, for a mask is one thread's and another takes it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # nor is it raised here
        return
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if heard:
        signal.raise_signal(signal.SIGINT)


@contextmanager
def _seeing(gpus: str | None) -> Iterator[None]:
    """Processes that start meanwhile see these GPUs alone: CUDA reads which when it is first loaded."""
    before = os.environ.get("CUDA_VISIBLE_DEVICES")
    if gpus is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus
    try:
        yield
    finally:
        os.environ.pop("CUDA_VISIBLE_DEVICES", None)
        if before is not None:
            os.environ["CUDA_VISIBLE_DEVICES"] = before


@contextmanager
def _no_main_module() -> Iterator[None]:
    """Processes that start meanwhile do not run the user's script: a job is a function of an importable module, and a
    script without a ``__main__`` guard would begin the study again in each worker."""
    before = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = before


# -- in a worker ------------------------------------------------------------------------------------------------------


def _serve(pipe: Connection, memory: int) -> None:
    """Do jobs as they come, until the parent hangs up."""
    machine.granted = memory
    threading.Thread(target=_die_with_parent, daemon=True).start()
    one_at_a_time = threading.Lock()  # a job may report from several threads

    def report(event: dict[str, Any]) -> None:
        with one_at_a_time:
            pipe.send(event)

    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            job.function(report, **job.arguments)
        except Exception as error:
            pipe.send(sendable(error))
        else:
            report({"finished": True})


def _die_with_parent() -> None:
    # A worker that outlived a killed parent would write into a folder whose lock is free again.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
