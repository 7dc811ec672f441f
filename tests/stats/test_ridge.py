"""The classifier on many features and few rows, against scikit-learn's and on rows whose answer is known."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from holdfast.stats import ridge


def rows(n: int = 90, f: int = 12, seed: int = 0):
    random = np.random.default_rng(seed)
    y = random.integers(0, 3, n)
    x = random.normal(size=(n, f)) * np.arange(1, f + 1) + 3.0
    x[:, 0] += 1.5 * (y == 1)
    x[:, 5] -= 8.0 * (y == 2)
    return x, y, np.arange(n) // 3


def test_a_fit_is_the_ridge_of_scaled_features_at_one_of_the_strengths():
    x, y, groups = rows()
    found = ridge.fit(x, y, groups, ((4, 1.0), (8, 2.0)), 3).probabilities(x)
    z = (x - x.mean(0)) / x.std(0) * np.repeat([0.5, 2 / np.sqrt(8)], [4, 8])
    direct = [LogisticRegression(C=c, max_iter=5000, tol=1e-8).fit(z, y).predict_proba(z) for c in ridge.STRENGTHS]
    assert min(np.abs(found - p).max() for p in direct) < 2e-3
    assert np.allclose(found.sum(1), 1)


def test_more_features_than_rows_and_one_that_never_varies_do_no_harm():
    x, y, groups = rows(45)
    wide = np.hstack([x, np.random.default_rng(1).normal(size=(45, 200)), np.ones((45, 1))])
    found = ridge.fit(wide, y, groups, ((12, 1.0), (201, 1.0)), 3)
    assert np.isfinite(found.weight_CF).all()
    assert (found.weight_CF[:, -1] == 0).all()


def test_a_row_is_predicted_by_a_fit_on_other_groups():
    """Each group has a feature of its own that gives its class away, and classes are drawn: unseen, it says nothing."""
    random = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), 3)
    y = np.repeat(random.integers(0, 2, 60), 3)
    x = np.eye(60)[groups]
    apart = ridge.held_out(x, y, np.arange(180), ((60, 1.0),), 2)
    assert (apart.argmax(1) == y).mean() > 0.9  # were a group's rows in two folds
    assert abs((ridge.held_out(x, y, groups, ((60, 1.0),), 2).argmax(1) == y).mean() - 0.5) < 0.2


def test_a_source_is_predicted_by_a_fit_on_the_others():
    """The feature means the opposite in the second source, so that a fit on the first alone is wrong there."""
    random = np.random.default_rng(0)
    y, source = random.integers(0, 2, 120), np.arange(120) % 2
    x = (np.where(source == 0, 1, -1) * (2 * y - 1) + random.normal(size=120) * 0.1)[:, None]
    found = ridge.held_out(x, y, np.arange(120) // 2, ((1, 1.0),), 2, source)
    assert (found.argmax(1) == y).mean() == 0


def test_a_class_without_rows_has_no_probability():
    x, y, groups = rows()
    found = ridge.fit(x, np.minimum(y, 1), groups, ((12, 1.0),), 3).probabilities(x)
    assert found[:, 2].max() < 1e-12
    assert np.isnan(ridge.held_out(x, 0 * y, groups, ((12, 1.0),), 3)).all()
