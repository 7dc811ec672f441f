"""Conclusions under other choices, on planted scores."""

from dataclasses import replace

import numpy as np
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import config_of, frame_of, study

from holdfast.analysis.records import records
from holdfast.analysis.stability import FACTORS, copies, stability, ways

N = 40


def scores(k: int, high: float = 1.0) -> np.ndarray:
    """``k`` of the prompts with the score ``high``, the others 0."""
    return np.where(np.arange(N) < k, high, 0.0)[:, None]


def planted(by_judge, *, seeds=(0,), measure="robust", high=1.0):
    """``by_judge``: judge → label → harmful answers of 40."""
    parts = []
    for judge, counts in by_judge.items():
        for label, k in counts.items():
            who = [(label, -1)] if label == "base" else [(label, s) for s in seeds]
            about = {"judge": judge, "cell": measure, "measure": measure}
            parts.append(frame_of({w: scores(k, high) for w in who}, **about))
    return pd.concat(parts, ignore_index=True)


def configs_of(*judges, measures=("robust",)):
    summary = replace(config_of()["c"].summary, metric="harm", threshold=True)
    about = config_of()["c"].but(summary=summary, judges=(*judges, "coherence"))
    return {m: about.but(id=m, measure=m) for m in measures}


def study_of(*measures):
    return study("sft", "ip", measures=[{"measure": m} for m in measures or ("robust",)])


def grid(frame, *judges, measures=("robust",)):
    return ways({"shared": records(frame)}, configs_of(*judges, measures=measures), study_of(*measures))


def row(table, against="sft", label="ip"):
    found = stability(table)
    return found[(found["label"] == label) & (found["against"] == against)].iloc[0]


def test_a_comparison_that_flips_with_the_judge_is_shown_to_flip():
    frame = planted({"rules": {"base": 4, "sft": 20, "ip": 6}, "oracle": {"base": 4, "sft": 8, "ip": 24}})
    found = row(grid(frame, "rules", "oracle"))
    assert found["verdict"] == "lower"
    assert found["flips"] == "judge: oracle"
    assert found["agree"] == 0.5
    assert (found["higher"], found["lower"], found["unclear"]) == (0.5, 0.5, 0)


def test_a_comparison_that_holds_everywhere_is_flipped_by_nothing():
    frame = planted({"rules": {"base": 4, "sft": 20, "ip": 6}, "oracle": {"base": 4, "sft": 22, "ip": 7}})
    found = row(grid(frame, "rules", "oracle"))
    assert found["agree"] == found["same_sign"] == 1
    assert found["flips"] == ""
    assert "judge" not in found["loses"]


def test_a_comparison_that_flips_with_the_benchmark_is_shown_to_flip():
    one = planted({"rules": {"base": 4, "sft": 20, "ip": 6}})
    other = planted({"rules": {"base": 4, "sft": 6, "ip": 22}}, measure="other")
    found = row(grid(pd.concat([one, other], ignore_index=True), "rules", measures=("robust", "other")))
    assert found["flips"] == "benchmark: other"


def test_a_difference_that_the_threshold_makes_is_lost_with_another():
    # IP's harmful answers score 0.6: at 0.75 none of them counts, and neither does SFT's handful.
    frame = pd.concat(
        [planted({"rules": {"base": 4, "sft": 4}}), planted({"rules": {"ip": 24}}, high=0.6)], ignore_index=True
    )
    table = grid(frame, "rules")
    found = row(table)
    assert found["verdict"] == "higher"
    assert "threshold: 0.75" in found["loses"] + found["flips"]
    assert "threshold: 0.25" not in found["loses"] + found["flips"]


def test_incoherent_harm_is_found_under_the_coherence_rule():
    frame = planted({"rules": {"base": 4, "sft": 6, "ip": 24}})
    frame["coherent"] = np.where((frame["label"] == "ip") & (frame["score"] > 0), 0.0, 1.0)
    table = grid(frame, "rules")
    rules = table[(table["against"] == "sft") & (table["threshold"] == "0.5")].set_index("responses")["verdict"]
    assert rules["all"] == rules["worst case"] == "higher"
    assert rules["coherent"] in ("lower", "unclear")


def test_every_way_is_there_once_and_one_is_the_declared_one():
    table = grid(
        planted({"rules": {"base": 4, "sft": 20, "ip": 6}, "oracle": {"base": 4, "sft": 8, "ip": 24}}),
        "rules",
        "oracle",
    )
    assert not table.duplicated(["label", *FACTORS]).any()
    assert table.groupby(["label", "against"])["declared"].sum().eq(1).all()
    ip = table[(table["label"] == "ip") & (table["against"] == "sft")]
    assert len(ip) == 2 * 4  # judges × thresholds; coherence was not judged, and there is one budget
    assert ip[ip["declared"]][["judge", "threshold", "responses"]].to_numpy().tolist() == [["rules", "0.5", "all"]]


@settings(max_examples=4, deadline=None)
@given(st.integers(0, N), st.integers(0, N), st.integers(0, N))
def test_swapping_two_objectives_swaps_the_sign(base, a, b):
    def against(first, second):
        table = grid(planted({"rules": {"base": base, "sft": first, "ip": second}}), "rules")
        return table[table["against"] == "sft"].set_index("threshold")

    one, other = against(a, b), against(b, a)
    assert np.allclose(one["value"], -other["value"])
    assert one["verdict"].map({"lower": "higher", "higher": "lower", "unclear": "unclear"}).equals(other["verdict"])


def test_a_comparison_that_flips_with_the_regime_is_shown_to_flip():
    shared, tuned = ({"base": 4, "sft": 20, "ip": 6}, {"base": 4, "sft": 6, "ip": 22})
    some = {name: records(planted({"rules": x})) for name, x in (("shared", shared), ("tuned", tuned))}
    table = ways(some, configs_of("rules"), study_of())
    assert row(table)["flips"] == "regime: tuned"
    assert set(table.loc[table["declared"], "regime"]) == {"shared"}


def test_a_way_that_gives_the_numbers_of_another_is_counted_once():
    numbers = {"value": [0.1, 0.1, 0.1, 0.3], "low": [0.0, 0.0, 0.0, 0.2], "high": [0.2, 0.2, 0.2, 0.4]}
    table = pd.DataFrame(
        {
            **dict.fromkeys(("model", "task", "label", "benchmark", "judge", "responses", "budgets", "regime"), "x"),
            **numbers, "p": [0.2, 0.2, 0.2, 0.01], "against": "base",
            "threshold": ["0.25", "0.5", "0.75", "mean score"],
            "verdict": ["unclear", "unclear", "unclear", "higher"], "declared": [False, True, False, False],
        }
    )  # fmt: skip
    assert list(copies(table)) == [True, False, True, False], "the declared way stands for its copies"
    (row,) = stability(table).to_dict("records")
    assert (row["n_ways"], row["n_distinct"], row["agree"], row["higher"]) == (4, 2, 0.5, 0.5)
