"""What is resampled from scores."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast import rng
from holdfast.stats.bootstrap import combine, percentile, resample
from holdfast.stats.linear import spread
from tools.calibration.rivals import nested, t_interval

ONE = np.ones(1)


def draws_of(y, weights=ONE, draws=4000, **more):
    return resample(y, weights, draws, rng.generator("test"), **more)


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
    assert nested(y[..., 0], 4000, rng.generator("test")).var() < 0.85 * draws_of(y).var()


@pytest.mark.parametrize("scheme", ["crossed", "prompts", "seeds"])
def test_one_missing_score_moves_its_own_condition_alone(scheme):
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
def test_the_order_of_conditions_does_not_matter_and_equal_conditions_get_equal_draws(seed):
    y = np.random.default_rng(seed).random((3, 3, 8, 1))
    y[2] = y[0]
    drawn = draws_of(y, draws=20)
    assert drawn[:, 0] == pytest.approx(drawn[:, 2])
    assert drawn[:, ::-1] == pytest.approx(draws_of(y[::-1], draws=20))


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
