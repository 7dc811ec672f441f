"""The executor of a Ray cluster, or of one that is begun on this machine.

Ray places, watches and ends processes; which job goes to which of them is decided here. A worker is an actor that stays
for the whole study, so that it loads a model once. It does a job in a thread of its own, and each call to it returns
what the job has said since the last: so its reports, its failure and its worker's death come by the one thing that is
waited for. Ray repeats nothing by itself: a job whose worker was lost, alone or with its machine, goes to the front.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from holdfast import machine
from holdfast.runs.executors.executor import Event, Job, Resources, take
from holdfast.runs.executors.ray_worker import Actor, Here, places
from holdfast.runs.executors.worker import ENVIRONMENT, software
from holdfast.types import UserError

ANSWER = 10.0  # seconds that a given cluster may take to answer
LOOK = 5.0  # seconds between looks at what the cluster has
STORE = 100 << 20  # bytes of shared memory of a cluster that is begun here: results are files, little goes by Ray


@dataclass
class _Worker:
    actor: Any
    answer: Any  # to what it was last asked
    placed: bool = False
    job: Job | None = None  # what it has in hand
    model: str = ""  # what its last one loaded


class Ray(AbstractContextManager["Ray"]):
    """``workers``: at a time; by default as many as the cluster has room for. ``address``: ``host:port`` of a cluster,
    or ``auto`` for the one that this machine is part of; by default RAY_ADDRESS, or else one is begun here, and ended.
    ``options``: any of Ray's own for an actor (``accelerator_type``, ``resources``, ``runtime_env``, …). ``patience``:
    seconds without a machine that has room for a job, before that is an error; more where a cluster grows by demand."""

    def __init__(
        self,
        workers: int | None = None,
        folder: Path | None = None,
        address: str | None = None,
        options: dict[str, Any] | None = None,
        patience: float = 30.0,
    ) -> None:
        self._wanted, self._folder, self._patience = workers, folder, patience
        self._address, self._options = address, options or {}
        self._resources = Resources()
        self._workers: list[_Worker] = []
        self._open = ExitStack()  # the connection, and the file that workers look for
        self._mark: str | None = None  # that file, or "" without a folder; None without a connection
        self._new: Callable[[], _Worker] | None = None  # one with what a job needs
        self._need: dict[str, float] = {}  # as Ray counts it
        self._looked = self._had_room = 0.0

    def map(self, jobs: Iterable[Job], resources: Resources | None = None) -> Iterator[Event]:
        """As of ``Executor``. Jobs that need other resources than those before get workers of their own."""
        if (resources or self._resources) != self._resources:
            self._dismiss()
            self._resources = resources or self._resources
        waiting, lost = deque(jobs), Counter[str]()
        self._looked = 0.0
        try:
            while waiting or any(w.job for w in self._workers):
                new = self._new = self._new or self._prepared()
                self._grow(new, len(waiting) + sum(w.job is not None for w in self._workers))
                for worker in self._workers:
                    if waiting and worker.placed and worker.job is None:
                        worker.job = take(waiting, worker.model)
                        worker.model = worker.job.model
                        worker.answer = worker.actor.hear.remote(worker.job)
                spoken = self._spoken()
                for worker in spoken:
                    yield from self._hear(worker, waiting, lost)
                if not spoken and not any(w.placed for w in self._workers):
                    yield {"job": "ray", "note": "waits for a worker to begin, and for room in the cluster"}
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let the workers go, with their memory. Nothing happens the second time. A cluster that was given goes on."""
        try:
            self._dismiss()
        finally:
            self._mark = None
            self._open.pop_all().close()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _dismiss(self) -> None:
        self._new = None
        while self._workers:
            with suppress(Exception):  # its machine may be gone, or the cluster
                sys.modules["ray"].kill(self._workers.pop().actor)

    def _connect(self) -> str:
        """Begins or joins the cluster. Returns the file that workers look for."""
        # No word to Ray's makers. And under ``uv run`` Ray would send all files of the current folder to its workers,
        # the study's among them, to make the same environment there.
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")
        try:
            import ray
        except ImportError:
            raise UserError("Ray is not installed: pip install 'holdfast[ray]'") from None
        if not ray.is_initialized():  # in a program that uses Ray, its connection serves
            self._open.callback(_disconnect)
            _begin(self._address or os.environ.get("RAY_ADDRESS") or "local")
        if self._folder is None:
            return ""
        file = tempfile.NamedTemporaryFile(dir=self._folder.resolve(), prefix=".", suffix=".tmp")  # noqa: SIM115
        return self._open.enter_context(file).name

    def _prepared(self) -> Callable[[], _Worker]:
        """What begins a worker for jobs that need these resources."""
        if self._mark is None:
            self._mark = self._connect()
        import ray

        wanted = self._resources
        gpus = wanted.gpus if wanted.gpus > 1 or any(node.get("GPU") for node in _nodes()) else 0
        each: dict[str, Any] = {"num_cpus": wanted.cpus, "num_gpus": gpus, "memory": wanted.memory or None}
        each |= self._options
        own = dict(each.get("runtime_env") or {})
        one_thread = {name: os.environ.get(name, value) for name, value in ENVIRONMENT.items()}
        each["runtime_env"] = own | {"env_vars": one_thread | own.get("env_vars", {})}
        try:
            made: Any = ray.remote(Actor).options(**each)
        except (ValueError, TypeError) as e:
            raise UserError(f"`options` of the executor 'ray' are not right: {e}") from None
        need = {"CPU": each["num_cpus"], "GPU": each["num_gpus"], "memory": each["memory"]}
        if kind := each.get("accelerator_type"):
            need[f"accelerator_type:{kind}"] = 0.001  # as Ray asks for it
        need |= each.get("resources") or {}
        self._need = {name: amount for name, amount in need.items() if amount}
        here = Here(tuple(sys.path), str(Path.cwd()), self._mark, software(), self._need, self._wanted)
        self._had_room = time.monotonic()

        def new() -> _Worker:
            actor = made.remote()
            return _Worker(actor, actor.settle.remote(here))

        return new

    def _grow(self, new: Callable[[], _Worker], jobs: int) -> None:
        """A worker for each job, at most as many as were asked for or as there is room for. One that has no place yet
        waits for it, be it taken or not there: to a cluster that grows by demand that is the demand."""
        now = time.monotonic()
        if self._workers and now - self._looked < LOOK:
            return
        self._looked, room = now, sum(places(node, self._need) for node in _nodes())
        if room:
            self._had_room = now
        elif now - self._had_room > self._patience:
            have = dict.fromkeys(_said({name: node.get(name, 0.0) for name in self._need}) for node in _nodes())
            raise UserError(
                f"no machine of the Ray cluster has what one job needs, {_said(self._need)}; they have "
                f"{' | '.join(have) or 'nothing'}: add one that has, or give the executor a longer `patience` where "
                "the cluster grows by demand"
            )
        missing = min(self._wanted or max(room, 1), jobs) - len(self._workers)
        self._workers += [new() for _ in range(missing)]

    def _spoken(self) -> list[_Worker]:
        """The workers that have something to say, as soon as there is one; none when it is time to look again."""
        import ray

        asked = [w for w in self._workers if w.job or not w.placed]
        ready, _ = ray.wait([w.answer for w in asked], timeout=LOOK)
        return [w for w in asked if w.answer in ready]

    def _hear(self, worker: _Worker, waiting: deque[Job], lost: Counter[str]) -> Iterator[Event]:
        import ray

        job = worker.job
        try:
            said = ray.get(worker.answer)
        except ray.exceptions.RayTaskError:  # what a job raises comes otherwise
            raise
        except ray.exceptions.RuntimeEnvSetupError as error:
            raise UserError(f"a worker of the Ray cluster cannot be set up: {_last(error.error_message)}") from None
        except ray.exceptions.RayError as error:
            if getattr(error, "actor_init_failed", False):
                raise UserError(
                    f"a worker of the Ray cluster cannot begin: {_last(error)}; all machines need the same holdfast"
                ) from None
            self._workers.remove(worker)
            with suppress(Exception):  # one that cannot be reached may live
                ray.kill(worker.actor)
            name, how = job.name if job else "", _how(error)
            lost[name] += 1
            self._looked = 0.0  # another takes its place
            if lost[name] > self._resources.retries:
                raise _given_up(name, how, lost[name]) from None
            if job:
                waiting.appendleft(job)
                times = f"{lost[name]} of at most {self._resources.retries}"
                yield {"job": "ray", "note": f"{name} begins again, for its worker was lost ({times} times): {how}"}
            return
        if job is None:
            if said is not None:
                raise said
            worker.placed = True
            return
        *events, last = said
        for event in events:
            yield {"job": job.name, **event}
        if isinstance(last, Exception):
            raise last
        if last.get("finished"):
            worker.job = None
        else:
            worker.answer = worker.actor.hear.remote()
        yield {"job": job.name, **last}


