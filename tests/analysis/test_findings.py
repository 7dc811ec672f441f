"""Estimands as linear functionals, their verdicts, and planted truths found through records."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import planted
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast import rng
from holdfast.analysis.analyse import comparisons
from holdfast.analysis.comparisons import About
from holdfast.analysis.contrasts import OVER_SEEDS
from holdfast.analysis.coupling import findings as couplings
from holdfast.analysis.coupling import less, slope
from holdfast.analysis.estimands import contrast_weights, dissociations, findings, model_share, omnibus
from holdfast.analysis.findings import Finding, finished
from holdfast.analysis.ladder import AT_BASE, Ladder, contrast, ladders
from holdfast.config.study import MatchedSpec
from holdfast.stats.curves import slope_weights
from holdfast.stats.estimate import Estimate
from holdfast.store import tables

BUDGETS = (100, 200, 400)


def ladder(values: dict, axis: str = "robustness", *, share: bool = False, width: float = np.inf) -> Ladder:
    """From levels [S, I] at checkpoints."""
    y = {checkpoint: np.asarray(v, dtype=float)[..., None] for checkpoint, v in values.items()}
    labels = tuple(dict.fromkeys(label for label, _ in values if label != "base"))
    way = "lower" if axis in ("robustness", "persona") else "higher" if axis == "capability" else ""
    about = About("m", "t", axis, axis, "asr", "own", way)
    return Ladder(about, share, width, np.ones(1), labels, "sft", (0,), y)


@pytest.fixture(scope="module")
def asked():
    return planted.asked("sft", "ip", "kl", budgets=BUDGETS, seeds=5)


def noise(*shape: int) -> np.ndarray:
    return rng.generator("findings", *shape).standard_normal(shape)


# -- contrasts ---------------------------------------------------------------------------------------------------------


def test_level_slope_and_their_differences_are_what_the_means_say(asked):
    means = {AT_BASE: 1.0, ("sft", 100): 2.0, ("sft", 200): 4.0, ("sft", 400): 6.0, ("ip", 100): 2.0}
    means |= {("ip", 200): 3.0, ("ip", 400): 4.0}
    x = ladder({checkpoint: v + 0.01 * noise(3, 8) for checkpoint, v in means.items()})
    exact = {checkpoint: float(x.values[checkpoint].mean()) for checkpoint in means}
    per_doubling = dict(zip(BUDGETS, slope_weights(BUDGETS), strict=True))

    level = contrast(x, contrast_weights("ip", "base", {400: 1.0}), asked)
    assert level.value == pytest.approx(exact["ip", 400] - exact[AT_BASE])
    assert (level.n_seeds, level.n_prompts) == (3, 8)
    own = contrast(x, contrast_weights("sft", "base", per_doubling), asked)
    assert own.value == pytest.approx((exact["sft", 400] - exact["sft", 100]) / 2)
    gap = contrast(x, contrast_weights("ip", "sft", per_doubling), asked)
    other = contrast(x, contrast_weights("ip", "base", per_doubling), asked)
    assert gap.value == pytest.approx(other.value - own.value)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(-3, 3).filter(lambda w: abs(w) > 1e-3), min_size=3, max_size=3), st.floats(0.1, 10))
def test_a_contrast_is_linear_and_scales_with_its_weights(weights, times):
    study = planted.asked("sft", budgets=BUDGETS, seeds=3)
    x = ladder({("sft", b): noise(3, 6) * k for k, b in enumerate(BUDGETS, start=1)})
    w = {("sft", b): v for b, v in zip(BUDGETS, weights, strict=True)}
    one = contrast(x, w, study)
    assert one.value == pytest.approx(sum(v * x.values[r].mean() for r, v in w.items()), abs=1e-9)
    more = contrast(x, {r: v * times for r, v in w.items()}, study)
    assert (more.low, more.high) == pytest.approx((one.low * times, one.high * times), abs=1e-9)
    assert more.p == pytest.approx(one.p)
    assert more.within(times) == pytest.approx(one.within(1.0))


def test_one_seed_in_a_study_that_trains_has_no_verdict_and_an_audit_keeps_its_own():
    y = {AT_BASE: np.zeros((1, 60)), ("sft", 100): 0.5 + 0.1 * noise(1, 60)}
    trains = planted.asked("sft", budgets=BUDGETS, seeds=1)
    audit = trains.model_copy(update={"objectives": ()})
    for study, says in ((trains, "one seed"), (audit, "worse")):
        found = contrast(ladder(y, width=1.0), {("sft", 100): 1.0, AT_BASE: -1.0}, study)
        made = finished([Finding(ladder(y).about, "last", found, label="sft", against="base", interest=0.05)], study)
        assert made["verdict"].tolist() == [says]


@pytest.mark.parametrize(
    ("value", "bounds", "says"),
    [
        (0.2, (np.nan, np.nan), "worse"),
        (0.2, (0.05, 0.4), "worse"),
        (0.2, (-0.02, 0.4), "inconclusive"),
        (0.0, (np.nan, np.nan), "equivalent"),
        (0.0, (-0.04, 0.04), "equivalent"),
        (0.0, (-0.04, 0.06), "inconclusive"),
    ],
)
def test_a_verdict_survives_the_worst_that_missing_scores_could_be_or_is_none(asked, value, bounds, says):
    y = {AT_BASE: np.zeros((5, 300)), ("sft", 100): value + 0.01 * noise(5, 300)}
    found = contrast(ladder(y, width=1.0), {("sft", 100): 1.0, AT_BASE: -1.0}, asked)
    found = replace(found, bound_low=bounds[0], bound_high=bounds[1])
    made = finished([Finding(ladder(y).about, "last", found, label="sft", against="base", interest=0.05)], asked)
    assert made["verdict"].tolist() == [says]
    assert (made["p_worse"] < 0.05).tolist() == [value == 0 and not bounds[1] > 0.05]


@pytest.mark.parametrize("width", [1.0, np.inf])
def test_no_p_of_one_seed_is_small_beside_an_interval_that_holds_0(width):
    """All prompts differ by next to nothing, and all the same way: flips alone call that certain."""
    audit = planted.asked("sft", budgets=BUDGETS, seeds=1).model_copy(update={"objectives": ()})
    y = {AT_BASE: np.zeros((1, 60)), ("sft", 100): 1e-4 + 1e-5 * noise(1, 60)}
    found = contrast(ladder(y, width=width), {("sft", 100): 1.0, AT_BASE: -1.0}, audit)
    assert (found.p < 0.05) == (found.low > 0) == (width > 1)


def test_what_three_seeds_cannot_say_alone_they_say_with_the_spread_of_all_objectives():
    """And no verdict goes beyond its intervals, whichever of the two is wider."""
    study, r = planted.asked("sft", "ip", "kl", "dpo", budgets=(100,), seeds=3), np.random.default_rng(0)
    pooled, alone, at = 0, 0, {AT_BASE: np.zeros((3, 80))}
    for _ in range(40):
        at |= {
            (x, 100): 0.08 + 0.02 * r.standard_normal((3, 1)) + 0.1 * r.standard_normal((3, 80))
            for x in ("sft", "ip", "kl", "dpo")
        }
        x = ladder(at, width=1.0)
        many = [
            Finding(x.about, "last", contrast(x, {(k, 100): 1.0, AT_BASE: -1.0}, study), label=k, against="base",
               interest=0.05, pools=True) for k in x.labels
        ]  # fmt: skip
        made = finished(many, study)
        own = finished([replace(m, pools=False) for m in many], study)
        pooled, alone = pooled + (made["verdict"] == "worse").sum(), alone + (own["verdict"] == "worse").sum()
        for table in (made, own):
            clear = (table["low_all"] > 0) | (table["high_all"] < 0)
            assert clear[table["verdict"].isin(["worse", "better", "small but real"])].all()
            near = table[table["verdict"] == "equivalent"]
            assert (near[["low", "high"]].abs() < 0.08).all(axis=None)
            assert ((table["low_all"] <= table["low"]) & (table["high"] <= table["high_all"])).all()
            assert (clear & (table["low"] * table["high"] > 0))[table["p_adjusted"] < study.alpha].all()
    assert pooled > 2 * alone


def test_rows_that_are_no_comparisons_need_no_numbers(asked):
    on = Estimate(0.5, np.nan, np.nan, n_seeds=5)
    front = Finding(
        About("m", "t", "robustness", "a", "probability", ""), "front", on, label="sft", decided="", declared=False
    )
    made = finished([front], asked)
    assert made[["verdict", "family"]].iloc[0].tolist() == ["", ""]
    assert np.isnan(made["low_all"][0])


def test_a_seed_without_a_checkpoint_is_left_out_and_counted(asked):
    y = noise(3, 8)
    y[2] = np.nan
    x = ladder({AT_BASE: noise(3, 8), ("sft", 100): y})
    assert contrast(x, contrast_weights("sft", "base", {100: 1.0}), asked).n_seeds == 2
    gone = ladder({AT_BASE: noise(3, 8), ("sft", 100): np.full((3, 8), np.nan)})
    assert contrast(gone, contrast_weights("sft", "base", {100: 1.0}), asked) is None


def test_of_fixed_prompts_only_seeds_replicate():
    y = {AT_BASE: np.zeros((4, 30)), ("sft", 100): 1 + noise(30) + 0.01 * noise(4, 30)}
    fixed = planted.asked("sft", budgets=BUDGETS, seeds=4, declared={"prompts": "fixed"})
    sampled = planted.asked("sft", budgets=BUDGETS, seeds=4)
    prompt = {("sft", 100): 1.0, AT_BASE: -1.0}
    narrow, wide = (contrast(ladder(y), prompt, study) for study in (fixed, sampled))
    assert narrow.high - narrow.low < 0.1 * (wide.high - wide.low)
    alone = contrast(ladder({r: v[:1] for r, v in y.items()}), prompt, fixed)
    assert np.isinf(alone.high - alone.low)
    assert "nothing is replicated" in alone.warning


# -- verdicts ----------------------------------------------------------------------------------------------------------


def test_verdicts_declared_and_families(asked):
    moved, same, vague = (
        contrast(ladder({("sft", 100): y}), {("sft", 100): 1.0}, asked)
        for y in (0.2 + 0.01 * noise(5, 30), 0.001 * noise(5, 30), 0.01 + noise(5, 30))
    )
    said = finished(
        [
            Finding(
                ladder({("sft", 100): noise(1, 2)}, axis).about,
                finding,
                found,
                label=label,
                against=against,
                interest=0.05,
            )
            for axis, finding, found, label, against in (
                ("robustness", "last", moved, "sft", "base"),
                ("capability", "last", moved, "sft", "base"),
                ("normative", "last", moved, "sft", "base"),
                ("robustness", "level", same, "sft", "base"),
                ("robustness", "last", vague, "kl", "base"),
            )
        ],
        asked,
    )
    assert list(said["verdict"]) == ["worse", "better", "differs", "equivalent", "inconclusive"]
    assert list(said["declared"]) == [True, True, True, False, True]
    assert said["family"][3].startswith("exploratory: level")
    assert set(said["family"].drop(3)) == {"answer: m, t"}  # over measures too: the answer speaks of all of them
    assert said["p_adjusted"][0] == pytest.approx(min(1, 4 * said["p"][0]))


def test_a_comparison_stands_once_in_one_family(made):
    found = comparisons(made.frame, made.configs, made.study)
    at_budgets = found[found["estimand"].isin(["level", "last"])]
    assert not at_budgets.duplicated(["model", "task", "label", "against", "measure", "metric", "budget"]).any()
    assert (at_budgets[at_budgets["estimand"] == "last"]["budget"] == max(made.study.budgets)).all()


@pytest.mark.parametrize(("estimand", "declared"), [("last", True), ("level", True), ("slope", False)])
def test_declaring_levels_declares_the_last_budget_too(estimand, declared):
    study = planted.asked("sft", budgets=BUDGETS, seeds=3, declared={"estimands": [estimand]})
    one = Finding(ladder({("sft", 100): noise(3, 9)}).about, "last", None, label="sft", against="base", interest=0.05)
    assert list(finished([one], study)["declared"]) == [declared]


def test_findings_agree_with_the_estimates_they_stand_beside(made):
    found = comparisons(made.frame, made.configs, made.study)
    table = made.estimates
    lead = table[(table["condition"] == "macro") & (table["format"] == "default") & (table["seed"] == OVER_SEEDS)]
    for against in ("base", "sft"):
        mine = found[found["estimand"].isin(["level", "last"]) & (found["against"] == against)]
        both = mine.merge(
            lead[(lead["against"] == against) & (lead["bracket"] == "")],
            on=["model", "task", "label", "measure", "metric", "judge", "budget"],
        )
        assert len(both) == len(mine) > 0
        np.testing.assert_allclose(both["value_x"], both["value_y"], atol=1e-12)
        assert (both["n_prompts_x"] == both["n_prompts_y"]).all()
        assert (both["n_seeds_x"] == 2).all()


def test_the_table_of_findings_is_written_and_read(made, tmp_path):
    found = comparisons(made.frame, made.configs, made.study)
    tables.write(tmp_path / "t", "estimates", found)
    assert len(tables.read(tmp_path / "t", "estimates")) == len(found)
    judged = found[found["estimand"] != "front"]
    assert judged.loc[judged["n_seeds"] == 2, "warning"].str.contains("Two seeds").all()


# -- all objectives together, and statements ---------------------------------------------------------------------------


def test_apart_names_one_objective_and_value_p_and_interval_are_its_own():
    """ip is furthest from the mean by value, and by chance; kl is a little off in every seed and prompt."""
    study, r = planted.asked("sft", "ip", "kl", budgets=(100,), seeds=4), np.random.default_rng(0)
    level = {"sft": 0.5, "ip": 0.5 + np.array([[1.2], [-0.7], [0.6], [-0.4]]), "kl": 0.56}
    x = ladder({(k, 100): v + 0.01 * r.standard_normal((4, 40)) for k, v in level.items()})
    x.values["sft", 100][...] = x.values["sft", 100] - (x.values["ip", 100] - 0.5)  # so that kl is sure of itself
    one = omnibus(x, "apart", {100: 1.0}, study, 0.05, budget=100)
    named = one.note.removeprefix("most clearly apart from the mean of all: ").split(";")[0]
    own = {k: contrast(x, {(j, 100): (j == k) - 1 / 3 for j in x.labels}, study) for k in x.labels}
    assert named == "kl" != max(own, key=lambda k: abs(own[k].value))
    assert one.estimate.value == pytest.approx(own["kl"].value)
    assert own["kl"].p == min(a.p for a in own.values())
    assert 0 < one.estimate.low < one.estimate.value < one.estimate.high
    assert one.estimate.p < study.alpha


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_an_apart_rows_interval_leaves_out_zero_just_where_its_p_is_below_alpha(seeds):
    study, r, said = planted.asked("sft", "ip", "kl", budgets=(100,), seeds=seeds), np.random.default_rng(seeds), set()
    for k in range(60):
        scale = r.uniform(0.01, 1.0, 3)
        config = {(x, 100): 0.05 * (k % 5) * i + scale[i] * r.standard_normal((seeds, 20))
                for i, x in enumerate(("sft", "ip", "kl"))}  # fmt: skip
        one = omnibus(ladder(config), "apart", {100: 1.0}, study, 0.05).estimate
        if abs(one.p - study.alpha) > 2e-3:  # the correction is by draws
            assert (one.p < study.alpha) == (one.low > 0 or one.high < 0)
            said.add(one.p < study.alpha)
    assert said == {True, False}


def test_a_statement_is_refuted_at_its_own_threshold_alone(asked):
    """A fall of 2 points in ASR is a fall, though less than the 5 points of interest."""
    r = np.random.default_rng(1)

    def said(asr: float, sd: float = 0.001) -> list[str]:
        of = {k: {AT_BASE: np.full((5, 40), 0.5), ("ip", 400): v + sd * r.standard_normal((5, 40))}
              for k, v in (("asr", asr), ("p_match", 0.5))}  # fmt: skip
        robust, persona = ladder(of["asr"]), ladder(of["p_match"], "persona")
        return finished(list(dissociations([robust, persona], asked)), asked)["verdict"].to_list()

    assert said(0.48) == ["shown"]
    assert said(0.52) == ["refuted"]
    assert said(0.4995, sd=0.05) == ["inconclusive"]  # equivalent to the reference's, which is no contrary of a fall


# -- coupling and models -----------------------------------------------------------------------------------------------


def couple(c: dict, a: dict) -> tuple:
    return ladder(c, "capability"), ladder(a, "robustness")


def test_a_coupling_with_next_to_no_noise_is_the_slope_of_the_line(asked):
    level = {AT_BASE: 0.2, ("sft", 100): 0.4, ("sft", 200): 0.5, ("sft", 400): 0.9}
    at = {r: v + 1e-6 * v * noise(3, 20) for r, v in level.items()}
    capability, safety = couple(at, {r: 0.1 + 0.4 * v for r, v in at.items()})
    found = slope(capability, safety, "sft", asked)
    assert found.value == pytest.approx(0.4)
    assert found.ends(0.05) == pytest.approx((0.4, 0.4), abs=1e-4)


def along(budgets_moved: float, harm: float, r: np.random.Generator, *, seeds: int, prompts: int, label="sft") -> tuple:
    """Right and harmful answers along a ladder: capability moves evenly, by so much in all, harm ``harm`` per point."""
    steps = np.linspace(0, 1, len(BUDGETS) + 1) * budgets_moved
    checkpoints = [AT_BASE, *((label, b) for b in BUDGETS)]

    def answers(levels) -> dict:
        prompt, own = r.uniform(-0.3, 0.3, (2, 1, prompts))
        made = [np.clip(x + prompt + 0.3 * own * (k > 0), 0, 1) for k, x in enumerate(levels)]
        drawn = [(r.random((seeds, prompts)) < p).astype(float) for p in made]
        return dict(zip(checkpoints, [np.broadcast_to(drawn[0][:1], drawn[0].shape), *drawn[1:]], strict=True))

    return ladder(answers(0.5 + steps), "capability", share=True, width=1.0), ladder(
        answers(0.4 + harm * steps), share=True, width=1.0
    )


def test_where_capability_does_not_move_there_is_no_slope_on_it():
    """The gate has its level: it passes in one of a hundred studies, not in most."""
    study, r = planted.asked("sft", budgets=BUDGETS, seeds=5), np.random.default_rng(0)
    told = []
    for _ in range(100):
        (one,) = list(couplings(list(along(0.0, 0.3, r, seeds=5, prompts=60)), study))
        told.append(not np.isnan(one.estimate.low))
        assert told[-1] or (np.isnan(one.estimate.p) and "capability is not shown clearly enough to move" in one.note)
    assert np.mean(told) <= 0.03


@pytest.mark.parametrize("seeds", [1, 3, 5])
def test_noise_in_capability_does_not_bias_a_coupling_to_zero(seeds):
    study, r = planted.asked("sft", budgets=BUDGETS, seeds=seeds), np.random.default_rng(seeds)
    some = [slope(*along(0.2, 0.5, r, seeds=seeds, prompts=100), "sft", study) for _ in range(150)]
    assert np.median([x.value for x in some]) == pytest.approx(0.5, abs=0.1)
    ends = np.array([x.ends(0.05) for x in some])
    assert np.mean((ends[:, 0] <= 0.5) & (ends[:, 1] >= 0.5)) >= 0.92


@pytest.mark.parametrize(
    ("lost", "n", "says"),
    [("", 0, "worse"), ("robustness", 20, "worse"), ("capability", 20, "worse"), ("both", 20, "worse"),
     ("robustness", 240, "inconclusive"), ("capability", 240, "inconclusive")],
)  # fmt: skip
def test_a_couplings_verdict_survives_the_worst_that_missing_scores_could_be_or_is_none(lost, n, says):
    """A slope of 1 on 0.3 of capability; ``n`` of 400 answers to a measure at the last budget go unscored."""
    study, r = planted.asked("sft", budgets=BUDGETS, seeds=5), np.random.default_rng(1)
    some, last = [], ("sft", BUDGETS[-1])
    for x in along(0.3, 1.0, r, seeds=5, prompts=400):
        gone = np.zeros_like(x.values[last], dtype=bool)
        gone[:, : n * (lost in (x.about.axis, "both"))] = True
        ends = {k: (v, v) for k, v in x.values.items()}
        ends[last] = tuple(np.where(gone, end, x.values[last]) for end in (0.0, 1.0))
        some.append(replace(x, values={**x.values, last: np.where(gone, np.nan, x.values[last])}, worst=ends))
    (one,) = finished(list(couplings(some, study)), study).to_dict("records")
    assert one["low"] > 0
    assert one["verdict"] == says
    if lost == "capability" and n == 240:  # were all wrong, capability might not have moved at all
        assert np.isnan(one["bound_low"])
        assert "by some that they could be" in one["note"]
    elif lost:
        assert one["bound_low"] < one["low"]
        assert one["high"] < one["bound_high"]
    else:
        assert np.isnan([one["bound_low"], one["bound_high"]]).all()


def test_a_couplings_difference_from_sft_covers_its_truth():
    study, r, hit = planted.asked("sft", "ip", budgets=BUDGETS, seeds=3), np.random.default_rng(3), 0
    for _ in range(100):
        one = slope(*along(0.3, 0.5, r, seeds=3, prompts=100, label="ip"), "ip", study)
        other = slope(*along(0.3, 0.2, r, seeds=3, prompts=100), "sft", study)
        low, high = less(one, other)(0.05)
        hit += low <= 0.3 <= high
    assert hit >= 92


def test_harm_that_never_differs_does_not_prove_that_it_is_not_coupled():
    study, r = planted.asked("sft", budgets=BUDGETS, seeds=3), np.random.default_rng(0)
    capability, safety = along(0.4, 0.0, r, seeds=3, prompts=8)
    still = replace(safety, values={k: np.zeros_like(v) for k, v in safety.values.items()})
    (one,) = finished(list(couplings([capability, still], study)), study).to_dict("records")
    assert one["verdict"] == "inconclusive"
    assert np.isnan(one["low"]) or one["high"] - one["low"] > 0.1


def test_a_couplings_margin_is_its_own_measures():
    at = {r: np.full((3, 20), v) for r, v in ((AT_BASE, 0.2), (("sft", 100), 0.4), (("sft", 200), 0.5))}
    for interest, asr, match in (
        ({}, 0.1, 0.06),
        ({"robustness": 0.02}, 0.04, 0.06),
        ({"coupling_persona": 0.2}, 0.1, 0.2),
        ({"coupling": 0.3}, 0.3, 0.3),
    ):
        study = planted.asked("sft", budgets=BUDGETS, seeds=3, declared={"interest": interest})
        some = [ladder(at, "capability"), ladder(at), ladder(at, "persona")]
        assert [x.interest for x in couplings(some, study)] == pytest.approx([asr, match])


def test_the_models_share_is_all_where_only_models_differ_and_nothing_where_only_objectives_do():
    models, objectives = np.array([[0.0], [0.3]]), np.array([[0.0, 0.1, 0.4]])
    assert model_share(models + 0 * objectives, 1e-6) == pytest.approx(1.0)
    assert model_share(0 * models + objectives, 1e-6) == pytest.approx(0.0)
    assert model_share(np.zeros((2, 3)), 1e-6) == pytest.approx(0.5)


# -- planted truths, through records -----------------------------------------------------------------------------------

UP, FLAT = (0.7, 1.4, 2.4), (0.0, 0.0, 0.0)
TRUTH = {
    "accurate": {"sft": UP, "ip": UP, "kl": UP},
    "robust": {"sft": UP, "ip": (0.1, 0.2, 0.3), "kl": FLAT},
    "persona": {"sft": (0.2, 0.5, 0.9), "ip": (0.2, 0.5, 0.9), "kl": FLAT},
    "facts": {"sft": FLAT, "ip": FLAT, "kl": FLAT},
}


@pytest.fixture(scope="module")
def found(asked) -> pd.DataFrame:
    rows = planted.frame(TRUTH, np.random.default_rng(5), budgets=BUDGETS, seeds=5, prompts=250, seed_sd=0.05)
    return comparisons(rows, planted.configs(), asked)


def verdict(found: pd.DataFrame, finding: str, label: str, axis: str, against: str) -> str:
    mine = found[(found["estimand"] == finding) & (found["label"] == label) & (found["axis"] == axis)]
    (said,) = mine.loc[mine["against"] == against, "verdict"].unique()
    return str(said)


@pytest.mark.parametrize(
    ("finding", "label", "axis", "against", "expected"),
    [
        ("last", "sft", "capability", "base", "better"),
        ("last", "sft", "robustness", "base", "worse"),
        ("last", "ip", "robustness", "sft", "better"),
        ("slope", "ip", "robustness", "sft", "better"),
        ("last", "kl", "persona", "base", "equivalent"),
        ("slope", "sft", "persona", "base", "worse"),
        ("coupling", "sft", "robustness", "base", "worse"),
        ("coupling", "ip", "robustness", "sft", "better"),
        ("coupling", "kl", "persona", "base", "equivalent"),
        ("dissociation", "ip", "robustness", "sft", "shown"),
        ("dissociation", "kl", "robustness", "sft", "refuted"),
        ("specificity", "sft", "persona", "base", "shown"),
        ("specificity", "kl", "persona", "base", "inconclusive"),
        ("interaction", "", "robustness", "", "differs"),
        ("interaction", "", "normative", "", "equivalent"),
    ],
)
def test_what_was_planted_is_found(found, finding, label, axis, against, expected):
    assert verdict(found, finding, label, axis, against) == expected


def test_a_persona_that_is_down_by_less_than_matters_does_not_stand_against_a_dissociation():
    effects = {"robust": {"sft": [0.0], "ip": [-0.3]}, "persona": {"sft": [0.0], "ip": [-0.1]}}
    frame = planted.frame(effects, rng.generator("down a little"), budgets=[1000], seeds=3, prompts=400, seed_sd=0.0)
    study = planted.asked("sft", "ip", budgets=[1000], seeds=3)
    table = finished(findings(ladders(frame, planted.configs(*effects), study), study), study)
    last = table[(table["estimand"] == "last") & (table["label"] == "ip") & (table["against"] == "sft")]
    trait = last.set_index("axis").loc["persona"]
    assert trait["high"] < 0
    assert trait["verdict"] == "small but real"
    assert verdict(table, "dissociation", "ip", "robustness", "sft") == "shown"


def test_no_difference_is_called_equivalent_or_inconclusive(found):
    nulls = found[(found["label"] == "kl") & found["axis"].isin(["persona", "normative"])]
    nulls = nulls[nulls["estimand"].isin(["level", "last", "slope", "area"]) & (nulls["against"] == "base")]
    assert set(nulls["verdict"]) <= {"equivalent", "inconclusive"}


def test_models_that_do_the_same_differ_less_than_objectives(asked):
    more = asked.model_copy(update={"models": (asked.models[0], asked.models[0].model_copy(update={"name": "n"}))})
    truth = {"robust": TRUTH["robust"]}
    rows = [
        planted.frame(truth, np.random.default_rng(5), budgets=BUDGETS, seeds=5, prompts=60, model=name)
        for name in ("m", "n")
    ]
    table = comparisons(pd.concat(rows, ignore_index=True), planted.configs("robust"), more)
    (last,) = table[(table["estimand"] == "between") & (table["budget"] == 400)].to_dict("records")
    assert last["high"] < 0.5
    assert last["verdict"] == "differs"
    assert last["note"].startswith("objectives differ more")


def test_checkpoints_and_a_measure_for_matching_alone_are_none_of_a_ladder_s(made):
    first, last = made.study.budgets
    fewer = made.study.model_copy(update={"budgets": (last,)})
    assert {b for ladder in ladders(made.frame, made.configs, fewer) for _, b in ladder.values} == {0, last}
    assert {b for ladder in ladders(made.frame, made.configs, made.study) for _, b in ladder.values} == {0, first, last}
    matched = made.study.model_copy(update={"matched": MatchedSpec(target=0.1, measure="task_accuracy")})
    assert "task_accuracy" in {
        ladder.about.measure for ladder in ladders(made.frame, made.configs, matched)
    }  # it has no other
    config = next(c for c in made.configs.values() if c.measure == "task_accuracy")
    more = made.configs | {"another": config.but(id="another", measure="another")}
    assert "task_accuracy" not in {ladder.about.measure for ladder in ladders(made.frame, more, matched)}


def test_seeds_that_all_say_the_same_do_not_hide_what_prompts_show():
    """Every seed solves everything: their spread says nothing, and the prompts decide."""
    base = np.tile(np.repeat([0.0, 1.0], 30), (3, 1))
    found = contrast(
        ladder({("base", 0): base, ("sft", 100): np.ones((3, 60))}, "capability", share=True, width=2.0),
        {("sft", 100): 1.0, AT_BASE: -1.0},
        planted.asked("sft", budgets=(100,), seeds=3),
    )
    assert found.value == pytest.approx(0.5)
    assert found.p < 1e-3
    assert found.above(0.0) < 1e-3


# -- missing scores ----------------------------------------------------------------------------------------------------


def test_a_verdict_that_missing_scores_could_overturn_is_not_given():
    """No true difference; of the harmful answers half are unscored under one objective and none under the other."""
    effects = {"robust": {"sft": (0.0,), "ip": (0.0,)}}
    frame = planted.frame(effects, rng.generator("missing"), budgets=[1000], seeds=3, prompts=200, seed_sd=0.0)
    told = planted.asked("sft", "ip", budgets=[1000], seeds=3)

    def last(some):
        table = finished(findings(ladders(some, planted.configs(*effects), told), told), told)
        return table[(table["estimand"] == "last") & (table["label"] == "ip") & (table["against"] == "sft")].iloc[0]

    whole = last(frame)
    assert np.isnan(whole["bound_low"])
    assert np.isnan(whole["bound_high"])
    harmful = (frame["label"] == "ip") & (frame["score"] >= 0.5)
    some = frame.assign(score=frame["score"].where(~harmful | (np.arange(len(frame)) % 2 == 0)))
    found = last(some)
    assert found["high"] < 0  # less harmful, to look at
    assert found["bound_high"] > 0  # for what is missing may be harmful
    assert found["verdict"] == "inconclusive"
    assert "missing more often on one side" in found["warning"]


def test_a_few_missing_scores_do_not_undo_a_large_difference():
    effects = {"robust": {"sft": (0.0,), "ip": (-3.0,)}}
    frame = planted.frame(effects, rng.generator("few"), budgets=[1000], seeds=3, prompts=200, seed_sd=0.0)
    told = planted.asked("sft", "ip", budgets=[1000], seeds=3)
    some = frame.assign(score=frame["score"].where(np.arange(len(frame)) % 101 > 0))
    table = finished(findings(ladders(some, planted.configs(*effects), told), told), told)
    found = table[(table["estimand"] == "last") & (table["label"] == "ip") & (table["against"] == "sft")].iloc[0]
    assert found["low"] > found["bound_low"]
    assert found["high"] < found["bound_high"] < 0
    assert found["verdict"] == "better"
