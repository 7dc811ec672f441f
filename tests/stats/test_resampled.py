import numpy as np
import pytest
from scipy import stats

from holdfast.stats import resampled


def test_an_interval_also_holds_for_the_seeds_alone():
    drawn = np.random.default_rng(0).normal(0.1, 0.001, (500, 1))
    seeds = np.array([[0.0], [0.1], [0.2]])
    found = resampled.difference(np.concatenate([[[0.1]], drawn]), seeds, 1000)
    alone = stats.ttest_1samp(seeds[:, 0], 0.0)
    assert found.p[0] == pytest.approx(alone.pvalue)
    assert [found.low[0], found.high[0]] == pytest.approx(list(alone.confidence_interval()))
    one = resampled.difference(np.concatenate([[[0.1]], drawn]), seeds[1:2], 1000)
    assert one.high[0] - one.low[0] < 0.01
    level = resampled.level(np.concatenate([[[0.1]], drawn]), seeds, 1000)
    assert level.high[0] - level.low[0] > 0.3


def test_a_mean_in_which_no_prompt_differs_has_the_spread_of_its_range_and_without_one_none():
    nothing = np.zeros((50, 1))
    found = [resampled.difference(nothing, np.zeros((3, 1)), 98, width=w) for w in (1.0, 2.0, np.inf)]
    assert found[0].pivots[0].variance[0] == pytest.approx(2 / (100 * 99))
    assert found[1].pivots[0].variance[0] == pytest.approx(8 / (100 * 99))
    assert np.isnan(found[2].p[0])
    assert np.isinf(found[2].high[0])
