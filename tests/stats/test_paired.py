from itertools import product

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import t as student

from holdfast.stats.equivalence import tost
from holdfast.stats.linear import linearise
from holdfast.stats.paired import difference, sign_flip
from holdfast.stats.pivot import t_test


def by_hand(d):
    sums = [abs(sum(s * x for s, x in zip(signs, d, strict=True))) for signs in product((1, -1), repeat=len(d))]
    return np.mean([s >= abs(sum(d)) - 1e-9 for s in sums])


def test_few_differences_are_tested_exactly():
    rows = np.array([[0.2, 0.4, -0.1, 0.6, 0.0], [1, 1, 1, 1, 1], [0.5, -0.5, 0, 0, 0]], dtype=float)
    assert sign_flip(rows) == pytest.approx([by_hand(r) for r in rows])
    assert sign_flip(rows)[1] == pytest.approx(2 / 32)


def test_answers_right_or_wrong_give_mcnemar():
    d = np.array([1.0] * 8 + [-1.0] * 2 + [0.0] * 40)
    assert sign_flip(d[None])[0] == pytest.approx(binomtest(2, 10).pvalue)
    d = np.array([1.0] * 22 + [-1.0] * 10 + [0.0] * 40)
    assert sign_flip(d[None])[0] == pytest.approx(binomtest(10, 32).pvalue, abs=0.01)


def test_no_difference_at_all_is_no_evidence_and_drawn_ps_are_never_zero():
    assert sign_flip(np.zeros((1, 30)))[0] == 1
    assert sign_flip(np.ones((1, 30)))[0] == pytest.approx(1e-4)
    assert np.isnan(sign_flip(np.array([[np.nan, 1.0]]))[0])


def test_a_row_is_tested_the_same_whatever_stands_beside_it():
    d = np.random.default_rng(0).normal(0.2, 1, size=(5, 40))
    assert sign_flip(d)[3] == sign_flip(d[3:4])[0]


def test_the_sign_flip_test_keeps_its_level():
    d = np.random.default_rng(1).standard_t(4, size=(1000, 25))
    assert 0.03 < np.mean(sign_flip(d, 999) < 0.05) < 0.07


def test_the_bonett_price_interval_equals_that_by_hand():
    d = np.array([1.0] * 6 + [-1.0] * 2 + [0.0] * 32)
    made = difference(linearise(d[None, None, :, None], np.ones(1)), share=True, width=1.0)
    both = np.append(d, [1.0, -1.0])
    assert float(made.pivots[0].centre[0]) == pytest.approx(4 / 42)
    assert float(made.pivots[0].variance[0]) == pytest.approx(both.var(ddof=1) / 42)
    assert float(made.low[0]) < 0 < float(made.high[0])


def test_equal_answers_do_not_prove_equality():
    none = linearise(np.zeros((1, 1, 60, 5)), np.full(5, 0.2))
    share = difference(none, share=True, width=1.0)
    assert 0.03 < float(share.high[0]) < 0.1
    mean = difference(none, share=False, width=1.0)
    assert (float(mean.low[0]), float(mean.high[0])) == pytest.approx((-float(share.high[0]), float(share.high[0])))
    assert np.isnan(
        difference(none, share=False, width=np.inf).pivots[0].variance[0]
    )  # without bounds nothing is known


def test_the_t_test_gives_p_1_at_zero_and_none_without_variance():
    p = t_test(np.array([0.0, 0.2, np.nan, 0.2]), np.array([0.0, 0.0, 0.1, 0.01]), np.array([5.0, 5.0, 5.0, 5.0]))
    assert p[0] == 1
    assert np.isnan(p[1:3]).all()
    assert p[3] == pytest.approx(2 * student.sf(2.0, 5))


@pytest.mark.parametrize("prompts", [3, 10, 34])
@pytest.mark.parametrize("share", [True, False])
def test_where_no_prompt_differs_few_prompts_show_no_equivalence(prompts, share):
    """A twentieth of prompts that lose everything is the margin, and is not seen in 10 prompts in 60% of cases."""
    made = difference(linearise(np.zeros((1, 1, prompts, 1)), np.ones(1)), share=share, width=1.0)
    found = tost(*made.pivots, margin=0.05)
    assert found[0] > 0.05
    many = difference(linearise(np.zeros((1, 1, 400, 1)), np.ones(1)), share=share, width=1.0)
    assert tost(*many.pivots, margin=0.05)[0] < 0.05


def _rare(r, shape, mean):
    """Most prompts alike to the last digit, a few lose everything."""
    return (r.random(shape) < mean).astype(float)


def _nearly(r, shape, mean):
    """All prompts differ by next to nothing, as log-probs do, but for a few."""
    return _rare(r, shape, mean) + 1e-3 * r.standard_normal(shape)


def _skewed(r, shape, mean):
    return r.beta(0.2, 0.2 * (1 - mean) / mean, shape)


def _inflated(r, shape, mean):
    return np.where(r.random(shape) < 0.3, r.beta(0.5, 0.5 * (0.3 - mean) / mean, shape), 0.0)


@pytest.mark.parametrize("draw", [_rare, _nearly, _skewed, _inflated])
@pytest.mark.parametrize("prompts", [3, 10, 34, 100, 313])
def test_a_difference_of_the_margin_is_called_equivalent_in_five_per_cent_at_most(draw, prompts):
    r, sets = np.random.default_rng([prompts]), 4000
    d = draw(r, (sets, 1, prompts, 1), 0.05)
    for share in (False, True) if draw is _rare else (False,):
        made = difference(linearise(d, np.ones(1)), share=share, width=1.0)
        assert (tost(*made.pivots, margin=0.05) < 0.05).mean() <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / sets)
