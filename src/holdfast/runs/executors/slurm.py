"""The executor of a Slurm partition: few long array tasks, each of which takes many jobs from a queue of files.

submitit submits the array and begins the tasks. Its own way of a job to an answer (a task and a pickle for each) would
wait in the partition's queue for every job and load a model for each; its signals' handlers save nothing of a job that
is half done, and its states are read from the accounting, which not every Slurm has. Those parts are not used.

Whoever waits may go away: tasks do what is in the queue and end. Whoever comes next finds them by their name in Slurm
and goes on with them.
"""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from itertools import islice
from pathlib import Path
from typing import Any

from holdfast import machine
from holdfast.runs.executors.array_task import serve
from holdfast.runs.executors.executor import Event, Job, Resources
from holdfast.runs.executors.queue import Entry, Queue, key
from holdfast.runs.executors.worker import ENVIRONMENT
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

POLL = 0.5  # seconds between looks at the queue's files
LOOK = 10.0  # seconds between questions to Slurm, which all users of a cluster ask
END = 60.0  # seconds that tasks have to end when they are cancelled: twice Slurm's own default between its two signals
AHEAD = 1000  # jobs that wait in the queue at most: a folder that each task lists for each job
STALE = 180.0  # seconds for which an NFS client may show a folder as it was: three times its own longest default
OURS = ("array", "chdir", "error", "job-name", "open-mode", "output", "signal")  # of sbatch's options
GONE = "gone"  # squeue knows it no more
WAITS = ("PENDING", "REQUEUE_HOLD", "SPECIAL_EXIT")  # states of a task that has not begun, or not again


