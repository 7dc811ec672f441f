"""A metric of a training run along its checkpoints: in every draw, where it first is at a value and what it is there;
and its slope and area over the budgets.

Shapes: D draws (the first is what was measured), S seeds, K checkpoints of a run, M targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Curve(NamedTuple):
    """One metric of one run at its checkpoints, the base model first. ``at``: place of each on the run's axis."""

    budgets: tuple[int, ...]
    at: Array  # K
    values: Array  # D K


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


def reached(run: Curve, rising: Array, target: Array) -> Array:
    """[D, M]: where on its axis the never-falling curve ``rising`` [D, K] first is at ``target`` [D, M]; NaN: never."""
    there = rising[:, None, :] >= target[:, :, None] - 1e-9  # D M K
    k = there.argmax(axis=-1)  # the first; 0 where there is none, which the last line sees to
    before = np.maximum(k - 1, 0)
    high, low = (np.take_along_axis(rising, j, axis=1) for j in (k, before))
    rise = high - low
    share = np.where(rise > 0, (target - low) / np.where(rise > 0, rise, 1.0), 1.0)
    place = run.at[before] + np.clip(share, 0.0, 1.0) * (run.at[k] - run.at[before])
    return np.where(there.any(axis=-1), place, np.nan)


def along(run: Curve, where: Array) -> Array:
    """[D, M]: the run's values at places [D, M] of its axis, straight between checkpoints; NaN beyond the last."""
    if len(run.at) == 0:
        return np.full(where.shape, np.nan)
    before, k = around(run, where)
    gap = run.at[k] - run.at[before]
    share = np.where(gap > 0, (where - run.at[before]) / np.where(gap > 0, gap, 1.0), 0.0)
    low, high = (np.take_along_axis(run.values, j, axis=1) for j in (before, k))
    inside = (where >= run.at[0] - 1e-9) & (where <= run.at[-1] + 1e-9)
    return np.where(inside, low + np.clip(share, 0, 1) * (high - low), np.nan)


def around(run: Curve, where: Array) -> tuple[Array, Array]:
    """Which checkpoints are the last at or before places [D, M] of the axis and the first at or after them; the same
    one twice at a checkpoint itself."""
    # A place that was found on another curve's axis is at a checkpoint but for rounding, or between two.
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


def reads(runs: Sequence[Curve], by: Sequence[Curve], places: Sequence[Array]) -> Reads:
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


# -- along the budgets -------------------------------------------------------------------------------------------------

# A slope and an area are weighted sums over budgets of the same prompt's scores under the same seed. Taken there
# (``over_budgets``), a slope is one number a seed and prompt, and every interval and test of a paired difference holds
# for it (Frison and Pocock, *Statistics in Medicine* 11 (1992), on summary measures of repeated ones).


def slope_weights(budgets: Sequence[float]) -> Array:
    """[K]: the least-squares slope over log2 budget as a weighted sum of the values at the budgets."""
    x = np.log2(_checked(budgets))
    centred = x - x.mean()
    return centred / (centred**2).sum()


def area_weights(budgets: Sequence[float]) -> Array:
    """[K]: the mean height of the curve over log budget (trapezoids), in the values' own unit; they sum to 1."""
    x = np.log2(_checked(budgets))
    gaps = np.diff(x)
    w = np.zeros(len(x))
    w[:-1] += gaps / 2
    w[1:] += gaps / 2
    return w / gaps.sum()


def over_budgets(y: Array, weights: Array) -> Array:
    """``y`` [K, ...] (seeds, prompts, groups) summed over budgets. A prompt without a score at a budget that has weight
    has none here (NaN)."""
    used = weights != 0
    return np.tensordot(weights[used], y[used], axes=1)


def _checked(budgets: Sequence[float]) -> Array:
    found = np.asarray(budgets, dtype=float)
    assert len(found) == len(np.unique(found)) > 1, "a trend needs two different budgets or more"
    assert (found > 0).all(), "a budget is positive"
    return found
