import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from holdfast.stats.curves import area_weights, over_budgets, slope_weights
from holdfast.stats.linear import linearise
from holdfast.stats.methods import seed_t, two_way_t

BUDGETS = (25_000, 50_000, 100_000, 400_000)


def test_slope_and_area_weights_equal_those_by_hand():
    assert slope_weights((100, 200)) == pytest.approx([-1, 1])
    assert slope_weights((1, 2, 4)) == pytest.approx([-0.5, 0, 0.5])
    assert area_weights((1, 2, 8)) == pytest.approx([1 / 6, 1 / 2, 1 / 3])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 10**6), min_size=2, max_size=6, unique=True), st.floats(-2, 2), st.floats(-2, 2))
def test_a_straight_line_has_its_slope_whatever_the_unit_of_the_budget(budgets, slope, start):
    budgets = sorted(budgets)
    y = start + slope * np.log2(budgets)
    assert y @ slope_weights(budgets) == pytest.approx(slope, abs=1e-6)
    assert slope_weights([b * 7 for b in budgets]) == pytest.approx(slope_weights(budgets), rel=1e-5)
    middle = (y[0] + y[-1]) / 2
    assert y @ area_weights(budgets) == pytest.approx(middle, abs=1e-9)


def test_a_prompt_without_a_score_at_one_budget_has_no_slope_but_a_value_at_the_other():
    y = np.ones((2, 1, 3, 1))
    y[0, 0, 1] = np.nan
    assert np.isnan(over_budgets(y, slope_weights((1, 2)))[0, :, 0]).tolist() == [False, True, False]
    assert not np.isnan(over_budgets(y, np.array([0.0, 1.0]))).any()


def test_slopes_per_seed_are_pooled_by_students_t():
    y = np.random.default_rng(0).random((4, 5, 20, 2))  # K S I G
    found = seed_t(linearise(over_budgets(y, slope_weights(BUDGETS)), np.ones(2)))
    levels = y.mean(axis=(2, 3))
    slopes = [stats.linregress(np.log2(BUDGETS), levels[:, k]).slope for k in range(5)]
    theirs = stats.ttest_1samp(slopes, 0)
    assert float(found.p) == pytest.approx(theirs.pvalue)
    assert (float(found.low), float(found.high)) == pytest.approx(tuple(theirs.confidence_interval()))


def test_a_planted_trend_is_found_and_its_absence_is_not_called_one():
    r = np.random.default_rng(6)
    base = r.normal(size=(1, 1, 60, 1)) + r.normal(size=(4, 5, 1, 1)) * 0.1
    noise = r.normal(size=(4, 5, 60, 1)) * 0.5
    rising = base + noise + 0.2 * np.log2(BUDGETS)[:, None, None, None]
    for y, there in ((rising, True), (base + noise, False)):
        found = two_way_t(linearise(over_budgets(y, slope_weights(BUDGETS)), np.ones(1)))
        assert (found.p < 0.01) == there
        assert found.low < (0.2 if there else 0.0) < found.high
