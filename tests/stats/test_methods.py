"""Intervals and tests under their names, the rule that chooses among them, many comparisons, equivalence."""

import gc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar as their_mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep
from statsmodels.stats.weightstats import DescrStatsW

from holdfast.stats.equivalence import above, below, tost, verdict
from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import linearise
from holdfast.stats.methods import (
    Design,
    cluster_wilson,
    default_method,
    estimated,
    pivots,
    rare_prompts,
    seed_means,
    seed_t,
    two_way_t,
    warning,
    wider,
)
from holdfast.stats.multiple import correlation, holm, many_to_one
from holdfast.stats.pivot import Pivot
from tools.calibration.answers import balanced
from tools.calibration.rivals import bonett_price, mcnemar, newcombe

y_of = st.integers(0, 10**6).map(lambda s: np.random.default_rng(s).integers(0, 6, size=(3, 12)) / 5)


def made_of(centre, error, df):
    return Pivot(*(np.asarray(float(x)) for x in (centre, error**2, df)))


def _numbers(found):
    return found.value, found.low, found.high, found.p


# -- intervals -------------------------------------------------------------------------------------------------------


def test_t_on_seed_means_is_the_one_sample_t_test():
    y = np.random.default_rng(0).normal(0.3, 1, size=(5, 8))
    found = seed_t(linearise(y[..., None], np.ones(1)))
    theirs = stats.ttest_1samp(y.mean(1), 0)
    low, high = theirs.confidence_interval()
    assert (float(found.low), float(found.high), float(found.p)) == pytest.approx((low, high, theirs.pvalue))


def test_one_seed_gives_no_interval_over_seeds():
    found = seed_t(linearise(np.random.default_rng(1).random((1, 6, 1)), np.ones(1)))
    assert (found.low, found.high) == (-np.inf, np.inf)
    assert np.isnan(found.p)


def test_newcombe_equals_statsmodels():
    theirs = confint_proportions_2indep(15, 60, 5, 60, method="newcomb", compare="diff")
    found = newcombe(np.asarray(15 / 60), np.asarray(5 / 60), 60)
    assert (float(found.low), float(found.high)) == pytest.approx(theirs, abs=1e-9)


@pytest.mark.parametrize(("b", "c"), [(0, 0), (1, 5), (8, 8), (0, 9), (30, 12)])
def test_mcnemar_equals_statsmodels(b, c):
    theirs = their_mcnemar(np.array([[3, b], [c, 4]]), exact=True).pvalue
    assert float(mcnemar(np.array(b), np.array(c))) == pytest.approx(theirs)


@settings(max_examples=30, deadline=None)
@given(y_of, st.randoms(use_true_random=False))
def test_neither_the_order_of_prompts_nor_that_of_seeds_matters(y, random):
    seeds, prompts = list(range(3)), list(range(12))
    random.shuffle(seeds)
    random.shuffle(prompts)
    one, other = (balanced(x - 0.4, 5) for x in (y, y[np.ix_(seeds, prompts)]))
    for method in (two_way_t, seed_t, bonett_price):
        # equal_nan: seeds whose means are all the same have no p by themselves, in any order
        assert np.allclose(_numbers(method(one)), _numbers(method(other)), atol=1e-9, equal_nan=True)
    level, of_others = (_numbers(cluster_wilson(balanced(x, 5), 180))[:3] for x in (y, y[seeds]))
    assert np.allclose(level, of_others)


@settings(max_examples=30, deadline=None)
@given(y_of, st.floats(0.5, 20))
def test_intervals_of_means_scale_with_the_metric(y, scale):
    for method in (two_way_t, seed_t):
        one, other = method(balanced(y - 0.3, 5)), method(balanced((y - 0.3) * scale, 5))
        assert np.allclose([other.low, other.high], [one.low * scale, one.high * scale])
        assert np.allclose(other.p, one.p, equal_nan=True)  # no p where nothing varies


def test_a_seed_that_repeats_another_adds_nothing_to_the_prompts_spread():
    x = np.random.default_rng(2).random((1, 30))
    one, copies = two_way_t(balanced(x, 1)), two_way_t(balanced(np.repeat(x, 4, axis=0), 1))
    assert float(copies.low) == pytest.approx(float(one.low), abs=1e-9)
    assert float(copies.high) == pytest.approx(float(one.high), abs=1e-9)


# -- the rule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("times", [1, 2])
def test_of_several_seeds_the_default_holds_for_the_seeds_alone_too(times):
    y = np.random.default_rng(3).integers(-5, 6, size=(200, 3, 20)) / 5
    y = np.clip(y * 0.3 + np.random.default_rng(4).normal(size=(200, 3, 1)) * 0.2, -1, 1)
    found = balanced(np.repeat(y, times, axis=1), 5)
    default = estimated(found, Design("difference", True, 3 * times, 20))
    own, seeds = bonett_price(found), seed_t(found, (-1.0, 1.0))
    assert np.allclose(default.low, np.minimum(own.low, seeds.low))
    assert np.allclose(default.p, np.maximum(own.p, seeds.p))
    assert (default.high > own.high + 1e-9).any() or times > 1
    assert (default.high > seeds.high + 1e-9).any()


