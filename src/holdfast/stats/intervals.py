"""Intervals of a level: Wilson on the cluster-effective n for shares, t clustered by prompt for other means.

Sources: Wilson, *JASA* 22 (1927); Kish, *Survey Sampling* (1965) (design effect); Korn and Graubard, *Survey
Methodology* 24 (1998) (effective n, its degrees of freedom, never above the nominal n); Franco, Little, Louis and Slud,
*J. Survey Statistics and Methodology* 7 (2019), who compare such intervals and recommend Wilson's.
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from holdfast.stats.estimate import Estimate
from holdfast.stats.pivot import t_quantile

Array = np.ndarray


def wilson(p: Array | float, n: Array | float, alpha: float = 0.05) -> tuple[Array, Array]:
    """Wilson's score interval of a share ``p`` seen in ``n`` independent trials, which need not be a whole number.

    No trials: [0, 1].
    """
    p, n = np.asarray(p, dtype=float), np.asarray(n, dtype=float)
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    centre = (n * p + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (n * p * (1 - p) + z2 / 4)) / (n + z2)
    # At 0 and 1 the formula is exact, its rounding is not.
    return np.where(p <= 0, 0.0, np.maximum(centre - half, 0)), np.where(p >= 1, 1.0, np.minimum(centre + half, 1))


def effective_n(p: Array, variance: Array, df: Array, n: Array, shares: Array, rare: Array, alpha: float) -> Array:
    """How many independent trials the ``n`` responses of some prompts are worth, for the share ``p``.

    The design effect is the variance of the clustered estimate over p(1 - p)/(n - 1), at least 1. Where few prompts
    show the rarer outcome it is itself unknown: with ``rare`` such prompts it is averaged with the largest there can be
    (all responses to a prompt alike), as if that had been seen in one prompt more. So 0 of 60 prompts under five
    attacks is worth 60 trials, not 300. A last factor, (t(n - 1) / t(df))², pays for a variance that was estimated from
    few prompts or seeds.

    ``shares``: each prompt's share of the weight; ``df``: of the variance. One prompt: 1.
    """
    p, n = np.asarray(p, dtype=float), np.asarray(n, dtype=float)
    one_prompt = np.isnan(variance)
    largest = n * (shares**2).sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        seen = np.where(p * (1 - p) > 1e-12, variance * (n - 1) / (p * (1 - p)), largest)
        deff = np.maximum((rare * np.where(one_prompt, largest, seen) + largest) / (rare + 1.0), 1.0)
        few = (t_quantile(n - 1, alpha) / t_quantile(df, alpha)) ** 2
        few = np.where((rare == 0) | (n <= 1), 1.0, np.minimum(few, 1.0))
        return np.where(one_prompt, np.minimum(n, 1.0), n / deff * few)


def share_interval(
    p: Array, variance: Array, df: Array, n: Array, shares: Array, rare: Array, alpha: float = 0.05
) -> Estimate:
    """Wilson's interval on the cluster-effective n. Arguments as in ``effective_n``.

    With the first failures the design effect falls, and n is worth more: but the ends never pass those of no failure
    at all, nor of no success (``_beyond``).
    """
    worth = effective_n(p, variance, df, n, shares, rare, alpha)
    prompts = n / np.maximum(n * (shares**2).sum(axis=-1), 1.0)
    low, high = _beyond(*wilson(p, worth, alpha), prompts, (0.0, 1.0), alpha)
    return Estimate(p, low, high, effective_n=worth)


def _beyond(low: Array, high: Array, prompts: Array, bounds: tuple[float, float], alpha: float) -> tuple[Array, Array]:
    """The ends, drawn out to where they would be were every score on the upper (the lower) bound: one worse score never
    raises the lower end, nor does one better lower the upper one. ``prompts``: what all scores are then worth."""
    least, width = bounds[0], bounds[1] - bounds[0]
    (_, of_none), (of_all, _) = wilson(0.0, prompts, alpha), wilson(1.0, prompts, alpha)
    return np.minimum(low, least + width * of_all), np.maximum(high, least + width * of_none)


def mean_interval(
    value: Array, variance: Array, df: Array, prompts: Array, bounds: tuple[float, float], alpha: float = 0.05
) -> Estimate:
    """t interval of a mean clustered by prompt, cut off at the bounds of the metric (±inf: none).

    Where all or all but a few scores sit on one bound the t interval has next to no width; Wilson's end for that many
    prompts takes its place, for among all variables between two bounds the one that takes only these has the widest
    spread. One prompt: the bounds themselves. ``effective_n`` is the number of prompts.
    """
    value = np.asarray(value, dtype=float)
    low_bound, high_bound = bounds
    with np.errstate(invalid="ignore"):
        half = np.where(np.isnan(variance), np.inf, t_quantile(df, alpha) * np.sqrt(np.maximum(variance, 0)))
        low, high = np.maximum(value - half, low_bound), np.minimum(value + half, high_bound)
    if np.isfinite(bounds).all():
        low, high = _beyond(low, high, np.asarray(prompts, dtype=float), bounds, alpha)
    unknown = np.isnan(value)
    low, high = (np.where(unknown, np.nan, end) for end in (low, high))
    return Estimate(value, low, high, effective_n=np.asarray(prompts, dtype=float))
