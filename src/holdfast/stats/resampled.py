"""Intervals and tests from joint draws of prompts, and of seeds as weights; and who is on a front in each of them.

Shapes: D draws (the first is what was measured), S seeds, ``...`` any batch.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.special import ndtri

from holdfast import rng
from holdfast.stats.estimate import Estimate, by_pivots
from holdfast.stats.intervals import wilson
from holdfast.stats.pivot import Pivot, t_quantile

Array = np.ndarray


def seed_weights(seeds: int, draws: int) -> Array:
    """[D, S]: how often each seed is in a draw; once in what was measured. One seed is kept."""
    some = rng.generator("seeds of paths", seeds, draws).multinomial(max(seeds - 1, 1), [1 / seeds] * seeds, size=draws)
    return np.concatenate([np.ones((1, seeds)), some.astype(float)])


def over_seeds(values: Array, weights: Array) -> Array:
    """[D, ...]: mean over the seeds of ``values`` [D, S, ...] that have one; NaN where none of a draw has."""
    known = ~np.isnan(values)
    w = weights.reshape(*weights.shape, *([1] * (values.ndim - 2))) * known
    total = w.sum(axis=1)
    return np.where(total > 0, (w * np.where(known, values, 0.0)).sum(axis=1) / np.where(total > 0, total, 1.0), np.nan)


def level(drawn: Array, by_seed: Array, prompts: int, alpha: float = 0.05) -> Estimate:
    """Wilson's interval on the effective n that the variance is worth: of the draws or, where that is worth less, of
    the seeds' values. Draws that are all alike, as of a rate of 0, are worth one trial a prompt. Arguments as in
    ``difference``; p is NaN."""
    pivots = _pivots(drawn, by_seed, prompts)
    value, some, own = drawn[0], drawn[0] * (1 - drawn[0]), pivots[0].variance
    variance = np.maximum(*((t_quantile(x.df, alpha) / ndtri(alpha / 2)) ** 2 * x.variance for x in pivots))
    known = (own > 1e-9) & (some > 1e-9)
    n = np.where(known, some / np.where(known, np.maximum(variance, own), 1.0), float(prompts))
    low, high = wilson(np.clip(value, 0, 1), n, alpha)
    gone = np.isnan(value)
    low, high = (np.where(gone, np.nan, x) for x in (low, high))
    return Estimate(value, low, high, np.full(np.shape(value), np.nan), pivots)


def difference(
    drawn: Array, by_seed: Array, prompts: int, alpha: float = 0.05, *, width: float = 1.0, fixed: bool = False
) -> Estimate:
    """Of draws [D, ...] whose first is the value; ``by_seed`` [S, ...]: the value of each seed; ``width``: of the
    metric's range (inf: none).

    The bootstrap's standard error times Student's t. Its degrees of freedom are Satterthwaite's: the part of the
    variance that the seeds' own values show has one less than seeds, the rest one less than prompts. With several seeds
    interval and p also hold for t on the seeds' values alone, as everywhere in this library. Where (nearly) no prompt
    differs the bootstrap knows nothing of those that might, so the variance is at least that of two imagined prompts,
    one worse and one better by the whole range, among others that are alike: those of ``paired.difference``, whatever
    the metric, for draws do not tell many prompts that differ a little from a few that differ much. Without bounds,
    where nothing differs, the variance is unknown and p NaN.

    ``fixed``: the prompts are all there are. Then the seeds' values alone count, and of one seed, or several that are
    all alike, nothing is known: the interval is all there can be, and there is no p.
    """
    bounded = np.isfinite(width)
    least = 2.0 * width**2 / ((prompts + 2.0) * (prompts + 1.0)) if bounded else 0.0
    own, seeds = _pivots(drawn, by_seed, prompts, least)
    if not bounded:
        own = own._replace(variance=np.where(own.variance < 1e-12, np.nan, own.variance))
    if fixed:
        several = ((~np.isnan(by_seed)).sum(axis=0) > 1) & (seeds.variance > 1e-12)
        own = seeds = seeds._replace(variance=np.where(several, seeds.variance, np.nan))
    made = by_pivots(drawn[0], (own, seeds), alpha, (-width, width))
    return replace(made, p=np.where(np.isnan(made.value) | np.isnan(own.variance), np.nan, made.p))


def share(drawn: Array) -> Array:
    """Of the draws that have a value; the others never reached it."""
    return (~np.isnan(drawn[1:])).sum(axis=0) / max(len(drawn) - 1, 1)


def _pivots(drawn: Array, by_seed: Array, prompts: int, least: float = 0.0) -> tuple[Pivot, Pivot]:
    """By the variance of the draws that have a value (``least`` or more), and by the seeds' own values alone; with one
    seed by that of the draws again."""
    some = drawn[1:]
    known = ~np.isnan(some)
    n = known.sum(axis=0)
    mean = np.where(known, some, 0.0).sum(axis=0) / np.maximum(n, 1)
    variance = np.maximum((np.where(known, some - mean, 0.0) ** 2).sum(axis=0) / np.maximum(n - 1, 1), least)
    s = (~np.isnan(by_seed)).sum(axis=0)
    centre = np.nansum(by_seed, axis=0) / np.maximum(s, 1)
    between = np.nansum((by_seed - centre) ** 2, axis=0) / np.maximum(s - 1, 1) / np.maximum(s, 1)
    shown = np.where(s > 1, np.minimum(between, variance), 0.0)
    few = shown**2 / np.maximum(s - 1, 1)
    most = max(prompts - 1.0, 1.0)
    seen = variance > 1e-9  # draws in single precision
    parts = few + (variance - shown) ** 2 / most
    df = np.clip(np.where(seen, variance**2 / np.where(seen, parts, 1.0), most), 1.0, most)
    several = s > 1
    alone = np.where(several, between, variance), np.where(several, np.maximum(s - 1.0, 1.0), df)
    return Pivot(drawn[0], variance, df), Pivot(drawn[0], *alone)


# -- the front of capability (higher is better) and harm (lower is) ----------------------------------------------------


def dominates(capability: Array, harm: Array) -> Array:
    """[..., P, P]: whether point i is at least as good as point j on both, and better on one. NaN beats nothing."""
    up = capability[..., :, None] - capability[..., None, :]
    down = harm[..., None, :] - harm[..., :, None]
    slack = 1e-6  # of draws in single precision: two that are equal must not beat one another
    return (up >= -slack) & (down >= -slack) & ((up > slack) | (down > slack))


def on_front(capability: Array, harm: Array) -> Array:
    """[..., P]: whether no other point dominates it. NaN never belongs."""
    return ~dominates(capability, harm).any(axis=-2) & ~np.isnan(capability) & ~np.isnan(harm)
