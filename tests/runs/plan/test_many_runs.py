"""A plan of many runs lies in a table, reads back as it was, and counts once what models have in common."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.config.run import planned
from holdfast.config.study import Study
from holdfast.data.renderer import Renderer
from holdfast.runs import plan as plans
from holdfast.runs.plan import Plan, expand
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

from .conftest import TEMPLATE

Make = Callable[..., Study]
TUNED = {"learning_rate": [1e-4]}
VALIDATION = {"measure": "task_accuracy", "name": "validation", "params": {"split": "validation"}}


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder(tmp_path / "out")


@pytest.mark.parametrize("local", [True, False], ids=["counted", "nominal"])
def test_many_runs_read_back_as_few_do(make: Make, folder: StudyFolder, local: bool, monkeypatch) -> None:
    there = {} if local else {"models": [{"name": "far", "path": "nobody/has-this"}]}
    plan = expand(make(seeds=[0, 1], tuned=TUNED, measures=[VALIDATION], control_runs=[{"kind": "noop"}], **there))
    plan.write(folder)
    few, text = planned(folder), folder.plan_json.read_text()
    assert not folder.runs_parquet.exists()
    monkeypatch.setattr(plans, "MANY", 3)
    plan.write(folder)
    assert Plan.read(folder) == plan
    assert planned(folder) == few == list(plan.runs)
    assert json.loads(folder.plan_json.read_text())["runs"]["file"] == "runs.parquet"
    monkeypatch.undo()
    plan.write(folder)
    assert (folder.plan_json.read_text(), folder.runs_parquet.exists()) == (text, False)


def test_runs_of_another_plan_are_not_taken_for_this_ones(make: Make, folder: StudyFolder, monkeypatch) -> None:
    monkeypatch.setattr(plans, "MANY", 1)
    expand(make()).write(folder)
    text = folder.plan_json.read_text()
    expand(make(seeds=[1])).write(folder)
    folder.plan_json.write_text(text)
    with pytest.raises(UserError, match="another plan"):
        Plan.read(folder)


def test_rows_are_counted_once_for_models_that_read_alike(make: Make, make_model, tmp_path: Path, monkeypatch) -> None:
    encoded: list[str] = []
    ids = Renderer.response_ids
    monkeypatch.setattr(Renderer, "response_ids", lambda self, text: encoded.append(text) or ids(self, text))
    names = [f"m{k}" for k in range(3)]
    for k, name in enumerate(names):
        make_model(tmp_path / name, weight=k / 8)

    def counted(n: int) -> tuple[Plan, int]:
        encoded.clear()
        plan = expand(make(models=[{"name": name, "path": name} for name in names[:n]]))
        return plan, sum(text.startswith(("answer", "nothing")) for text in encoded)

    (alone, one), (plan, three) = counted(1), counted(3)
    assert three == one > 0
    assert [t.id for t in plan.runs if t.model == "m0"] == [t.id for t in alone.runs]
    assert len({t.id for t in plan.runs}) == 6, "weights tell them apart"


def test_models_that_read_otherwise_are_counted_apart(make: Make, make_model, tmp_path: Path) -> None:
    make_model(tmp_path / "other", weight=1.0, template=TEMPLATE.replace(":", ": "))
    plan = expand(make(models=[{"name": "a", "path": "model"}, {"name": "b", "path": "other"}]))
    tokens = {t.model: t.checkpoints[-1].forward_tokens / t.checkpoints[-1].rows for t in plan.runs if t.label == "SFT"}
    assert tokens["b"] > tokens["a"]
