"""A training run as a path through capability and harm, in every bootstrap draw: what matching and fronts are made of.

Prompts are resampled within each measure, the same ones for all subjects; seeds once for all measures. So every draw is
a joint one of capability, match and harm, and whatever is computed from it carries the uncertainty of all of them.

Shapes: D draws (the first is what was measured), T subjects over seeds, S seeds, K checkpoints of a run, M targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr

from holdfast import rng
from holdfast.analysis.clusters import BASE, ClusterSums, cluster_sums
from holdfast.analysis.metrics import Metric, metrics
from holdfast.analysis.records import Part
from holdfast.stats.bootstrap import combine, resample
from holdfast.stats.intervals import t_quantile, wilson

Array = np.ndarray
DRAWS = 2000


@dataclass(frozen=True)
class Levels:
    """One metric of every subject of one model and task. ``drawn`` [D, T, S]: NaN where nothing was measured;
    ``width``: of the metric's range."""

    who: dict[tuple[str, int], int]  # label and budget (the base model's is 0): its place in T
    seeds: tuple[int, ...]
    drawn: Array
    prompts: int
    width: float = 1.0

    def of(self, label: str, budget: int) -> Array:
        """[D, S]."""
        return self.drawn[:, self.who[label, budget]]


def levels(part: Part, threshold: float, draws: int = DRAWS) -> Levels:
    """The headline metric of what one judge said. ``draws`` + 1 = D."""
    return _levels(part, metrics(part.rows, part.cell["summary"], threshold)[0], draws)


def worst(part: Part, threshold: float, draws: int = DRAWS) -> tuple[Levels, Levels] | None:
    """The same with every missing score at its lowest, and at its highest; None where none is missing."""
    metric = metrics(part.rows, part.cell["summary"], threshold)[0]
    if not np.isnan(metric.values).any():
        return None
    low, high = (_levels(part, metric.filled(end), draws) for end in (False, True))
    return low, high


def _levels(part: Part, metric: Metric, draws: int) -> Levels:
    weights = part.weights
    assert weights is not None, "nothing was asked of what the headline is about"
    width = metric.bounds[1] - metric.bounds[0]
    return drawn(cluster_sums(part.cube, metric), weights, str(part.cell["cell"]), draws, width=width)


def drawn(clusters: ClusterSums, weights: Array, name: str, draws: int = DRAWS, *, width: float = 1.0) -> Levels:
    """``levels`` of cluster sums; what has one ``name`` is drawn alike."""
    t, s, i, g = clusters.sums.shape
    # Each seed by itself: seeds are resampled later, alike for every measure.
    sums, counts = (x.reshape(t * s, 1, i, g) for x in (clusters.sums, clusters.counts))
    first = combine(sums.sum(axis=2), counts.sum(axis=2), weights, np.ones(1))
    random = rng.generator("paths", i, g, name)
    some = resample(sums, counts, weights, draws, random, scheme="prompts") if draws else np.empty((0, t * s))
    both = np.concatenate([first[None], some]).reshape(draws + 1, t, s).astype(float)
    both[:, np.isnan(both[0])] = np.nan
    names = zip(clusters.who["label"], clusters.who["budget"], strict=True)
    return Levels({(str(a), int(b)): k for k, (a, b) in enumerate(names)}, clusters.seeds, both, i, width)


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


# -- one run -----------------------------------------------------------------------------------------------------------


class Run(NamedTuple):
    """One metric of one run at its checkpoints, the base model first. ``at``: place of each on the run's axis."""

    budgets: tuple[int, ...]
    at: Array  # K
    values: Array  # D K


def run(found: Levels, label: str, seed: int) -> Run:
    """The base model and every checkpoint of this run at which the metric was measured."""
    k = found.seeds.index(seed)
    there = {b: found.drawn[:, t, k] for (name, b), t in found.who.items() if name == label}
    first = found.of(BASE, 0)[:, k] if (BASE, 0) in found.who else np.full(len(found.drawn), np.nan)
    points = {0: first} | {b: there[b] for b in sorted(there)}
    points = {b: v for b, v in points.items() if not np.isnan(v[0])}
    values = np.stack(list(points.values()), axis=1) if points else np.empty((len(found.drawn), 0))
    return Run(tuple(points), axis(tuple(points)), values)


