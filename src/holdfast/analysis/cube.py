"""The scores of one eval config and judge as arrays: who answered × item × group, over samples; then by seed.

A study of 100 subjects × 10,000 records is a million rows of text and judgements, and a few megabytes of cluster sums.
Prompts and seeds are the clusters that are resampled, so nothing finer is ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import SUBJECT
from holdfast.analysis.metrics import Metric, metrics
from holdfast.evals.measures.measure import Summary
from holdfast.stats.bootstrap import combine

Array = np.ndarray
BASE = "base"


@dataclass(frozen=True)
class Cube:
    """``answerers``: a subject under a format, one row each. ``groups``: attacks, or values of an item's field."""

    answerers: pd.DataFrame
    groups: tuple[str, ...]
    shape: tuple[int, int, int]
    at: Array  # of each row of the frame: its place in the flattened array

    def values(self, metric: Metric) -> Array:
        """[A, I, G]: mean over the samples that have a score; NaN where none has."""
        scored = ~np.isnan(metric.values) & self._about(metric)
        sums = self._sum(np.where(scored, metric.values, 0.0))
        n = self._sum(scored)
        with np.errstate(invalid="ignore"):
            return np.where(n > 0, sums / np.maximum(n, 1), np.nan)

    def counts(self, metric: Metric) -> tuple[Array, Array]:
        """[A, G] records that the metric is about, and those of them without a score."""
        about = self._about(metric)
        gone = about & np.isnan(metric.values)
        return self._sum(about).sum(axis=1).astype(int), self._sum(gone).sum(axis=1).astype(int)

    def _about(self, metric: Metric) -> Array:
        return np.ones(len(self.at), dtype=bool) if metric.applies is None else metric.applies

    def _sum(self, weights: Array) -> Array:
        return np.bincount(self.at, weights=weights, minlength=int(np.prod(self.shape))).reshape(self.shape)


def cube_of(rows: pd.DataFrame, summary: Summary) -> Cube:
    """``summary['by']`` names what groups the rows: ``attack``, a field of the items, or nothing."""
    by = summary.by
    column = by if by == "attack" else f"f_{by}"
    group = rows[column].fillna("").astype(str) if column in rows else pd.Series("all", index=rows.index)
    who = rows.groupby([*SUBJECT, "format"], sort=True, dropna=False)
    answerer = who.ngroup().to_numpy()
    answerers = who.size().reset_index()[[*SUBJECT, "format"]]
    item, items = pd.factorize(rows["item"], sort=True)
    place, groups = pd.factorize(group, sort=True)
    shape = (len(answerers), len(items), len(groups))
    return Cube(answerers, tuple(groups), shape, (answerer * shape[1] + item) * shape[2] + place)


def conditions(summary: Summary, cube: Cube) -> dict[str, Array]:
    """Condition: its weights over the groups. ``macro`` is the headline.

    It is the plain mean of the groups that the measure names, or of all rows together if it names none. Beside it every
    group is a condition of its own, unless there is but one.
    """
    named = summary.macro_over
    over = np.isin(cube.groups, list(named)) if named else np.ones(len(cube.groups), dtype=bool)
    weights = over.astype(float)
    if not named:  # all rows together: a group weighs as many items as it has
        _, items, groups = np.unravel_index(np.unique(cube.at), cube.shape)
        pairs = np.unique(np.stack([items, groups]), axis=1)
        weights = np.bincount(pairs[1], minlength=len(cube.groups)).astype(float)
    found = {"macro": weights / weights.sum()} if over.any() else {}
    if len(cube.groups) == 1 and found:
        return found
    return found | {name: (np.arange(len(cube.groups)) == k).astype(float) for k, name in enumerate(cube.groups)}


# -- by seed -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClusterSums:
    """``who``: a row for each condition (T: all columns of the grid's answerers but the seed). The base model has no
    seeds: it stands under every seed with the same answers, so that contrasts with it are paired by seed.

    A prompt counts once in each group, as the mean over its samples, whatever their number: the estimand of
    ``linear.linearise``.
    """

    who: pd.DataFrame
    seeds: tuple[int, ...]
    groups: tuple[str, ...]
    sums: Array  # T S I G  the prompt's mean score, 0 where it has none
    counts: Array  # T S I G  1 where it has a score, else 0

    def values(self) -> Array:
        """[T, S, I, G] with NaN where nothing was scored, as ``linearise`` takes it."""
        return np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan)

    def means(self, weights: Array) -> Array:
        """[T]: over seeds, of the weighted mean of group means. ``weights`` [G]; those of groups without a score are
        shared out over the others. NaN: nothing scored."""
        return combine(self.sums.sum(axis=2), self.counts.sum(axis=2), weights, np.ones(len(self.seeds)))


def cluster_sums(cube: Cube, metric: Metric) -> ClusterSums:
    """Of one metric on one eval config and judge; ``cube`` as from ``grid.grid``."""
    y = cube.values(metric)  # A I G
    columns = [c for c in cube.answerers.columns if c != "seed"]
    who = cube.answerers.groupby(columns, sort=True, dropna=False)
    at, conditions = who.ngroup().to_numpy(), who.size().reset_index()[columns]
    trained = (cube.answerers["label"] != BASE).to_numpy()
    seed = cube.answerers["seed"].to_numpy()
    seeds = np.unique(seed[trained]) if trained.any() else np.array([-1])
    filled = np.full((len(conditions), len(seeds), *y.shape[1:]), np.nan)
    filled[at[~trained]] = y[~trained, None]
    filled[at[trained], np.searchsorted(seeds, seed[trained])] = y[trained]
    seen = ~np.isnan(filled)
    named = tuple(int(s) for s in seeds)
    return ClusterSums(conditions, named, cube.groups, np.where(seen, filled, 0.0), seen.astype(float))


@dataclass(frozen=True)
class Headline:
    """A measure's first metric, of the rows of one eval config and judge. ``weights`` [G]: of the macro mean, which is
    what estimands, matching and comparisons of studies are about; None where nothing was asked of what it is about."""

    metric: Metric
    cube: Cube
    sums: ClusterSums
    weights: Array | None


def headline_of(rows: pd.DataFrame, config: ConfigInfo, threshold: float) -> Headline:
    """``rows``: of one judge, index 0, 1, …; ``threshold``: the study's."""
    cube, metric = cube_of(rows, config.summary), metrics(rows, config.summary, threshold)[0]
    return Headline(metric, cube, cluster_sums(cube, metric), conditions(config.summary, cube).get("macro"))
