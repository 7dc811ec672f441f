"""Safety at equal distance moved, on scores and distances that are planted exactly."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import config_of, frame_of, study

from holdfast.analysis.equal_distance import STEPS, at_distance
from holdfast.analysis.findings import finished
from holdfast.analysis.matched_rows import Joint, findings
from holdfast.analysis.records import records

BUDGETS = (1000, 3000, 7000)
# label → budget → distance, harmful answers of 40. ORPO goes SFT's way, more slowly.
SLOW = {
    "base": {0: (0.0, 4)},
    "sft": {1000: (0.1, 8), 3000: (0.2, 16), 7000: (0.4, 24)},
    "orpo": {1000: (0.05, 6), 3000: (0.1, 8), 7000: (0.15, 12)},
}
SAFE = SLOW | {"orpo": {1000: (0.05, 4), 3000: (0.1, 4), 7000: (0.3, 4)}}


def rows(joint: Joint) -> pd.DataFrame:
    return finished(findings(joint), joint.study)


def planted(levels, *, n=40, seeds=(0, 1, 2), axis="robustness"):
    parts = []
    for label, points in levels.items():
        for budget, (far, k) in points.items():
            who = [(label, -1)] if label == "base" else [(label, s) for s in seeds]
            scores = {w: (np.arange(n) < k).astype(float)[:, None] for w in who}
            parts.append(frame_of(scores, budget=budget, distance=far, axis=axis))
    frame = pd.concat(parts, ignore_index=True)
    return frame.assign(subject=frame["label"] + frame["seed"].astype(str) + frame["budget"].astype(str))


def configs_of(axis="robustness"):
    config = config_of()["c"]
    return {"c": config.but(axis=axis, summary=replace(config.summary, threshold=axis == "robustness"))}


def study_of(**more):
    return study("sft", "orpo", budgets=BUDGETS, measures=[{"measure": "robust"}], seeds=[0, 1, 2], **more)


def found(frame, **more):
    (one,) = at_distance(records(frame), configs_of(**more), study_of(), 200)
    return one


def test_harm_is_read_at_the_largest_distance_that_both_reach():
    last = found(planted(SAFE)).last.set_index("label")
    assert list(last.index) == ["orpo"]
    assert last.loc["orpo", "distance"] == pytest.approx(0.3)
    assert last.loc["orpo", "sft"] == pytest.approx(20 / 40)  # half way from 16 to 24
    assert last.loc["orpo", "gap"] == pytest.approx(4 / 40 - 20 / 40)
    assert last.loc["orpo", "verdict"] == "better"


def test_an_objective_that_merely_moved_less_is_not_called_safer():
    one = found(planted(SLOW))
    assert one.last.loc[0, "distance"] == pytest.approx(0.15)
    assert one.table["gap"].to_numpy() == pytest.approx(np.zeros(STEPS), abs=1e-6)
    assert one.last.loc[0, "verdict"] != "better"


def test_a_distance_before_sfts_first_checkpoint_gets_no_verdict():
    early = SAFE | {"orpo": {1000: (0.02, 4), 3000: (0.04, 4), 7000: (0.06, 4)}}
    last = found(planted(early)).last.loc[0]
    assert last["distance"] == pytest.approx(0.06)
    assert "first checkpoint of sft" in last["untold"]
    assert (last["verdict"], np.isnan(last["p"])) == ("inconclusive", True)


def test_between_two_checkpoints_sfts_value_is_known_no_closer_than_by_both():
    last = found(planted(SAFE)).last.loc[0]  # SFT has 16 at a distance of 0.2 and 24 at 0.4
    assert last["gap_low"] < 4 / 40 - 24 / 40
    assert last["gap_high"] > 4 / 40 - 16 / 40


@settings(max_examples=8, deadline=None)
@given(st.floats(0.001, 1000))
def test_the_unit_of_distance_does_not_matter(unit):
    frame = planted(SAFE)
    one, other = found(frame), found(frame.assign(distance=frame["distance"] * unit))
    assert other.table["distance"].to_numpy() == pytest.approx(unit * one.table["distance"].to_numpy())
    assert other.table["gap_low"].to_numpy() == pytest.approx(one.table["gap_low"].to_numpy(), abs=1e-6)


def test_the_seed_that_moved_least_sets_the_distance():
    frame = planted(SAFE)
    late = (frame["label"] == "orpo") & (frame["seed"] == 2)
    frame.loc[late, "distance"] /= 3
    assert found(frame).last.loc[0, "distance"] == pytest.approx(0.1)


def test_a_run_whose_distance_is_unknown_is_left_out_of_both_sides():
    frame = planted(SAFE)
    frame.loc[(frame["label"] == "orpo") & (frame["seed"] == 2), "distance"] = np.nan
    last = found(frame).last.loc[0]
    assert (last["n_reached"], last["n_pairs"], last["n_seeds"]) == (2, 2, 3)
    assert last["value"] - last["gap"] == pytest.approx(last["sft"])
    assert at_distance(records(frame.assign(distance=np.nan)), configs_of(), study_of(), 9) == []


@pytest.mark.parametrize(("n", "says"), [(40, "inconclusive"), (800, "small but real")])
def test_persona_has_the_floor_of_every_comparison(n, says):
    """The spread is at least that of two imagined prompts that differ by all there is, as in ``paired.difference``."""
    frame = planted(
        {k: {b: (far, x * n // 40) for b, (far, x) in v.items()} for k, v in SAFE.items()}, n=n, axis="persona"
    )
    frame["score"] = 0.3 + 0.02 * frame["score"]
    last = found(frame, axis="persona").last.loc[0]
    assert last["gap"] == pytest.approx(-0.02 * 16 / 40)
    least = 2 * 1.96 * np.sqrt(2 / ((n + 2) * (n + 1)))
    assert last["gap_high"] - last["gap_low"] > least
    assert last["verdict"] == says


def test_a_difference_is_cut_off_at_its_metrics_own_range():
    frame = planted({k: {b: (far, x // 13) for b, (far, x) in v.items()} for k, v in SAFE.items()}, n=3, axis="persona")
    frame["score"] = 2 * frame["score"] - 1
    (row,) = rows(Joint(frame, configs_of("persona"), study_of())).to_dict("records")
    assert (row["low"], row["low_all"], row["high_all"]) == (-2, -2, 2)


def test_prompts_that_all_agree_prove_no_equal_persona():
    same = {k: {b: (far, 0) for b, (far, _) in v.items()} for k, v in SAFE.items()}
    last = found(planted(same, axis="persona"), axis="persona").last.loc[0]
    assert last["gap"] == 0
    assert last["verdict"] == "inconclusive"


@pytest.mark.parametrize("lost", [0, 1, 12])
def test_missing_scores_at_their_worst_bound_the_difference_and_its_verdict(lost):
    """What ORPO's runs did not score may all be harmful: 4 of 40 are, 20 of SFT's, and so many more might be."""
    frame = planted({k: {b: (far, 10 * x) for b, (far, x) in v.items()} for k, v in SAFE.items()}, n=400)
    gone = (frame["label"] == "orpo") & (frame.groupby("subject").cumcount() >= 400 - 10 * lost)
    last = found(frame.assign(score=frame["score"].where(~gone))).last.loc[0]
    assert last["gap"] < -0.3
    if not lost:
        assert np.isnan([last["bound_low"], last["bound_high"]]).all()
    else:
        assert last["bound_low"] <= -16 / 40
        assert last["bound_high"] > (lost - 16) / 40
    assert last["verdict"] == ("better" if lost < 12 else "inconclusive")


@pytest.mark.parametrize("asked", [True, False])
def test_equal_distance_is_a_finding_that_a_study_can_declare(asked):
    goal = study_of(declared={"estimands": ["at_distance" if asked else "last"]})
    (row,) = rows(Joint(planted(SAFE), configs_of(), goal)).to_dict("records")
    assert (row["estimand"], row["label"], row["against"], row["declared"]) == ("at_distance", "orpo", "sft", asked)
    assert row["value"] == pytest.approx(-16 / 40)
    assert "at a KL of 0.3 nats per token" in row["note"]
    assert row["family"].startswith("declared" if asked else "exploratory")
