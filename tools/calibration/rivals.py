"""Intervals and tests that this package does not use, beside which its own are shown to cover.

Sources: Newcombe, *Statistics in Medicine* 17 (1998) (independent proportions); McNemar, *Psychometrika* 12 (1947).
"""

from __future__ import annotations

import numpy as np
from scipy.special import bdtr

from holdfast.stats.bootstrap import times_drawn
from holdfast.stats.estimate import Estimate
from holdfast.stats.intervals import wilson
from holdfast.stats.linear import Linear
from holdfast.stats.paired import difference
from holdfast.stats.pivot import t_quantile

Array = np.ndarray


def independent_wilson(value: Array, n: Array | float, alpha: float = 0.05) -> Estimate:
    """As if all ``n`` answers were independent. Wrong wherever prompts or seeds have an effect: for comparison."""
    return Estimate(value, *wilson(value, n, alpha))


def newcombe(a: Array, b: Array, n: Array | float, alpha: float = 0.05) -> Estimate:
    """a - b of two shares of ``n`` independent answers each, neither paired nor clustered: for comparison."""
    (low_a, high_a), (low_b, high_b) = wilson(a, n, alpha), wilson(b, n, alpha)
    low = a - b - np.sqrt((a - low_a) ** 2 + (high_b - b) ** 2)
    high = a - b + np.sqrt((high_a - a) ** 2 + (b - low_b) ** 2)
    return Estimate(a - b, low, high)


def bonett_price(found: Linear, alpha: float = 0.05) -> Estimate:
    """Two-way t with two imagined prompts: what paired differences of shares have (``paired.difference``)."""
    return difference(found, share=True, width=1.0, alpha=alpha)


def t_interval(value: Array, drawn: Array, df: Array | float, alpha: float = 0.05) -> tuple[Array, Array]:
    """The bootstrap's standard error times Student's t. ``df``: ``linear.spread`` says it; with few seeds the
    percentiles of a bootstrap know nothing of the uncertainty of its own variance, this does."""
    half = t_quantile(df, alpha) * np.nanstd(drawn, axis=0, ddof=1)
    return value - half, value + half


def nested(pseudo: Array, draws: int, random: np.random.Generator) -> Array:
    """[draws, T] of complete pseudo-values [T, S, I]: a plain bootstrap with prompts anew in every drawn seed, as if
    each seed had been asked others. Wrong here: for comparison."""
    t, s, i = pseudo.shape
    found = np.zeros((draws, t), dtype=np.float32)
    step = max(1, min(draws, 1000, (1 << 21) // max(i, t * s // 4)))  # draws at a time, as in ``bootstrap.resample``
    for at in range(0, draws, step):
        b = min(step, draws - at)
        often = times_drawn(random, b, s, 0).astype(int)
        for slot in np.repeat(np.tile(np.arange(s), b), often.ravel()).reshape(b, -1).T:  # each draw's seed in it
            v = times_drawn(random, b, i, 0)
            for seed in np.unique(slot):
                rows = np.flatnonzero(slot == seed)
                found[at + rows] += v[rows] @ pseudo[:, seed].T.astype(np.float32) / i
    return found / s


def mcnemar(b: Array, c: Array) -> Array:
    """Exact two-sided p of McNemar's test: ``b`` pairs in which only the first succeeded, ``c`` only the second.

    Its pairs must be independent: one seed, one answer to a prompt. 1 where no pair differs.
    """
    b, c = np.asarray(b), np.asarray(c)
    n = b + c
    return np.where(n > 0, np.minimum(2 * bdtr(np.minimum(b, c).astype(float), np.maximum(n, 1), 0.5), 1.0), 1.0)
