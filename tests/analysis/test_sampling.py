"""The sample that people label: reproducible, stratified, and with weights that make estimates unbiased."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.analysis.sampling import allocation, candidates, draw


@given(st.lists(st.integers(1, 50), min_size=1, max_size=8), st.integers(1, 120))
def test_an_allocation_is_even_and_complete(sizes, n):
    take = allocation(sizes, n)
    assert sum(take) == min(n, sum(sizes))
    assert all(0 <= k <= size for k, size in zip(take, sizes, strict=True))
    cut = [k for k, size in zip(take, sizes, strict=True) if k < size]
    assert not cut or max(take) <= min(cut) + 1 or max(take) == min(cut)


def rows(n: int = 400) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "record": [f"r{k:03d}" for k in range(n)],
            "cell": "c",
            "measure": "harm",
            "label": np.where(np.arange(n) % 2, "SFT", "base"),
            "attack": "dan",
            "verdict": np.where(np.arange(n) % 10 == 0, "answer", "refusal"),
            "coherent": "coherent",
        }
    )


def test_rare_strata_are_seen_and_the_weights_count_everybody():
    drawn = draw(rows(), 60)
    assert len(drawn) == 60
    assert (drawn["verdict"] == "answer").sum() == 20  # of three strata: an answer is never an SFT's here
    assert drawn["weight"].sum() == pytest.approx(400)
    assert drawn.loc[drawn["verdict"] == "answer", "weight"].unique().tolist() == [2.0]


def test_the_same_draw_whatever_the_order_of_the_rows_and_another_for_another_seed():
    one, other = draw(rows(), 50), draw(rows().sample(frac=1, random_state=1).sort_values("record"), 50)
    assert one["record"].tolist() == other["record"].tolist()
    assert set(draw(rows(), 50, seed=1)["record"]) != set(one["record"])


def test_with_few_labels_distinctions_are_given_up_so_that_none_is_left_out():
    many = rows().assign(attack=[f"a{k % 40}" for k in range(400)])
    drawn = draw(many, 20)
    assert drawn["weight"].sum() == pytest.approx(400)
    assert len(drawn) == 20


def test_a_weighted_mean_over_many_draws_is_the_mean_of_all():
    table, truth = rows(), np.arange(400) % 7 / 7
    by_record = dict(zip(table["record"], truth, strict=True))
    means = []
    for seed in range(30):
        drawn = draw(table, 40, seed)
        means.append(np.average(drawn["record"].map(by_record), weights=drawn["weight"]))
    assert np.mean(means) == pytest.approx(truth.mean(), abs=0.04)


def test_candidates_are_responses_by_the_first_judge_that_is_no_person(made):
    found = candidates(made.frame, made.configs)
    assert found["record"].is_unique
    assert set(found["record"]) == set(made.frame["record"])