class Slurm(AbstractContextManager["Slurm"]):
    """``workers``: array tasks at once at most, in place of ``array``. ``folder``: the study's, on a file system that
    all nodes see. ``time``: minutes that a task may last, else the partition's; ``gpus``, ``memory`` (GB): of each,
    twice what a job takes with its smallest batch where no memory is named. ``idle``: seconds that a task without a job
    stays, for the next stage's. ``warning``: seconds before the time limit at which a task saves what it has and is
    begun again later. ``setup``: lines of shell before a task. ``options``: any others of sbatch, by their long names.
    """

    def __init__(
        self,
        workers: int | None = None,
        folder: Path | None = None,
        partition: str = "",
        account: str = "",
        time: int = 0,
        gpus: int = 0,
        memory: float = 0.0,
        array: int = 8,
        idle: int = 300,
        warning: int = 120,
        setup: tuple[str, ...] = (),
        options: dict[str, str | int | float | bool] | None = None,
    ) -> None:
        for name, value, least in (("time", time, 0), ("array", array, 1), ("gpus", gpus, 0), ("memory", memory, 0)):
            if value < least:
                raise ValueError(f"{name} cannot be {value}: it is {least} at least")
        if idle < 0 or not 0 < warning < (60 * time or math.inf):
            raise ValueError("`warning` is less than `time` (which is in minutes), and `idle` no less than 0")
        asked = {name.replace("_", "-"): value for name, value in (options or {}).items()}
        if taken := [name for name in asked if name in OURS]:
            raise ValueError(f"`options` cannot have {taken[0]}, which holdfast sets itself")
        self._folder = Path(folder).resolve() if folder else None
        self._most = workers or array
        self._request: dict[str, Any] = {
            "partition": partition or None,
            "account": account or None,
            "time": time or None,
            "signal_delay_s": warning,
            "setup": [*(f'export {k}="${{{k}:-{v}}}"' for k, v in ENVIRONMENT.items()), *setup],
            "additional_parameters": {"requeue": True, **{k: v for k, v in asked.items() if v is not False}},
        }
        if asked.get("no-requeue"):
            del self._request["additional_parameters"]["requeue"]
        self._gpus, self._memory, self._idle = gpus, memory, idle
        self._needs: Resources | None = None  # of the jobs that tasks are there for; None: no tasks
        self._new: list[str] = []  # tasks that Slurm was given and that have not begun yet
        self._later: dict[str, tuple[int, Job]] = {}  # what the queue had no room for
        self._missing: dict[str, float] = {}  # since when jobs are in no place
        self._known: set[str] = set()  # reasons to wait that were said

    def map(self, jobs: Iterable[Job], resources: Resources | None = None) -> Iterator[Event]:
        """As of ``Executor``. Jobs that need more than those before get tasks of their own."""
        left = {key(job): job for job in jobs}
        resources = resources or Resources()
        if left and self._needs and _more(resources, self._needs):
            self.close()
        if left and self._needs is None:
            self._tasks, self._needs = self._connect(resources), resources
        try:
            yield from self._do(left, resources.retries)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Take back what waits, cancel the tasks and wait until they are gone. Nothing happens the second time. Tasks
        of a command before, which this one gave nothing, end where they have nothing to do."""
        if self._needs is None:
            if self._folder:
                Queue(StudyFolder(self._folder).cluster).dismiss()
            return
        self._needs = None
        self._queue.close()
        self._tasks.cancel()
        if self._gone(lambda states: not states):
            self._queue.clear()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connect(self, resources: Resources) -> Tasks:
        if self._folder is None:
            raise UserError(
                "these jobs are of no study, so no folder is there for Slurm to see: use the executor local"
            )
        memory = self._memory * 1e9 or 2 * resources.memory
        typed = any(name.startswith(("gres", "gpus")) for name in self._request["additional_parameters"])
        own = resources.gpus if resources.gpus > 1 and not typed else 0  # a model's; one is the default, had or not
        gpus = max(self._gpus, resources.gpus) if self._gpus else own
        more = {
            "cpus_per_task": resources.cpus,
            "gpus_per_node": gpus or None,
            "mem": f"{math.ceil(memory / 2**20)}M" if memory else None,
        }
        return Tasks(self._folder, {**self._request, **more}, self._idle)

    # -- while there are jobs -----------------------------------------------------------------------------------------

    def _do(self, left: dict[str, Job], retries: int) -> Iterator[Event]:
        read = self._begin(left) if left else {}
        names, looked = {job.name for job in left.values()}, -math.inf
        while left:
            self._feed(retries)
            done = self._queue.done()  # before what they reported, of which nothing comes later then
            yield from (event for event in self._queue.events(read) if event["job"] in names)
            for one in set(self._queue.failed()) & set(left):
                raise self._queue.error(one)
            for one in done:
                if job := left.pop(one, None):
                    self._queue.forget(one)
                    yield {"job": job.name, "finished": True}
            if left and time.monotonic() - looked >= LOOK:
                looked = time.monotonic()
                yield from ({"job": "slurm", "note": note} for note in self._look(left, retries))
            elif left:
                time.sleep(POLL)

    def _begin(self, wanted: dict[str, Job]) -> dict[str, int]:
        """Take out of the queue what whoever was here before put there and is not wanted now; the rest stays. Returns
        how far the reports are read: those from before are nobody's."""
        self._queue.open()
        read: dict[str, int] = {}
        for _ in self._queue.events(read):
            pass
        for one in [*self._queue.done(), *self._queue.failed()]:
            self._queue.forget(one)
        while strangers := self._strangers(wanted):  # one that leaves gives back what it had, and another may take it
            self._tasks.cancel({entry.task for entry in strangers})
            if not self._gone(lambda states: not {entry.task for entry in strangers} & set(states)):
                names = ", ".join(sorted({entry.task for entry in strangers}))
                raise UserError(
                    f"Slurm does not end tasks that do what is no longer planned: {names}; cancel them (scancel) and "
                    "run the same again"
                )
            for entry in strangers:
                self._queue.drop(entry)
        there = self._there()
        jobs = enumerate(wanted.items())
        self._later = {one: (order, job) for order, (one, job) in jobs if one not in there}
        self._missing = {}
        return read

    def _feed(self, retries: int) -> None:
        """Put into the queue what it has room for."""
        room = AHEAD - len(self._queue.waiting()) if self._later else 0
        for one in list(islice(self._later, max(room, 0))):
            self._queue.put(*self._later.pop(one), retries)

    def _strangers(self, wanted: dict[str, Job]) -> list[Entry]:
        """What is in hand and not wanted; what only waits is taken out."""
        for entry in self._queue.waiting():
            if entry.key not in wanted:
                self._queue.drop(entry)
        return [entry for entry in self._queue.held() if entry.key not in wanted]

    def _there(self) -> set[str]:
        """Jobs that wait or are in hand; one that is given back meanwhile among them."""
        return {entry.key for entry in [*self._queue.waiting(), *self._queue.held(), *self._queue.waiting()]}

    def _find_missing(self, left: dict[str, Job]) -> None:
        """Have jobs put again that were in no place for a while: not at once, for a server may show a folder late."""
        there = self._there()
        missing = set(left) - there - set(self._later) - set(self._queue.done()) - set(self._queue.failed())
        now = time.monotonic()
        self._missing = {one: self._missing.get(one, now) for one in missing}
        again = [one for one, since in self._missing.items() if now - since > STALE]
        self._later |= {one: (0, left[one]) for one in again}

    def _look(self, left: dict[str, Job], retries: int) -> Iterator[str]:
        """Give back what lost tasks had in hand, and see to it that there are as many tasks as jobs can use. Yields
        what a person should know."""
        held = self._queue.held()
        states = self._tasks.states()
        if states is None:
            yield "Slurm does not answer; asked again until it does"
            return
        for entry in held:
            if states.get(entry.task, GONE).startswith((GONE, *WAITS)):  # one that is to begin again holds nothing
                self._queue.give_back(entry)
        self._find_missing(left)
        begun = self._queue.begun()
        lost = [task for task in self._new if task not in states and task not in begun]
        if len(lost) > retries:
            raise UserError(
                f"Slurm's tasks end before they begin ({lost[-1]} among them): {self._tasks.said(lost[-1])}; all of it "
                f"is in {self._queue.logs}"
            )
        if begun & set(self._new):  # so it is no fault of all of them
            self._new = [task for task in self._new if task in states and task not in begun]
        why = {state.partition(" ")[2] for state in states.values() if state.startswith(WAITS)}
        why -= {"None", *self._known}
        self._known |= why
        yield from (f"tasks wait in Slurm: {reason}" for reason in sorted(why))
        wanted = min(len(left), self._most) - len(states)  # one that is ending may be about to be begun again
        if wanted > 0:
            new = self._tasks.submit(wanted)
            self._new += new
            which = new[0] if wanted == 1 else f"{new[0]} to {new[-1]}"
            yield f"given to Slurm as {self._tasks.name}: tasks {which}; their logs: {self._queue.logs}"

    def _gone(self, true: Callable[[dict[str, str]], bool]) -> bool:
        """Wait until that is true of the tasks' states, or too long."""
        until = time.monotonic() + END
        while (states := self._tasks.states()) is None or not true(states):
            if time.monotonic() > until:
                return False
            time.sleep(min(LOOK, 2.0))
        return True

    @property
    def _queue(self) -> Queue:
        return self._tasks.queue


