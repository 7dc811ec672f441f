"""On a real Slurm of one machine a study ends with the bytes that the local executor leaves, whatever becomes of its
tasks and of the command that waits for them.

    make test-slurm
    HOLDFAST_KILLS=100 pytest tests/runs/executors/test_slurm.py -m slurm -n 0 -s -k random    # as many, some 15 s each
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import tasks_for_workers as tasks

from holdfast import machine
from holdfast.runs.executors import slurm
from holdfast.runs.executors.executor import Job, Resources, make
from holdfast.runs.executors.queue import Queue
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError
from tests.runs.executors.one_machine_slurm import missing, one_machine
from tests.runs.kills import Kills
from tests.runs.pipeline.conftest import SMALL
from tests.runs.pipeline.test_resume import results

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(bool(missing()), reason=f"Slurm is not on this machine: {', '.join(missing())}"),
]

ROOT = Path(__file__).parents[3]
# A page takes as long as all else, and is not compared; the machine is asked oftener than a cluster should be.
COMMAND = """
import sys
from pathlib import Path
from holdfast import __main__
from holdfast.runs import stages
from holdfast.runs.executors import slurm
from tests.runs.pipeline.conftest import no_page
stages.STAGES["report"] = no_page
slurm.LOOK = 1.0
sys.argv = ["holdfast", "run", "s.yaml", "--out", *sys.argv[1:]]
__main__.main()
"""
PARAMS = "{array: 2, memory: 2.0, time: 20, warning: 60, idle: 30}"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What these tests start speaks to it."""
    with one_machine(tmp_path_factory.mktemp("slurm")) as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setenv("PYTHONPATH", f"{ROOT}:{Path(__file__).parent}")
        patch.setattr(slurm, "LOOK", 1.0)
        yield


def begin(folder: Path, executor: str = "slurm.yaml", params: str = PARAMS) -> subprocess.Popen[str]:
    """A run of the small study into ``folder``, in a session of its own."""
    (folder.parent / "s.yaml").write_text(SMALL)
    (folder.parent / "slurm.yaml").write_text(f"name: slurm\nparams: {params}\n")
    command = [sys.executable, "-c", COMMAND, folder.name, "--executor", executor]
    errors = (folder.parent / "errors").open("a")
    return subprocess.Popen(command, stdout=errors, stderr=errors, cwd=folder.parent, text=True, start_new_session=True)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, cluster: None) -> Path:
    """What the executor of one machine leaves."""
    folder = tmp_path_factory.mktemp("local") / "out"
    assert begin(folder, "local").wait(300) == 0
    return folder


@pytest.fixture(scope="module")
def local(undisturbed: Path) -> dict[str, str]:
    """Its bytes."""
    return results(undisturbed)


def ended(run: subprocess.Popen[str], folder: Path, seconds: float = 400) -> dict[str, str]:
    assert run.wait(seconds) == 0, (folder.parent / "errors").read_text()[-3000:]
    until = time.monotonic() + 15  # half of ``idle``: those that a command found and gave nothing end by themselves
    while said("squeue", "--noheader").strip():
        assert time.monotonic() < until, "no task is left"
        time.sleep(0.5)
    return {name: digest for name, digest in results(folder).items() if not name.startswith("cluster/")}


def said(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=60).stdout


def log(folder: Path) -> str:
    file = StudyFolder(folder).run_log
    return file.read_text() if file.exists() else ""


def at_work(folder: Path, stage: str, run: subprocess.Popen[str]) -> str:
    """Waits until a task has a job of this stage in hand, and has trained a step of it; returns the task's name."""
    queue = Queue(StudyFolder(folder).cluster)
    until = time.monotonic() + 200
    while time.monotonic() < until and run.poll() is None:
        begun = re.findall(r"^.{19} (\w+): \d+ to do$", log(folder), re.MULTILINE)
        for entry in queue.held() if begun[-1:] == [stage] else ():
            reported = queue.root / "events" / f"{entry.holder}.jsonl"
            if stage != "train" or '"tokens"' in reported.read_text():
                return entry.task
        time.sleep(0.01)
    raise AssertionError(
        f"nothing is at work in {stage}: {log(folder)}{(folder.parent / 'errors').read_text()[-3000:]}"
    )


def test_a_study_by_job_arrays_has_the_bytes_of_the_local_executor(cluster, local, tmp_path):
    began = time.monotonic()
    assert ended(begin(tmp_path / "out"), tmp_path / "out") == local
    print(f"{time.monotonic() - began:.0f} s")
    assert len(set(re.findall(r"as holdfast-out-\w+: tasks (\d+)_0 to", log(tmp_path / "out")))) == 1, (
        "one array does it"
    )


WAYS = {
    "cancelled": ("scancel",),
    "near its time limit": ("scancel", "--signal=USR1"),
    "requeued": ("scontrol", "requeue"),
}


@pytest.mark.parametrize(
    ("way", "stage", "params"),
    [
        ("cancelled", "train", PARAMS),
        ("cancelled", "respond", PARAMS),
        ("cancelled", "judge", PARAMS),
        ("near its time limit", "train", PARAMS),
        ("near its time limit", "train", PARAMS.replace("}", ", options: {no-requeue: true}}")),
        ("near its time limit", "respond", PARAMS),
        ("requeued", "train", PARAMS),
    ],
)
def test_a_task_that_ends_before_its_job_changes_no_byte(cluster, local, tmp_path, way, stage, params):
    out = tmp_path / "out"
    run = begin(out, params=params)
    task = at_work(out, stage, run)
    assert subprocess.run([*WAYS[way], task], timeout=60).returncode == 0
    assert ended(run, out) == local
    print(log(out))