def test_the_default_interval_and_p_agree():
    y = np.random.default_rng(5).normal(0.1, 0.3, size=(300, 3, 25)).clip(-1, 1)
    found = estimated(balanced(y, 5), Design("difference", False, 3, 25))
    assert (((found.low > 0) | (found.high < 0)) == (found.p < 0.05)).all()


def _lows_and_highs(seeds: int, prompts: int, attacks: int, failing) -> tuple[np.ndarray, np.ndarray]:
    """Of a level where one answer after another fails: all succeed first."""
    y, each = np.ones((seeds, prompts, attacks)), []
    for f in range(14):
        each.append(y.copy())
        y[failing(f)] = 0
    y = np.array(each)
    found = linearise(y, np.full(attacks, 1 / attacks))
    design = Design("level", True, seeds, prompts)
    made = estimated(found, design, n=np.full(len(y), y[0].size), rare=rare_prompts(y))
    return made.low, made.high


@pytest.mark.parametrize(
    ("seeds", "prompts", "attacks", "failing"),
    [
        (1, 90, 5, lambda f: (0, f, f % 5)),
        (1, 450, 1, lambda f: (0, f, 0)),
        (3, 150, 1, lambda f: (f % 3, f, 0)),
        (3, 30, 5, lambda f: (0, f, 0)),
    ],
)
def test_one_failure_more_never_raises_the_lower_end_of_a_level(seeds, prompts, attacks, failing):
    low, high = _lows_and_highs(seeds, prompts, attacks, failing)
    assert (np.diff(low) <= 1e-9).all()
    assert (low[0] - low[1:4] < 0.02).all()  # nor does the first make it fall off: 450, 449, … of 450
    if seeds == 1:
        assert (np.diff(high) <= 1e-9).all()


def test_of_a_bounded_mean_too_a_score_below_the_bound_does_not_raise_the_lower_end():
    ones = np.ones((1, 20))
    below = ones.copy()
    below[0, 0] = 0.9
    all_on_it, one_below = (estimated(balanced(y, 1), Design("level", False, 1, 20)) for y in (ones, below))
    assert float(one_below.low) <= float(all_on_it.low) < 0.9


def test_levels_of_shares_and_means_have_defaults_within_their_bounds():
    y = (np.random.default_rng(6).random((3, 30)) < 0.05).astype(float)
    for share in (True, False):
        found = estimated(balanced(y, 1), Design("level", share, 3, 30), n=90)
        assert 0 <= found.low <= y.mean() <= found.high <= 1


def test_the_union_of_two_intervals_keeps_the_p_that_is_known():
    both = wider(Estimate(0.2, 0.0, 1.0), Estimate(0.2, -1.0, 0.5, 0.3))
    assert (both.low, both.high, both.p) == (-1.0, 1.0, 0.3)


@pytest.mark.parametrize(
    ("design", "says"),
    [
        (Design("difference", True, 1, 60), "One seed"),
        (Design("level", True, 2, 60), "Two seeds"),
        (Design("level", True, 5, 8), "Fewer than 24 prompts"),
        (Design("difference", True, 3, 313), "Fewer than 6 seeds"),
        (Design("level", False, 0, 60), ""),
    ],
)
def test_designs_with_few_seeds_or_prompts_carry_a_warning(design, says):
    said = warning(design)
    assert says in said if says else not said


def test_the_method_of_a_design_has_a_name():
    names = {
        default_method(Design(k, s, n, 60)) for k in ("level", "difference") for s in (True, False) for n in (1, 3)
    }
    assert len(names) == 8
    assert default_method(Design("level", True, 0, 60)) == default_method(Design("level", True, 1, 60))


