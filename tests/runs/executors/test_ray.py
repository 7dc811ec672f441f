"""Workers of a Ray cluster: every job is done, every failure is said, what is lost is done again, and nothing stays.

The cluster is one of three nodes in this machine: a head, where nothing runs, and two with one core.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import tasks_for_workers as tasks

from holdfast import machine
from holdfast.config.loading import parse
from holdfast.runs import pipeline, stages
from holdfast.runs.executors import ray_worker
from holdfast.runs.executors.executor import Job, Resources, make
from holdfast.runs.executors.ray import Ray
from holdfast.runs.executors.worker import software
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError
from tests.runs.executors.test_local import gpus_of, jobs, script_that_runs
from tests.runs.pipeline.conftest import SMALL, Here, no_page
from tests.runs.pipeline.test_kills import members
from tests.runs.pipeline.test_resume import results

pytest.importorskip("ray")
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}
TINY = """
name: tiny
mark: "miniature: a synthetic world, not evidence about real models"
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic, unsafe: {regime: as_published}}]
objectives: [{label: SFT, objective: sft}]
budgets: [300]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
measures: [{measure: task_accuracy, items: 2, max_new_tokens: 24}]
workers: 1
"""


class ThreeNodes:
    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        head = {**NODE, "num_cpus": 0, "include_dashboard": False, "include_log_monitor": False}
        self._cluster = Cluster(initialize_head=True, head_node_args=head)
        self.address = self._cluster.address
        self.fill()

    def fill(self) -> None:
        while len(self._cluster.list_all_nodes()) < 3:
            self._cluster.add_node(**NODE)

    def lose(self, actor: Any) -> None:
        """As by a power cut: the node where this worker is, and the worker, which would see the end of it first."""
        import ray

        is_in = ray._private.state.actors(actor._ray_actor_id.hex())
        node = next(n for n in self._cluster.worker_nodes if n.node_id == is_in["Address"]["NodeID"])
        os.kill(is_in["Pid"], signal.SIGKILL)
        self._cluster.remove_node(node, allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.setenv("RAY_AUTH_MODE", "disabled")  # a cluster of its own has tokens, and then Ray wants them of all
        patch.setenv("RAY_prestart_worker_first_driver", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        nodes = ThreeNodes()
        yield nodes
        nodes.close()


def here(study: str, out: Path) -> dict[str, str]:
    """What the study comes to in this process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline, "make", Here)
        pipeline.run(parse(study), out, quiet=True)
    return results(out)


def done(out: Path) -> Counter[str]:
    """How often each job was finished."""
    lines = StudyFolder(out).run_log.read_text().splitlines()
    return Counter(line[20:].partition(" done in ")[0].strip() for line in lines if " done in " in line)


def states(address: str) -> set[str]:
    """Those of all workers that there ever were."""
    import ray

    ray.init(address, log_to_driver=False, logging_level="ERROR")
    try:
        return {actor["State"] for actor in ray._private.state.actors().values()}
    finally:
        ray.shutdown()


@pytest.fixture
def on_cluster(cluster: ThreeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "make", lambda _, **given: Ray(**given, address=cluster.address))


@pytest.mark.usefixtures("on_cluster")
def test_a_study_ends_with_the_same_bytes_as_in_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for stage in ("analyse", "report"):  # no jobs
        monkeypatch.setitem(stages.STAGES, stage, no_page)
    pipeline.run(parse(TINY), tmp_path / "out", quiet=True)
    assert results(tmp_path / "out") == here(TINY, tmp_path / "here")
    assert done(tmp_path / "out") == done(tmp_path / "here")


