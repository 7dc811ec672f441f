"""Planted truths, written to disk as a run leaves them and read back: found as often as was declared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import planted
import pytest

from holdfast.analysis.analyse import comparisons
from holdfast.analysis.records import records
from holdfast.analysis.regimes import SHARED
from holdfast.analysis.stability import stability, ways
from holdfast.stats import power as reckon
from holdfast.stats.effects import Effects, intercept

BUDGETS = (100, 400)
UP, FLAT = (1.0, 2.4), (0.0, 0.0)


def study(root: Path, k: int, truth, **more) -> tuple[pd.DataFrame, dict]:
    """The ``k``-th: read from disk."""
    rows = planted.frame(truth, np.random.default_rng(k), **more)
    return planted.on_disk(root / str(k), rows, planted.configs(*truth))


def verdicts(table: pd.DataFrame, finding: str, label: str, axis: str, against: str) -> list[str]:
    mine = table[(table["estimand"] == finding) & (table["label"] == label) & (table["axis"] == axis)]
    return [str(v) for v in mine.loc[mine["against"] == against, "verdict"].unique()]


def test_a_study_on_disk_has_the_findings_of_its_records_in_memory(tmp_path):
    asked = planted.asked("sft", "kl", budgets=BUDGETS, seeds=2)
    truth = {m: {"sft": UP, "kl": FLAT} for m in planted.MEASURES}
    rows = planted.frame(truth, np.random.default_rng(0), budgets=BUDGETS, seeds=2, prompts=8)
    there = comparisons(*planted.on_disk(tmp_path, rows, planted.configs()), asked)
    memory = comparisons(rows, planted.configs(), asked)
    by = ["estimand", "measure", "label", "against", "budget"]
    pd.testing.assert_frame_equal(*(x.sort_values(by, ignore_index=True) for x in (there, memory)))
    assert len(there) > 50


@pytest.mark.slow
def test_an_effect_is_found_with_the_declared_power_and_a_null_hardly_ever(tmp_path):
    asked = planted.asked("sft", "kl", budgets=(100,), seeds=5)
    model = reckon.shares(0.3, prompt_sd=1.0, seed_sd=0.2, attacks=(0.0,) * 5)
    effects, design = Effects(1.0, 0.2, (0.0,) * 5), {"budgets": (100,), "seeds": 5, "prompts": 60, "seed_sd": 0.2}
    start = intercept(0.3, effects)
    judged = reckon.Level(asked.alpha / 3, asked.alpha, 1)  # kl against sft, and either against the base
    step = intercept(0.3 + reckon.detectable(model, 5, 60, asked.declared.power, judged), effects) - start
    said: dict[str, list[str]] = {"none": [], "there": []}
    for k in range(200):
        for name, effect in (("none", 1e-9), ("there", step)):
            truth = {"robust": {"sft": (1e-9,), "kl": (effect,)}}
            table = comparisons(*study(tmp_path / name, k, truth, base=start, **design), asked)
            said[name] += verdicts(table, "last", "kl", "robustness", "sft")
    # Two standard errors of 200 studies: 5.7 and 3.1 points.
    assert np.mean([v == "worse" for v in said["there"]]) == pytest.approx(asked.declared.power, abs=0.06)
    assert np.mean([v in ("equivalent", "inconclusive") for v in said["none"]]) >= 0.92


def judged(root: Path, k: int, second: float) -> pd.Series:
    """IP against SFT, where it is safer by the first judge and moved by ``second`` log-odds by the other."""
    asked = planted.asked("sft", "ip", budgets=(100,), seeds=3, measures=[{"measure": "robust"}])
    parts = []
    for judge, effect in (("rules", -1.5), ("oracle", second)):
        truth = {"robust": {"sft": (0.5,), "ip": (0.5 + effect,)}}
        rows = planted.frame(truth, np.random.default_rng(k), budgets=(100,), seeds=3, prompts=60)
        parts.append(rows.assign(judge=judge))
    configs = planted.configs("robust")
    configs["robust"] = configs["robust"].but(judges=("rules", "oracle"))
    frame, read = planted.on_disk(root / str(k), pd.concat(parts, ignore_index=True), configs)
    found = stability(ways({SHARED: records(frame)}, read, asked))
    return found[(found["label"] == "ip") & (found["against"] == "sft")].iloc[0]


def test_a_comparison_that_flips_with_the_judge_is_shown_to_flip(tmp_path):
    found = judged(tmp_path, 0, 1.5)
    assert (found["verdict"], found["flips"]) == ("lower", "judge: oracle")


@pytest.mark.slow
def test_a_comparison_that_flips_is_shown_to_in_nearly_every_study_and_another_in_none(tmp_path):
    for second, expected in ((1.5, "judge: oracle"), (-1.5, "")):
        flips = [judged(tmp_path / str(second), k, second)["flips"] for k in range(20)]
        assert np.mean([f == expected for f in flips]) >= 0.95


@pytest.mark.slow
def test_a_coupling_and_a_dissociation_are_recovered_in_nearly_every_study(tmp_path):
    """SFT pays for capability in safety, IP does not; both move the persona alike. KL moves nothing but capability. A
    coupling of 0 is told from the smallest of interest by many prompts and seeds only."""
    asked = planted.asked("sft", "ip", "kl", budgets=BUDGETS, seeds=10)
    truth = {
        "accurate": {"sft": UP, "ip": UP, "kl": UP},
        "robust": {"sft": UP, "ip": (0.1, 0.3), "kl": FLAT},
        "persona": {"sft": (0.4, 0.9), "ip": (0.4, 0.9), "kl": FLAT},
    }
    expected = {
        ("coupling", "sft", "robustness", "base"): "worse",
        ("coupling", "ip", "robustness", "sft"): "better",
        ("coupling", "kl", "persona", "base"): "equivalent",
        ("dissociation", "ip", "robustness", "sft"): "shown",
        ("dissociation", "kl", "robustness", "sft"): "refuted",
    }
    right = dict.fromkeys(expected, 0)
    for k in range(20):
        drawn = study(tmp_path, k, truth, budgets=BUDGETS, seeds=10, prompts=320, seed_sd=0.05)
        table = comparisons(*drawn, asked)
        for what, verdict in expected.items():
            right[what] += verdicts(table, *what) == [verdict]
    assert min(right.values()) >= 18, right
