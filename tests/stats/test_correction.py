"""A rate corrected for the judge's errors: worked by hand, and by simulation unbiased with honest intervals."""

from __future__ import annotations

import numpy as np
import pytest

from holdfast.stats.correction import Errors, error_rates, prediction_powered, rogan_gladen

NAN = float("nan")


def ppi(judged, people, prompts=None, weights=None, seeds=None):
    n = len(judged)
    ones, zeros = np.ones(n), np.zeros(n, dtype=int)
    prompts = np.arange(n) if prompts is None else prompts
    weights, seeds = ones if weights is None else np.asarray(weights), zeros if seeds is None else seeds
    return prediction_powered(np.asarray(judged, float), np.asarray(people, float), prompts, weights, ones, seeds)


def test_the_mean_difference_on_labelled_responses_corrects_the_rate():
    """The judge passes 4 of 8; of 4 labelled, people pass one that the judge did not: 0.5 + 1/4."""
    found = ppi([1, 1, 0, 0, 1, 1, 0, 0], [1, 1, 1, 0, NAN, NAN, NAN, NAN])
    assert found.value == pytest.approx(0.75)
    assert found.effective_n == 4
    assert found.low < 0.75 < found.high


def test_a_label_counts_by_the_inverse_of_its_probability():
    """Rows drawn with probability 1/3 and 1: differences 1 (weight 3) and 0 (weight 1) make 3/4, not 1/2."""
    assert ppi([0, 0, 0, 0], [1, 0, NAN, NAN], weights=[3, 1, 1, 1]).value == pytest.approx(0.75)


def test_with_every_response_labelled_the_corrected_rate_is_the_peoples():
    people = np.array([1, 0, 0, 1, 1, 0, 0, 0.0])
    assert ppi(1 - people, people).value == pytest.approx(3 / 8)


def test_without_labels_there_is_no_corrected_rate():
    assert np.isnan(ppi([1, 0, 1], [NAN] * 3).value)
    assert np.isnan(ppi([1, 0, 1], [1, NAN, NAN]).value)


def test_rogan_gladen_by_hand():
    """A judge of sensitivity 0.9 and specificity 0.8 passes 34%: (0.34 + 0.8 - 1)/0.7 = 0.2."""
    found = rogan_gladen(0.34, 1000, Errors(0.9, 0.8, 500, 500, 1000))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_error_rates_are_weighted_and_a_judge_no_better_than_chance_says_nothing():
    judged, people = np.array([1, 0, 0, 1.0, 1]), np.array([1, 1, 0, 0, NAN])
    found = error_rates(judged, people, np.array([3, 1, 1, 1, 1.0]))
    assert (found.sensitivity, found.specificity) == (0.75, 0.5)
    assert found.n_positive == pytest.approx(16 / 10)
    assert error_rates(judged, np.array([1, 1, NAN, NAN, 1.0]), np.ones(5)) is None
    assert np.isnan(rogan_gladen(0.3, 100, Errors(0.5, 0.5, 50, 50, 100)).value)


@pytest.mark.parametrize(
    ("rate", "sensitivity", "specificity"), [(0.3, 0.8, 0.9), (0.1, 0.6, 0.95), (0.05, 0.95, 0.97)]
)
def test_intervals_cover_and_the_bias_is_gone(rate, sensitivity, specificity):
    """300 studies: 5 responses to each of 100 prompts that differ in how easily they are broken, a judge that errs, and
    150 labels drawn more often where the judge passed a response (stratified; weights in inverse proportion)."""
    rng, hits, values = np.random.default_rng(0), np.zeros(2), []
    prompts = np.repeat(np.arange(100), 5)
    for _ in range(300):
        ease = rng.beta(rate * 4, (1 - rate) * 4, size=100)[prompts]
        truth = (rng.random(500) < ease).astype(float)
        judged = np.where(rng.random(500) < np.where(truth == 1, sensitivity, specificity), truth, 1 - truth)
        people, weights = np.full(500, NAN), np.ones(500)
        for verdict in (0, 1):
            rows = np.flatnonzero(judged == verdict)
            some = rng.permutation(rows)[:75]
            people[some], weights[rows] = truth[some], len(rows) / max(len(some), 1)
        by_labels = ppi(judged, people, prompts, weights)
        errors = error_rates(judged, people, weights)
        by_errors = rogan_gladen(judged.mean(), 200, errors) if errors else by_labels
        for k, found in enumerate((by_labels, by_errors)):
            hits[k] += found.low <= rate <= found.high
        values.append([judged.mean(), by_labels.value, by_errors.value])
    raw, corrected, divided = np.nanmean(values, axis=0) - rate
    assert (hits / 300 >= 0.9).all(), hits / 300
    assert abs(corrected) < 0.012
    assert abs(divided) < 0.03
    assert abs(raw) > 1.3 * abs(corrected)