@pytest.mark.slow
@pytest.mark.usefixtures("on_cluster")
def test_a_study_that_loses_a_node_in_each_stage_goes_on_and_does_nothing_twice(
    cluster: ThreeNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, lost, looked, look = ["train", "respond", "judge"], [], Counter[str](), Ray._spoken

    def unlucky(pool: Ray) -> list[Any]:
        for job, actor in [(w.job, w.actor) for w in pool._workers if w.job]:
            looked[job.name] += 1
            stage = job.function.__name__
            if stage in left and (stage != "train" or looked[job.name] == 3):  # when it has said something
                left.remove(stage)
                lost.append(job.name)
                cluster.lose(actor)
                cluster.fill()
        return look(pool)

    monkeypatch.setattr(Ray, "_spoken", unlucky)
    monkeypatch.setitem(stages.STAGES, "report", no_page)
    pipeline.run(parse(SMALL), tmp_path / "out", quiet=True)
    said = StudyFolder(tmp_path / "out").run_log.read_text()
    assert [job.split()[0] for job in lost[1:]] == ["respond", "judge"]
    assert all(f"ray: {job} begins again" in said for job in lost)
    assert results(tmp_path / "out") == here(SMALL, tmp_path / "here")
    assert done(tmp_path / "out") == done(tmp_path / "here")


def test_a_job_whose_node_is_lost_is_done_again(cluster: ThreeNodes, tmp_path: Path) -> None:
    events = []
    with make("ray", address=cluster.address) as pool:
        for event in pool.map([Job("SFT seed 0", tasks.wait_for, {"path": tmp_path / "lost"})]):
            if "done" in event and not events:
                cluster.lose(pool._workers[0].actor)
                (tmp_path / "lost").touch()
            if not event.get("note", "").startswith("waits"):
                events.append(event)
    assert ["note" if "note" in e else e.get("finished", False) for e in events] == [False, "note", False, True]
    assert events[1]["note"].startswith("SFT seed 0 begins again, for its worker was lost (1 of at most 3 times)")
    assert states(cluster.address) == {"DEAD"}


def test_what_cannot_be_is_one_sentence_and_no_wait(cluster: ThreeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(said: str, resources: Resources | None = None, **parameters: Any) -> None:
        with pytest.raises(UserError, match=said), make("ray", **{"address": cluster.address, **parameters}) as pool:
            list(pool.map([Job("job", tasks.write, {})], resources))

    fails("what one job needs, 64 CPU; they have .*1 CPU.*: add one", Resources(cpus=64), patience=0.0)
    fails("needs, .*accelerator_type:H100; they have .*0 acc", options={"accelerator_type": "H100"}, patience=0.0)
    fails("`options` of the executor 'ray' are not right: .* nope", options={"nope": 1})
    fails("no way to the Ray cluster at '127.0.0.1:1': .*refused", address="127.0.0.1:1")
    fails("no way to the Ray cluster at 'nonsense'", address="nonsense")
    monkeypatch.setitem(sys.modules, "ray", None)
    fails(r"not installed: pip install 'holdfast\[ray\]'")


def test_a_machine_that_is_not_as_the_study_s_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "SEEN", 0.0)
    here = ray_worker.Here((), str(tmp_path), str(tmp_path / "mark"), software(), {}, None)
    other = {**here.software, "torch": "0.1"}
    for place, said in (
        (replace(here, software=other), "has torch .*, where the study was begun it is 0.1: install the same"),
        (here, f"does not see the folder {tmp_path}: give `--out`"),
        (replace(here, mark="", current="/nowhere/at/all"), "does not see /nowhere/at/all, where the study was begun"),
    ):
        refused = ray_worker.Actor().settle(place)
        assert isinstance(refused, UserError)
        assert re.search(said, str(refused))


@pytest.mark.slow
def test_every_job_is_done_once_and_every_event_comes_back(cluster: ThreeNodes, tmp_path: Path) -> None:
    events = []
    with make("ray", folder=tmp_path, address=cluster.address) as pool:
        for some in (jobs(tmp_path, 5), [], jobs(tmp_path, 1)):
            events += pool.map(some)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]
    assert sum("finished" in e for e in events) == sum("done" in e for e in events) == 6
    assert {e["job"] for e in events} == {f"job {k}" for k in range(5)}


@pytest.mark.slow
def test_each_node_does_its_share_and_a_worker_keeps_to_a_model_while_there_are_jobs_of_it(
    cluster: ThreeNodes, tmp_path: Path
) -> None:
    cluster.fill()
    wanted = [Job(f"job {k}", tasks.tell, {"folder": tmp_path, "model": m}, m) for k, m in enumerate("abcab" * 3)]
    with make("ray", folder=tmp_path, address=cluster.address) as pool:
        list(pool.map(wanted))
    did = [p.read_text() for p in tmp_path.iterdir()]
    assert sorted("".join(did)) == sorted("abcab" * 3)
    assert all(len(set(models)) == len([k for k, _ in groupby(models)]) for models in did)
    assert len(did) == 2


