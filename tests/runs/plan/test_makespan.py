"""How long a study takes on n nodes: by hand, within Graham's bound, and as the executors hand jobs out."""

from __future__ import annotations

import json
import random
from collections import deque
from collections.abc import Callable
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from holdfast.cli.app import app
from holdfast.config.study import Study
from holdfast.runs import makespan, pipeline
from holdfast.runs.executors.executor import Job, take
from holdfast.runs.makespan import enough, scheduled
from holdfast.runs.materials import Materials
from holdfast.runs.plan import Plan, expand, shapes

Make = Callable[..., Study]
SFT = {"label": "SFT", "objective": "sft"}


@pytest.mark.parametrize(
    ("jobs", "nodes", "seconds"),
    [
        ([("m", 3.0)], 1, 3),
        ([("m", 3.0)], 5, 3),
        ([("m", 3.0), ("m", 2.0), ("m", 2.0)], 2, 4),
        ([("m", 2.0), ("m", 2.0), ("m", 3.0)], 2, 5),  # the longest came last
        ([("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 1.0)], 2, 2),
        # Whoever holds `b` goes on with it, and the longest, which came last, begins at once.
        ([("a", 1.0), ("b", 1.0), ("a", 1.0), ("a", 1.0), ("b", 9.0)], 2, 10),
        ([("a", 1.0), ("a", 1.0), ("a", 1.0), ("b", 9.0)], 1, 12),
        ([], 3, 0),
    ],
)
def test_rounds_by_hand(jobs: list[makespan.Load], nodes: int, seconds: float) -> None:
    assert scheduled(jobs, nodes) == seconds


def drawn(draw: random.Random) -> list[makespan.Load]:
    return [(draw.choice("abc"), draw.choice([1.0, 2.0, 5.0, 13.0])) for _ in range(draw.randint(1, 40))]


def one_by_one(jobs: list[makespan.Load], n: int) -> float:
    """By the function that executors take their jobs with."""
    waiting = deque(Job(str(k), print, {"seconds": s}, model) for k, (model, s) in enumerate(jobs))
    nodes, ends = [(0.0, k, "") for k in range(n)], [0.0]
    while waiting:
        free, node, model = min(nodes)
        job = take(waiting, model)
        ends.append(free + job.arguments["seconds"])
        nodes[nodes.index((free, node, model))] = (ends[-1], node, job.model)
    return max(ends)


def test_jobs_go_out_as_executors_take_them_and_within_grahams_bound() -> None:
    draw = random.Random(0)
    for _ in range(200):
        jobs, n = drawn(draw), draw.randint(1, 12)
        found, work, longest = scheduled(jobs, n), sum(s for _, s in jobs), max(s for _, s in jobs)
        assert found == one_by_one(jobs, n)
        assert max(work / n, longest) <= found <= work / n + (1 - 1 / n) * longest + 1e-9


def test_more_nodes_than_enough_do_not_help() -> None:
    draw = random.Random(1)
    for _ in range(50):
        jobs = drawn(draw)
        n, longest = enough(jobs), max(s for _, s in jobs)
        assert scheduled(jobs, n) <= makespan.ENOUGH * longest
        assert n >= ceil(sum(s for _, s in jobs) / (makespan.ENOUGH * longest))
    assert enough([("m", 1.0)] * 7) == 7
    assert enough([("m", 4.0), *[("m", 1.0)] * 8]) == 3


def reckoned(study: Study, numbers: list[int], executor: str = "local") -> tuple[Plan, makespan.Nodes]:
    plan, materials = expand(study), Materials(study, plan=True)
    known: Any = shapes(materials, materials.absent())
    return plan, makespan.nodes(study, plan, known, numbers, executor)


def test_one_node_takes_what_the_plan_says_one_worker_takes(make: Make) -> None:
    given = {"label": "elsewhere", "weights": {"name": "w", "path": "model"}}
    for more in ({}, {"given": [given]}, {"controls": {"batch_rows": 4, "schedule": "linear", "warmup_steps": 0}}):
        plan, found = reckoned(make(workers=1, seeds=[0, 1], control_runs=[{"kind": "noop"}], **more), [1, 3])
        alone, three = found.spans
        assert alone.seconds == pytest.approx(plan.cost.seconds)
        assert alone.held_hours == pytest.approx(alone.busy_hours)
        assert alone.seconds / 3 <= three.seconds < alone.seconds
        assert three.held_hours > three.busy_hours == pytest.approx(alone.busy_hours)


def test_what_is_answered_first_is_done_first(make: Make) -> None:
    _, found = reckoned(make(seeds=[0, 1, 2]), [1000])
    rounds = {(r.stage, r.name): r for r in found.spans[0].rounds}
    assert [(*name, r.jobs) for name, r in rounds.items()] == [
        ("train", "first round", 6),
        ("answer", "base models", 1),
        ("answer", "budget 1", 6),
        ("answer", "budget 2", 6),
    ]
    assert all(r.seconds == r.longest for r in rounds.values()), "a thousand nodes: as long as the longest"
    assert found.spans[0].seconds == pytest.approx(sum(r.longest for r in rounds.values()))
    assert found.enough == 6


def test_a_second_round_begins_where_the_first_one_ended(make: Make) -> None:
    again = {"training": {"second_round": {"again": "rows"}}}
    _, found = reckoned(make(consistency=again, objectives=[SFT]), [1])
    assert [r.name for r in found.spans[0].rounds if r.stage == "train"] == ["first round", "second round"]


def test_on_a_cluster_hours_are_of_gpus(make: Make) -> None:
    plan, found = reckoned(make(), [1], "slurm")
    assert (found.device, found.executor) == ("cuda", "slurm")
    assert found.spans[0].seconds == pytest.approx(plan.cost.on_a_gpu)
    _, found = reckoned(make(models=[{"name": "tiny", "path": "model", "device": "cpu"}]), [1], "slurm")
    assert found.device == "cpu"


def test_models_on_more_gpus_have_their_turn_and_more_hours(make: Make, make_model, tmp_path: Path) -> None:
    make_model(tmp_path / "other", weight=1.0)
    wide = {"name": "wide", "path": "other", "gpus": 2}
    _, alone = reckoned(make(), [1], "slurm")
    _, found = reckoned(make(models=[{"name": "tiny", "path": "model"}, wide], objectives=[SFT]), [1], "slurm")
    names = [r.name for r in found.spans[0].rounds]
    assert names[:2] == ["first round, 1 GPU", "first round, 2 GPUs"]
    one, two = (sum(r.work for r in found.spans[0].rounds if r.name.endswith(end)) for end in ("1 GPU", "2 GPUs"))
    assert found.spans[0].busy_hours == pytest.approx((one + 2 * two) / 3600)
    assert "GPU" not in alone.spans[0].rounds[0].name


def test_the_command_says_and_prints_json(make: Make, tmp_path: Path) -> None:
    from holdfast.config.loading import save

    save(make(), tmp_path / "study.yaml")
    plain = CliRunner().invoke(app, ["plan", "study.yaml", "--nodes", "1,4"]).output
    assert "on nodes of local" in plain
    assert "longest job" in plain
    told = json.loads(CliRunner().invoke(app, ["plan", "study.yaml", "--executor", "slurm", "--json"]).output)
    assert [s["nodes"] for s in told["nodes"]["spans"]] == [1, 8, 32]
    assert "nodes" not in json.loads(CliRunner().invoke(app, ["plan", "study.yaml", "--json"]).output)
    assert pipeline.spread("study.yaml", pipeline.plan("study.yaml"), [2]).spans[0].nodes == 2
