"""What was read inside: the change by layer is the mean of the records', and agreement is that of planted drifts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fabricate import study_of
from scipy.stats import spearmanr

from holdfast.analysis import inside
from holdfast.analysis.config_info import ConfigInfo
from holdfast.evals.measures.measure import Summary
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import Record

LABELS, SEEDS, BUDGETS, SIDES = ("SFT", "DPO", "KL"), (0, 1), (1000, 2000), ("match", "no match")
SAID = ConfigInfo("s", "dark_triad", "persona", summary=Summary("p_match", by="trait"), judges=("own",))
READ = ConfigInfo("r", "inside", "persona", summary=Summary("projection", "side", SIDES), judges=("own",))
CONFIGS = {"s": SAID, "r": READ}


@pytest.fixture
def study():
    objectives = [{"label": x, "objective": x.lower()} for x in LABELS]
    return study_of(objectives=objectives, budgets=BUDGETS, seeds=SEEDS)


def frame(follows: float, controls=True, seed=0):
    """Ten prompts of each subject; the projection's drift is ``follows`` times that of P(match), and noise."""
    stream = np.random.default_rng(seed)
    who = [("base", -1, 0, "", "")]
    who += [(x, s, b, "", "t") for x in LABELS for s in SEEDS for b in BUDGETS]
    who += [("trait", 0, 500, "trait", "other"), ("noop", 0, 500, "noop", "t")] if controls else []
    rows = []
    for label, s, budget, bracket, task in who:
        moved = 0.0 if label in ("base", "noop") else stream.normal(0, 0.1)
        read = follows * moved + (1 - abs(follows)) * (0.0 if label == "base" else stream.normal(0, 0.1))
        for n in range(10):
            common = (label, s, budget, bracket, task, "m", "default", "own", "vanity", f"{label}{s}{budget}{bracket}")
            rows.append((*common, "s", f"i{n}", 0.5 + n / 100 + moved, ""))
            rows += [(*common, "r", f"{side}{n}", k + n / 100 + read, side) for k, side in enumerate(SIDES)]
    columns = ["label", "seed", "budget", "bracket", "task", "model", "format", "judge", "f_trait", "subject"]
    return pd.DataFrame(rows, columns=[*columns, "cell", "item", "score", "f_side"])


def test_drifts_that_go_together_agree_and_ones_that_go_apart_do_not(study):
    together, apart = (inside.agreement(frame(x), CONFIGS, study).iloc[0] for x in (1.0, -1.0))
    assert (together["value"], together["low"], together["high"]) == pytest.approx((1, 1, 1))
    assert apart["value"] == pytest.approx(-1)
    assert (together["trait"], together["measure"], together["probe"]) == ("vanity", "dark_triad", "inside")


def test_every_trained_subject_counts_but_the_one_that_does_not_move(study):
    found = inside.agreement(frame(0.5), CONFIGS, study).iloc[0]
    assert (found["subjects"], found["runs"]) == (len(LABELS) * len(SEEDS) * len(BUDGETS) + 1, 7)
    assert found["low"] <= found["value"] <= found["high"]
    without = inside.agreement(frame(0.5, controls=False), CONFIGS, study).iloc[0]
    assert (without["subjects"], without["runs"]) == (12, 6)


@pytest.mark.slow
def test_drifts_that_have_nothing_to_do_with_one_another_are_seldom_shown_to(study):
    shown = 0
    for seed in range(20):
        found = inside.agreement(frame(0.0, seed=seed), CONFIGS, study).iloc[0]
        shown += found["low"] > 0 or found["high"] < 0
    assert shown <= 4


def test_too_few_runs_have_no_interval_and_too_few_subjects_no_row(study):
    some = frame(0.5, controls=False)
    three = some[some["label"].isin(["base", "SFT"]) | ((some["label"] == "DPO") & (some["seed"] == 0))]
    found = inside.agreement(three, CONFIGS, study).iloc[0]
    assert (found["subjects"], found["runs"], np.isnan(found["low"])) == (6, 3, True)
    two = some[some["label"].eq("base") | (some["label"].eq("SFT") & some["seed"].eq(0))]
    assert inside.agreement(two, CONFIGS, study).empty


def test_the_correlation_is_scipy_s_ties_among_them():
    stream = np.random.default_rng(1)
    for _ in range(20):
        x, y = stream.integers(0, 5, size=(2, 12)).astype(float)
        assert inside.spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    assert np.isnan(inside.spearman(np.zeros(5), np.arange(5.0)))


def test_the_change_by_layer_is_the_mean_of_what_the_records_hold(tmp_path, study):
    folder, some = StudyFolder(tmp_path), frame(0.5)
    names = ("raw", "layer", "separation", "change 0", "change 1")
    own = some[(some["cell"] == "r") & (some["label"] == "SFT")]
    stream, kept = np.random.default_rng(0), {}
    for subject, rows in own.groupby("subject"):
        values = {item: (0.0, 1.0, 2.5, *stream.uniform(size=2)) for item in (*rows["item"], "not planned")}
        kept[subject] = np.mean([v[3:] for i, v in values.items() if i != "not planned"], axis=0)
        records = [
            Record(f"{subject}{i}", subject, "inside", i, "none", form, 0, "", "", 0, "read", names, v)
            for i, v in values.items()
            for form in ("default", "safe")
        ]
        tables.write(folder.config("inside", "r").shard(subject, 0), "records", records)
    found = inside.layers(folder, CONFIGS, some)
    assert list(found.columns) == inside.LAYERS
    for r in found.itertuples():
        mean = np.mean([kept[f"SFT{s}{r.budget}"][r.layer] for s in SEEDS])
        assert r.value == pytest.approx(mean)
        assert (r.chosen, r.separation, r.n_prompts, r.n_seeds) == (1, 2.5, 20, 2)
    assert len(found) == 2 * len(BUDGETS)
    assert inside.layers(folder, {"s": SAID}, some).empty