class Tasks:
    """The array tasks of one study, which Slurm knows by their name."""

    def __init__(self, folder: Path, request: dict[str, Any], idle: int) -> None:
        if not shutil.which("sbatch"):
            raise UserError("there is no Slurm on this machine (no sbatch on the path): run this where you submit jobs")
        self.queue = Queue(StudyFolder(folder).cluster)
        self.name = self.queue.name()
        self._request, self._idle = request, idle

    def submit(self, n: int) -> list[str]:
        """Ask for so many; returns their names."""
        try:
            import submitit
            from submitit.core.utils import FailedJobError, FailedSubmissionError
        except ImportError:
            raise UserError("submitit is not installed: pip install 'holdfast[slurm]'") from None
        asked = {k: v for k, v in os.environ.items() if k == "SLURM_CONF" or k.startswith("SBATCH_")}
        with submitit.helpers.clean_env():  # whoever waits may be a task of Slurm's itself
            os.environ.update(asked)  # what a person set, not a task
            try:
                executor = submitit.SlurmExecutor(self.queue.logs)
                executor.update_parameters(job_name=self.name, wckey=None, array_parallelism=n, **self._request)
                jobs = executor.map_array(_task, [self.queue.root] * n, [self._idle] * n)
            except (FailedJobError, FailedSubmissionError, RuntimeError) as e:
                raise UserError(f"Slurm did not take the tasks: {_last_line(str(e))}") from None
        return [job.job_id for job in jobs]

    def states(self) -> dict[str, str] | None:
        """By task that there is: its state and why it waits. None: Slurm does not answer."""
        asked = _run("squeue", "--noheader", "--array", "--format=%i %T %r", f"--name={self.name}")
        if asked is None:
            return None
        return dict(line.split(maxsplit=1) for line in asked.splitlines() if line.strip())

    def cancel(self, tasks: Iterable[str] = ()) -> None:
        """These, or all of the study's."""
        _run("scancel", *(list(tasks) or [f"--name={self.name}"]))

    def said(self, task: str) -> str:
        """The end of a task's log."""
        log = self.queue.logs / f"{task}_0_log.err"
        return _last_line(log.read_text(errors="replace")) if log.exists() else "it has no log"


def _run(*command: str) -> str | None:
    """What a command of Slurm's says; None where it fails. Ctrl-C is not the command's to hear."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, start_new_session=True)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout if done.returncode == 0 else None


def _last_line(text: str) -> str:
    """But for what Slurm's own programs say of how they ended."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if not line.startswith(("srun:", "slurmstepd"))), "nothing")[:300]


def _more(new: Resources, old: Resources) -> bool:
    return new.cpus > old.cpus or new.gpus > old.gpus or new.memory > old.memory


# -- in a task --------------------------------------------------------------------------------------------------------


def _task(root: Path, idle: int) -> None:
    """Everything an array task does."""
    import submitit

    task = submitit.JobEnvironment().job_id
    memory = int(os.environ.get("SLURM_MEM_PER_NODE", 0))  # MB: the limit of a control group that is not seen from here
    if memory > 0:
        machine.granted = int(machine.SHARE * memory * 2**20)
    serve(root, task, int(os.environ.get("SLURM_RESTART_COUNT", 0)), idle, lambda: _run("scontrol", "requeue", task))