def _begin(address: str) -> None:
    """Connect this process to a cluster, begun here where the address is ``local``, without a word on the terminal."""
    import ray

    own: dict[str, Any] = {"num_cpus": machine.cores(), "num_gpus": len(machine.gpus()), "object_store_memory": STORE}
    own |= {"include_dashboard": False}
    before = signal.getsignal(signal.SIGTERM)
    try:
        at = address if address != "auto" else ray._private.services.get_ray_address_from_environment(address, None)
        host, _, port = at.rpartition(":")
        if host and "/" not in host:  # where nobody answers Ray asks again for many minutes
            socket.create_connection((host, int(port)), timeout=ANSWER).close()
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **(own if address == "local" else {}))
    except (ray.exceptions.RayError, RuntimeError, ValueError, OSError) as e:
        tokens = " (if it wants tokens, set RAY_AUTH_MODE=token)" if "Failed to connect" in str(e) else ""
        raise UserError(f"there is no way to the Ray cluster at {address!r}: {_last(e)}{tokens}") from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)  # Ray's own would make an exit of it
    _print_logs(False)


def _disconnect() -> None:
    import ray

    ray.shutdown()
    _print_logs(True)


def _print_logs(wanted: bool) -> None:
    import ray

    # Ray prints of lost workers on stdout, where the results of ``--json`` go, and has no setting for it.
    ray._private.worker._worker_logs_enabled = wanted


