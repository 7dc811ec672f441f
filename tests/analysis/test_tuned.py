"""A setting is chosen for what it learnt and nothing else, and the tuned regime is the study with it in place."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
from fabricate import Truth, fabricate, study_of

from holdfast.analysis.analyse import comparisons
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.regimes import SHARED, TUNED, regimes
from holdfast.analysis.tuned import choose
from holdfast.report.sections.own_settings import lines
from holdfast.store.folder import StudyFolder

FAST, WEAK, STRONG = "sft~learning_rate=0.001", "kl~weight=0.01", "kl~weight=1"
OBJECTIVES = [{"label": "sft", "objective": "sft"}, {"label": "kl", "objective": "kl"}]
SECTION = {"learning_rate": [0.001], "coefficients": {"kl": {"weight": [1.0, 0.01]}}, "measure": "task_accuracy"}


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> SimpleNamespace:
    root = tmp_path_factory.mktemp("tuned")
    study = study_of((0, 1), (15_000, 30_000), objectives=OBJECTIVES, tuned=SECTION, control_runs=[])
    knows = {"sft": 0.0, FAST: 4.0, "kl": 3.0, WEAK: 0.0, STRONG: 0.0, "kl~learning_rate=0.001": -3.0}
    fabricate(root, study=study, prompts=4, truth=Truth(accuracy=knows), chosen=(FAST,))
    folder = StudyFolder(root)
    frame = load_records(folder, tuning=True)
    return SimpleNamespace(study=study, alone=load_records(folder), frame=frame, configs=configs(folder))


def chosen(made: SimpleNamespace, frame: pd.DataFrame) -> dict[str, str]:
    return {c.label: c.chosen for c in choose(frame, made.configs, made.study)}


def scored(frame: pd.DataFrame, axis: str, scores: dict[str, float]) -> pd.DataFrame:
    frame = frame.copy()
    for label, score in scores.items():
        frame.loc[(frame["axis"] == axis) & (frame["label"] == label), "score"] = score
    return frame


def test_the_highest_accuracy_is_chosen_and_of_equals_the_study_s_own_then_the_first_in_the_file(made):
    assert chosen(made, made.frame) == {"sft": FAST, "kl": "kl"}
    labels = made.frame["label"].unique()
    equal = scored(made.frame, "capability", dict.fromkeys(labels, 1.0))
    assert chosen(made, equal) == {"sft": "sft", "kl": "kl"}
    below = scored(equal, "capability", {"kl": 0.0, "kl~learning_rate=0.001": 0.0})
    assert chosen(made, below)["kl"] == STRONG  # 1.0 stands before 0.01
    assert chosen(made, below.sample(frac=1, random_state=0))["kl"] == STRONG


def test_safety_has_no_part_in_the_choice(made):
    was = chosen(made, made.frame)
    for harm in (0.0, 1.0):
        turned = made.frame
        for axis in ("robustness", "persona", "normative"):
            turned = scored(turned, axis, {FAST: harm, WEAK: harm, STRONG: 1 - harm, "sft": 1 - harm, "kl": harm})
        assert chosen(made, turned) == was


def test_only_the_seeds_that_settings_are_tried_from_choose(made):
    other = made.frame["seed"] == made.study.seeds[1]
    without = made.frame.copy()
    without.loc[other & (without["axis"] == "capability"), "score"] = 0.0
    assert choose(without, made.configs, made.study) == choose(made.frame, made.configs, made.study)


def test_a_setting_without_a_score_is_not_chosen(made):
    gone = scored(made.frame, "capability", {FAST: float("nan")})
    (sft,) = (c for c in choose(gone, made.configs, made.study) if c.label == "sft")
    assert sft.chosen == "sft"
    assert FAST not in {x.label for x in sft.settings}


def test_the_shared_regime_is_the_study_as_if_nothing_had_been_tried(made):
    views = regimes(made.frame, made.configs, made.study)
    pd.testing.assert_frame_equal(views[SHARED].reset_index(drop=True), made.alone)
    assert regimes(made.alone, made.configs, made.study.model_copy(update={"tuned": None}))[SHARED] is made.alone


def test_the_tuned_regime_has_the_chosen_rows_under_the_objective_s_own_name(made):
    views = regimes(made.frame, made.configs, made.study)
    tuned, shared = views[TUNED], views[SHARED]
    assert set(tuned["label"]) == set(shared["label"]) == {"base", "sft", "kl"}
    assert set(tuned["bracket"]) == {""}
    mine = {label: set(rows["subject"]) for label, rows in tuned.groupby("label")}
    assert mine["sft"] == set(made.frame.loc[made.frame["label"] == FAST, "subject"])
    for label in ("base", "kl"):
        assert mine[label] == set(shared.loc[shared["label"] == label, "subject"])
    assert set(map(tuple, tuned.loc[tuned["label"] == "sft", ["seed", "budget"]].to_numpy())) == {
        (s, b) for s in (0, 1) for b in made.study.budgets
    }


def test_no_family_of_tests_is_of_two_regimes(made):
    table = comparisons(made.frame, made.configs, made.study)
    families = table[table["family"] != ""].groupby("family")["regime"].agg(set)
    assert {frozenset(x) for x in families} == {frozenset({SHARED}), frozenset({TUNED})}
    for _, some in table[table["p"].notna()].groupby("family"):
        own = some[some["low_all"].notna()]
        assert ((own["low_all"] <= own["low"]) & (own["high"] <= own["high_all"])).all()
        assert some["p_adjusted"].between(0, 1).all()


def test_a_frame_without_the_settings_is_not_taken_for_the_tuned_regime(made):
    with pytest.raises(AssertionError, match="missing"):
        regimes(made.alone, made.configs, made.study)


def test_a_line_runs_through_the_study_s_own_value_in_order(made):
    weight = lines(made.study).query("of == 'kl' and factor == 'weight'")
    assert list(weight["value"]) == [0.01, 0.1, 1.0]
    assert list(weight["label"]) == [WEAK, "kl", STRONG]
    assert list(weight["own"]) == [False, True, False]
