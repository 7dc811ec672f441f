import numpy as np
import pytest
from scipy.stats import t as student
from statsmodels.stats.proportion import proportion_confint

from holdfast.stats.intervals import effective_n, mean_interval, share_interval, wilson
from holdfast.stats.linear import linearise, spread


def interval_of(y, weights=None, alpha=0.05):
    """The share interval of [items, groups] scores of one subject."""
    y = np.asarray(y, dtype=float)[None, None]
    weights = np.ones(y.shape[-1]) / y.shape[-1] if weights is None else weights
    found = linearise(y, weights)
    some, not_all = (y > 0).any(axis=(1, 3)).sum(-1), (y < 1).any(axis=(1, 3)).sum(-1)
    n = np.array([np.prod(y.shape)])
    variance, df = spread(found.pseudo, found.present)
    made = share_interval(found.value, variance, df, n, found.shares, np.minimum(some, not_all), alpha)
    return found.value[0], *(float(x[0]) for x in (made.low, made.high, made.effective_n))


@pytest.mark.parametrize(("k", "n"), [(0, 20), (1, 20), (7, 30), (20, 20), (150, 300)])
@pytest.mark.parametrize("alpha", [0.05, 0.1])
def test_wilson_equals_statsmodels(k, n, alpha):
    assert np.allclose(wilson(k / n, n, alpha), proportion_confint(k, n, alpha, method="wilson"), atol=1e-12)


@pytest.mark.parametrize("k", [0, 3, 12, 29, 30])
def test_independent_data_give_the_plain_wilson_interval(k):
    y = np.array([[1.0]] * k + [[0.0]] * (30 - k))
    _, low, high, n = interval_of(y)
    assert np.allclose((low, high), proportion_confint(k, 30, method="wilson"), atol=1e-9)
    assert n == pytest.approx(30)


def test_identical_answers_under_five_attacks_are_worth_one_each():
    prompts = np.array([1.0] * 10 + [0.0] * 30)
    one, five = interval_of(prompts[:, None]), interval_of(np.repeat(prompts[:, None], 5, axis=1))
    assert five[3] <= 40
    assert five[1:3] == pytest.approx(one[1:3], abs=0.01)


def test_unrelated_answers_are_worth_nearly_all_of_them():
    y = (np.random.default_rng(0).random((200, 5)) < 0.4).astype(float)
    assert 700 < interval_of(y)[3] <= 1000


def test_no_success_is_worth_no_more_trials_than_prompts():
    value, low, high, n = interval_of(np.zeros((60, 5)))
    assert (value, low, n) == (0.0, 0.0, pytest.approx(60))
    assert high == pytest.approx(proportion_confint(0, 60, method="wilson")[1])
    value, low, high, n = interval_of(np.ones((60, 5)))
    assert (value, high, n) == (1.0, 1.0, pytest.approx(60))


def test_the_interval_does_not_jump_when_the_first_success_comes():
    y = np.zeros((60, 5))
    highs = [interval_of(y)[2]]
    for k in range(4):
        y[k, k] = 1
        highs.append(interval_of(y)[2])
    assert max(highs) < 1.5 * min(highs)


def test_one_prompt_tells_next_to_nothing():
    _, low, high, n = interval_of([[1.0, 1.0, 0.0, 1.0, 1.0]])
    assert n == 1
    assert high - low > 0.7


def test_all_unscored_gives_no_number_and_no_warning():
    value, low, high, _ = interval_of(np.full((4, 2), np.nan))
    assert np.isnan([value, low, high]).all()


def test_a_mean_has_the_t_interval_of_its_prompts():
    x = np.random.default_rng(1).random(25)
    found = linearise(x[None, None, :, None], np.ones(1))
    made = mean_interval(found.value, *spread(found.pseudo, found.present), np.array([25]), (0.0, 1.0))
    half = student.ppf(0.975, 24) * x.std(ddof=1) / 5
    assert float(made.low[0]) == pytest.approx(x.mean() - half)
    assert float(made.high[0]) == pytest.approx(x.mean() + half)


def test_means_at_a_bound_and_of_one_prompt_are_not_certain():
    def of(value, variance, prompts, bounds):
        made = mean_interval(*(np.array([v]) for v in (value, variance, prompts - 1.0, prompts)), bounds)
        return float(made.low[0]), float(made.high[0])

    assert of(0.0, 0.0, 60, (0.0, 1.0)) == pytest.approx((0.0, proportion_confint(0, 60, method="wilson")[1]))
    assert of(1.0, 0.0, 60, (-1.0, 1.0))[0] < 0.95
    assert of(0.3, np.nan, 1, (0.0, 1.0)) == (0.0, 1.0)
    assert of(0.3, np.nan, 1, (-np.inf, np.inf)) == (-np.inf, np.inf)


def test_the_design_effect_counts_for_less_the_fewer_degrees_of_freedom_it_has():
    shares = np.full((1, 10), 0.1)
    few, many = (
        effective_n(np.array([0.5]), np.array([0.01]), np.array([df]), np.array([100]), shares, np.array([9]), 0.05)[0]
        for df in (2.0, 80.0)
    )
    assert few < 0.3 * many
