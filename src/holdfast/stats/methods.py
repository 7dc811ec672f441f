"""The ways in which this package puts an interval on a level or on a paired difference, which of them a design gets,
and when no way is good enough.

The rule (``default_method``) is read off the simulations in ``docs/calibration.md``; a slow test holds it to them. All
are vectorised over a batch and take the linearised estimate (``linear.Linear``). Sources: ``intervals``, ``paired``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from holdfast.stats.estimate import Estimate, by_pivots
from holdfast.stats.intervals import mean_interval, share_interval
from holdfast.stats.linear import Linear, level_spread, linearise, spread
from holdfast.stats.paired import difference
from holdfast.stats.pivot import Pivot

Array = np.ndarray
Bounds = tuple[float, float]
FEW_SEEDS = 6  # with fewer, 95% limits of the seeds' variance (by χ²) are a factor of 23 apart, or more
FEW_PROMPTS = 24  # the fewest that were simulated


class Design(NamedTuple):
    """``share``: every score is 0 or 1. ``seeds``: training runs averaged over; 0 for the base model: it has none.
    ``fixed``: the prompts are all there are, so that seeds alone replicate."""

    kind: Literal["level", "difference"]
    share: bool
    seeds: int
    prompts: int
    fixed: bool = False


def default_method(design: Design) -> str:
    """The method's name, as the page gives it."""
    if design.fixed:
        return "t on seed means"
    if design.kind == "level":
        own = "Wilson on the cluster-effective n" if design.share else "t clustered by prompt"
    else:
        own = "paired Bonett–Price" if design.share else "paired t"
    if design.seeds < 2:
        return own if design.kind == "level" else f"{own} by prompt"
    return f"{own}, seeds × prompts, or t on seed means if wider"


def contrast(
    y: Array,
    weights: Array,
    kind: Literal["level", "difference"],
    *,
    share: bool,
    bounds: Bounds = (0.0, 1.0),
    alpha: float = 0.05,
    fixed: bool = False,
    answers: int = 1,
) -> Estimate:
    """Of scores, or of paired differences or any other weighted sum of them, ``y`` [..., S, I, G] with NaN: the mean
    over seeds of the weighted mean over groups (``weights`` [G]), as ``estimated`` has it.

    Every estimand that is linear in scores is made here. ``share``: every score is 0 or 1 (of a difference: on both
    sides); ``answers``: to a prompt in a group, of which a score is the mean.
    """
    found = linearise(y, weights)
    seeds, prompts = y.shape[-3:-1]
    n, rare = ((~np.isnan(y)).sum(axis=(-1, -2, -3)) * answers, rare_prompts(y)) if kind == "level" else (0, None)
    return estimated(found, Design(kind, share, seeds, prompts, fixed), n=n, rare=rare, bounds=bounds, alpha=alpha)


def estimated(
    found: Linear, design: Design, *, n: Array | int = 0, rare: Array | None = None, bounds: Bounds = (0.0, 1.0),
    alpha: float = 0.05,
) -> Estimate:  # fmt: skip
    """A linearised number in the default method of its design; of a difference with the t tests' p of 0.

    ``n``, ``rare``: of a share's level, as in ``cluster_wilson``; ``bounds``: of the metric.
    """
    width = bounds[1] - bounds[0]
    if design.kind == "difference":
        made = by_pivots(found.value, pivots(found, design, width, alpha), alpha, (-width, width))
    else:
        made = cluster_wilson(found, n, alpha, rare) if design.share else two_way_t(found, bounds, alpha)
        if design.seeds > 1:  # it has to hold for the seeds' means, too (``docs/calibration.md``)
            made = wider(made, seed_t(found, bounds, alpha))
        made = replace(made, p=np.nan)
    prompts, method = found.present.sum(axis=-1), default_method(design)
    return replace(made, n_prompts=prompts, n_seeds=design.seeds, method=method, linear=found, limit=width)


def pivots(found: Linear, design: Design, width: float = 1.0, alpha: float = 0.05) -> tuple[Pivot, ...]:
    """What a paired difference is judged by: the two-way pivot and, of several seeds, that of the seeds' means. An
    interval is their union, a p the largest: Satterthwaite's degrees of freedom alone promise too much, with few seeds
    everywhere and far out in the tail, where many comparisons at once are decided, with more of them too.

    Of fixed prompts the seeds alone: where these agree to the last digit, nothing is known of how others might.
    """
    if design.fixed:
        one = seed_means(found)
        return (one._replace(variance=np.where(one.variance < 1e-24, np.nan, one.variance)),)
    own = difference(found, share=design.share, width=width, alpha=alpha)
    return (*own.pivots, seed_means(found)) if design.seeds > 1 else own.pivots


def warning(design: Design) -> str:
    """What must stand beside an interval of this design; "" where by the simulations it covers as it should."""
    if design.fixed and design.seeds < 2:
        return "One seed and fixed prompts: nothing is replicated, so nothing is shown."
    said = []
    if design.seeds == 1:
        said.append(
            "One seed: the interval is about other prompts for this checkpoint, not about another training run."
        )
    if design.seeds == 2:
        said.append("Two seeds: the interval covers, and is several times as wide as with three.")
    if 0 < design.prompts < FEW_PROMPTS:
        said.append(f"Fewer than {FEW_PROMPTS} prompts: how well the interval covers has not been simulated.")
    if not said and 2 < design.seeds < FEW_SEEDS:
        said.append(f"Fewer than {FEW_SEEDS} seeds: their spread is poorly known.")
    return " ".join(said)


# -- one by one --------------------------------------------------------------------------------------------------------


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
    return share_interval(found.value, variance, df, np.asarray(n, dtype=float), found.shares, rare, alpha)


def two_way_t(found: Linear, bounds: Bounds = (-np.inf, np.inf), alpha: float = 0.05) -> Estimate:
    """t with the two-way variance (seed + prompt - rest) and Satterthwaite's degrees of freedom."""
    variance, df = spread(found.pseudo, found.present)
    made = mean_interval(found.value, variance, df, found.present.sum(axis=-1), bounds, alpha)
    pivot = Pivot(found.value, variance, df)
    return replace(made, p=pivot.p(), pivots=(pivot,))


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


def seed_t(found: Linear, bounds: Bounds = (-np.inf, np.inf), alpha: float = 0.05) -> Estimate:
    """Student's t on the seeds' means, of a level or of paired differences."""
    return by_pivots(found.value, (seed_means(found),), alpha, bounds)


def wider(one: Estimate, other: Estimate) -> Estimate:
    """The first with the union of two intervals about the same number, and the larger p: it covers at least as often as
    either."""
    low, high = np.minimum(one.low, other.low), np.maximum(one.high, other.high)
    return replace(one, low=low, high=high, p=np.fmax(one.p, other.p), pivots=one.pivots + other.pivots)