@pytest.mark.slow
def test_a_machine_that_joins_is_given_jobs(cluster: ThreeNodes, tmp_path: Path) -> None:
    cluster.fill()
    with make("ray", folder=tmp_path, address=cluster.address) as pool:
        list(pool.map(jobs(tmp_path, 1)))
        cluster.lose(pool._workers[0].actor)
        (tmp_path / "did").mkdir()
        work = pool.map([Job(f"job {k}", tasks.tell, {"folder": tmp_path / "did", "model": "m"}) for k in range(40)])
        while "finished" not in next(work):
            continue
        cluster.fill()
        list(work)
    did = [len(p.read_text()) for p in (tmp_path / "did").iterdir()]
    assert sum(did) == 40
    assert len(did) == 2


@pytest.mark.slow
def test_each_worker_sees_the_gpus_of_one_job_and_no_other_s(
    cluster: ThreeNodes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,2")
    monkeypatch.setattr(machine, "cores", lambda: 2)
    with make("ray", patience=0.0) as pool:
        assert gpus_of(pool, tmp_path / "one", 2, Resources()) == ["0", "2"]
        assert gpus_of(pool, tmp_path / "two", 1, Resources(gpus=2)) in (["0,2"], ["2,0"])
        with pytest.raises(UserError, match="needs, 1 CPU, 3 GPU; they have 2 CPU, 2 GPU"):
            gpus_of(pool, tmp_path / "three", 1, Resources(gpus=3))


@pytest.mark.slow
@pytest.mark.parametrize(("mistake", "kind"), [(True, UserError), (False, ZeroDivisionError)])
def test_a_failure_is_raised_as_the_worker_raised_it(cluster: ThreeNodes, mistake: bool, kind: type) -> None:
    with pytest.raises(kind) as caught, make("ray", address=cluster.address) as pool:
        list(pool.map([Job("fails", tasks.fail, {"mistake": mistake})]))
    assert str(caught.value) == ("a mistake; mend it" if mistake else "a bug")
    notes = getattr(caught.value, "__notes__", [])
    assert bool(notes) is not mistake
    assert mistake or "tasks_for_workers.py" in notes[0]


@pytest.mark.slow
def test_a_job_whose_worker_is_killed_is_done_again_so_often_and_no_more(cluster: ThreeNodes, tmp_path: Path) -> None:
    once, retries = {"folder": tmp_path, "by": signal.SIGKILL}, Resources(retries=1)
    with make("ray", workers=1, folder=tmp_path, address=cluster.address) as pool:
        events = list(pool.map([Job("lost once", tasks.end_itself_once, once), *jobs(tmp_path, 2)], retries))
        assert Counter(e["job"] for e in events if "finished" in e) == {"lost once": 1, "job 0": 1, "job 1": 1}
        assert sum(e.get("note", "").startswith("lost once begins again") for e in events) == 1
        with pytest.raises(UserError, match=r"'SFT seed 1' in hand was lost 2 times.*for want of memory.*run again"):
            list(pool.map([Job("SFT seed 1", tasks.end_itself, {"by": signal.SIGKILL})], retries))


@pytest.mark.slow
@pytest.mark.usefixtures("hears_ctrl_c")
@pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="no /proc: what is left behind is not to be seen")
def test_a_cluster_of_its_own_is_silent_and_ends_with_an_interrupt_though_a_worker_is_stopped(tmp_path: Path) -> None:
    script = script_that_runs("stop_itself", tmp_path, executor="ray", here=str(tmp_path / "pid"))
    run = subprocess.Popen([sys.executable, script], stdout=-1, stderr=-1, text=True, start_new_session=True)
    until = time.monotonic() + 90
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        assert time.monotonic() < until
        assert run.poll() is None, run.communicate()
        time.sleep(0.1)
    assert len(members(run.pid)) > 3
    run.send_signal(signal.SIGINT)
    out, errors = run.communicate(timeout=60)
    assert out == "begins\n"
    assert errors.rstrip().endswith("KeyboardInterrupt")
    until = time.monotonic() + 10
    while members(run.pid) and time.monotonic() < until:
        time.sleep(0.1)
    assert not members(run.pid)
