"""A study on a file system that shows late what another machine wrote, whose locks are leases and whose reads fail."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from holdfast.config.loading import parse
from holdfast.evals.subject import SubjectRow
from holdfast.runs import pipeline, stages
from holdfast.runs.executors.executor import Event, Job
from holdfast.runs.plan import Plan
from holdfast.store import locks, shared, tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError
from tests.runs.pipeline.conftest import Here, no_page
from tests.runs.pipeline.test_resume import results

FORK = multiprocessing.get_context("fork")
LAG = 0.7  # seconds


class Late:
    """The folder as another client of its server sees it: without the names that were made or renamed just now, but for
    its own. (A real client also shows the old file in a new one's place; to see none is worse.)"""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch) -> None:
        self.root, self.pid, self.own, self.stat = str(root), os.getpid(), set[int](), os.stat
        self.hidden = 0
        for module, name in ((os, "stat"), (io, "open")):
            patch.setattr(module, name, self._asks(getattr(module, name)))
        for name in ("scandir", "listdir"):
            patch.setattr(os, name, self._lists(getattr(os, name)))
        real = os.replace

        def replace(old: Any, new: Any, **more: Any) -> None:
            self.own.add(self.stat(old).st_ino)
            real(old, new, **more)

        patch.setattr(os, "replace", replace)

    def _asks(self, real: Any) -> Any:
        def ask(path: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(path, (str, Path)) and (not args or "r" in str(args[0])) and self.hides(path):
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
            return real(path, *args, **kwargs)

        return ask

    def _lists(self, real: Any) -> Any:
        def entries(path: Any = ".") -> Any:
            found = real(path)
            if not str(path).startswith(self.root) or os.getpid() != self.pid:
                return found
            names = [e for e in found if not self.hides(e.path if hasattr(e, "path") else Path(path) / e)]
            return names if isinstance(found, list) else _Entries(names)

        return entries

    def hides(self, path: Any) -> bool:
        """Files alone, which are made whole by others' renames."""
        if os.getpid() != self.pid or not str(path).startswith(self.root + "/") or "/.lease" in str(path):
            return False
        try:
            found = self.stat(path)
        except OSError:
            return False
        late = not (found.st_mode & 0o040000) and found.st_ino not in self.own and time.time() - found.st_ctime < LAG
        self.hidden += late
        return late


class _Entries(list):
    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None: ...

    def close(self) -> None: ...


class Elsewhere(Here):
    """Each job in a process of its own, as on another machine: of one, one read in ten finds a file handle stale."""

    def map(self, jobs: Iterable[Job], resources: object = None) -> Iterator[Event]:
        for job in jobs:
            said = FORK.SimpleQueue()
            process = FORK.Process(target=_do, args=(job, said), daemon=True)
            process.start()
            process.join(120)
            assert process.exitcode == 0, said.get()
            yield {"job": job.name, "finished": True}


def _do(job: Job, said: Any) -> None:
    chance, real = random.Random(job.name), Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        if chance.random() < 0.1:
            raise OSError(errno.ESTALE, os.strerror(errno.ESTALE), str(path))
        return real(path)

    Path.read_bytes = read_bytes  # type: ignore[method-assign]
    try:
        job.function(lambda event: None, **job.arguments)
    except BaseException as error:
        said.put(repr(error))
        raise


@pytest.fixture
def late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Late:
    monkeypatch.setattr(shared, "kind", lambda folder: "nfs4")
    monkeypatch.setitem(stages.STAGES, "report", no_page)
    monkeypatch.setattr(pipeline, "make", Elsewhere)
    monkeypatch.setattr(shared, "POLL", 0.1)
    (tmp_path / "out").mkdir()
    return Late(tmp_path / "out", monkeypatch)


@pytest.mark.slow
def test_a_study_whose_folder_is_shown_late_has_the_same_bytes(
    finished: tuple[Path, str], tmp_path: Path, late: Late
) -> None:
    pipeline.run(parse(finished[1]), tmp_path / "out", quiet=True)
    assert late.hidden > 20
    assert (tmp_path / "out" / ".lease" / "free").exists()
    assert not (tmp_path / "out" / ".lock").exists()
    time.sleep(LAG)
    assert results(tmp_path / "out") == results(finished[0])


@pytest.mark.slow
def test_what_others_left_is_waited_for(finished: tuple[Path, str], tmp_path: Path, late: Late) -> None:
    """One run and its answers are made elsewhere; the next stage begins when they are seen here."""
    folder = StudyFolder(shutil.copytree(finished[0], tmp_path / "out", dirs_exist_ok=True))
    time.sleep(LAG)
    run = next(t for t in Plan.read(folder).runs if t.label == "DPO")
    shutil.rmtree(folder.run(run.id).root)
    mine = {r.subject[:12] for r in tables.read_rows(folder.subjects, "subjects", SubjectRow) if r.trajectory == run.id}
    for shard in folder.record_shards():
        if shard.parent.name in mine:
            shutil.rmtree(shard.parent)
    late.hidden = 0
    (tmp_path / "s.yaml").write_text(finished[1])
    for stage in ("train", "respond"):
        pipeline.stage(stage, tmp_path / "s.yaml", folder.root)
    assert late.hidden > 5
    assert locks.leased(folder.root)
    time.sleep(LAG)
    assert results(folder.root) == results(finished[0])


def test_a_folder_that_is_another_one_on_other_machines_is_named(
    finished: tuple[Path, str], tmp_path: Path, late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StudyFolder(shutil.copytree(finished[0], tmp_path / "out", dirs_exist_ok=True))
    time.sleep(LAG)
    shutil.rmtree(folder.run(next(t.id for t in Plan.read(folder).runs if t.label == "DPO")).root)
    monkeypatch.setattr(shared, "LATE", 0.3)
    monkeypatch.setattr(
        Elsewhere, "map", lambda self, jobs, resources: ({"job": j.name, "finished": True} for j in jobs)
    )
    with pytest.raises(
        UserError, match=r"1 of 1 jobs say they are done, and .* has not what they wrote.*the same folder"
    ):
        pipeline.stage("train", folder.root)


def test_a_study_that_another_machine_has_taken_over_meanwhile_stops(
    finished: tuple[Path, str], tmp_path: Path, late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StudyFolder(shutil.copytree(finished[0], tmp_path / "out", dirs_exist_ok=True))
    time.sleep(LAG)
    shutil.rmtree(folder.run(next(t.id for t in Plan.read(folder).runs if t.label == "DPO")).root)
    monkeypatch.setattr(locks, "TERM", 0.6)

    def taken(self: Elsewhere, jobs: Iterable[Job], resources: object) -> Iterator[Event]:
        (token,) = (folder.root / ".lease").glob("held.*")
        token.rename(token.with_name("held.0000abcd-1-1-1"))
        time.sleep(0.3)
        yield from ({"job": job.name, "finished": True} for job in jobs)

    monkeypatch.setattr(Elsewhere, "map", taken)
    with pytest.raises(UserError, match=r"this process was stopped for so long that another took .* over"):
        pipeline.stage("train", folder.root)
    assert [p.name for p in (folder.root / ".lease").iterdir()] == ["held.0000abcd-1-1-1"]
