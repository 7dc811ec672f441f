"""Trends over budgets: slope per doubling of the budget, area under the curve, last budget.

Each is a weighted sum over budgets of the same prompt's scores under the same seed. Taken there (``over_budgets``), a
slope is one number a seed and prompt, and every interval and test of a paired difference holds for it: two-way t,
Student's t on the seeds' slopes, sign flips, equivalence, bootstrap.

Source: Frison and Pocock, *Statistics in Medicine* 11 (1992) (summary measures of repeated ones).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

Array = np.ndarray


def slope_weights(budgets: Sequence[float]) -> Array:
    """[K]: the least-squares slope over log2 budget as a weighted sum of the values at the budgets."""
    x = np.log2(_checked(budgets))
    centred = x - x.mean()
    return centred / (centred**2).sum()


def area_weights(budgets: Sequence[float]) -> Array:
    """[K]: the mean height of the curve over log budget (trapezoids), in the values' own unit; they sum to 1."""
    x = np.log2(_checked(budgets))
    gaps = np.diff(x)
    w = np.zeros(len(x))
    w[:-1] += gaps / 2
    w[1:] += gaps / 2
    return w / gaps.sum()


def last_weights(budgets: Sequence[float]) -> Array:
    """[K]: the largest budget alone."""
    return (np.arange(len(budgets)) == int(np.argmax(_checked(budgets)))).astype(float)


def over_budgets(y: Array, weights: Array) -> Array:
    """``y`` [K, ...] (seeds, prompts, groups) summed over budgets. A prompt without a score at a budget that has weight
    has none here (NaN)."""
    used = weights != 0
    return np.tensordot(weights[used], y[used], axes=1)


def _checked(budgets: Sequence[float]) -> Array:
    found = np.asarray(budgets, dtype=float)
    assert len(found) == len(np.unique(found)) > 1, "a trend needs two different budgets or more"
    assert (found > 0).all(), "a budget is positive"
    return found