def axis(budgets: tuple[int, ...]) -> Array:
    """Where checkpoints lie: 0 for the base model, then nearly log2 of the tokens (in thousands)."""
    return np.log2(1.0 + np.asarray(budgets, dtype=float) / 1000.0)


def smooth(values: Array) -> Array:
    """[..., K]: the nearest curve that never falls (isotonic regression, min–max formula of Barlow et al. 1972).

    Assumes that capability does not fall with training; a dip is read as noise.
    """
    k = values.shape[-1]
    total = np.concatenate([np.zeros((*values.shape[:-1], 1)), values.cumsum(axis=-1)], axis=-1)
    found = np.full(values.shape, -np.inf)
    for start in range(k):
        ends = np.arange(start + 1, k + 1)
        means = (total[..., ends] - total[..., [start]]) / (ends - start)  # of the block from start to each end
        least = np.minimum.accumulate(means[..., ::-1], axis=-1)[..., ::-1]  # over ends at or after each place
        found[..., start:] = np.maximum(found[..., start:], least)
    return found


def reached(run: Run, rising: Array, target: Array) -> Array:
    """[D, M]: where on its axis the never-falling curve ``rising`` [D, K] first is at ``target`` [D, M]; NaN: never."""
    there = rising[:, None, :] >= target[:, :, None] - 1e-9  # D M K
    k = there.argmax(axis=-1)
    before = np.maximum(k - 1, 0)
    high, low = (np.take_along_axis(rising, j, axis=1) for j in (k, before))
    rise = high - low
    share = np.where(rise > 0, (target - low) / np.where(rise > 0, rise, 1.0), 1.0)
    place = run.at[before] + np.clip(share, 0.0, 1.0) * (run.at[k] - run.at[before])
    return np.where(there.any(axis=-1), place, np.nan)


def along(run: Run, where: Array) -> Array:
    """[D, M]: the run's values at places [D, M] of its axis, straight between checkpoints; NaN beyond the last."""
    if len(run.at) == 0:
        return np.full(where.shape, np.nan)
    before, k = around(run, where)
    gap = run.at[k] - run.at[before]
    share = np.where(gap > 0, (where - run.at[before]) / np.where(gap > 0, gap, 1.0), 0.0)
    low, high = (np.take_along_axis(run.values, j, axis=1) for j in (before, k))
    inside = (where >= run.at[0] - 1e-9) & (where <= run.at[-1] + 1e-9)
    return np.where(inside, low + np.clip(share, 0, 1) * (high - low), np.nan)


def around(run: Run, where: Array) -> tuple[Array, Array]:
    """Which checkpoints are the last at or before places [D, M] of the axis and the first at or after them; the same
    one twice at a checkpoint itself."""
    first = np.minimum(np.searchsorted(run.at, np.nan_to_num(where) - 1e-9), len(run.at) - 1)
    there = np.abs(run.at[first] - where) <= 1e-9
    return np.where(there, first, np.maximum(first - 1, 0)), first


class Reads(NamedTuple):
    """A metric of the runs of one label, read at M places each. Between two checkpoints a straight line is a guess:
    whatever the metric does there, it is taken to lie between what it is ``before`` and ``after``, and no closer.

    ``ends``: the budgets of these two; ``rise``: how far apart they are on what places were found by; both as measured.
    ``capability``: the reported one at the same places, where it is asked for.
    """

    place: Array  # D S M, on the axis of tokens
    value: Array  # D S M, on the straight line
    before: Array  # D S M
    after: Array  # D S M
    ends: Array  # 2 S M
    rise: Array  # S M
    capability: Array | None = None

    @property
    def untold(self) -> Array:
        """[S, M]: the place lies between the base model and the run's first checkpoint. What training at all does to a
        model is then all of what is read, so that nothing is told of it."""
        return (self.ends[0] == 0) & (self.ends[1] > 0) & ~np.isnan(self.value[0])


