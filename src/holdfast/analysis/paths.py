"""A training run as a path through capability and harm, in every bootstrap draw: what matching and fronts are made of.

Prompts are resampled within each measure, the same ones for all subjects; seeds once for all measures. So every draw is
a joint one of capability, match and harm, and whatever is computed from it carries the uncertainty of all of them.

Shapes: D draws (the first is what was measured), T subjects over seeds, S seeds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from holdfast import rng
from holdfast.analysis.cube import BASE, ClusterSums, cluster_sums
from holdfast.analysis.metrics import Metric, metrics
from holdfast.analysis.records import JudgedRecords
from holdfast.stats.bootstrap import combine, resample
from holdfast.stats.curves import Curve, axis

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


def levels(part: JudgedRecords, threshold: float, draws: int = DRAWS) -> Levels:
    """The headline metric of what one judge said. ``draws`` + 1 = D."""
    return _levels(part, metrics(part.rows, part.config.summary, threshold)[0], draws)


def worst(part: JudgedRecords, threshold: float, draws: int = DRAWS) -> tuple[Levels, Levels] | None:
    """The same with every missing score at its lowest, and at its highest; None where none is missing."""
    metric = metrics(part.rows, part.config.summary, threshold)[0]
    if not np.isnan(metric.values).any():
        return None
    low, high = (_levels(part, metric.filled(end), draws) for end in (False, True))
    return low, high


def _levels(part: JudgedRecords, metric: Metric, draws: int) -> Levels:
    weights = part.weights
    assert weights is not None, "nothing was asked of what the headline is about"
    width = metric.bounds[1] - metric.bounds[0]
    return drawn(cluster_sums(part.cube, metric), weights, part.config.id, draws, width=width)


def drawn(clusters: ClusterSums, weights: Array, name: str, draws: int = DRAWS, *, width: float = 1.0) -> Levels:
    """``levels`` of cluster sums; what has one ``name`` is drawn alike."""
    t, s, i, g = clusters.sums.shape
    # Each seed by itself: seeds are resampled later, alike for every measure.
    sums, counts = (x.reshape(t * s, 1, i, g) for x in (clusters.sums, clusters.counts))
    first = combine(sums.sum(axis=2), counts.sum(axis=2), weights, np.ones(1))
    random = rng.generator("paths", i, g, name)
    some = resample(sums, counts, weights, draws, random, scheme="prompts") if draws else np.empty((0, t * s))
    both = np.concatenate([first[None], some]).reshape(draws + 1, t, s).astype(float)
    both[:, np.isnan(both[0])] = np.nan  # what was not measured is in no draw, whatever prompts are drawn
    names = zip(clusters.who["label"], clusters.who["budget"], strict=True)
    return Levels({(str(a), int(b)): k for k, (a, b) in enumerate(names)}, clusters.seeds, both, i, width)


def run(found: Levels, label: str, seed: int) -> Curve:
    """The base model and every checkpoint of this run at which the metric was measured."""
    k = found.seeds.index(seed)
    there = {b: found.drawn[:, t, k] for (name, b), t in found.who.items() if name == label}
    first = found.of(BASE, 0)[:, k] if (BASE, 0) in found.who else np.full(len(found.drawn), np.nan)
    points = {0: first} | {b: there[b] for b in sorted(there)}
    points = {b: v for b, v in points.items() if not np.isnan(v[0])}
    values = np.stack(list(points.values()), axis=1) if points else np.empty((len(found.drawn), 0))
    return Curve(tuple(points), axis(tuple(points)), values)
