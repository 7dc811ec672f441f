"""Cluster sums and what is resampled from them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rows import cell_of, frame_of
from scipy import stats

from holdfast import rng
from holdfast.analysis.bootstrap import bootstrap, functional, percentile, resample, t_interval
from holdfast.analysis.clusters import cluster_sums, combine
from holdfast.analysis.grid import grid
from holdfast.analysis.linear import linearise, spread
from holdfast.analysis.metrics import metrics

ONE = np.ones(1)


def sums_of(scores, groups=("a", "b")):
    frame = frame_of(scores, groups)
    cell = cell_of(groups)["c"]
    return cluster_sums(grid(frame, cell["summary"]), metrics(frame, cell["summary"], 0.5)[0])


def draws_of(y, weights=ONE, draws=4000, **more):
    """Of [T, S, I, G] with NaN."""
    seen = ~np.isnan(y)
    return resample(np.where(seen, y, 0.0), seen.astype(float), weights, draws, rng.generator("test"), **more)


def test_a_cell_becomes_who_by_seed_by_prompt_by_group():
    base = [[0.0, 1.0], [0.0, 0.0], [1.0, np.nan]]
    sft = {("sft", k): np.full((3, 2), float(k)) for k in (0, 1)}
    made = sums_of({("base", -1): base, **sft})
    assert made.who["label"].tolist() == ["base", "sft"]
    assert made.seeds == (0, 1)
    assert made.sums.shape == made.counts.shape == (2, 2, 3, 2)
    assert made.values()[0, 0] == pytest.approx(made.values()[0, 1], nan_ok=True)  # the base under every seed
    assert made.means(np.array([0.5, 0.5])) == pytest.approx([(1 / 3 + 1 / 2) / 2, 0.5])
    assert made.means(np.array([1.0, 0.0]))[0] == pytest.approx(1 / 3)


def test_their_means_are_those_of_the_linearised_estimate():
    y = np.random.default_rng(0).random((3, 9, 2))
    y[1, 4, 0] = y[2, 0, 1] = np.nan
    made = sums_of({("sft", k): y[k] for k in range(3)})
    w = np.array([0.3, 0.7])
    assert made.means(w)[0] == pytest.approx(linearise(y, w).value, abs=1e-12)


def test_samples_of_a_prompt_count_as_their_mean():
    made = sums_of({("sft", 0): [[[1.0, 0.0, np.nan]], [[1.0, 1.0, 1.0]]]}, ("a",))
    assert made.sums[0, 0, :, 0].tolist() == [0.5, 1.0]
    assert made.counts[0, 0, :, 0].tolist() == [1.0, 1.0]


def test_nothing_scored_is_no_number():
    assert np.isnan(combine(np.zeros((1, 2, 3)), np.zeros((1, 2, 3)), np.ones(3), np.ones(2))).all()


def test_the_spread_of_draws_is_the_two_way_variance_where_seeds_and_prompts_have_effects():
    r = np.random.default_rng(1)
    y = (r.normal(size=(6, 1)) * 0.5 + r.normal(size=(1, 80)) * 2 + r.normal(size=(6, 80)) * 0.1)[None, ..., None]
    drawn = draws_of(y)[:, 0]
    expected = spread(y[0, ..., 0], np.ones(80, dtype=bool)).variance
    assert drawn.var() == pytest.approx(float(expected), rel=0.08)
    plain = draws_of(y, less=0)[:, 0]
    assert plain.var() < 0.93 * drawn.var()  # a sixth of the seeds' part is lost without Rao and Wu
    assert drawn.mean() == pytest.approx(y.mean(), abs=0.03)


def test_one_factor_alone_has_its_own_variance_and_nested_prompts_lose_theirs():
    r = np.random.default_rng(2)
    y = (r.normal(size=(4, 1)) + r.normal(size=(1, 60)) * 3)[None, ..., None]
    seeds, prompts = y[0, ..., 0].mean(1), y[0, ..., 0].mean(0)
    assert draws_of(y, scheme="seeds").var() == pytest.approx(seeds.var(ddof=1) / 4, rel=0.1)
    assert draws_of(y, scheme="prompts").var() == pytest.approx(prompts.var(ddof=1) / 60, rel=0.1)
    assert draws_of(y, scheme="nested").var() < 0.85 * draws_of(y).var()


@pytest.mark.parametrize("scheme", ["crossed", "nested", "prompts", "seeds"])
def test_full_data_need_no_counts(scheme):
    y = np.random.default_rng(3).random((3, 3, 20, 2))
    full = draws_of(y, np.array([1.0, 3.0]), 50, scheme=scheme)
    y[0, 0, 0, 0] = np.nan  # one gap, and all go the long way
    gap = draws_of(y, np.array([1.0, 3.0]), 50, scheme=scheme)
    assert gap[:, 1:] == pytest.approx(full[:, 1:], abs=1e-6)
    assert gap[:, 0] != pytest.approx(full[:, 0], abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.1, 10), st.floats(-5, 5))
def test_draws_move_and_scale_with_the_data(seed, scale, shift):
    y = np.random.default_rng(seed).random((2, 3, 8, 2))
    assert draws_of(y * scale + shift, np.ones(2), 20) == pytest.approx(
        draws_of(y, np.ones(2), 20) * scale + shift, abs=1e-3
    )


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_the_order_of_conditions_does_not_matter_and_twins_stay_twins(seed):
    y = np.random.default_rng(seed).random((3, 3, 8, 1))
    y[2] = y[0]
    drawn = draws_of(y, draws=20)
    assert drawn[:, 0] == pytest.approx(drawn[:, 2])
    assert drawn[:, ::-1] == pytest.approx(draws_of(y[::-1], draws=20))
    assert functional(drawn, np.array([[1.0, 0.0, -1.0]])) == pytest.approx(np.zeros((20, 1)), abs=1e-6)


def test_a_level_that_is_missing_spoils_only_what_it_is_part_of():
    made = functional(np.array([[1.0, np.nan, 3.0]]), np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 0.0]]))
    assert made[0, 0] == -2.0
    assert np.isnan(made[0, 1])


def test_a_study_is_resampled_alike_every_time():
    made = sums_of({("sft", k): np.random.default_rng(k).random((6, 2)) for k in range(3)})
    assert (bootstrap(made, np.ones(2), 50) == bootstrap(made, np.ones(2), 50)).all()


def test_percentiles_of_one_seed_are_scipys():
    x = np.random.default_rng(4).exponential(size=40)
    drawn = draws_of(x[None, None, :, None], draws=20_000, less=0)[:, 0]
    plain = stats.bootstrap((x,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5))
    assert percentile(drawn) == pytest.approx(tuple(plain.confidence_interval), abs=0.015)


def test_t_of_the_draws_is_students_for_one_seed():
    x = np.random.default_rng(6).normal(size=25)
    low, high = t_interval(np.asarray(x.mean()), draws_of(x[None, None, :, None], draws=20_000)[:, 0], 24)
    half = stats.t.ppf(0.975, 24) * x.std(ddof=1) / 5
    assert (float(low), float(high)) == pytest.approx((x.mean() - half, x.mean() + half), abs=0.02 * half)
