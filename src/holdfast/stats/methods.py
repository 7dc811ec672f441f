"""The ways in which this package puts an interval on a level or on a paired difference, under one name each.

``design.default_method`` chooses among them. All are vectorised over a batch and take the linearised estimate
(``linear.Linear``). Student's t on the means of seeds treats the prompts as fixed. Sources: ``intervals``, ``paired``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from holdfast.stats.intervals import mean_interval, share_interval, t_quantile
from holdfast.stats.linear import Linear, level_spread, spread
from holdfast.stats.paired import Difference, t_test

Array = np.ndarray


class Found(NamedTuple):
    """An interval and, of a difference, the two-sided p of no difference (NaN: this method tests nothing)."""

    low: Array
    high: Array
    p: Array | float = np.nan


def rare_prompts(y: Array) -> Array:
    """[...]: how many prompts show the rarer outcome, in any seed or group of the scores [..., S, I, G]."""
    some = np.nan_to_num(y, nan=0.0).max(axis=(-1, -3)) > 0
    not_all = np.nan_to_num(y, nan=1.0).min(axis=(-1, -3)) < 1
    return np.minimum(some.sum(axis=-1), not_all.sum(axis=-1))


def cluster_wilson(found: Linear, n: Array | float, alpha: float = 0.05, rare: Array | None = None) -> Found:
    """Wilson on the cluster-effective n, with the two-way variance where there are several seeds: what shares have.

    ``n``: scored answers; ``rare``: from ``rare_prompts``, needed only where answers are missing.
    """
    rare = rare_prompts(found.raw[..., None]) if rare is None else rare
    variance, df = level_spread(found, True)
    made = share_interval(found.value, variance, df, np.asarray(n, dtype=float), found.shares, rare, alpha)
    return Found(made.low, made.high)


def two_way_t(found: Linear, bounds: tuple[float, float] = (-np.inf, np.inf), alpha: float = 0.05) -> Found:
    """t with the two-way variance (seed + prompt - rest) and Satterthwaite's degrees of freedom."""
    variance, df = spread(found.pseudo, found.present)
    made = mean_interval(found.value, variance, df, found.present.sum(axis=-1), bounds, alpha)
    return Found(made.low, made.high, t_test(found.value, variance, df))


def seed_means(found: Linear) -> Difference:
    """Mean of the seeds' means, its variance and degrees of freedom: prompts are fixed, seeds alone replicate.

    One seed: the variance is NaN, for nothing is known of others. ``low`` and ``high``: at 95%.
    """
    by_seed = np.where(found.present[..., None, :], found.pseudo, 0.0).sum(axis=-1) / np.maximum(
        found.present.sum(axis=-1)[..., None], 1
    )
    s = by_seed.shape[-1]
    variance = by_seed.var(axis=-1, ddof=1) / s if s > 1 else np.full(by_seed.shape[:-1], np.nan)
    df = np.full(by_seed.shape[:-1], s - 1.0)
    half = np.where(np.isnan(variance), np.inf, t_quantile(np.maximum(df, 1), 0.05) * np.sqrt(np.nan_to_num(variance)))
    return Difference(found.value - half, found.value + half, found.value, variance, df)


def seed_t(found: Linear, bounds: tuple[float, float] = (-np.inf, np.inf), alpha: float = 0.05) -> Found:
    """Student's t on the seeds' means, of a level or of paired differences."""
    one = seed_means(found)
    centre, variance, df = one.centre, one.variance, one.df
    with np.errstate(invalid="ignore"):
        half = np.where(np.isnan(variance), np.inf, t_quantile(df, alpha) * np.sqrt(variance))
    return Found(
        np.maximum(centre - half, bounds[0]), np.minimum(centre + half, bounds[1]), t_test(centre, variance, df)
    )


def wider(one: Found, other: Found) -> Found:
    """The union of two intervals about the same difference, with the larger p: covers at least as often as either."""
    return Found(np.minimum(one.low, other.low), np.maximum(one.high, other.high), np.fmax(one.p, other.p))