def reads(runs: Sequence[Run], by: Sequence[Run], places: Sequence[Array]) -> Reads:
    """``runs`` at ``places`` [D, M] that were found on ``by``, the same runs' rising curves."""
    found = []
    for one, rising, where in zip(runs, by, places, strict=True):
        value = along(one, where)
        if not len(one.at):
            found.append((value, value, value, np.zeros((2, where.shape[1])), np.full(where.shape[1], np.nan)))
            continue
        two = around(one, where)
        ends = [np.where(np.isnan(value), np.nan, np.take_along_axis(one.values, k, axis=1)) for k in two]
        first = [one.at[k[:1]] for k in two]
        low, high = (along(rising._replace(values=rising.values[:1]), x)[0] for x in first)
        found.append((value, *ends, np.take(one.budgets, np.stack([k[0] for k in two])), high - low))
    *of_draws, rise = zip(*found, strict=True)
    stacked = [np.stack(x, axis=1) for x in (places, *of_draws)]
    return Reads(stacked[0], stacked[1], stacked[2], stacked[3], stacked[4], np.stack(rise))


# -- intervals ---------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """``share``: of the draws that have a value; the others never reached it. ``by_seed``, ``by_seed_df``: variance of
    the mean by the seeds' own values alone, and its degrees of freedom; with one seed those of the draws."""

    value: Array
    low: Array
    high: Array
    p: Array  # that the value is 0
    variance: Array
    df: Array
    share: Array
    by_seed: Array
    by_seed_df: Array


def level(drawn: Array, by_seed: Array, prompts: int, alpha: float = 0.05) -> Found:
    """Wilson's interval on the effective n that the variance is worth: of the draws or, where that is worth less, of
    the seeds' values. Draws that are all alike, as of a rate of 0, are worth one trial a prompt. Arguments as in
    ``difference``; p is NaN."""
    found = _spread(drawn, by_seed, prompts)
    value, some = drawn[0], drawn[0] * (1 - drawn[0])
    variance = np.maximum(*((t_quantile(df, alpha) / ndtri(alpha / 2)) ** 2 * v for v, df in found.accounts))
    known = (found.variance > 1e-9) & (some > 1e-9)
    n = np.where(known, some / np.where(known, np.maximum(variance, found.variance), 1.0), float(prompts))
    low, high = wilson(np.clip(value, 0, 1), n, alpha)
    gone = np.isnan(value)
    low, high = (np.where(gone, np.nan, x) for x in (low, high))
    return Found(value, low, high, np.full(np.shape(value), np.nan), *found)


def difference(
    drawn: Array, by_seed: Array, prompts: int, alpha: float = 0.05, *, width: float = 1.0, fixed: bool = False
) -> Found:
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
    found = _spread(drawn, by_seed, prompts, 2.0 * width**2 / ((prompts + 2.0) * (prompts + 1.0)) if bounded else 0.0)
    if not bounded:
        found = found._replace(variance=np.where(found.variance < 1e-12, np.nan, found.variance))
    if fixed:
        several = ((~np.isnan(by_seed)).sum(axis=0) > 1) & (found.by_seed > 1e-12)
        alone = np.where(several, found.by_seed, np.nan)
        found = found._replace(variance=alone, df=found.by_seed_df, by_seed=alone)
    value = drawn[0]
    half = np.maximum(*(t_quantile(df, alpha) * np.sqrt(np.where(np.isnan(v), np.inf, v)) for v, df in found.accounts))
    with np.errstate(divide="ignore", invalid="ignore"):
        p = np.fmax(*(2 * stdtr(df, -np.abs(value) / np.sqrt(v)) for v, df in found.accounts))
    p = np.where(np.isnan(value) | np.isnan(found.variance), np.nan, p)
    return Found(value, np.maximum(value - half, -width), np.minimum(value + half, width), p, *found)


class _Spread(NamedTuple):
    variance: Array
    df: Array
    share: Array
    by_seed: Array
    by_seed_df: Array

    @property
    def accounts(self) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        return (self.variance, self.df), (self.by_seed, self.by_seed_df)


def _spread(drawn: Array, by_seed: Array, prompts: int, least: float = 0.0) -> _Spread:
    """Variance of the draws that have a value (``least`` or more), its degrees of freedom and their share; and what the
    seeds' values say of it."""
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
    return _Spread(variance, df, n / max(len(some), 1), *alone)
