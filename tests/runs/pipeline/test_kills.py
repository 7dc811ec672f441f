"""Killed or stopped at random moments of all stages, a study ends with the same bytes, and nothing outlives a stop.

    HOLDFAST_KILLS=80 pytest tests/runs/pipeline/test_kills.py -m slow -n 0 -s

ends that many runs (12 by default, some 6 s each) and prints how many of each stage and way. With
HOLDFAST_KILLS_EXECUTOR=ray their workers are Ray's, in a cluster that each begins (some 20 s each).
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from holdfast.runs.executors.local import GRACE
from holdfast.store.folder import StudyFolder
from tests.runs.kills import Kills
from tests.runs.pipeline.test_resume import contents, results
from tests.runs.pipeline.test_tuned_run import TUNED

SLOW = 15.0  # seconds beyond the grace that a busy machine may take to start a signal's work
SHARED = Path("/dev/shm")
EXECUTOR = os.environ.get("HOLDFAST_KILLS_EXECUTOR", "local")


class Process(NamedTuple):
    pid: int
    command: str


def members(session: int) -> list[Process]:
    """The living processes of a session."""
    found = []
    for at in Path("/proc").iterdir():
        if at.name.isdigit():
            try:
                fields = (at / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == session and fields[0] != "Z":
                    found.append(Process(int(at.name), (at / "cmdline").read_text().replace("\0", " ")))
            except (FileNotFoundError, ProcessLookupError):
                continue
    return found


def left(run: subprocess.Popen) -> list[Process]:
    """All but Ray's agents, which take a minute to find that what they tell of is gone."""
    return [p for p in members(run.pid) if not p.command.startswith(("ray::DashboardAgent", "ray::RuntimeEnvAgent"))]


def workers(run: subprocess.Popen) -> list[int]:
    return [p.pid for p in members(run.pid) if "multiprocessing.spawn" in p.command or "ray::Actor" in p.command]


def send(*pids: int, by: signal.Signals) -> None:
    for pid in pids:
        try:
            os.kill(pid, by)
        except ProcessLookupError:
            continue


def one_worker(run: subprocess.Popen) -> None:
    send(*workers(run)[:1], by=signal.SIGKILL)


def interrupted(run: subprocess.Popen, times: int = 1, stopped: bool = False) -> None:
    """Ctrl-C, which the whole terminal hears."""
    if stopped:
        send(*workers(run), by=signal.SIGSTOP)
    for _ in range(times):
        if run.poll() is None:
            os.killpg(run.pid, signal.SIGINT)
            time.sleep(0.2)


WAYS: dict[str, tuple[Callable[[subprocess.Popen], None], set[int]]] = {  # and the exit codes that it may end with
    "SIGKILL": (lambda run: run.kill(), {-signal.SIGKILL}),
    "SIGTERM": (lambda run: run.terminate(), {-signal.SIGTERM}),
    "SIGKILL of one worker": (one_worker, {2}),
    "SIGINT": (interrupted, {130}),
    "two SIGINT": (lambda run: interrupted(run, 2), {130, -signal.SIGINT}),
    "stopped workers, SIGINT": (lambda run: interrupted(run, 1, stopped=True), {130}),
    "stopped workers, two SIGINT": (lambda run: interrupted(run, 2, stopped=True), {130, -signal.SIGINT}),
}
if EXECUTOR == "ray":  # its job is done again, by another

    def one_worker_then_all(run: subprocess.Popen) -> None:
        one_worker(run)
        time.sleep(random.Random(run.pid).uniform(0, 5))
        run.kill()

    WAYS["SIGKILL of one worker"] = (one_worker_then_all, {-signal.SIGKILL, 0})
    # Ray's own while it begins; and now and then its handler of fatal signals hangs for three seconds, and aborts
    WAYS["SIGTERM"] = (lambda run: run.terminate(), {-signal.SIGTERM, signal.SIGTERM, -signal.SIGABRT})
STAGES = ("start", "train", "respond", "judge", "tune", "match", "analyse", "report")


def stage(log: Path, since: int) -> str:
    """Which stage a run is in, by what it said since it began."""
    said = log.read_text()[since:] if log.exists() else ""
    begun = [name for line in said.splitlines() for name in STAGES if line[20:].partition(":")[0] == name]
    return begun[-1] if begun else "start"


@pytest.mark.slow
@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="no /proc: what is left behind is not to be seen")
def test_a_run_ended_in_any_way_at_random_moments_loses_and_leaves_nothing(tmp_path: Path, small_study: str) -> None:
    study = small_study.replace("budgets: [600, 1200]", "budgets: [800]").replace(
        "\ncontrol_runs:", TUNED.replace("700", "400") + "control_runs:"
    )
    (tmp_path / "s.yaml").write_text(study)

    def begin(out: Path) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            "holdfast",
            "run",
            str(tmp_path / "s.yaml"),
            "--out",
            str(out),
            "--executor",
            EXECUTOR,
        ]
        errors = (tmp_path / "errors").open("a")
        return subprocess.Popen(command, stdout=errors, stderr=errors, start_new_session=True, cwd=tmp_path)

    shared = set(SHARED.iterdir())
    assert begin(tmp_path / "undisturbed").wait() == 0
    kills, rounds = Kills(12), 0
    chance = kills.chance
    while kills.more():
        rounds += 1
        out = tmp_path / f"out{rounds}"
        log = StudyFolder(out).run_log
        targets = iter(s for s in STAGES for _ in range(3))  # then it may end
        while True:
            target = next(targets, "") if kills.more() else ""
            since = len(log.read_text()) if log.exists() else 0
            run = begin(out)
            while run.poll() is None and (not target or stage(log, since) != target):
                time.sleep(0.02)
            until = time.monotonic() + chance.uniform(0, 3)
            while run.poll() is None and time.monotonic() < until:
                time.sleep(0.02)
            if run.poll() is not None:
                assert run.returncode == 0, (tmp_path / "errors").read_text()[-3000:]
                break
            way = chance.choice([w for w in WAYS if "worker" not in w or workers(run)])
            where, began = stage(log, since), time.monotonic()
            WAYS[way][0](run)
            try:
                code = run.wait(GRACE + SLOW)
            except subprocess.TimeoutExpired:
                pytest.fail(f"{way} in {where}: does not end: {members(run.pid)}")
            took = time.monotonic() - began
            while left(run) and time.monotonic() < began + GRACE + SLOW:
                time.sleep(0.05)
            print(f"{where}, {way}: exit {code} after {took:.1f} s", flush=True)
            assert not left(run), (where, way)
            assert code in WAYS[way][1] | ({0} if target == "report" else set()), (where, way, code)
            kills.add(f"{where}: {way}")
        assert results(out) == results(tmp_path / "undisturbed")
        assert contents(out).keys() == contents(tmp_path / "undisturbed").keys()  # the page says when it was made
        kills.ended(log, StudyFolder(tmp_path / "undisturbed").run_log)
    assert not {p.name for p in set(SHARED.iterdir()) - shared}
    assert "Traceback" not in (tmp_path / "errors").read_text()
    kills.tell()
