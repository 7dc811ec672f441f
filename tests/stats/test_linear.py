import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from holdfast.stats.intervals import mean_interval, share_interval, wilson
from holdfast.stats.linear import linearise, spread
from holdfast.stats.paired import difference, sign_flip
from holdfast.stats.pivot import t_quantile

ATTACKS = np.linspace(-0.6, 0.6, 5)


def test_macro_is_the_mean_over_attacks_and_prompts_are_the_clusters():
    y = np.array([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    found = linearise(y[None, None], np.array([0.5, 0.5]))
    assert found.value[0] == pytest.approx((2 / 3 + 1 / 3) / 2)
    prompt_means = np.array([0.5, 1.0, 0.0])
    assert found.pseudo[0, 0] == pytest.approx(prompt_means)
    assert spread(found.pseudo, found.present).variance[0] == pytest.approx(prompt_means.var(ddof=1) / 3)


def test_attacks_weigh_alike_however_many_prompts_of_each_were_scored():
    y = np.array([[1.0, np.nan], [1.0, np.nan], [1.0, 0.0], [1.0, 0.0]])
    found = linearise(y[None, None], np.array([0.5, 0.5]))
    assert found.value[0] == pytest.approx(0.5)
    assert found.present.sum() == 4


def test_traits_of_different_items_are_strata():
    rng = np.random.default_rng(3)
    a, b = rng.random(10), rng.random(14)
    y = np.full((24, 2), np.nan)
    y[:10, 0], y[10:, 1] = a, b
    found = linearise(y[None, None], np.array([0.5, 0.5]))
    by_hand = (a.var() / 10 + b.var() / 14) / 4 * 24 / 23
    assert found.value[0] == pytest.approx((a.mean() + b.mean()) / 2)
    assert spread(found.pseudo, found.present).variance[0] == pytest.approx(by_hand)


def test_an_attack_without_any_score_is_left_out_and_seen():
    y = np.array([[1.0, np.nan], [0.0, np.nan]])
    found = linearise(y[None, None], np.array([0.5, 0.5]))
    assert found.value[0] == pytest.approx(0.5)
    assert found.groups[0].tolist() == [True, False]


def test_two_way_variance_is_that_of_the_crossed_layout_by_hand():
    y = np.array([[0.0, 1.0, 2.0], [2.0, 3.0, 7.0]])  # seeds × prompts
    found = linearise(y[None, :, :, None], np.ones(1))
    seeds, prompts, grand = y.mean(1), y.mean(0), y.mean()
    ms_seed = 3 * ((seeds - grand) ** 2).sum() / 1
    ms_prompt = 2 * ((prompts - grand) ** 2).sum() / 2
    ms_rest = ((y - seeds[:, None] - prompts + grand) ** 2).sum() / 2
    assert spread(found.pseudo, found.present).variance[0] == pytest.approx((ms_seed + ms_prompt - ms_rest) / 6)


def drawn(draws, seeds, prompts, base, *, seed_sd=0.0, effect=0.0, prompt_effects=None, rng):
    """Logistic scores of prompts with effects of their own, under five attacks."""
    prompt_effects = rng.normal(size=(draws, 1, prompts, 1)) * 1.5 if prompt_effects is None else prompt_effects
    x = base + effect + prompt_effects + rng.normal(size=(draws, seeds, 1, 1)) * seed_sd + ATTACKS
    return (rng.random(x.shape) < expit(x)).astype(float), prompt_effects


def truth(base, sd):
    nodes = norm.ppf((np.arange(20_000) + 0.5) / 20_000) * sd
    return np.mean([expit(base + a + nodes).mean() for a in ATTACKS])


@pytest.mark.parametrize(("seeds", "prompts", "base"), [(1, 60, -3.0), (1, 60, -0.5), (1, 24, -1.5), (3, 60, -1.5)])
def test_the_cluster_interval_covers_where_the_independent_one_does_not(seeds, prompts, base):
    rng = np.random.default_rng([seeds, prompts])
    seed_sd = 0.3 if seeds > 1 else 0.0
    y, _ = drawn(1000, seeds, prompts, base, seed_sd=seed_sd, rng=rng)
    aim = truth(base, np.hypot(1.5, seed_sd))
    found = linearise(y, np.full(5, 0.2))
    variance, df = spread(found.pseudo, found.present)
    rare = np.minimum((y > 0).any((1, 3)).sum(-1), (y < 1).any((1, 3)).sum(-1))
    n = np.full(1000, seeds * prompts * 5)
    made = share_interval(found.value, variance, df, n, found.shares, rare)
    low, high = wilson(found.value, n)
    assert np.mean((made.low <= aim) & (aim <= made.high)) >= 0.93
    assert np.mean((low <= aim) & (aim <= high)) < (0.92 if base < -2 else 0.85 if prompts > 24 else 0.9)
    mean = mean_interval(found.value, variance, df, found.present.sum(-1), (0.0, 1.0))
    assert np.mean((mean.low <= aim) & (aim <= mean.high)) >= 0.90


@pytest.mark.parametrize(("seeds", "effect"), [(1, 0.0), (1, 1.0), (3, 0.0), (3, 1.0), (5, 1.0)])
def test_paired_intervals_cover_and_tests_keep_their_level(seeds, effect):
    rng = np.random.default_rng([7, seeds])
    draws, prompts, base, seed_sd = 800, 40, -1.0, 0.3 if seeds > 1 else 0.0
    y, effects = drawn(draws, seeds, prompts, base, seed_sd=seed_sd, rng=rng)
    z, _ = drawn(draws, seeds, prompts, base, seed_sd=seed_sd, effect=effect, prompt_effects=effects, rng=rng)
    aim = truth(base + effect, np.hypot(1.5, seed_sd)) - truth(base, np.hypot(1.5, seed_sd))
    found = linearise(z - y, np.full(5, 0.2))
    made = difference(found, share=True, width=1.0)
    assert np.mean((made.low <= aim) & (aim <= made.high)) >= 0.92
    p = sign_flip(found.raw[:, 0], 999) if seeds == 1 else made.p
    if effect:
        assert np.mean(p < 0.05) > 0.5
    else:
        assert np.mean(p < 0.05) <= 0.08


def test_without_degrees_of_freedom_nothing_is_known():
    assert t_quantile(0, 0.05) == np.inf


def test_mean_squares_that_are_equal_but_for_rounding_give_one_number_of_degrees_of_freedom():
    y = np.random.default_rng(18501).integers(0, 6, size=(3, 12)) / 5
    found = [spread((y - 0.3) * scale, np.ones(12, dtype=bool)) for scale in (0.7, 1.0, 3.0, 5.0)]
    assert {float(one.df) for one in found} == {2.0}  # of seeds, of which less is known
