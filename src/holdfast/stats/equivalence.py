"""Equivalence by two one-sided tests, so that "no drift" is a finding and not the lack of one.

Schuirmann, *J. Pharmacokinetics and Biopharmaceutics* 15 (1987); that the test decides as the interval at 1 - 2α does:
Berger and Hsu, *Statistical Science* 11 (1996).
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.special import stdtr

from holdfast.stats.pivot import Pivot, t_test

Array = np.ndarray
EQUIVALENT, WORSE, BETTER, DIFFERS = "equivalent", "worse", "better", "differs"
SMALL = "small but real"  # shown not to be 0, and shown to be less than matters
CANNOT_TELL = "inconclusive"
ONE_SEED = "one seed"  # a difference between two checkpoints, which decides nothing about objectives
VERDICTS = (EQUIVALENT, WORSE, BETTER, DIFFERS, SMALL, CANNOT_TELL, ONE_SEED)


def above(one: Pivot, bound: Array | float) -> Array:
    """One-sided p that the difference is at ``bound`` or below it: small where it is shown to be above."""
    centre, variance, df = (np.asarray(x, dtype=float) for x in (one.centre, one.variance, one.df))
    with np.errstate(invalid="ignore", divide="ignore"):
        t = (centre - one.lean - bound) / np.sqrt(variance)
    return np.where((df > 0) & (variance > 0), stdtr(np.maximum(df, 1e-9), -t), np.where(df > 0, _sure(t), np.nan))


def _sure(t: Array) -> Array:
    """p of seeds that agree to the last digit: it is for the other pivot to doubt them."""
    return np.where(np.isnan(t), np.nan, np.where(t > 0, 0.0, 1.0))


def below(one: Pivot, bound: Array | float) -> Array:
    """Likewise, that it is at ``bound`` or above it: small where it is shown to be below."""
    return above(one._replace(centre=-np.asarray(one.centre)), -np.asarray(bound))


def tost(*made: Pivot, margin: Array | float) -> Array:
    """p of two one-sided t tests of a paired difference against the smallest difference of interest, ``margin`` > 0:
    small where the difference is shown to lie within ±``margin``, as the interval at 1 - 2α does where p < α.

    Several ``made`` are several pivots of the same difference (``methods.pivots``): each must reject, so that p is
    the largest. No variance known, or none in any of them: NaN, for what does not vary says nothing of how it might.
    """
    assert np.all(np.asarray(margin) > 0), "the smallest difference of interest is a positive number"
    known = np.max([np.nan_to_num(np.asarray(one.variance, dtype=float)) for one in made], axis=0) > 0
    each = [test(one, bound) for test, bound in ((above, -np.asarray(margin)), (below, margin)) for one in made]
    return np.where(known, np.max(each, axis=0), np.nan)


def decided(apart: Array, equal: Array, up: Array, better: Array | str) -> Array:
    """The verdict where a difference is shown not to be 0 (``apart``) and shown to be less than matters (``equal``):
    either, both (``small but real``) or neither. ``up``: it is above 0; ``better``: ``lower``, ``higher`` or "", where
    neither way is better. The only place in which verdicts on differences are made."""
    moved = np.where(np.asarray(better) == "", DIFFERS, np.where(up == (np.asarray(better) == "higher"), BETTER, WORSE))
    return np.where(apart & equal, SMALL, np.where(apart, moved, np.where(equal, EQUIVALENT, CANNOT_TELL)))


def verdict(
    *made: Pivot,
    margin: float,
    better: Literal["lower", "higher", ""],
    alpha: float = 0.05,
    tests: int = 1,
    p: Array | None = None,
) -> Array:
    """Of differences that are ``tests`` together, each judged at alpha over their number (Bonferroni), so that no more
    than alpha of such families hold a false difference or a false equivalence: of the two nulls of one difference, 0
    and ±margin, at most one is true. ``p``: of 0, not corrected, where another test than the t tests is to decide."""
    each = alpha / tests
    equal = tost(*made, margin=margin) < each
    p = np.fmax.reduce([t_test(d.centre, d.variance, d.df) for d in made]) if p is None else p
    apart = p < each
    return decided(apart, equal, np.asarray(made[0].centre) > 0, better)
