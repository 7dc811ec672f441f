import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import Design, estimated, pivots
from tools.calibration.answers import balanced


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 3), st.booleans())
def test_an_estimates_pivots_give_its_own_interval_and_p(seed, seeds, share):
    y = np.random.default_rng(seed).integers(-2, 3, size=(seeds, 20)) / 2
    design = Design("difference", share, seeds, 20)
    made = estimated(balanced(y, 1), design)
    one = Estimate(float(made.value), np.nan, np.nan, pivots=pivots(balanced(y, 1), design), limit=1.0)
    assert made.pivots == one.pivots
    assert one.interval(0.05) == pytest.approx((float(made.low), float(made.high)))
    assert one.two_sided() == pytest.approx(float(made.p))
    assert one.within(1.5) <= one.within(0.5)


def test_the_one_sided_p_at_an_intervals_end_is_half_its_alpha():
    y = np.random.default_rng(0).normal(0.2, 0.3, size=(3, 40))
    one = Estimate(0.2, np.nan, np.nan, pivots=pivots(balanced(y, 1), Design("difference", False, 3, 40), np.inf))
    low, high = one.interval(0.1)
    assert (one.above(low), one.below(high)) == pytest.approx((0.05, 0.05))
    drawn = Estimate(0.2, np.nan, np.nan, ends=one.interval)  # of any set with ends, by inversion
    assert (drawn.above(low), drawn.below(high)) == pytest.approx((0.05, 0.05), abs=1e-6)
