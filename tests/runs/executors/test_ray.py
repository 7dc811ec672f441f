"""Workers of a Ray cluster: every job is done, every failure is said, what is lost is done again, and nothing stays.

The cluster is one of three nodes in this machine, each a raylet of its own with one core.
"""

from __future__ import annotations

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

from holdfast.runs.executors import ray_worker
from holdfast.runs.executors.executor import Job, Resources, make
from holdfast.runs.executors.worker import software
from holdfast.types import UserError
from tests.runs.executors.test_local import jobs, script_that_runs
from tests.runs.pipeline.test_kills import members

pytest.importorskip("ray")
NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


class ThreeNodes:
    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self._cluster = Cluster(initialize_head=True, head_node_args={**NODE, "include_dashboard": False})
        self.address = self._cluster.address
        self.fill()

    def fill(self) -> None:
        while len(self._cluster.list_all_nodes()) < 3:
            self._cluster.add_node(**NODE)

    def lose(self) -> None:
        """As by a power cut, but for the head, without which there is no cluster."""
        self._cluster.remove_node(next(iter(self._cluster.worker_nodes)), allow_graceful=False)

    def close(self) -> None:
        self._cluster.shutdown()


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThreeNodes]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        nodes = ThreeNodes()
        yield nodes
        nodes.close()


def actors(address: str) -> list[str]:
    """States of all actors that there ever were."""
    import ray

    ray.init(address, log_to_driver=False, logging_level="ERROR")
    try:
        return [actor["State"] for actor in ray._private.state.actors().values()]
    finally:
        ray.shutdown()


def test_every_job_is_done_once_and_every_event_comes_back(cluster: ThreeNodes, tmp_path: Path) -> None:
    events = []
    with make("ray", folder=tmp_path, address=cluster.address) as pool:
        for some in (jobs(tmp_path, 5), [], jobs(tmp_path, 1)):
            events += pool.map(some)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "2", "3", "4"]
    assert sum("finished" in e for e in events) == sum("done" in e for e in events) == 6
    assert {e["job"] for e in events} == {f"job {k}" for k in range(5)}


def test_each_node_does_its_share_and_a_worker_keeps_to_a_model_while_there_are_jobs_of_it(
    cluster: ThreeNodes, tmp_path: Path
) -> None:
    wanted = [Job(f"job {k}", tasks.tell, {"folder": tmp_path, "model": m}, m) for k, m in enumerate("abcab" * 3)]
    with make("ray", folder=tmp_path, address=cluster.address) as pool:
        list(pool.map(wanted))
    did = [p.read_text() for p in tmp_path.iterdir()]
    assert sorted("".join(did)) == sorted("abcab" * 3)
    assert all(len(set(models)) == len([k for k, _ in groupby(models)]) for models in did)
    assert len(did) == 3


@pytest.mark.parametrize(("mistake", "kind"), [(True, UserError), (False, ZeroDivisionError)])
def test_a_failure_is_raised_as_the_worker_raised_it(cluster: ThreeNodes, mistake: bool, kind: type) -> None:
    with pytest.raises(kind) as caught, make("ray", address=cluster.address) as pool:
        list(pool.map([Job("fails", tasks.fail, {"mistake": mistake})]))
    notes = getattr(caught.value, "__notes__", [])
    assert bool(notes) is not mistake
    assert mistake or "tasks_for_workers.py" in notes[0]


def test_a_job_whose_worker_is_killed_is_done_again_so_often_and_no_more(cluster: ThreeNodes, tmp_path: Path) -> None:
    once, retries = {"folder": tmp_path, "by": signal.SIGKILL}, Resources(retries=1)
    with make("ray", workers=1, folder=tmp_path, address=cluster.address) as pool:
        events = list(pool.map([Job("lost once", tasks.end_itself_once, once), *jobs(tmp_path, 2)], retries))
        assert Counter(e["job"] for e in events if "finished" in e) == {"lost once": 1, "job 0": 1, "job 1": 1}
        assert [e["job"] for e in events if "begins again" in e.get("note", "")] == ["lost once"]
        with pytest.raises(UserError, match=r"'SFT seed 1' in hand was lost 2 times.*for want of memory.*run again"):
            list(pool.map([Job("SFT seed 1", tasks.end_itself, {"by": signal.SIGKILL})], retries))
    assert set(actors(cluster.address)) == {"DEAD"}


def test_what_cannot_be_is_one_sentence_and_no_wait(cluster: ThreeNodes, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(said: str, resources: Resources | None = None, **parameters: Any) -> None:
        with pytest.raises(UserError, match=said), make("ray", **{"address": cluster.address, **parameters}) as pool:
            list(pool.map([Job("job", tasks.write, {})], resources))

    fails("what one job needs, 64 CPU; they have 1 CPU: add one", Resources(cpus=64), patience=0.0)
    fails("needs, .*accelerator_type:H100; they have .*0 acc", options={"accelerator_type": "H100"}, patience=0.0)
    fails("`options` of the executor 'ray' are not right: .* nope", options={"nope": 1})
    fails("no way to the Ray cluster at '127.0.0.1:1': .*refused", address="127.0.0.1:1")
    fails("no way to the Ray cluster at 'nonsense'", address="nonsense")
    monkeypatch.setitem(sys.modules, "ray", None)
    fails(r"not installed: pip install 'holdfast\[ray\]'")


def test_a_machine_that_is_not_as_the_study_s_own_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_worker, "SEEN", 0.0)
    here = ray_worker.Here((), str(tmp_path), str(tmp_path), str(tmp_path / "mark"), software(), {}, None)
    other = {**here.software, "torch": "0.1"}
    for place, said in (
        (replace(here, software=other), "has torch .*, where the study was begun it is 0.1: install the same"),
        (here, f"does not see the folder {tmp_path}: give `--out`"),
        (replace(here, mark="", current="/nowhere/at/all"), "does not see /nowhere/at/all, where the study was begun"),
    ):
        refused = ray_worker.Actor().settle(place)
        assert isinstance(refused, UserError)
        assert re.search(said, str(refused))


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
