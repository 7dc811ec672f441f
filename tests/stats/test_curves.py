import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import isotonic_regression

from holdfast.stats import curves


def test_a_dip_in_capability_is_read_as_noise():
    assert curves.smooth(np.array([[0.1, 0.3, 0.2, 0.5]])) == pytest.approx(np.array([[0.1, 0.25, 0.25, 0.5]]))


@settings(deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=7))
def test_the_smoothed_curve_is_that_of_an_isotonic_regression(values):
    assert curves.smooth(np.array([values]))[0] == pytest.approx(isotonic_regression(values).x, abs=1e-9)
