"""The ways in which this package puts an interval on a level or on a paired difference, under one name each.

``design.default_method`` chooses among them. All are vectorised over a batch and take the linearised estimate
(``linear.Linear``). Student's t on the means of seeds treats the prompts as fixed. Sources: ``intervals``, ``paired``.
"""

from __future__ import annotations

import numpy as np

from holdfast.stats.estimate import Estimate
from holdfast.stats.intervals import mean_interval, share_interval
from holdfast.stats.linear import Linear, level_spread, spread
from holdfast.stats.pivot import Pivot

Array = np.ndarray


def rare_prompts(y: Array) -> Array:
    """[...]: how many prompts show the rarer outcome, in any seed or group of the scores [..., S, I, G]."""
    some = np.nan_to_num(y, nan=0.0).max(axis=(-1, -3)) > 0
    not_all = np.nan_to_num(y, nan=1.0).min(axis=(-1, -3)) < 1
    return np.minimum(some.sum(axis=-1), not_all.sum(axis=-1))


def cluster_wilson(found: Linear, n: Array | float, alpha: float = 0.05, rare: Array | None = None) -> Estimate:
    """Wilson on the cluster-effective n, with the two-way variance where there are several seeds: what shares have.

    ``n``: scored answers; ``rare``: from ``rare_prompts``, needed only where answers are missing.
    """
    rare = rare_prompts(found.raw[..., None]) if rare is None else rare
    variance, df = level_spread(found, True)
    made = share_interval(found.value, variance, df, np.asarray(n, dtype=float), found.shares, rare, alpha)
    return Estimate(found.value, made.low, made.high)


def two_way_t(found: Linear, bounds: tuple[float, float] = (-np.inf, np.inf), alpha: float = 0.05) -> Estimate:
    """t with the two-way variance (seed + prompt - rest) and Satterthwaite's degrees of freedom."""
    variance, df = spread(found.pseudo, found.present)
    made = mean_interval(found.value, variance, df, found.present.sum(axis=-1), bounds, alpha)
    pivot = Pivot(found.value, variance, df)
    return Estimate(found.value, made.low, made.high, pivot.p(), (pivot,))


def seed_means(found: Linear) -> Pivot:
    """Mean of the seeds' means, its variance and degrees of freedom: prompts are fixed, seeds alone replicate.

    One seed: the variance is NaN, for nothing is known of others.
    """
    by_seed = np.where(found.present[..., None, :], found.pseudo, 0.0).sum(axis=-1) / np.maximum(
        found.present.sum(axis=-1)[..., None], 1
    )
    s = by_seed.shape[-1]
    variance = by_seed.var(axis=-1, ddof=1) / s if s > 1 else np.full(by_seed.shape[:-1], np.nan)
    df = np.full(by_seed.shape[:-1], s - 1.0)
    return Pivot(found.value, variance, df)


def seed_t(found: Linear, bounds: tuple[float, float] = (-np.inf, np.inf), alpha: float = 0.05) -> Estimate:
    """Student's t on the seeds' means, of a level or of paired differences."""
    pivot = seed_means(found)
    low, high = pivot.ends(alpha)
    return Estimate(found.value, np.maximum(low, bounds[0]), np.minimum(high, bounds[1]), pivot.p(), (pivot,))


def wider(one: Estimate, other: Estimate) -> Estimate:
    """The union of two intervals about the same difference, with the larger p: covers at least as often as either."""
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    return Estimate(one.value, low, high, np.fmax(one.p, other.p), one.pivots + other.pivots)
