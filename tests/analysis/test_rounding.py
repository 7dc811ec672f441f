"""One rounding for all: as a chart's own format does it, and never to a zero or a whole that a number is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from holdfast.analysis.rounding import fixed, percent, points, signed, significant


@pytest.mark.parametrize(
    ("share", "said"),
    [
        (0.3125, "31.3%"),  # 31.2 by Python's own format, 31.3 by a chart's
        (0.31249999999999994, "31.3%"),  # the same number, added up in another order
        (0.0625, "6.3%"),
        (0.9996, "99.96%"),
        (0.99999999, ">99.9999%"),
        (1.0, "100.0%"),
        (1 - 1e-13, "100.0%"),
        (0.0004, "0.04%"),
        (1e-8, "<0.0001%"),
        (0.0, "0.0%"),
        (None, "–"),
        (float("nan"), "–"),
    ],
)
def test_a_share_is_rounded_half_up_and_is_whole_or_nothing_only_if_it_is(share, said):
    assert percent(share) == said


@pytest.mark.parametrize(
    ("difference", "said"),
    [(0.0, "±0.0"), (-0.0, "±0.0"), (1e-16, "±0.0"), (0.0004, "+0.04"), (-0.0004, "−0.04"), (-0.03125, "−3.1"),
     (0.00625, "+0.6"), (1e-8, "+<0.0001")],
)  # fmt: skip
def test_a_difference_that_is_not_nothing_is_not_written_as_nothing(difference, said):
    assert points(difference) == said


@given(st.floats(-1, 1))
@example(0.3125)
def test_one_number_has_one_text_wherever_it_comes_from(x):
    assert percent(x) == percent(x + 0.0) == percent((x * 3) / 3 if abs(x * 3 / 3 - x) < 1e-15 else x)
    if abs(x) >= 1e-12:
        assert float(percent(x).strip("%<>-−")) != 0
        assert (points(x)[0] == "+") == (x > 0)


@given(st.floats(0.001, 1000))
def test_significant_digits_are_within_half_of_the_last(x):
    assert abs(float(significant(x)) - x) <= 0.00501 * x


def test_signed_and_fixed_say_what_is_beyond_their_digits():
    assert signed(0.0001, 3) == "+0.0001"
    assert signed(-1e-7, 3) == "−<0.000001"
    assert fixed(0.99999999, 2, whole="1") == ">0.99999"
    assert fixed(1.00000001, 2, whole="1") == "<1.00001"
    assert significant(0.99996) == "0.99996"
    assert significant(1e-12) == "0" or float(significant(1e-12)) <= 1e-12
