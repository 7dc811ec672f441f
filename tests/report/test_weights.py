"""How a mixture's weights went: what moves is drawn, as it was logged, with what it is steered towards."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import altair as alt
import pandas as pd
import pytest

from holdfast.report.reading import Setting, read
from holdfast.report.sections import weights
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder

PARTS = [
    {"objective": "sft", "weight": 1.0, "hold": None},
    {"objective": "kl_penalty", "weight": 0.1, "hold": {"quantity": "kl_penalty kl", "target": 0.02, "gain": 0.1}},
]
STEPS = 250


@pytest.fixture
def setting(finished, tmp_path) -> Setting:
    """A study whose ``kl`` is a mixture, trained from two seeds."""
    folder = StudyFolder(tmp_path / "mixed")
    shutil.copytree(finished.root, folder.root)
    found = read(folder)
    (run,) = found.runs[found.runs["label"] == "kl"].to_dict("records")
    runs = [run, run | {"seed": 1, "trajectory": "another"}]
    for each in runs:
        at = folder.run(each["trajectory"])
        each["config"] = {"budgets": [4000], "objective": {"params": {"parts": PARTS}}}
        lines = [
            {
                "step": k + 1,
                "tokens": 16 * (k + 1),
                "objective": {"sft weight": 1.0, "kl_penalty weight": 0.1 + k, "kl_penalty kl": 0.01 * each["seed"]},
            }
            for k in range(STEPS)
        ]
        write_text(at.metrics_jsonl, "".join(json.dumps(line) + "\n" for line in lines))
    objectives = tuple(
        v.model_copy(update={"objective": "mixture"}) if v.label == "kl" else v for v in found.study.objectives
    )
    study = found.study.model_copy(update={"objectives": objectives})
    return replace(found, study=study, runs=pd.DataFrame(runs)).settings()[0]


def test_weights_that_move_are_drawn_and_what_a_steered_one_holds(setting):
    section = weights.section(setting)
    names = [f.title for f in section.charts]
    assert names == ["Weight of kl_penalty in kl", "kl_penalty kl of kl"]
    for figure in section.charts:
        alt.LayerChart.from_dict(figure.spec, validate=True)
    weight, held = (f.data for f in section.charts)
    assert "target" not in weight
    assert set(held["target"]) == {0.02}
    assert dict(zip(held["seed"], held["value"], strict=True)) == {0: 0.0, 1: 0.01}


def test_a_long_path_is_thinned_and_keeps_its_ends(setting):
    for _, run in weights.section(setting).charts[0].data.groupby("seed"):
        assert len(run) <= weights.POINTS + 1
        assert run["value"].iloc[[0, -1]].tolist() == pytest.approx([0.1, 0.1 + STEPS - 1])
        assert pd.Series(run["tokens"]).is_monotonic_increasing


def test_a_study_without_mixtures_has_no_such_section(finished):
    assert weights.section(read(finished).settings()[0]) is None
