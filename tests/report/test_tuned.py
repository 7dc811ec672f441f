"""The section on settings: curves in order of the coefficient, and a verdict that changes is called so."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from holdfast.analysis import tuned as analysed
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.regimes import SHARED, TUNED, regimes
from holdfast.report.charts.plot import Look
from holdfast.report.sections import own_settings
from holdfast.report.series import lead, series
from holdfast.store.folder import StudyFolder

OBJECTIVES = [{"label": "sft", "objective": "sft"}, {"label": "kl", "objective": "kl"}]
SECTION = {"coefficients": {"kl": {"weight": [1.0, 0.01]}}, "measure": "task_accuracy"}
BEST = "kl~weight=0.01"


@pytest.fixture(scope="module")
def made(tmp_path_factory, fabrication) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("settings")
    study = fabrication.study_of((0,), (15_000,), objectives=OBJECTIVES, tuned=SECTION, control_runs=[])
    truth = fabrication.Truth(accuracy={"kl": -4.0, BEST: 6.0})
    fabrication.fabricate(root, study=study, prompts=3, truth=truth, chosen=(BEST,))
    folder = StudyFolder(root)
    frame, about = load_records(folder, tuning=True), configs(folder)
    tried, chosen = analysed.tried(frame, about, study), analysed.choose(frame, about, study)
    shown = series(tried.assign(bracket=""), about.values(), [m.measure for m in study.measures])
    findings = SimpleNamespace(
        study=study, look=Look(study.labels, study.budgets), labels=study.labels, reference="sft"
    )
    levels = {k: analysed.levels(rows, about, study)
              for k, rows in regimes(frame, about, study).items()}  # fmt: skip
    return SimpleNamespace(findings=findings, shown=shown, tried=tried, chosen=chosen, levels=levels)


def answers(made: SimpleNamespace, **verdicts: str) -> SimpleNamespace:
    """The findings of each regime, with these verdicts on the robustness of kl."""
    x = lead(made.shown, "robustness")
    about = {"estimand": "last", "label": "kl", "against": "sft", "measure": x.measure, "metric": x.metric}
    numbers = {"value": 0.1, "low": 0.0, "high": 0.2}
    rows = {k: pd.DataFrame([about | numbers | {"verdict": v}]) for k, v in verdicts.items()}
    return SimpleNamespace(findings=made.findings, answers=lambda regime: rows[regime])


def test_a_curve_goes_through_the_coefficient_in_order_and_says_what_is_own_and_what_was_chosen(made):
    figure = own_settings.curve(made, "coefficient", made.chosen, made.tried)
    line = figure.data[figure.data["objective"] == "kl"]
    assert list(line["value"]) == [0.01, 0.1, 1.0]
    assert list(line["own"]) == [False, True, False]
    assert list(line["chosen"]) == [True, False, False]
    assert list(figure.data["objective"]) == ["kl", "kl", "kl", "sft"]  # which has no coefficient, and stands alone
    x = lead(made.shown, "capability")
    level = made.tried[(made.tried["measure"] == x.measure) & (made.tried["metric"] == x.metric)].set_index("label")
    for r in line.itertuples():
        assert r.x == level.loc[r.setting, "value"]
    assert "3 prompts" in figure.caption
    assert "One training seed" in figure.caption
    assert own_settings.curve(made, "learning rate", made.chosen, made.tried) is None


@pytest.mark.parametrize(
    ("shared", "own", "said"),
    [("worse", "worse", "the same"), ("worse", "inconclusive", "changes"), ("better", "worse", "changes")],
)
def test_a_verdict_that_is_another_in_the_tuned_regime_is_said_to_change(made, shared, own, said):
    s = answers(made, **{SHARED: shared, TUNED: own})
    table, against = own_settings._beside(s, lead(made.shown, "robustness"), made.levels)
    rows = table.set_index("objective")
    assert against == "sft"
    assert rows.loc["kl", "conclusion"] == said
    assert rows.loc["sft", "conclusion"] == ""
    assert rows.loc["base", SHARED] == rows.loc["base", TUNED]
    assert rows.loc["kl", "from sft, tuned"].endswith(own)


def test_what_was_chosen_stands_beside_the_study_s_own_setting(made):
    (sft, kl) = own_settings._chosen(made.chosen).to_dict("records")
    assert (sft["chosen"], sft["settings tried"]) == ("the study’s own", 1)
    assert (kl["chosen"], kl["settings tried"]) == ("weight 0.01", 3)
    assert kl["its score"] != kl["own setting’s"]