@pytest.mark.parametrize("stage", ["train", "respond", "judge"])
def test_the_command_that_waits_may_be_killed_and_begun_again(cluster, local, tmp_path, stage):
    """Its tasks go on meanwhile, and no step of training is done twice."""
    out = tmp_path / "out"
    run = begin(out)
    at_work(out, stage, run)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert said("squeue", "--noheader", "--array", "--states=RUNNING,PENDING").strip()
    status = subprocess.run(
        [sys.executable, "-m", "holdfast", "status", str(out)], capture_output=True, text=True, timeout=120
    )
    assert "on a cluster: " in status.stdout, status.stderr
    assert ended(begin(out), out) == local
    for trained in StudyFolder(out).runs.glob("*/metrics.jsonl"):
        assert len(trained.with_name("timing.jsonl").read_text().splitlines()) == len(trained.read_text().splitlines())


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ctrl_c_ends_all_tasks_and_the_study_goes_on_from_there(cluster, local, tmp_path):
    out = tmp_path / "out"
    run = begin(out)
    at_work(out, "train", run)
    os.killpg(run.pid, signal.SIGINT)
    assert run.wait(60) == 130
    assert "goes on from here" in (tmp_path / "errors").read_text()
    assert not said("squeue", "--noheader").strip()
    assert ended(begin(out), out) == local


OF_A_TASK = {**WAYS, "killed": ("scancel", "--signal=KILL")}
OF_THE_COMMAND = {  # and the exit codes that it may end with
    "SIGKILL": (signal.SIGKILL, {-signal.SIGKILL}),
    "Ctrl-C": (signal.SIGINT, {130, -signal.SIGINT}),
}


@pytest.mark.usefixtures("hears_ctrl_c")
def test_ended_in_any_way_at_random_moments_a_study_ends_with_the_same_bytes(undisturbed, local, tmp_path):
    kills, rounds = Kills(6), 0
    chance = kills.chance
    while kills.more():
        rounds += 1
        out, code = tmp_path / f"out{rounds}", 1
        while code:
            run, expected = begin(out), set[int]()
            while run.poll() is None:
                until = time.monotonic() + chance.uniform(2, 20)
                while run.poll() is None and time.monotonic() < until:
                    time.sleep(0.1)
                tasks_now = said("squeue", "--noheader", "--array", "--states=RUNNING", "--format=%i").split()
                way = chance.choice([*OF_A_TASK, *OF_THE_COMMAND])
                if run.poll() is not None or not kills.more():
                    continue
                if way in OF_A_TASK and tasks_now:
                    said(*OF_A_TASK[way], chance.choice(tasks_now))
                    kills.add(f"task {way}")
                elif way in OF_THE_COMMAND:
                    by, expected = OF_THE_COMMAND[way]
                    os.killpg(run.pid, by)
                    kills.add(way)
                    run.wait(120)
            code = run.returncode
            assert code in {0, *expected}, (tmp_path / "errors").read_text()[-3000:]
        assert ended(run, out) == local
        kills.ended(StudyFolder(out).run_log, StudyFolder(undisturbed).run_log)
    kills.tell()


def test_a_job_longer_than_the_time_limit_is_done_in_several_lives(cluster, tmp_path):
    """Slurm's own limit of a minute. Each step is done once, and a task that is begun again is the same one."""
    job = Job("counts", tasks.count, {"file": tmp_path / "count", "to": 50, "seconds": 1.0})
    began = time.monotonic()
    with make("slurm", folder=tmp_path, array=1, memory=0.5, time=1, warning=20) as executor:
        events = list(executor.map([job], Resources(retries=0)))
    print(f"{time.monotonic() - began:.0f} s")
    lines = (tmp_path / "count.log").read_text().split()
    assert [int(line.split(":")[1]) for line in lines] == list(range(1, 51))
    assert len({line.split(":")[0] for line in lines}) > 1, "it did not do with one life"
    assert [e for e in events if e.get("finished")]
    submitted = list(Queue(StudyFolder(tmp_path).cluster).logs.glob("*_submitted.pkl"))
    assert len(submitted) == 1, "Slurm itself began it again"


def test_a_task_has_one_thread_and_knows_what_memory_it_has(cluster, tmp_path, monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS")
    with make("slurm", folder=tmp_path, array=1, memory=1.0) as executor:
        list(executor.map([Job("tells", tasks.what_it_has, {"path": tmp_path / "told"})]))
    threads, memory = (tmp_path / "told").read_text().split()
    assert threads == "1"
    assert int(memory) == pytest.approx(machine.SHARE * 1e9, rel=0.01)


def test_what_slurm_refuses_is_one_sentence(cluster, tmp_path):
    with (
        pytest.raises(UserError, match=r"Slurm did not take the tasks: sbatch: error: .*artition"),
        make("slurm", folder=tmp_path, partition="none-such") as executor,
    ):
        list(executor.map([Job("job", tasks.write, {"path": tmp_path / "x", "text": "x"})]))
