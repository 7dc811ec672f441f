"""A study that matches capability: what is wrong with one, where checkpoints lie, and what is measured of which."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast.config.study import Study
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.measures.task_accuracy import TaskAccuracy
from holdfast.evals.subject import SubjectRow
from holdfast.runs.checks import check
from holdfast.types import Example, Sampling, Turn, UserError

VALIDATION = {"measure": "task_accuracy", "name": "validation", "params": {"split": "validation"}}


def study(*measures: dict[str, Any], **matched: Any) -> Study:
    return Study.model_validate(
        {
            "schema": 1,
            "name": "s",
            "models": [{"name": "m", "path": "package:holdfast.miniature/model"}],
            "tasks": [{"name": "t", "task": "miniature_arithmetic"}],
            "objectives": [{"label": "SFT", "objective": "sft"}],
            "budgets": [1000, 4000],
            "measures": [{"measure": "task_accuracy"}, *measures],
            "matched": {"target": 0.1} | matched,
        }
    )


@pytest.mark.parametrize(
    ("made", "says"),
    [
        (study(), "matched.measure is validation, which is no measure of the study; add task_accuracy with the name"),
        (study({"measure": "dark_triad"}, measure="dark_triad"), "dark_triad, which is no measure of capability"),
        (study(VALIDATION, checkpoints=[2000, 8000]), r"must be at most the last budget \(4000\)"),
    ],
)
def test_what_cannot_be_matched_is_refused(made: Study, says: str) -> None:
    with pytest.raises(UserError, match=says):
        check(made)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"controls": {"schedule": "linear"}}, "SFT has the linear schedule, so that each of its budgets is a run of"),
        ({"consistency": {}}, "ends runs before the last budget, at which consistency compares; remove one"),
        ({"tuned": {"learning_rate": [1e-4]}}, "at which tuned compares; remove one"),
    ],
)
def test_a_run_that_cannot_end_at_the_target_is_refused(more: dict[str, Any], says: str) -> None:
    made = study(VALIDATION, stop=True)
    with pytest.raises(UserError, match=says):
        check(Study.model_validate(made.model_dump(by_alias=True) | more))
    check(study(VALIDATION, stop=True))


def test_matching_on_the_test_rows_is_said() -> None:
    assert not [note for note in check(study(VALIDATION)) if "test rows" in note]
    notes = check(study({"measure": "task_accuracy", "name": "validation", "items": 3}))
    assert [note for note in notes if "which are test rows" in note]


def test_the_plan_says_that_no_checkpoint_stands_before_the_first_budget() -> None:
    (note,) = check(study(VALIDATION))
    assert "before its first checkpoint (1,000 tokens)" in note
    (note,) = check(study(VALIDATION, checkpoints=[500]))
    assert "up to two of matched.checkpoints are measured in full" in note


def test_checkpoints_for_matching_come_from_the_same_runs() -> None:
    made = study(VALIDATION, checkpoints=[2000, 1000])
    assert made.checkpoint_budgets == (1000, 2000, 4000)
    assert made.ladder == (1000, 4000)  # what the page compares at


def test_between_the_budgets_only_what_is_matched_is_measured_in_full() -> None:
    everywhere = EvalConfig("c", "validation", "t", TaskAccuracy(), (), Sampling(), {}, False)
    sparse = replace(everywhere, label="robust", task="", budgets=frozenset({1000, 4000}))
    dense = SubjectRow("dense", "m", "t", "SFT", "sft", seed=0, budget=2000, trajectory="x", adapter="a")
    assert everywhere.concerns(dense)
    assert not sparse.concerns(dense)
    assert replace(sparse, chosen=frozenset({"dense"})).concerns(dense)
    assert sparse.concerns(replace(dense, budget=4000))
    assert sparse.concerns(replace(dense, budget=500, bracket="noop"))
    assert sparse.concerns(SubjectRow("base", "m"))
    assert sparse.concerns(replace(dense, trajectory="", label="given"))


def test_an_accuracy_is_of_the_split_that_it_names() -> None:
    rows = {name: (Example(name, (Turn("user", f"{name}?"),), "1", answer="1"),) for name in ("test", "validation")}
    prepared = SimpleNamespace(**rows)
    for split in ("test", "validation"):
        assert [item.id for item in TaskAccuracy(split).bind(object(), prepared).items()] == [split]
