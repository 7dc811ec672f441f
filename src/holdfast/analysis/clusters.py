"""The answers of a config as sums and counts: who answered × seed × prompt × group. All resampling works on these.

A study of 100 subjects × 10,000 records is a million rows of text and judgements, and a few megabytes of cluster sums.
Prompts and seeds are the clusters that are resampled, so nothing finer is ever needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from holdfast.analysis.grid import Grid
from holdfast.analysis.metrics import Metric
from holdfast.stats.bootstrap import combine

Array = np.ndarray
BASE = "base"


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


def cluster_sums(cube: Grid, metric: Metric) -> ClusterSums:
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