def _nodes() -> list[dict[str, float]]:
    """What each machine of the cluster has, taken or not."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _said(amounts: Mapping[str, float]) -> str:
    gib = {"memory": lambda bytes: f"{bytes / 2**30:.1f} GiB of memory"}
    return ", ".join(gib.get(name, lambda x, name=name: f"{x:g} {name}")(x) for name, x in amounts.items())


def _how(error: Exception) -> str:
    """What became of a worker, of the page that Ray says about it."""
    said = str(error)
    if "node has died" in said or "node was terminated" in said:
        return "its machine is gone"
    if "low on memory" in said or "memory monitor" in said:
        return "Ray ended it for want of memory"
    if "process has died" in said:
        return "it was ended from outside, for want of memory or with its machine"
    return _last(error)


def _given_up(job: str, how: str, times: int) -> UserError:
    if not job:
        return UserError(
            f"workers of the Ray cluster were lost {times} times before they had a job; the last time {how}"
        )
    return UserError(
        f"the worker that had {job!r} in hand was lost {times} times: the last time {how}; what is done is kept: "
        "run again to go on; where memory is short, with fewer workers or a lower `micro_tokens` of `controls`"
    )


def _last(error: object) -> str:
    """What matters in what Ray says, which may be a traceback."""
    return ([line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__])[-1]