@pytest.fixture
def no_collection(monkeypatch):
    """statsmodels collects garbage at every call, which takes a tenth of a second where much is in memory."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


# -- many ------------------------------------------------------------------------------------------------------------


@given(st.lists(st.tuples(st.floats(1e-6, 1) | st.just(0.01) | st.just(np.nan), st.integers(-1, 3)), max_size=30))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_holm_equals_statsmodels_within_each_family(no_collection, tests):
    p, family = np.array([p for p, _ in tests], dtype=float), np.array([f for _, f in tests], dtype=int)
    found = holm(p, family)
    for f in np.unique(family[family >= 0]):
        mine = (family == f) & ~np.isnan(p)
        if mine.any():
            assert found[mine] == pytest.approx(multipletests(p[mine], method="holm")[1])
    assert np.isnan(found[np.isnan(p) | (family < 0)]).all()


def test_many_to_one_is_close_to_dunnetts_test():
    r = np.random.default_rng(7)
    control, groups = r.normal(size=12), [r.normal(m, 1, size=12) for m in (0.2, 0.9, 1.2)]
    theirs = stats.dunnett(*groups, control=control, rng=np.random.default_rng(8)).pvalue
    pooled = np.mean([x.var(ddof=1) for x in (control, *groups)])
    t = np.array([(x.mean() - control.mean()) / np.sqrt(pooled / 6) for x in groups])
    p = 2 * stats.t.sf(np.abs(t), 44)
    together = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
    found, each = many_to_one(p, together)
    assert found == pytest.approx(theirs, abs=0.012)
    assert 0.05 / 3 < each < 0.05
    assert many_to_one(np.array([0.03]), np.eye(1))[0] == pytest.approx([0.03], abs=0.004)


def test_independent_comparisons_are_corrected_as_sidak_has_it():
    found, each = many_to_one(np.array([0.01, np.nan, 0.2]), np.eye(3))
    assert found[[0, 2]] == pytest.approx(1 - (1 - np.array([0.01, 0.2])) ** 3, abs=0.01)
    assert np.isnan(found[1])
    assert each == pytest.approx(1 - 0.95 ** (1 / 3), abs=0.001)


def test_contrasts_that_share_a_reference_go_together_by_a_half():
    y = np.random.default_rng(9).normal(size=(4, 40, 400))
    r = correlation(y[1:] - y[0])
    assert r[np.triu_indices(3, 1)] == pytest.approx(np.full(3, 0.5), abs=0.15)
    assert np.diag(r) == pytest.approx(np.ones(3))
    assert correlation(np.zeros((2, 3, 5))).tolist() == np.eye(2).tolist()


# -- equivalence -----------------------------------------------------------------------------------------------------


def test_tost_equals_statsmodels():
    x = np.random.default_rng(10).normal(0.02, 0.1, size=30)
    one = made_of(x.mean(), x.std(ddof=1) / np.sqrt(30), 29)
    theirs = DescrStatsW(x).ttost_mean(-0.05, 0.05)
    assert (float(above(one, -0.05)), float(below(one, 0.05))) == pytest.approx((theirs[1][1], theirs[2][1]))
    assert float(tost(one, margin=0.05)) == pytest.approx(theirs[0])
    assert [float(x) for x in one.ends(0.1)] == pytest.approx(DescrStatsW(x).tconfint_mean(alpha=0.1))


@settings(max_examples=60, deadline=None)
@given(st.floats(-0.3, 0.3), st.floats(0.001, 0.2), st.floats(1, 60), st.floats(0.01, 0.3))
def test_equivalence_is_shown_where_the_90_percent_interval_lies_within_the_margin(centre, error, df, margin):
    one = made_of(centre, error, df)
    p, (low, high) = tost(one, margin=margin), one.ends(0.1)
    if abs(p - 0.05) > 1e-6:
        assert (p < 0.05) == bool(low > -margin and high < margin)
    assert float(above(made_of(-centre, error, df), -margin)) == pytest.approx(float(below(one, margin)))


@pytest.mark.parametrize(
    ("centre", "error", "says"),
    [
        (0.00, 0.01, "equivalent"),
        (0.01, 0.01, "equivalent"),
        (0.03, 0.005, "small but real"),
        (0.20, 0.03, "worse"),
        (-0.20, 0.03, "better"),
        (0.02, 0.05, "inconclusive"),
        (0.06, 0.01, "worse"),
    ],
)
def test_a_difference_gets_one_of_five_verdicts(centre, error, says):
    one = made_of(centre, error, 30)
    assert str(verdict(one, margin=0.05, better="lower")) == says
    swap = {"worse": "better", "better": "worse"}
    assert str(verdict(one, margin=0.05, better="higher")) == swap.get(says, says)


def test_a_verdict_must_hold_for_both_pivots():
    sharp, blunt = made_of(0.0, 0.01, 60), made_of(0.0, 0.01, 2)
    assert tost(sharp, margin=0.025) < 0.05
    assert float(tost(sharp, blunt, margin=0.025)) == float(tost(blunt, margin=0.025)) > 0.05
    assert str(verdict(sharp, blunt, margin=0.025, better="lower")) == "inconclusive"


def test_a_verdict_among_many_is_at_a_level_of_its_own_for_a_difference_and_for_equivalence():
    far, near = made_of(0.2, 0.08, 30), made_of(0.0, 0.025, 30)
    assert [str(verdict(x, margin=0.05, better="lower")) for x in (far, near)] == ["worse", "equivalent"]
    assert [str(verdict(x, margin=0.05, better="lower", tests=5)) for x in (far, near)] == ["inconclusive"] * 2


def test_missing_numbers_are_not_equivalence():
    one = linearise(np.zeros((1, 5, 1)), np.ones(1))
    assert np.isnan(tost(seed_means(one), margin=0.1))
    assert len(pivots(one, Design("difference", True, 1, 5))) == 1


def test_seeds_that_agree_to_the_last_digit_do_not_hide_a_difference():
    y = np.repeat(np.random.default_rng(11).random((1, 40)) * 0.1 + 0.3, 3, axis=0)
    both = pivots(balanced(y, 1), Design("difference", False, 3, 40))
    assert len(both) == 2
    assert str(verdict(*both, margin=0.05, better="lower")) == "worse"
