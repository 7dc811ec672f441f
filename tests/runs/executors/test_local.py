"""Workers of this machine: every job is done, every failure is said, and nobody outlives the run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import tasks_for_workers as tasks

from holdfast.runs.executors import local
from holdfast.runs.executors.executor import Job, Resources, make
from holdfast.runs.executors.local import GRACE, Local
from holdfast.types import UserError

HERE = Path(__file__).parent


def jobs(folder: Path, n: int) -> list[Job]:
    return [Job(f"job {k}", tasks.write, {"path": folder / str(k), "text": str(k)}) for k in range(n)]


def script_that_runs(function: str, folder: Path, executor: str = "local", **arguments: str) -> Path:
    """A user's script, without a guard, that says when it begins."""
    script = folder / "script.py"
    script.write_text(
        f"import sys; print('begins', flush=True); sys.path.append({str(HERE)!r})\n"
        "import tasks_for_workers as tasks\n"
        "from holdfast.runs.executors.executor import Job, make\n"
        f"pool = make({executor!r}, workers=1)\n"
        "assert 'ray' not in sys.modules and 'torch' not in sys.modules\n"
        f"with pool:\n    list(pool.map([Job('job', tasks.{function}, {arguments!r})]))\n"
    )
    return script


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_every_job_is_done_once_and_every_event_comes_back(tmp_path):
    events = []
    with Local(2) as pool:
        for some in (jobs(tmp_path, 5), [], jobs(tmp_path, 1)):
            events += pool.map(some)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]
    assert sum("finished" in e for e in events) == sum("done" in e for e in events) == 6


@pytest.mark.parametrize(("mistake", "kind"), [(True, UserError), (False, ZeroDivisionError)])
def test_a_failure_is_raised_as_the_worker_raised_it(mistake, kind):
    with pytest.raises(kind) as caught, Local(1) as pool:
        list(pool.map([Job("fails", tasks.fail, {"mistake": mistake})]))
    notes = getattr(caught.value, "__notes__", [])
    assert bool(notes) is not mistake
    assert mistake or "tasks_for_workers.py" in notes[0]


def test_a_worker_that_the_system_kills_is_one_sentence_that_names_its_job():
    with (
        pytest.raises(UserError, match=r"'SFT seed 1'.*by signal 9, most likely for want of memory.*run again"),
        Local(1) as pool,
    ):
        list(pool.map([Job("SFT seed 1", tasks.end_itself, {"by": signal.SIGKILL})]))


@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interrupt_ends_the_run_though_a_worker_is_stopped(tmp_path):
    script = script_that_runs("stop_itself", tmp_path, here=str(tmp_path / "pid"))
    run = subprocess.Popen([sys.executable, script], stderr=subprocess.PIPE)
    until = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until
        time.sleep(0.05)
    worker = int((tmp_path / "pid").read_text())
    began = time.monotonic()
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert time.monotonic() - began < GRACE + 10
    assert not alive(worker)


@pytest.mark.usefixtures("hears_ctrl_c")
def test_an_interrupt_while_a_worker_starts_is_not_lost_and_ends_that_worker(tmp_path, monkeypatch):
    @contextmanager
    def interrupted():
        signal.raise_signal(signal.SIGINT)
        yield

    started = []
    start = local._start
    monkeypatch.setattr(local, "_no_main_module", interrupted)
    monkeypatch.setattr(local, "_start", lambda *its: started.append(start(*its)) or started[-1])
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Local(1) as pool:
        list(pool.map(jobs(tmp_path, 1)))
    assert signal.getsignal(signal.SIGINT) is before
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
    assert [worker.process.is_alive() for worker in started] == [False]


@pytest.mark.usefixtures("hears_ctrl_c")
def test_a_ctrl_c_while_workers_are_killed_leaves_none_behind(tmp_path, monkeypatch):
    kill, killed = BaseProcess.kill, []

    def interrupted(process):
        killed.append(process)
        signal.raise_signal(signal.SIGINT)
        kill(process)

    monkeypatch.setattr(BaseProcess, "kill", interrupted)
    pool = Local(2)
    list(pool.map(jobs(tmp_path, 2)))
    started = [worker.process for worker in pool._workers]
    with pytest.raises(KeyboardInterrupt):
        pool.close()
    assert killed == started[::-1]
    assert [process.is_alive() for process in started] == [False] * len(started)


def test_a_script_needs_no_main_guard(tmp_path):
    script = script_that_runs("write", tmp_path, path=str(tmp_path / "made"), text="x")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "begins\n"
    assert (tmp_path / "made").read_text() == "x"


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="no /proc: what a process maps is not to be seen")
def test_workers_hold_no_named_semaphore_that_a_kill_would_leave_behind(tmp_path):
    with Local(1) as pool:
        list(pool.map([Job("maps", tasks.copy_maps, {"to": tmp_path / "maps"})]))
    assert "/sem." not in (tmp_path / "maps").read_text()


def gpus_of(pool: Local, folder: Path, n: int, resources: Resources) -> list[str]:
    """What each of ``n`` workers that are busy at once sees."""
    folder.mkdir()
    wanted = [Job(f"job {k}", tasks.see, {"folder": folder, "at_once": n}) for k in range(n)]
    list(pool.map(wanted, resources))
    return sorted(p.read_text() for p in folder.iterdir())


def test_each_worker_sees_the_gpus_of_one_job_and_no_other_s(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2,3,5")
    with make("local") as pool:
        assert gpus_of(pool, tmp_path / "one", 4, Resources()) == ["0", "2", "3", "5"]
        assert gpus_of(pool, tmp_path / "three", 1, Resources(gpus=3)) == ["0,2,3"]  # and no worker with the one left
        assert len(pool._shares()) == 1
        assert gpus_of(pool, tmp_path / "two", 2, Resources(gpus=2)) == ["0,2", "3,5"]
    assert os.environ["CUDA_VISIBLE_DEVICES"] == "0,2,3,5"


def test_more_workers_than_gpus_share_them_evenly(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,6")
    with Local(4) as pool:
        assert gpus_of(pool, tmp_path / "seen", 4, Resources()) == ["4", "4", "6", "6"]


def test_without_a_gpu_a_job_is_done_without(tmp_path, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with Local(1) as pool:
        assert gpus_of(pool, tmp_path / "seen", 1, Resources()) == [""]


@pytest.mark.parametrize(("there", "said"), [("", "this machine has none"), ("3", "this machine has 1")])
def test_a_job_of_more_gpus_than_there_are_is_refused_before_a_worker_starts(there, said, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", there)
    with Local(1) as pool, pytest.raises(UserError, match=f"a model is to lie on 2 GPUs .* and {said}: set it lower"):
        list(pool.map([Job("never", tasks.see, {})], Resources(gpus=2)))
    assert pool._workers == []
