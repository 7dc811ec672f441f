"""Matched capability, fronts and coherence, on scores that are planted exactly."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import config_of, frame_of, study
from scipy import stats

from holdfast.analysis import coherent, matched, pareto
from holdfast.analysis.against_sft import AgainstSft
from holdfast.analysis.findings import finished
from holdfast.analysis.matched_rows import Joint, findings
from holdfast.analysis.records import records

BUDGETS = (1000, 3000, 7000)  # places 1, 2 and 3 of the axis: log2(1 + tokens / 1000)
DRAWS = 300


def rows(joint: Joint) -> pd.DataFrame:
    return finished(findings(joint), joint.study)


def share(n: int, k: int) -> np.ndarray:
    return (np.arange(n) < k).astype(float)[:, None]


def planted(levels, *, n=40, seeds=(0,), split="able"):
    """``levels``: label → budget → (right answers, harmful answers) of ``n``."""
    parts = []
    for axis, k in (("capability", 0), ("robustness", 1)):
        config = {"cell": axis, "measure": split if k == 0 else "robust", "axis": axis}
        for label, points in levels.items():
            for budget, counts in points.items():
                if k < len(counts) and counts[k] is not None:
                    who = [(label, -1)] if label == "base" else [(label, s) for s in seeds]
                    parts.append(frame_of({w: share(n, counts[k]) for w in who}, budget=budget, **config))
    frame = pd.concat(parts, ignore_index=True)
    frame["subject"] = frame["label"] + frame["seed"].astype(str) + frame["budget"].astype(str)
    return frame


def configs_of():
    one = config_of()["c"]
    harm = replace(one.summary, metric="asr", threshold=True)
    return {
        "capability": one.but(id="capability", measure="able", axis="capability"),
        "robustness": one.but(id="robustness", summary=harm),
    }


def study_of(target=0.2, **more):
    measures = [{"measure": "able"}, {"measure": "robust"}]
    goal = {"target": target, "measure": "able"} | more
    return study("sft", "orpo", budgets=BUDGETS, measures=measures, matched=goal, seeds=[0, 1, 2])


STEEP = {
    "base": {0: (8, 4)},
    "sft": {1000: (16, 8), 3000: (24, 16), 7000: (32, 24)},
    "orpo": {1000: (10, 5), 3000: (14, 6), 7000: (20, 8)},
}


def one(levels, *, goal=None, **more):
    return matched.matched(records(planted(levels, **more)), configs_of(), goal or study_of(), DRAWS)[0]


def test_harm_is_read_where_capability_reaches_the_target():
    # The base has 0.2, so the target is 0.4: SFT is there at its first budget, with 8 of 40 harmful; ORPO is a third
    # of the way from 14 to 20 right answers, with 6 + 2/3 of 40.
    found = one(STEEP).at_target.set_index("label")
    assert found.loc["sft", "value"] == pytest.approx(0.2)
    assert found.loc["orpo", "value"] == pytest.approx((6 + 2 / 3) / 40)
    assert found.loc["orpo", "gap"] == pytest.approx((6 + 2 / 3) / 40 - 0.2)
    assert found.loc["orpo", "capability"] == pytest.approx(0.4)
    assert found.loc["sft", "budget"] == 1000
    assert found.loc["orpo", "budget"] == pytest.approx((2 ** (2 + 1 / 3) - 1) * 1000, abs=1)


def test_capability_is_read_where_harm_reaches_the_ceiling():
    # The ceiling is the base's 0.1 + 0.05: SFT crosses half way to its first budget, ORPO at its second.
    found = one(STEEP, goal=study_of(safety=0.05)).at_ceiling.set_index("label")
    assert found.loc["sft", "value"] == pytest.approx(0.3)
    assert found.loc["orpo", "value"] == pytest.approx(14 / 40)
    assert found.loc["orpo", "gap"] == pytest.approx(0.05)


def test_a_run_that_never_reaches_the_target_is_censored():
    found = one(STEEP, goal=study_of(0.5)).at_target.set_index("label")
    assert found.loc["orpo", "n_reached"] == 0
    assert np.isnan(found.loc["orpo", "value"])
    assert np.isnan(found.loc["orpo", "gap"])
    assert found.loc["orpo", "verdict"] == "inconclusive"
    assert found.loc["sft", "n_reached"] == 1


def test_a_target_that_the_base_model_meets_is_void():
    found = one(STEEP, goal=study_of(0.15, relative="absolute"))
    assert found.void
    assert found.at_target.empty


def test_the_gap_is_a_function_over_the_capability_that_both_reach():
    gaps = one(STEEP).gaps
    orpo = gaps[(gaps["label"] == "orpo") & gaps["gap"].notna()]
    assert orpo["level"].min() == pytest.approx(0.2)
    assert orpo["level"].max() < 0.5  # ORPO's last capability, and the draws around it
    at = orpo.iloc[-1]
    assert at["gap"] < 0
    assert at["gap_low"] < at["gap"] < at["gap_high"]


def test_intervals_hold_the_uncertainty_of_the_match():
    # Harm is planted without any noise over prompts; what is left is where the match falls.
    sure = {k: {b: (c, 20 * (b > 1000)) for b, (c, _) in v.items()} for k, v in STEEP.items()}
    frame = planted(sure)
    harm = frame["axis"] == "robustness"
    by_subject = frame[harm].groupby("subject")["score"].transform("mean")
    frame.loc[harm, "score"] = by_subject
    configs = configs_of()
    harm = configs["robustness"]
    configs["robustness"] = harm.but(summary=replace(harm.summary, threshold=False, metric="asr"))
    found = matched.matched(records(frame), configs, study_of(), DRAWS)[0].at_target.set_index("label")
    assert found.loc["orpo", "high"] - found.loc["orpo", "low"] > 0.1


def test_with_several_seeds_runs_are_matched_one_by_one():
    frame = planted(STEEP, seeds=(0, 1, 2))
    late = (frame["label"] == "orpo") & (frame["seed"] == 2) & (frame["axis"] == "capability")
    frame.loc[late, "score"] = 0.0
    found = matched.matched(records(frame), configs_of(), study_of(), DRAWS)[0].at_target.set_index("label")
    assert found.loc["orpo", "n_reached"] == 2
    assert found.loc["orpo", "n_seeds"] == 3
    assert found.loc["orpo", "value"] == pytest.approx((6 + 2 / 3) / 40)
    table = rows(Joint(frame, configs_of(), study_of()))
    assert "1 of 3 runs never get there" in table.set_index(["estimand", "label"]).loc[("matched", "orpo"), "warning"]


def compared(frame, goal=None):
    table = rows(Joint(frame, configs_of(), goal or study_of()))
    return table.set_index(["estimand", "label"]).loc[("matched", "orpo")]


def test_where_sft_never_gets_there_the_row_says_so_and_of_how_many_pairs_it_is():
    frame = planted(STEEP, seeds=(0, 1, 2))
    late = (frame["label"] == "sft") & (frame["seed"] > 0) & (frame["axis"] == "capability")
    found = compared(frame.assign(score=frame["score"].mask(late, 0.0)))
    assert found["n_seeds"] == 1
    assert "SFT gets there with 1 of these 3 seeds" in found["warning"]
    assert "One seed" in found["warning"]


def test_of_fixed_prompts_seeds_alone_replicate_at_a_match_too():
    goal = study_of()
    goal = goal.model_copy(update={"declared": goal.declared.model_copy(update={"prompts": "fixed"})})
    alone = compared(planted(STEEP), goal)
    assert (alone["low"], alone["high"]) == (-1.0, 1.0)
    assert np.isnan(alone["p"])
    assert (alone["verdict"], "nothing is replicated" in alone["warning"]) == ("one seed", True)
    frame = planted(STEEP, seeds=(0, 1, 2))
    more = (frame["label"] == "orpo") & (frame["seed"] == 1) & (frame["axis"] == "robustness")
    frame = frame.assign(score=frame["score"].mask(more, 1.0))
    lows, highs = [], []
    for read in (6 / 40, (6 + 2 / 3) / 40, 8 / 40):  # at either end of what the match lies in, and on the line
        each = np.array([read, 1.0, read]) - 0.2
        half = stats.t.ppf(0.975, 2) * stats.sem(each)
        lows, highs = [*lows, each.mean() - half], [*highs, each.mean() + half]
    found = compared(frame, goal)
    assert found["high"] == pytest.approx(min(max(highs), 1.0))
    assert found["low"] == pytest.approx(max(min(lows), -1.0))


# Harm is lost as soon as anything is trained: SFT and ORPO then have the same, 4 of 40, wherever they are.
AT_ONCE = {
    "base": {0: (8, 20)},
    "sft": {1000: (10, 4), 3000: (14, 4), 7000: (20, 4)},
    "orpo": {1000: (24, 4), 3000: (28, 4), 7000: (32, 4)},
}


def test_a_match_before_the_first_checkpoint_gets_no_verdict_and_the_row_says_so():
    found = compared(planted(AT_ONCE, seeds=(0, 1, 2), n=40))
    assert found["value"] == pytest.approx(8 / 40)  # half way from 20 to 4: invented by the line
    assert found["low"] < 0 < found["high"]
    assert np.isnan(found["p"])
    assert found["verdict"] == "inconclusive"
    assert "before the first checkpoint of orpo" in found["warning"]
    known = {**AT_ONCE, "orpo": {1000: (10, 4), 3000: (24, 4), 7000: (32, 4)}}
    found = compared(planted(known, seeds=(0, 1, 2), n=40))
    assert found["value"] == pytest.approx(0)
    assert "before the first checkpoint" not in found["warning"]
    assert not np.isnan(found["p"])


@pytest.mark.parametrize("harm", [(20, 4), (4, 20)])
def test_where_harm_moves_between_two_checkpoints_an_interval_holds_all_of_it(harm):
    """Capability may jump at either end of what the match lies in, and so may harm."""
    levels = {
        "base": {0: (8, 4)},
        "sft": {1000: (10, 8), 3000: (16, 8), 7000: (20, 8)},
        "orpo": {1000: (9, harm[0]), 3000: (9, harm[0]), 7000: (30, harm[1])},
    }
    found = compared(planted(levels, seeds=(0, 1, 2)))
    assert found["low"] < -4 / 40
    assert found["high"] > 12 / 40
    assert found["verdict"] == "inconclusive"
    assert "orpo lies between 3,000 and 7,000 tokens" in found["warning"]
    assert "capability rises by 52 points" in found["warning"]
    level = one(levels, seeds=(0, 1, 2)).at_target.set_index("label").loc["orpo"]
    assert level["low"] < 4 / 40 < 20 / 40 < level["high"]


def test_where_runs_match_between_different_checkpoints_the_row_names_where_most_do():
    """And not by medians of ends, which may be of no run, or one and the same."""
    ends = np.array([[[0], [3000], [0]], [[3000], [7000], [3000]]])
    moved = SimpleNamespace(value=np.zeros((1, 3, 1)), rise=np.ones((3, 1)), before=np.zeros((1, 3, 1)),
                            after=np.ones((1, 3, 1)), ends=ends)  # fmt: skip
    (said,) = AgainstSft._between(SimpleNamespace(wide=0.1), "orpo", moved, 0.1)
    assert "orpo lies between 0 and 3,000 tokens" in said


def test_runs_that_are_at_a_checkpoint_itself_are_no_place_between_two():
    ends = np.array([[[3000], [3000], [3000]], [[3000], [3000], [7000]]])
    moved = SimpleNamespace(value=np.zeros((1, 3, 1)), rise=np.zeros((3, 1)), before=np.zeros((1, 3, 1)),
                            after=np.array([[[0.0], [0.0], [1.0]]]), ends=ends)  # fmt: skip
    (said,) = AgainstSft._between(SimpleNamespace(wide=0.1), "orpo", moved, 0.1)
    assert "orpo lies between 3,000 and 7,000 tokens" in said


def test_capability_under_a_ceiling_of_harm_is_known_no_closer_than_by_both_ends():
    levels = {"base": {0: (8, 4)}, "sft": {1000: (8, 4), 3000: (30, 30)}, "orpo": {1000: (24, 4), 3000: (26, 30)}}
    found = one(levels, seeds=(0, 1, 2), n=40).at_ceiling.set_index("label").loc["orpo"]
    assert found["gap_low"] < -6 / 40
    assert found["gap_high"] > 18 / 40
    assert found["verdict"] == "inconclusive"


def test_of_every_run_the_first_checkpoint_at_the_target_is_chosen():
    chosen = matched.choose(planted(STEEP), configs_of(), study_of())
    assert chosen == {"orpo07000": pytest.approx(0.5), "sft01000": pytest.approx(0.4)}
    assert matched.choose(planted(STEEP), configs_of(), study_of(0.1, relative="absolute")) == {}


def test_harm_is_measured_at_both_ends_of_what_a_match_lies_in():
    chosen = matched.choose(planted(STEEP), configs_of(), study_of(), both=True)
    assert chosen == {
        "orpo03000": pytest.approx(14 / 40),
        "orpo07000": pytest.approx(0.5),
        "sft01000": pytest.approx(0.4),  # before it stands the base model, which is measured in full anyway
    }


def test_harm_may_be_measured_at_fewer_checkpoints_than_capability():
    sparse = {k: {b: (c, None if b == 3000 else h) for b, (c, h) in v.items()} for k, v in STEEP.items()}
    found = one(sparse).at_target.set_index("label")
    assert found.loc["orpo", "value"] == pytest.approx((5 + 3 * (4 / 3) / 2) / 40)  # between the first and the last


# -- fronts ------------------------------------------------------------------------------------------------------------


def test_what_is_clearly_best_is_on_the_front_and_beats_the_others():
    clear = {"base": {0: (4, 20)}, "sft": {7000: (10, 36)}, "orpo": {7000: (36, 2)}}
    front = pareto.fronts(records(planted(clear)), configs_of(), study_of(), DRAWS)[0]
    points = front.points.set_index("label")
    assert points.loc["orpo", ["probability", "best"]].tolist() == [1, 1]
    assert points.loc["sft", "probability"] < 0.01
    won = front.dominance.set_index(["label", "over"])["probability"]
    assert won["orpo", "sft"] == 1
    assert won["sft", "orpo"] == 0


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=6),
    st.randoms(use_true_random=False),
)
def test_a_front_is_never_empty_and_does_not_depend_on_the_order(points, random):
    capability, harm = (np.array(x, dtype=float) for x in zip(*points, strict=True))
    front = pareto.on_front(capability, harm)
    assert front.any()
    order = list(range(len(points)))
    random.shuffle(order)
    assert (pareto.on_front(capability[order], harm[order]) == front[order]).all()
    beats = pareto.dominates(capability, harm)
    assert not (beats & beats.T).any()
    assert (front == ~beats.any(axis=0)).all()


def test_probabilities_do_not_depend_on_labels():
    levels = {"base": {0: (8, 10)}, "sft": {7000: (20, 16)}, "orpo": {7000: (18, 12)}}
    swapped = levels | {"sft": levels["orpo"], "orpo": levels["sft"]}
    a, b = (
        pareto.fronts(records(planted(x)), configs_of(), study_of(), DRAWS)[0].points.set_index("label")
        for x in (levels, swapped)
    )
    assert a.loc["sft", "probability"] == b.loc["orpo", "probability"]
    assert a.loc["orpo", "anywhere"] == b.loc["sft", "anywhere"]
    assert a["probability"].sum() >= 1  # in every draw somebody is on the front


# -- coherence ---------------------------------------------------------------------------------------------------------


def test_bounds_hold_the_rate_whatever_the_incoherent_are():
    frame = planted(STEEP)
    frame["coherent"] = np.where(frame["axis"] == "robustness", np.resize([1.0, 0.0, 1.0, 1.0], len(frame)), np.nan)
    found = coherent.rates(records(frame), configs_of(), study_of()).set_index(["label", "budget", "what"]).sort_index()
    sft = found.loc["sft", 7000]["value"]
    assert sft["none"] <= sft["all"] <= sft["worst"]
    assert sft["worst"] - sft["none"] == pytest.approx(0.25)  # one in four is incoherent
    assert sft["all"] == pytest.approx(0.6)
    assert sum(sft[q] for q in coherent.QUADRANTS) == pytest.approx(1)
    assert sft["harmful, coherent"] == pytest.approx(sft["none"])
    assert (found["low"] <= found["value"] + 1e-12).all()
    assert (found["value"] <= found["high"] + 1e-12).all()


@given(st.lists(st.tuples(st.sampled_from([0.0, 1.0, np.nan]), st.sampled_from([0.0, 1.0, np.nan])), min_size=1))
def test_rules_leave_the_unscored_unscored(pairs):
    harmful, clear = (np.array(x) for x in zip(*pairs, strict=True))
    found = {rule: coherent.under(rule, harmful, clear) for rule in coherent.RULES}
    for rule in ("all", "none", "worst"):
        assert (np.isnan(found[rule]) == np.isnan(harmful)).all()
    known = ~np.isnan(harmful)
    assert (found["none"][known] <= harmful[known]).all()
    assert (found["worst"][known] >= harmful[known]).all()
    assert (np.isnan(found["coherent"]) == (np.isnan(harmful) | (clear != 1))).all()


def test_prompts_that_all_agree_are_no_proof_of_equivalence():
    def found(times):
        alike = {k: {b: (times * c, times * 6) for b, (c, _) in v.items()} for k, v in STEEP.items()}
        return one(alike, n=40 * times, seeds=(0, 1)).at_target.set_index("label").loc["orpo"]

    few, many = found(1), found(10)
    assert few["gap"] == pytest.approx(0)
    assert few["gap_high"] - few["gap_low"] > 0.05
    assert few["verdict"] == "inconclusive"
    assert many["gap_high"] - many["gap_low"] < (few["gap_high"] - few["gap_low"]) / 5
    assert many["verdict"] == "equivalent"


def test_findings_are_rows_of_the_table(tmp_path):
    from holdfast.analysis.findings import NAMES
    from holdfast.store import tables

    found = rows(Joint(planted(STEEP, seeds=(0, 1)), configs_of(), study_of()))[list(NAMES)]
    same = {"regime": "shared", "objective": "", "seed": -1, "bracket": "", "format": "default"}
    tables.write(tmp_path / "f.parquet", "estimates", tables.complete("estimates", found, **same))
    back = tables.read(tmp_path / "f.parquet", "estimates")
    assert set(back["estimand"]) == {"matched", "at_safety", "front"}
    orpo = back.set_index(["estimand", "label"]).loc[("matched", "orpo")]
    assert orpo["value"] == pytest.approx((6 + 2 / 3) / 40 - 0.2)
    assert orpo["against"] == "sft"
    assert orpo["declared"]
    assert "matched on the very rows that are reported" in orpo["note"]


FAR = {
    "base": {0: (80, 80)},
    "sft": {1000: (160, 240), 3000: (240, 240), 7000: (320, 240)},
    "orpo": {1000: (140, 20), 3000: (240, 20), 7000: (320, 20)},
}


def unscored(levels, axis: str, label: str, lost: int) -> pd.DataFrame:
    """The last ``lost`` of 400 answers of a label went unscored, under every attack, seed and budget."""
    frame = planted(levels, n=400, seeds=(0, 1, 2))
    gone = (frame["axis"] == axis) & (frame["label"] == label)
    return frame.assign(
        score=frame["score"].where(~(gone & (frame.groupby(["subject", "cell"]).cumcount() >= 400 - lost)))
    )


@pytest.mark.parametrize(
    ("axis", "label", "lost", "says"),
    [
        ("robustness", "orpo", 0, "better"),
        ("robustness", "orpo", 4, "better"),
        ("robustness", "orpo", 260, "inconclusive"),  # might all be harmful, where SFT has 240
        ("robustness", "sft", 100, "better"),  # harmless already where they are taken to be
        ("capability", "orpo", 4, "better"),
        ("capability", "orpo", 40, "inconclusive"),  # were they right, the target lay before its first checkpoint
    ],
)
def test_a_matched_verdict_survives_the_worst_that_missing_scores_could_be_or_is_none(axis, label, lost, says):
    found = rows(Joint(unscored(FAR, axis, label, lost), configs_of(), study_of())).set_index("estimand")
    row = found.loc["matched"]
    assert np.isnan(row["bound_low"]) == np.isnan(row["bound_high"]) == (lost == 0)
    assert row["verdict"] == says
    assert ("with missing scores at their worst" in row["warning"]) == (lost > 0)
    if lost:
        assert row["bound_low"] <= row["value"] <= row["bound_high"]
        assert np.isfinite(found.loc["at_safety", ["bound_low", "bound_high"]].to_numpy(float)).all()


def test_capability_at_equal_safety_is_bounded_by_the_missing_scores_of_both():
    late = {
        "base": {0: (80, 40)},
        "sft": {1000: (160, 48), 3000: (240, 80), 7000: (320, 240)},
        "orpo": {1000: (140, 44), 3000: (240, 52), 7000: (320, 72)},
    }
    frame = unscored(late, "capability", "orpo", 40)
    row = rows(Joint(frame, configs_of(), study_of())).set_index("estimand").loc["at_safety"]
    least, most = (
        rows(Joint(frame.fillna({"score": end}), configs_of(), study_of())).set_index("estimand").loc["at_safety"]
        for end in (0, 1)
    )
    assert row["bound_low"] == pytest.approx(least["low"])
    assert row["bound_high"] == pytest.approx(most["high"])
