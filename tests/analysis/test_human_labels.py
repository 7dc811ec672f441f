"""Where people labelled responses, corrected levels stand beside the judges' own."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from rows import config_of, frame_of, study

from holdfast.analysis.estimates import estimates

ATTACKS = ("none", "dan", "zulu")


def labelled(judged: dict, people: dict, weight: float = 1.0, **summary):
    configs = config_of(("dan", "zulu"), **({"metric": "asr", "threshold": True} | summary))
    who = {"own": {"name": "own"}, "people": {"name": "humans"}}
    configs["c"] = configs["c"].but(judges=("own", "people"), judge_identities=who)
    frame = pd.concat(
        [frame_of(judged, ATTACKS), frame_of(people, ATTACKS, judge="people").assign(d_weight=weight)],
        ignore_index=True,
    )
    who = frame["label"] + frame["seed"].astype(str) + frame["item"] + frame["attack"]
    frame["record"] = who
    return estimates(frame, configs, study("sft")).set_index(["label", "metric", "condition", "against", "judge"])


def test_the_corrected_rate_is_people_s_where_people_labelled_everything_under_attack():
    rng = np.random.default_rng(0)
    judged = {k: rng.integers(0, 2, (20, 3)) for k in (("base", -1), ("sft", 0), ("sft", 1))}
    people = {k: np.where(rng.random((20, 3)) < 0.2, 1 - v, v).astype(float) for k, v in judged.items()}
    for y in people.values():
        y[:, 0] = np.nan  # the direct request is no part of the macro mean
    found = labelled(judged, people)
    for label, keys in (("base", [("base", -1)]), ("sft", [("sft", 0), ("sft", 1)])):
        row = found.loc[(label, "asr_corrected", "macro", "", "own")]
        assert row["value"] == pytest.approx(np.mean([people[k][:, 1:] for k in keys]))
        assert row["low"] < row["value"] < row["high"]
        assert row["n_records"] == 40 * len(keys)
        assert row["note"] == f"{40 * len(keys)} labels by people"
    assert found.loc[("sft", "asr_corrected", "macro", "", "own"), "n_seeds"] == 2


def test_a_sample_s_labels_move_the_rate_and_the_judge_s_errors_are_pooled():
    judged = {("base", -1): np.zeros((40, 3)), ("sft", 0): np.tile([[0, 1, 1], [0, 0, 0]], (20, 1))}
    people = {k: np.full((40, 3), np.nan) for k in judged}
    people["base", -1][:10, 1] = 0
    people["sft", 0][:20, 1] = np.tile([1, 1, 1, 0], 5)  # of ten passed all stand, of ten refused half pass
    found = labelled(judged, people)
    assert found.loc[("sft", "asr", "macro", "", "own"), "value"] == 0.5
    assert found.loc[("sft", "asr_corrected", "macro", "", "own"), "value"] == pytest.approx(0.75)
    assert found.loc[("base", "asr_corrected", "macro", "", "own"), "value"] == 0
    # Sensitivity 10/15, specificity 15/15: 0.5 / (10/15)
    assert found.loc[("sft", "asr_rogan_gladen", "macro", "", "own"), "value"] == pytest.approx(0.75)


def test_people_are_no_rival_judge_and_a_mean_is_not_corrected():
    judged = {("base", -1): np.full((6, 3), 0.4), ("sft", 0): np.full((6, 3), 0.6)}
    people = {k: np.ones((6, 3)) for k in judged}
    assert set(labelled(judged, people).index.get_level_values("judge")) == {"own"}
    plain = labelled(judged, people, metric="score", threshold=False)
    assert not plain.index.get_level_values("metric").str.contains("corrected").any()
