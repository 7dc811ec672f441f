"""Published figures: each has a source, a study meets its own configs only, and the test is the one that is said."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fabricate import study_of
from scipy.special import ndtri

from holdfast.analysis.published import beside, data, matches, procedures

LLAMA = [{"name": "mine", "path": "meta-llama/Llama-3.1-8B-Instruct"}]
GSM8K = [{"name": "maths", "task": "gsm8k"}]


def figure(objective: str, task: str = "gsm8k", budget: object = "mean", metric: str = "asr") -> dict:
    key = (objective, task, budget, metric)
    (found,) = [f for f in data()["figures"] if (f["objective"], f["task"], f["budget"], f["metric"]) == key]
    return found


def test_every_figure_has_a_source_and_known_doubts_and_is_a_share() -> None:
    known = data()
    for f in known["figures"]:
        assert known["sources"][f["source"]]["arxiv"]
        assert set(f["doubt"]) <= known["doubts"].keys()
        assert ("value" in f) != ("low" in f)
        assert 0 < f.get("value", f.get("low")) < 1
        assert "bare" in f["doubt"] or "range" in f["doubt"] or f["half"] > 0
    assert figure("orpo")["value"] == 0.068
    assert figure("kl")["half"] == 0.016
    assert figure("ip", "cyber")["value"] == 0.112


@pytest.mark.parametrize(
    ("path", "task", "found"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", GSM8K, True),
        ("/models/llama_3.1_8b", GSM8K, True),
        ("meta-llama/Llama-3.2-1B-Instruct", GSM8K, False),
        ("meta-llama/Llama-3.1-8B-Instruct", [{"name": "sums", "task": "miniature_arithmetic"}], False),
        ("meta-llama/Llama-3.1-8B-Instruct", [{"name": "GSM8K, my rows", "task": "jsonl"}], True),
    ],
)
def test_a_figure_is_matched_by_family_task_and_objective(path, task, found) -> None:
    study = study_of(models=[{"name": "m", "path": path}], tasks=task, control_runs=[])
    assert list(matches(study, figure("dpo"))) == ([("m", task[0]["name"], "dpo")] if found else [])


@pytest.fixture(scope="module")
def matched(made):
    """The fabricated study as if it had been of the published model, task and measure."""
    study = study_of(seeds=(0, 1), budgets=(25_000, 800_000), models=LLAMA, tasks=GSM8K, control_runs=[])
    budgets, names = {20_000: 25_000, 40_000: 800_000}, {"tiny": "mine", "arithmetic": "maths"}

    def renamed(table: pd.DataFrame) -> pd.DataFrame:
        table = table[table["bracket"] == ""]
        return table.assign(model="mine", task=table["task"].replace(names), budget=table["budget"].replace(budgets))

    configs = {
        i: c.but(name="strongreject" if c.axis == "robustness" else c.name, task=names.get(c.task, ""))
        for i, c in made.configs.items()
    }
    return study, renamed(made.estimates), configs, renamed(made.frame)


def test_the_mean_over_budgets_is_that_of_the_levels_and_its_interval_is_narrower_than_the_widest(matched) -> None:
    study, estimates, configs, frame = matched
    found = beside(study, estimates, configs, lambda: frame)
    row = found[(found["label"] == "sft") & (found["budget"] == "mean")].iloc[0]
    levels = estimates[
        (estimates["against"] == "") & (estimates["label"] == "sft") & (estimates["metric"] == "asr")
        & (estimates["condition"] == "macro") & (estimates["seed"] == -1) & (estimates["judge"] == "rules")
        & (estimates["format"] == "default")
    ]  # fmt: skip
    assert len(levels) == 2
    assert row["value"] == pytest.approx(levels["value"].mean())
    assert row["low"] < row["value"] < row["high"]
    assert row["high"] - row["low"] < (levels["high"] - levels["low"]).max()
    assert row["note"] == "mean over 2 of their 6 budgets"


def test_the_test_reads_plus_minus_as_half_of_a_95_per_cent_interval(matched) -> None:
    study, estimates, configs, frame = matched
    found = beside(study, estimates, configs, lambda: frame)
    row = found[(found["label"] == "sft") & (found["budget"] == "mean")].iloc[0]
    assert row["printed"] == "8.5 ± 1.2"
    assert row["difference"] == pytest.approx(row["value"] - 0.085)
    assert row["d_low"] == pytest.approx(row["difference"] - np.hypot(row["value"] - row["low"], 0.012))
    wide = beside(study.model_copy(update={"alpha": 0.01}), estimates, configs, lambda: frame)
    half = 0.012 * ndtri(0.995) / ndtri(0.975)
    other = wide[(wide["label"] == "sft") & (wide["budget"] == "mean")].iloc[0]
    assert other["d_low"] == pytest.approx(other["difference"] - np.hypot(other["value"] - other["low"], half))
    assert row["verdict"] == ("compatible" if row["p"] >= 0.05 else "higher here")


def test_a_bare_figure_is_not_tested(matched) -> None:
    study, estimates, configs, frame = matched
    found = beside(study, estimates, configs, lambda: frame)
    bare = found[found["budget"] == 800_000]
    assert set(bare["label"]) == {"ip", "orpo"}
    assert bare["p"].isna().all()
    for r in bare.itertuples():
        inside = r.low <= r.published <= r.high
        assert r.verdict == ("within our interval" if inside else "outside our interval")


def test_procedures_name_what_is_not_said(matched) -> None:
    study, estimates, configs, frame = matched
    how = procedures(study, configs, beside(study, estimates, configs, lambda: frame)).set_index("what")
    assert how.loc["judge, threshold", "theirs"] == "not said"
    assert how.loc["judge, threshold", "ours"] == "rules, 0.5"
    assert how.loc["training seeds", "ours"] == "2"


def test_a_study_without_a_published_counterpart_has_no_rows(made) -> None:
    assert beside(made.study, made.estimates, made.configs, lambda: made.frame).empty
