"""Two processes do the same job at once, for every lock was granted to both: the folder has the bytes of one alone."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import pytest

from holdfast.evals import shards
from holdfast.evals.subject import SubjectRow, befores
from holdfast.runs import jobs
from holdfast.runs.plan import Plan
from holdfast.store import locks, tables
from holdfast.store.folder import StudyFolder
from holdfast.training import loop, prepared, references
from holdfast.training.job import Fits
from holdfast.training.job import finished as is_finished
from tests.runs.pipeline.test_resume import results

SPAWN = multiprocessing.get_context("fork")  # which has the packages already
PATIENCE = 20.0
SLOW = pytest.mark.slow
Work = Callable[[Callable[[Any], None]], None]


@pytest.fixture
def lies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that are granted to whoever asks."""
    monkeypatch.setattr(locks._Flock, "acquire", lambda self, wait, unless: True)
    monkeypatch.setattr(locks._Flock, "release", lambda self: None)
    monkeypatch.setattr(loop, "STATE_EVERY", 2)
    monkeypatch.setattr(references, "CHUNK", 5)
    monkeypatch.setattr(shards, "SHARD", 4)


def pauses(work: Work, at: int, here: Event, until: Event) -> None:
    """Does the work, but waits at its report of this number."""
    reports = 0

    def report(event: Any) -> None:
        nonlocal reports
        reports += 1
        if reports == at:
            here.set()
            assert until.wait(PATIENCE)

    work(report)


def both(work: Work, first: int, second: int, between: Callable[[], None], ends: str) -> None:
    """The second process begins when the first has reported so often. ``ends``: who ends first, the other standing at a
    report of its own; then ``between`` is called. ``killed``: the first does, and the second is killed there."""
    here, go, there, on = (SPAWN.Event() for _ in range(4))
    a = SPAWN.Process(target=pauses, args=(work, first, here, go), daemon=True)
    b = SPAWN.Process(target=pauses, args=(work, second, there, on), daemon=True)
    a.start()
    assert here.wait(PATIENCE), a.exitcode
    b.start()
    if ends != "second":
        assert there.wait(PATIENCE)
    one, other = (b, a) if ends == "second" else (a, b)
    (on if one is b else go).set()
    one.join(PATIENCE)
    assert one.exitcode == 0
    between()
    if ends == "killed":
        assert other.pid is not None
        os.kill(other.pid, signal.SIGKILL)
    else:
        (go if other is a else on).set()
    other.join(PATIENCE)
    assert other.exitcode == (-signal.SIGKILL if ends == "killed" else 0)


@pytest.fixture
def copy(finished: tuple[Path, str], tmp_path: Path) -> StudyFolder:
    return StudyFolder(shutil.copytree(finished[0], tmp_path / "copy"))


@pytest.mark.parametrize(
    ("at", "ends"),
    [*(pytest.param(*x, marks=SLOW) for x in [(8, "first"), (3, "second"), (8, "second")]), (8, "killed")],
)
@pytest.mark.usefixtures("lies")
def test_one_run_is_trained(finished: tuple[Path, str], copy: StudyFolder, at: int, ends: str) -> None:
    """The first has trained three steps of six when the second begins, or has two of five files of references."""
    run = next(t for t in Plan.read(copy).runs if t.label == "DPO")
    folder = copy.run(run.id)
    shutil.rmtree(folder.root)
    shutil.rmtree(copy.root / "references")

    def work(report: Callable[[Any], None]) -> None:
        jobs.train(report, copy.root, run, run.budgets)

    def whole() -> None:
        assert is_finished(folder, run.budgets)
        assert folder.metrics_jsonl.read_bytes() == StudyFolder(finished[0]).run(run.id).metrics_jsonl.read_bytes()

    both(work, at, 2, whole, ends)
    whole()
    expected = {name: d for name, d in results(finished[0]).items() if "references/" not in name}
    assert {name: d for name, d in results(copy.root).items() if "references/" not in name} == expected
    assert len(list(folder.root.rglob("*.tmp"))) <= (ends == "killed")
    again: list[Any] = []
    folder.done.unlink()
    work(again.append)  # and whoever comes later goes on from what is there
    assert results(copy.root).items() >= expected.items()
    assert not list(folder.root.rglob("*.tmp"))


@pytest.mark.parametrize("ends", ["first", "second", pytest.param("killed", marks=SLOW)])
@pytest.mark.usefixtures("lies")
def test_one_subject_is_asked_and_judged(finished: tuple[Path, str], copy: StudyFolder, ends: str) -> None:
    rows = tables.read_rows(copy.subjects, "subjects", SubjectRow)
    base = next(r for r in rows if r.label == "base")
    row = next(r for r in rows if r.label == "DPO" and r.budget == 1200)
    for shard in [*copy.record_shards(), *copy.judgement_shards()]:
        if shard.parent.name == row.subject[:12] and "coherence" not in str(shard):  # which asks the base
            shutil.rmtree(shard.parent)

    def respond(report: Callable[[Any], None]) -> None:
        jobs.respond(report, copy.root, row, befores([row], rows)[0])

    def judge(report: Callable[[Any], None]) -> None:
        jobs.judge(report, copy.root, row, base, None)

    both(respond, 3, 2, lambda: None, ends)
    both(judge, 2, 1, lambda: None, ends)
    if ends == "killed":  # what stands there twice is the same, and whoever comes later clears it away
        respond(lambda event: None)
        judge(lambda event: None)
    assert results(copy.root) == results(finished[0])


@pytest.mark.usefixtures("lies")
def test_who_asks_first_says_what_memory_has_room_for(copy: StudyFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two machines, one with half the memory."""
    shutil.rmtree(copy.root / "fits", ignore_errors=True)
    here, go, there = SPAWN.Event(), SPAWN.Event(), SPAWN.SimpleQueue()

    class Network:
        digest, dtype = "d", "float32"

    def ask(tokens: int, waits: bool) -> None:
        def count(network: Any, controls: Any) -> Fits:
            if waits:
                here.set()
                assert go.wait(PATIENCE)
            return Fits(tokens)

        monkeypatch.setattr(prepared, "fits", count)
        controls = jobs.open_bench(copy.root).materials.controls("DPO")
        there.put(jobs._fits(copy, Network(), controls).tokens)

    slow = SPAWN.Process(target=ask, args=(4096, True), daemon=True)
    slow.start()
    assert here.wait(PATIENCE)
    quick = SPAWN.Process(target=ask, args=(8192, False), daemon=True)
    quick.start()
    quick.join(PATIENCE)
    go.set()
    slow.join(PATIENCE)
    assert [there.get(), there.get()] == [8192, 8192]
