"""What is decided on the way stands in one file, holds for what it was decided for, and is read from old folders."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd
import pytest

from holdfast.analysis import matched
from holdfast.config import decisions
from holdfast.config.decisions import Choice, Tried
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Summary
from holdfast.evals.measures.task_accuracy import METRICS, TaskAccuracy
from holdfast.runs import deciders
from holdfast.runs.plan import expand
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

MEASURES = [{"measure": "task_accuracy", "name": "validation", "params": {"split": "validation"}}]
FAST = Tried("SFT~learning_rate=0.001", {"learning_rate": "0.001"}, 0.5, 0.4, 0.6, 20, 1)
CHOICES = [Choice("tiny", "rows", "SFT", FAST.label, [FAST])]
REACHED = {"run": {"budget": 500, "capability": 0.4}}


@pytest.fixture
def study(make):
    def made(**changes) -> Study:
        sections = {"matched": {"target": 0.1, "stop": True}, "tuned": {"learning_rate": [1e-3]}}
        return make(**{"measures": MEASURES, **sections} | changes)

    return made


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "run")


def test_a_decision_is_kept_once_and_holds_for_what_it_was_decided_for(study, folder):
    assert decisions.stopped(study(), folder) is None
    assert decisions.keep("stopped", REACHED, study(), folder)
    assert decisions.keep("tuned", CHOICES, study(), folder)
    assert decisions.keep("matched", {"subject": 0.4}, study(), folder)
    assert not decisions.keep("stopped", REACHED, study(), folder)
    assert decisions.stopped(study(), folder) == REACHED
    assert decisions.matched(study(), folder) == {"subject": 0.4}
    other = study(matched={"target": 0.2, "stop": True})
    assert decisions.stopped(other, folder) is None
    assert decisions.matched(other, folder) == {}
    assert decisions.chosen(other, folder) == {("tiny", "rows", "SFT"): "SFT~learning_rate=0.001"}
    assert decisions.keep("stopped", REACHED, other, folder)


def test_the_files_of_an_earlier_version_are_read_and_become_one(study, folder):
    decisions.keep("tuned", CHOICES, study(), folder)
    of = read_json(folder.decisions_json)["tuned"]["of"]
    folder.decisions_json.unlink()
    write_json(folder.root / "tuned.json", {"of": of, "choices": list(map(asdict, CHOICES))})
    write_json(folder.root / "matched.json", {"subjects": {"subject": 0.4}})
    write_json(folder.root / "stopped.json", {"goal": "of another target", "runs": REACHED})
    assert decisions.choices(study(), folder) == CHOICES
    assert decisions.matched(study(), folder) == {"subject": 0.4}
    assert decisions.stopped(study(), folder) is None
    decisions.keep("stopped", {}, study(), folder)
    assert [p.name for p in folder.root.glob("*.json")] == ["decisions.json"]
    assert (decisions.choices(study(), folder), decisions.stopped(study(), folder)) == (CHOICES, {})


def test_a_damaged_file_is_named(study, folder):
    write_json(folder.decisions_json, {"tuned": {"of": ""}})
    with pytest.raises(UserError, match=r"decisions\.json is damaged"):
        decisions.choices(study(), folder)


def test_where_runs_stop_is_asked_budget_by_budget_and_not_at_the_last(study):
    def records(need, reached):
        """Of these runs; ``reached``: by all of them at the last budget they came to."""
        rows = [(t.model, t.task, t.label, t.seed, b, f"{t.label} {b}") for t in need.runs for b in t.budgets]
        frame = pd.DataFrame(rows, columns=["model", "task", "label", "seed", "budget", "subject"])
        return frame.assign(reached=[reached(r[2], r[4]) for r in rows]), {}

    made = study(budgets=[500, 1000, 2000], tuned=None, controls={"batch_rows": 4, "passes": 5})
    plan = expand(made)
    deciding = deciders.stop(made, plan)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matched, "choose", lambda f, *_: dict.fromkeys(f.loc[f["reached"], "subject"], 0.5))
        need = next(deciding)
        assert {t.budgets for t in need.runs} == {(500,)}
        need = deciding.send(records(need, lambda label, budget: label == "SFT"))
        assert {t.label: t.budgets for t in need.runs} == {"SFT": (500,), "DPO": (500, 1000)}
        with pytest.raises(StopIteration) as done:
            deciding.send(records(need, lambda label, budget: label == "SFT"))
    (sft,) = (t.id for t in plan.runs if t.label == "SFT")
    assert done.value.value == {sft: {"budget": 500, "capability": 0.5}}
    single = study(budgets=[500], tuned=None)
    assert list(deciders.stop(single, expand(single))) == []


@pytest.mark.parametrize("section", ["matched", "tuned"])
def test_what_less_of_is_better_is_neither_matched_nor_chosen_on(make, monkeypatch, section):
    lower = Summary("accuracy", metrics={"accuracy": replace(METRICS["accuracy"], better="lower")})
    monkeypatch.setattr(TaskAccuracy, "summary", lower)
    sections = {"matched": {"target": 0.1}, "tuned": {"learning_rate": [1e-3]}}
    with pytest.raises(UserError, match=f"{section}.measure is validation, of which more is not better"):
        expand(make(measures=MEASURES, **{section: sections[section]}))


def test_a_control_run_and_an_objective_have_labels_apart(make):
    with pytest.raises(UserError, match=r"objectives\[0\]\.label cannot be 'noop': a control run has that name"):
        expand(make(objectives=[{"label": "noop", "objective": "sft"}], control_runs=[{"kind": "noop"}]))
