"""Jobs as files: each is done once whoever takes it, what is lost waits again, and whoever waits may go away.

Array tasks are plain processes here; those of a real Slurm: ``test_slurm``.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
import tasks_for_workers as tasks

from holdfast.runs.executors import slurm
from holdfast.runs.executors.executor import Job, Resources, make
from holdfast.runs.executors.queue import Queue, counts, key
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

TASK = "from holdfast.runs.executors.array_task import serve; serve(Path({root!r}), {task!r}, 0, {idle}, lambda: None)"


class Processes(slurm.Tasks):
    """Array tasks that are processes of this machine. ``ran``: all of a test, by name."""

    ran: dict[str, subprocess.Popen]
    root: Path

    def submit(self, n: int) -> list[str]:
        new = [f"{len(self.ran) + k}_0" for k in range(n)]
        for task in new:
            code = TASK.format(root=str(self.queue.root), task=task, idle=self._idle)
            where = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
            self.ran[task] = subprocess.Popen([sys.executable, "-c", f"from pathlib import Path; {code}"], env=where)
        return new

    def states(self) -> dict[str, str]:
        return {task: "RUNNING None" for task, process in self.ran.items() if process.poll() is None}

    def cancel(self, tasks: Iterable[str] = ()) -> None:
        for task in tasks or self.states():
            self.ran[task].terminate()


@pytest.fixture(autouse=True)
def ran(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, subprocess.Popen]]:
    monkeypatch.setattr(slurm, "Tasks", Processes)
    monkeypatch.setattr(slurm.shutil, "which", lambda name: name)
    for name, seconds in (("POLL", 0.02), ("LOOK", 0.1)):
        monkeypatch.setattr(slurm, name, seconds)
    processes: dict[str, subprocess.Popen] = {}
    monkeypatch.setattr(Processes, "ran", processes, raising=False)
    yield processes
    for process in processes.values():
        process.kill()
        process.wait()


def work(folder: Path, *names: str, seconds: float = 0.0, model: str = "") -> list[Job]:
    return [Job(n, tasks.alone, {"folder": folder, "name": n, "seconds": seconds}, model) for n in names]


def begun(folder: Path, name: str) -> list[int]:
    """The processes that began it, in order."""
    file = folder / f"{name}.begun"
    return [int(pid) for pid in file.read_text().split()] if file.exists() else []


def until(true, seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


# -- the queue --------------------------------------------------------------------------------------------------------


@pytest.fixture
def queue(tmp_path: Path) -> Queue:
    queue = Queue(tmp_path / "cluster")
    queue.open()
    return queue


def _claims(root: Path, holder: str, taken: multiprocessing.SimpleQueue) -> None:
    queue = Queue(root)
    while entry := queue.claim(holder, ""):
        taken.put(entry.key)
        queue.finish(entry)
    taken.put("")


def test_many_who_take_at_once_never_take_the_same(queue, tmp_path):
    for order, job in enumerate(work(tmp_path, *(f"job {k}" for k in range(60)))):
        queue.put(order, job, 0)
    context = multiprocessing.get_context("fork")
    taken = context.SimpleQueue()
    processes = [context.Process(target=_claims, args=(queue.root, f"{k}-0", taken)) for k in range(4)]
    for process in processes:
        process.start()
    keys, ended = [], 0
    while ended < len(processes):
        one = taken.get()
        keys, ended = ([*keys, one], ended) if one else (keys, ended + 1)
    for process in processes:
        process.join()
    assert len(keys) == len(set(keys)) == 60
    assert sorted(queue.done()) == sorted(keys)


def test_jobs_are_taken_in_order_but_those_of_the_model_in_hand_first(queue, tmp_path):
    wanted = [*work(tmp_path, "a", model="big"), *work(tmp_path, "b", model="small"), *work(tmp_path, "c", model="big")]
    for order, job in enumerate(wanted):
        queue.put(order, job, 0)
    names, model = [], ""
    while entry := queue.claim("1-0", model):
        names.append(queue.ticket(entry).job.name)
        model = entry.model
        queue.finish(entry)
    assert names == ["a", "c", "b"]


def test_a_server_that_loses_its_answer_gives_the_job_all_the_same(queue, tmp_path, monkeypatch):
    """The rename is done, and asked for again by the network file system, which then finds nothing."""
    queue.put(0, work(tmp_path, "job")[0], 0)
    rename = Path.rename

    def twice(self, new):
        rename(self, new)
        rename(self, new)

    monkeypatch.setattr(Path, "rename", twice)
    entry = queue.claim("1-0", "")
    assert entry is not None
    assert entry.holder == "1-0"
    queue.finish(entry)
    assert queue.done() == [entry.key]


def test_a_job_lost_too_often_fails_and_names_itself(queue, tmp_path):
    queue.put(0, work(tmp_path, "SFT seed 1")[0], 1)
    for _ in range(2):
        queue.give_back(queue.claim("7_0-0", ""))
    assert queue.waiting() == queue.held() == []
    with pytest.raises(UserError, match=r"'SFT seed 1' in hand was lost 2 times, last of all 7_0; .*logs.*run again"):
        raise queue.error(queue.failed()[0])


def test_a_job_that_was_left_with_something_saved_is_counted_anew(queue, tmp_path):
    queue.put(0, work(tmp_path, "job")[0], 1)
    for lost in (False, True, False, True):
        queue.give_back(queue.claim("7_0-0", ""), lost=lost)
    assert [entry.lost for entry in queue.waiting()] == [1]


def test_what_a_task_says_of_a_job_that_was_given_to_another_is_not_heard(queue, tmp_path):
    """As of a node that was cut off, and computes on."""
    queue.put(0, work(tmp_path, "job")[0], 3)
    cut_off = queue.claim("7_0-0", "")
    queue.give_back(cut_off)
    other = queue.claim("8_0-0", "")
    queue.finish(cut_off)
    queue.fail(cut_off, ValueError("of a job that is another's"))
    queue.give_back(cut_off)
    assert (queue.held(), queue.done(), queue.failed(), queue.waiting()) == ([other], [], [], [])


def test_tasks_keep_their_name_where_the_folder_is_seen_elsewhere_and_a_copy_has_its_own(tmp_path):
    name = Queue(tmp_path / "study/cluster").name()
    assert name.startswith("holdfast-study-")
    (tmp_path / "mounted").symlink_to(tmp_path / "study")
    assert Queue(tmp_path / "mounted/cluster").name() == name
    shutil.copytree(tmp_path / "study", tmp_path / "copy")
    (tmp_path / "study").rename(tmp_path / "moved")
    assert Queue(tmp_path / "moved/cluster").name() == name
    assert Queue(tmp_path / "copy/cluster").name() != name


def test_a_job_is_told_from_others_in_every_process_alike(tmp_path):
    code = (
        "import json; from pathlib import Path; from holdfast.runs.executors.executor import Job; "
        "from holdfast.runs.executors.queue import key; from holdfast.config.study import ModelSpec; "
        "from holdfast.evals.judges.judge import JudgeModel; wants = JudgeModel(ModelSpec(name='m', path='p')); "
        "print(key(Job('judge x', json.dumps, {'root': Path('out'), 'wants': wants, 'only': frozenset('a')})))"
    )
    said = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **hashes}
        ).stdout
        for hashes in ({"PYTHONHASHSEED": "1"}, {"PYTHONHASHSEED": "2"})
    ]
    assert said[0] == said[1]
    assert len(said[0].strip()) == 12


# -- the executor -----------------------------------------------------------------------------------------------------


def test_every_job_is_done_once_by_few_tasks_and_every_event_comes_back(tmp_path, ran):
    events = []
    with make("slurm", folder=tmp_path, array=2) as executor:
        for names in (["a", "b", "c", "d", "e"], [], ["f"]):
            events += executor.map(work(tmp_path, *names, seconds=0.05))
        assert all(process.poll() is None for process in ran.values()), "they stay for the next stage"
    assert all(process.poll() is not None for process in ran.values())
    assert len(ran) == 2
    assert [e["job"] for e in events if e.get("finished")][-1] == "f"
    assert sorted(e["job"] for e in events if e.get("finished")) == list("abcdef")
    assert {e["job"] for e in events if "done" in e} == set("abcdef")
    assert all(len(begun(tmp_path, name)) == 1 for name in "abcdef")
    assert counts(StudyFolder(tmp_path).cluster) == {"waiting": 0, "running": 0}


@pytest.mark.parametrize(("mistake", "kind"), [(True, UserError), (False, ZeroDivisionError)])
def test_a_failure_is_raised_as_the_task_raised_it_and_ends_the_tasks(tmp_path, ran, mistake, kind):
    with make("slurm", folder=tmp_path, array=1) as executor:
        with pytest.raises(kind) as caught:
            list(executor.map([Job("fails", tasks.fail, {"mistake": mistake}), *work(tmp_path, "after")]))
        assert all(process.poll() is not None for process in ran.values())
    assert mistake or "tasks_for_workers.py" in caught.value.__notes__[0]


def test_what_a_lost_task_had_in_hand_is_done_by_another(tmp_path, ran):
    with make("slurm", folder=tmp_path, array=1) as executor:
        list(executor.map([Job("falls", tasks.fall_once, {"folder": tmp_path}), *work(tmp_path, "other")]))
    assert (tmp_path / "made").exists()
    assert (tmp_path / "other").exists()
    assert len(ran) == 2


def test_a_job_that_ends_each_task_is_one_sentence_that_names_it(tmp_path, ran):
    with (
        pytest.raises(UserError, match=r"'SFT seed 1' in hand was lost 2 times.*run again"),
        make("slurm", folder=tmp_path, array=1) as executor,
    ):
        list(executor.map([Job("SFT seed 1", tasks.end_itself, {"by": signal.SIGKILL})], Resources(retries=1)))


def test_tasks_that_never_begin_end_the_run_with_their_own_words(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(slurm.Tasks, "submit", lambda self, n: [f"{time.monotonic_ns()}_0" for _ in range(n)])
    monkeypatch.setattr(slurm.Tasks, "said", lambda self, task: "No module named holdfast")
    with (
        pytest.raises(UserError, match=r"end before they begin .*No module named holdfast; all of it is in .*logs"),
        make("slurm", folder=tmp_path, array=1) as executor,
    ):
        list(executor.map(work(tmp_path, "job"), Resources(retries=1)))


def test_a_task_without_jobs_ends_by_itself(tmp_path, ran):
    executor = make("slurm", folder=tmp_path, array=1, idle=0)
    list(executor.map(work(tmp_path, "job")))
    until(lambda: not executor._tasks.states())
    executor.close()
    assert len(ran) == 1


def test_whoever_waits_may_go_away_and_come_back(tmp_path, ran):
    """Its tasks go on meanwhile; what they have in hand is waited for, what is no longer wanted is taken from them."""
    left = make("slurm", folder=tmp_path, array=2)
    left.close = lambda: None  # as one that is killed; by SIGKILL: ``test_slurm``
    events = left.map([*work(tmp_path, "kept", "unwanted", seconds=1.5), *work(tmp_path, "old", "later")])
    for event in events:
        if (begun(tmp_path, "kept") and begun(tmp_path, "unwanted")) or "finished" in event:
            break
    assert not (tmp_path / "kept").exists()
    with make("slurm", folder=tmp_path, array=2) as executor:
        list(executor.map([*work(tmp_path, "kept", seconds=1.5), *work(tmp_path, "later", "new")]))
    assert {p.name for p in tmp_path.iterdir() if "." not in p.name} == {"kept", "later", "new", "cluster"}
    assert all(len(begun(tmp_path, name)) == 1 for name in ("kept", "later", "new", "unwanted"))
    assert not begun(tmp_path, "old")


def test_tasks_that_were_left_without_jobs_end_when_a_command_ends_that_has_none_for_them(tmp_path, ran):
    left = make("slurm", folder=tmp_path, array=1)
    list(left.map(work(tmp_path, "job")))  # and is killed before it closes
    assert left._tasks.states()
    with make("slurm", folder=tmp_path) as executor:
        list(executor.map([]))
    until(lambda: not left._tasks.states())


def test_a_job_whose_file_is_gone_is_put_into_the_queue_again(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(slurm, "STALE", 0.0)
    queue, gone = Queue(StudyFolder(tmp_path).cluster), False
    with make("slurm", folder=tmp_path, array=1) as executor:
        for _ in executor.map(work(tmp_path, "first", "gone", seconds=0.5)):
            if not gone and (waiting := queue.waiting()):
                queue.drop(waiting[-1])
                gone = True
    assert gone
    assert (tmp_path / "gone").exists()


def test_the_queue_is_filled_as_it_empties(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(slurm, "AHEAD", 2)
    queue, waiting = Queue(StudyFolder(tmp_path).cluster), []
    with make("slurm", folder=tmp_path, array=1) as executor:
        for _ in executor.map(work(tmp_path, *"abcdefgh", seconds=0.05)):
            waiting.append(len(queue.waiting()))
    assert 0 < max(waiting) <= 2
    assert all(len(begun(tmp_path, name)) == 1 for name in "abcdefgh")


def test_an_array_never_has_more_tasks_than_were_asked_for(tmp_path, ran):
    """Nor while one of them is ending, which may be about to be begun again."""
    at_once = []
    jobs = [Job("falls", tasks.fall_once, {"folder": tmp_path}), *work(tmp_path, *"abcd", seconds=0.5)]
    with make("slurm", workers=2, folder=tmp_path, array=8) as executor:
        for _ in executor.map(jobs):  # they last: two are left to do when it is seen that the first task fell
            at_once.append(len(executor._tasks.states()))
    assert max(at_once) == 2
    assert len(ran) == 3


def test_a_job_that_was_asked_for_before_is_done_again_when_it_is_asked_for_again(tmp_path):
    for times in (1, 2):
        with make("slurm", folder=tmp_path, array=1) as executor:
            list(executor.map(work(tmp_path, "job")))
        assert len(begun(tmp_path, "job")) == times


@pytest.mark.parametrize(
    ("params", "model", "asked"),
    [
        ({}, 1, None),
        ({}, 3, 3),
        ({"gpus": 1}, 3, 3),
        ({"gpus": 2}, 1, 2),
        ({"options": {"gres": "gpu:a100:3"}}, 3, None),
    ],
)
def test_tasks_ask_for_the_gpus_that_a_model_lies_on(tmp_path, params, model, asked):
    executor = slurm.Slurm(folder=tmp_path, **params)
    assert executor._connect(Resources(gpus=model))._request["gpus_per_node"] == asked


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_task_that_is_told_to_leave_gives_its_job_back_at_the_next_report(tmp_path, ran, by):
    with make("slurm", folder=tmp_path, array=1) as executor:
        sent = False
        for event in executor.map(work(tmp_path, "job", seconds=0.3), Resources(retries=0)):
            if "done" in event and not sent:
                ran["0_0"].send_signal(by)
                sent = True
    assert ran["0_0"].returncode == 0
    assert len(set(begun(tmp_path, "job"))) == 2
    assert (tmp_path / "job").exists()


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"time": "1:00"}, "'time' of the executor 'slurm'"),
        ({"options": {"output": "x"}}, "cannot have output"),
        ({"time": 1, "warning": 120}, "`warning` is less than `time`"),
        ({"array": 0}, "array cannot be 0"),
        ({"queue": "gpu"}, "has no parameter 'queue'"),
    ],
)
def test_a_parameter_that_cannot_be_is_one_sentence(tmp_path, params, said):
    with pytest.raises(UserError, match=said):
        make("slurm", folder=tmp_path, **params)


def test_to_make_one_writes_and_starts_nothing(tmp_path, ran, monkeypatch):
    monkeypatch.setattr(slurm.shutil, "which", lambda name: None)
    with make("slurm", folder=tmp_path) as executor:
        assert list(executor.map([])) == []
        assert list(tmp_path.iterdir()) == []
        with pytest.raises(UserError, match="there is no Slurm on this machine"):
            list(executor.map(work(tmp_path, "job")))
    assert list(tmp_path.iterdir()) == []


def test_keys_differ_where_arguments_do(tmp_path):
    one, other = work(tmp_path, "a"), work(tmp_path, "a", seconds=1.0)
    assert key(one[0]) != key(other[0])
