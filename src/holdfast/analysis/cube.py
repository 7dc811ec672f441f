"""The scores of one eval config and judge as a cube: condition × seed × prompt × group.

A study of 100 subjects × 10,000 records is a million rows of text and judgements, and a few megabytes of scores.
Prompts and seeds are the clusters that are resampled, so nothing finer is ever needed. Estimates are contrasts of cubes
(``ladder``, ``estimates``), or made from joint draws of them (``paths``).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import SUBJECT, plain
from holdfast.analysis.metrics import Metric, metrics
from holdfast.evals.measures.measure import Summary

Array = np.ndarray
BASE = "base"


@dataclass(frozen=True)
class Cube:
    """One metric of every condition.

    ``who``: a row for each condition (T: all columns of ``Places.answerers`` but the seed); ``values`` [T, S, I, G]:
    NaN where nothing was scored. A prompt counts once in each group, as the mean over its samples, whatever their
    number. The base model has no seeds: it stands under every seed with the same answers, so that contrasts with it are
    paired by seed. ``weights`` [G]: of the macro mean; None where nothing was asked of what it is about.
    """

    metric: Metric
    who: pd.DataFrame
    seeds: tuple[int, ...]
    items: tuple[str, ...]
    groups: tuple[str, ...]
    values: Array
    weights: Array | None

    @cached_property
    def at(self) -> dict[tuple[str, int], int]:
        """Label and budget (the base model's is 0): place in T. Of one model, task and format."""
        names = zip(self.who["label"], self.who["budget"], strict=True)
        return {(str(label), int(budget)): k for k, (label, budget) in enumerate(names)}


@dataclass(frozen=True)
class Places:
    """Where each row of a judge's records belongs. ``answerers``: a subject under a format, one row each. ``groups``:
    attacks, or values of an item's field."""

    answerers: pd.DataFrame
    items: tuple[str, ...]
    groups: tuple[str, ...]
    at: Array  # of each row of the frame: its place in the flattened array
    summary: Summary

    @property
    def shape(self) -> tuple[int, int, int]:
        return len(self.answerers), len(self.items), len(self.groups)

    @cached_property
    def samples(self) -> int:
        """Responses to one prompt under one attack by one subject."""
        return int(np.bincount(self.at).max())

    @cached_property
    def conditions(self) -> dict[str, Array]:
        """Condition: its weights over the groups. ``macro`` is the headline.

        It is the plain mean of the groups that the measure names, or of all rows together if it names none. Beside it
        every group is a condition of its own, unless there is but one.
        """
        named = self.summary.macro_over
        over = np.isin(self.groups, list(named)) if named else np.ones(len(self.groups), dtype=bool)
        weights = over.astype(float)
        if not named:  # all rows together: a group weighs as many items as it has
            _, items, groups = np.unravel_index(np.unique(self.at), self.shape)
            pairs = np.unique(np.stack([items, groups]), axis=1)
            weights = np.bincount(pairs[1], minlength=len(self.groups)).astype(float)
        found = {"macro": weights / weights.sum()} if over.any() else {}
        if len(self.groups) == 1 and found:
            return found
        return found | {name: (np.arange(len(self.groups)) == k).astype(float) for k, name in enumerate(self.groups)}

    def values(self, metric: Metric) -> Array:
        """[A, I, G]: mean over the samples that have a score; NaN where none has."""
        scored = ~np.isnan(metric.values) & self._about(metric)
        sums = self._sum(np.where(scored, metric.values, 0.0))
        n = self._sum(scored)
        with np.errstate(invalid="ignore"):
            return np.where(n > 0, sums / np.maximum(n, 1), np.nan)

    def cube(self, metric: Metric) -> Cube:
        y = self.values(metric)  # A I G
        columns = [c for c in self.answerers.columns if c != "seed"]
        who = self.answerers.groupby(columns, sort=True, dropna=False)
        at, conditions = who.ngroup().to_numpy(), who.size().reset_index()[columns]
        trained = (self.answerers["label"] != BASE).to_numpy()
        seed = self.answerers["seed"].to_numpy()
        seeds = np.unique(seed[trained]) if trained.any() else np.array([-1])
        values = np.full((len(conditions), len(seeds), *y.shape[1:]), np.nan)
        values[at[~trained]] = y[~trained, None]
        values[at[trained], np.searchsorted(seeds, seed[trained])] = y[trained]
        named = tuple(int(s) for s in seeds)
        return Cube(metric, conditions, named, self.items, self.groups, values, self.conditions.get("macro"))

    def counts(self, metric: Metric) -> tuple[Array, Array]:
        """[A, G] records that the metric is about, and those of them without a score."""
        about = self._about(metric)
        gone = about & np.isnan(metric.values)
        return self._sum(about).sum(axis=1).astype(int), self._sum(gone).sum(axis=1).astype(int)

    def _about(self, metric: Metric) -> Array:
        return np.ones(len(self.at), dtype=bool) if metric.applies is None else metric.applies

    def _sum(self, weights: Array) -> Array:
        return np.bincount(self.at, weights=weights, minlength=int(np.prod(self.shape))).reshape(self.shape)


def places_of(rows: pd.DataFrame, summary: Summary) -> Places:
    """``summary.by`` names what groups the rows: ``attack``, a field of the items, or nothing."""
    column = summary.by if summary.by == "attack" else f"f_{summary.by}"
    group = _filled(rows[column]) if column in rows else pd.Series("all", index=rows.index)
    who = rows.groupby([*SUBJECT, "format"], sort=True, dropna=False, observed=True)
    answerers = plain(who.size().reset_index()[[*SUBJECT, "format"]])
    item, items = pd.factorize(rows["item"], sort=True)
    place, groups = pd.factorize(group, sort=True)
    at = (who.ngroup().to_numpy() * len(items) + item) * len(groups) + place
    return Places(answerers, tuple(items), tuple(groups), at, summary)


def _filled(column: pd.Series) -> pd.Series:
    """With "" where nothing stands."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return column.fillna("").astype(str)
    there = column.cat.categories
    return column.cat.set_categories(sorted({"", *there})).fillna("") if column.isna().any() else column


def scored(frame: pd.DataFrame) -> pd.DataFrame:
    """What cubes are made of: who answered what, and its scores. The rest is half of a large study's rows."""
    kept = {*SUBJECT, "format", "item", "attack", "verdict", "score", "coherent"}
    return frame[[c for c in frame.columns if c in kept or c.startswith(("f_", "d_"))]]


def headline_cube(rows: pd.DataFrame, config: ConfigInfo, threshold: float) -> tuple[Places, Cube]:
    """Of a measure's first metric, which estimands, matching and comparisons of studies are about. ``rows``: of one
    eval config and judge, index 0, 1, …; ``threshold``: the study's."""
    places = places_of(rows, config.summary)
    return places, places.cube(metrics(rows, config.summary, threshold)[0])
