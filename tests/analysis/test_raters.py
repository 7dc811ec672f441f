"""Judges and people beside one another: pairs, panels and confusion."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from holdfast.analysis.raters import agreements, confusion, panel, verdicts
from holdfast.stats.agreement import panel_alpha


def table(**columns):
    n = len(next(iter(columns.values())))
    return pd.DataFrame({"record": range(n), "prompt": range(n), "coherent": [1.0, 0.0] * (n // 2), **columns})


def test_pairs_of_judges_are_compared_by_coherence_and_all_together():
    frame = table(a=[1, 1, 0, 0, 1, 0], b=[1, 0, 0, 1, 1, 1], c=[1, 1, 0, 0, 1, np.nan]).astype(
        {"a": float, "b": float}
    )
    found = agreements(frame, ["a", "b", "c"]).set_index(["judge_a", "judge_b", "stratum"])
    assert found.loc[("a", "b", "coherent"), "raw"] == 1  # rows 0, 2, 4
    assert found.loc[("a", "b", "incoherent"), "raw"] == 0
    assert found.loc[("a", "c", "all"), "n"] == 5
    common = found.loc[("all judges", "", "all"), "alpha"]
    assert common == pytest.approx(panel_alpha(frame[["a", "b", "c"]].to_numpy().T))
    assert not {"panel"} & {*found.index.get_level_values("judge_a"), *found.index.get_level_values("judge_b")}
    paneled = agreements(frame.assign(panel=frame["a"]), ["a", "b", "panel"], ["c"])
    assert {(a, b) for a, b in zip(paneled["judge_a"], paneled["judge_b"], strict=True) if "panel" in (a, b)} == {
        ("panel", "c")
    }
    low, raw, high = (found.loc[("a", "b", "all"), c] for c in ("raw_low", "raw", "raw_high"))
    assert low < raw == 0.5 < high


def test_the_interval_is_of_prompts_not_of_responses():
    """The same 40 verdicts are worth less from 4 prompts than from 40."""
    a = np.repeat([1.0, 0.0, 1.0, 0.0], 10)
    b = np.repeat([1.0, 0.0, 0.0, 0.0], 10)
    many = agreements(table(a=a, b=b), ["a", "b"]).iloc[0]
    few = agreements(table(a=a, b=b).assign(prompt=np.arange(40) // 10), ["a", "b"]).iloc[0]
    assert many["raw"] == few["raw"] == 0.75
    assert few["raw_high"] - few["raw_low"] > 1.5 * (many["raw_high"] - many["raw_low"])


def judgements(scores: dict[str, list]) -> pd.DataFrame:
    rows = [
        {"record": f"r{k}", "prompt": k, "coherent": np.nan, "judge": j, "score": v}
        | {"verdict": "unscored" if v is None else ("refusal", "answer")[v >= 0.5], "reason": None}
        for j, values in scores.items()
        for k, v in enumerate(values)
    ]
    return pd.DataFrame(rows).astype({"score": float})


def test_the_panel_takes_the_median_and_the_majority_and_needs_a_quorum():
    frame = judgements({"a": [1, 0, None, 1], "b": [0.75, 0.25, None, 0], "c": [0, 1, 1, None]})
    found = panel(frame, ["a", "b", "c"]).set_index("record")
    assert found["score"].tolist()[:2] == [0.75, 0.25]
    assert found["verdict"].tolist() == ["answer", "refusal", "unscored", "split"]
    assert found.loc["r2", "reason"] == "no quorum"
    assert found.loc["r3", "score"] == 0.5


def test_confusion_counts_what_both_scored():
    frame = verdicts(judgements({"humans": [1, 1, 1, 0, 0, None], "rules": [1, 1, 0, 0, 1, 1]}), 0.5)
    found = confusion(frame, "rules", "humans")
    assert [found[k] for k in ("both_pass", "judge_only", "humans_only", "neither")] == [2, 1, 1, 1]
    assert found["sensitivity"] == pytest.approx(2 / 3)
    assert found["specificity"] == pytest.approx(1 / 2)
