"""This machine's processes: jobs go out, progress and results come back. Knows nothing of what a job does.

On a CPU, two one-thread processes beat one two-thread process on small models, and one thread makes sums come out the
same whatever the machine's load; so a worker has one thread, and there is one worker per core.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Report = Callable[[dict[str, Any]], None]

_queue: Any = None  # in a worker: where its progress goes


@dataclass(frozen=True)
class Job:
    """A module-level function, called in a worker as ``function(report, **arguments)``; both must pickle."""

    name: str
    function: Callable[..., Any]
    arguments: dict[str, Any]


def default_workers() -> int:
    """One per GPU where there are any, else one per core this process may use."""
    gpus = len(list(Path("/dev").glob("nvidia[0-9]*")))
    return gpus or len(os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1))


class Local(AbstractContextManager["Local"]):
    """A pool of workers that lives over the stages of a run, so that each loads torch and the base model once."""

    def __init__(self, workers: int | None = None, progress: Report | None = None) -> None:
        self.workers = workers or default_workers()
        self._progress = progress or (lambda event: None)
        self._closed = False
        # Read by OpenMP when a worker first loads it, hence before the worker starts.
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ.setdefault(name, "1")
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        context = multiprocessing.get_context("spawn")
        self._messages = context.Queue()
        self._pool = ProcessPoolExecutor(self.workers, context, initializer=_start_worker, initargs=(self._messages,))
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def run(self, jobs: Iterable[Job]) -> None:
        """Do all jobs, in no order. The first failure is raised here and the jobs not yet begun are dropped."""
        with _deaf_children():
            pending = {self._pool.submit(_work, job) for job in jobs}
        try:
            while pending:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in done:
                    future.result()
        except BrokenProcessPool as error:
            raise RuntimeError("a worker process died (killed, or out of memory); run again to resume") from error
        finally:
            for future in pending:
                future.cancel()

    def _listen(self) -> None:
        while (event := self._messages.get()) is not None:
            self._progress(event)

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the workers go, with their memory. Nothing happens the second time."""
        if self._closed:
            return
        self._closed = True
        self._messages.put(None)
        self._listener.join(timeout=5)
        # What a worker has in hand need not be waited for: stages write whole files or nothing.
        for process in list((self._pool._processes or {}).values()):
            process.terminate()
        self._pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _deaf_children() -> Iterator[None]:
    """Processes that start meanwhile ignore Ctrl-C, from their first instruction: it is the parent's to handle."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say how signals are taken
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _start_worker(messages: Any) -> None:
    global _queue
    _queue = messages
    threading.Thread(target=_die_with_parent, daemon=True).start()


def _die_with_parent() -> None:
    # A worker that outlived a killed parent would write into a folder whose lock is free again.
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _work(job: Job) -> None:
    def report(event: dict[str, Any]) -> None:
        _queue.put({"job": job.name, **event})

    job.function(report, **job.arguments)
    report({"finished": True})
