"""A training run as a path through capability and harm, in every bootstrap draw: what matching and fronts are made of.

Prompts are resampled within each measure, the same ones for all subjects; seeds once for all measures. So every draw is
a joint one of capability, match and harm, and whatever is computed from it carries the uncertainty of all of them.

Shapes: D draws (the first is what was measured), T subjects over seeds, S seeds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from holdfast import rng
from holdfast.analysis.cube import BASE
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

    who: Mapping[tuple[str, int], int]  # label and budget (the base model's is 0): its place in T
    seeds: tuple[int, ...]
    drawn: Array
    prompts: int
    width: float = 1.0

    def of(self, label: str, budget: int) -> Array:
        """[D, S]."""
        return self.drawn[:, self.who[label, budget]]

    def base(self, missing: float = np.nan) -> Array:
        """[D]: of the base model; ``missing`` where it was not measured."""
        return self.of(BASE, 0)[:, 0] if (BASE, 0) in self.who else np.full(len(self.drawn), missing)

    def run(self, label: str, seed: int) -> Curve:
        """The base model and every checkpoint of this run at which the metric was measured."""
        k = self.seeds.index(seed)
        there = {b: self.drawn[:, t, k] for (name, b), t in self.who.items() if name == label}
        points = {0: self.of(BASE, 0)[:, k] if (BASE, 0) in self.who else self.base()}
        points |= {b: there[b] for b in sorted(there)}
        points = {b: v for b, v in points.items() if not np.isnan(v[0])}
        values = np.stack(list(points.values()), axis=1) if points else np.empty((len(self.drawn), 0))
        return Curve(tuple(points), axis(tuple(points)), values)


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
    cube = part.places.cube(metric)
    assert cube.weights is not None, "nothing was asked of what the headline is about"
    every = drawn(cube.values, cube.weights, part.config.id, draws)
    return Levels(cube.at, cube.seeds, every, len(cube.items), metric.bounds[1] - metric.bounds[0])


def drawn(y: Array, weights: Array, name: str, draws: int = DRAWS) -> Array:
    """[D, T, S] of scores ``y`` [T, S, I, G]: prompts are resampled, alike for what has one ``name``. Each seed stays
    by itself, for seeds are resampled later, alike for every measure."""
    t, s, i, g = y.shape
    y = y.reshape(t * s, 1, i, g)
    first = combine(np.nansum(y, axis=2), (~np.isnan(y)).sum(axis=2), weights, np.ones(1))
    random = rng.generator("paths", i, g, name)
    some = resample(y, weights, draws, random, scheme="prompts") if draws else np.empty((0, t * s))
    both = np.concatenate([first[None], some]).reshape(draws + 1, t, s).astype(float)
    both[:, np.isnan(both[0])] = np.nan  # what was not measured is in no draw, whatever prompts are drawn
    return both
