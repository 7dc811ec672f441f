"""Bootstrap of cluster sums: prompts and seeds are resampled, crossed or nested, for all conditions together.

Every condition sees the same draws, so that differences, slopes and any other linear functional of the levels are
paired, and their joint distribution is at hand.

Sources: Owen, *Annals of Applied Statistics* 1 (2007) (the pigeonhole bootstrap of crossed rows and columns; somewhat
too wide where neither has an effect, for it counts the noise of single answers three times); Rao and Wu, *JASA* 83
(1988) (n - 1 of n clusters, which undoes the (n - 1) / n by which resampling understates the variance: a third of it at
three seeds); Davison and Hinkley, *Bootstrap Methods and their Application* (1997).
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Array = np.ndarray
Scheme = Literal["crossed", "nested", "prompts", "seeds"]
_CHUNK = 1 << 21  # prompt weights held at a time


def resample(
    sums: Array,
    counts: Array | None,
    weights: Array,
    draws: int,
    random: np.random.Generator,
    *,
    scheme: Scheme = "crossed",
    less: int = 1,
) -> Array:
    """[draws, T] of sums and counts [T, S, I, G]; ``counts`` None: one score in every place.

    ``crossed``: seeds and prompts independently of one another; ``nested``: prompts anew in every drawn seed, as if
    each seed had been asked others (wrong here, for comparison); ``prompts``, ``seeds``: one of them, the other fixed.
    ``less``: so many clusters fewer than there are make a draw (Rao and Wu: 1; the plain bootstrap: 0). Where there is
    but one cluster it is kept.
    """
    t, s, i, g = sums.shape
    matrix = _by_prompt(sums)
    held = None if counts is None or (counts == 1).all() else _by_prompt(counts)
    # A block of draws is one product of weights and answers, as large as stays in memory; single precision, for what
    # draws differ by is far above 1e-7.
    step = max(1, min(draws, 1000, _CHUNK // max(i, t * s * g // 4)))
    found = np.empty((draws, t), dtype=np.float32)
    for at in range(0, draws, step):
        b = min(step, draws - at)
        u = _counts(random, b, s, less) if scheme != "prompts" else np.ones((b, s), dtype=np.float32)
        if scheme == "nested":
            found[at : at + b] = _nested(matrix, held, weights, u, (t, s, i, g), random, less)
            continue
        v = _counts(random, b, i, less) if scheme != "seeds" else np.ones((b, i), dtype=np.float32)
        top = (v @ matrix).reshape(b, t, s, g)
        bottom = np.float32(v[0].sum()) if held is None else (v @ held).reshape(b, t, s, g)
        found[at : at + b] = _mean(top, bottom, weights, u[:, None, :])
    return found


def _mean(top: Array, bottom: Array | np.float32, weights: Array, seeds: Array) -> Array:
    if np.ndim(bottom):
        return combine(top, np.asarray(bottom), weights, seeds)
    w = (weights / weights.sum()).astype(np.float32)
    by_seed = (top @ w) / bottom
    return (by_seed * seeds).sum(axis=-1) / seeds.sum(axis=-1)


def _nested(
    matrix: Array,
    held: Array | None,
    weights: Array,
    u: Array,
    shape: tuple[int, int, int, int],
    random: np.random.Generator,
    less: int,
) -> Array:
    """Every slot of a draw holds a seed with prompts of its own: only that seed's columns are multiplied."""
    t, s, i, g = shape
    b = len(u)
    total, w = np.zeros((b, t), dtype=np.float32), np.asarray(weights)
    slots = np.repeat(np.tile(np.arange(s), b), u.astype(int).ravel()).reshape(b, -1)  # draw × slot: its seed
    tops = matrix.reshape(i, t, s, g)
    bottoms = None if held is None else held.reshape(i, t, s, g)
    for slot in slots.T:
        v = _counts(random, b, i, less)
        for seed in np.unique(slot):
            rows = slot == seed
            top = (v[rows] @ tops[:, :, seed].reshape(i, -1)).reshape(-1, t, 1, g)
            below: Array | np.float32 = np.float32(v[0].sum())
            if bottoms is not None:
                below = (v[rows] @ bottoms[:, :, seed].reshape(i, -1)).reshape(-1, t, 1, g)
            total[rows] += _mean(top, below, w, np.ones(1, dtype=np.float32))
    return total / slots.shape[1]


def _by_prompt(x: Array) -> Array:
    """[T, S, I, G] as [I, T·S·G]."""
    return np.ascontiguousarray(np.moveaxis(x, 2, 0).reshape(x.shape[2], -1), dtype=np.float32)


def _counts(random: np.random.Generator, draws: int, n: int, less: int) -> Array:
    """[draws, n]: how often each of n clusters was drawn, n - less of them with replacement."""
    size = max(n - less, 1)
    drawn = random.integers(0, n, size=(draws, size), dtype=np.int32)
    drawn += np.arange(draws, dtype=np.int32)[:, None] * n  # numbers of its own: one bincount for all draws
    return np.bincount(drawn.ravel(), minlength=draws * n).reshape(draws, n).astype(np.float32)


def combine(sums: Array, counts: Array, weights: Array, seeds: Array) -> Array:
    """Weighted mean over groups of sums / counts [..., S, G], then over seeds by their weights [..., S]."""
    seen = counts > 0
    w = np.where(seen, weights, 0.0)
    total = w.sum(axis=-1)
    by_seed = (w * sums / np.where(seen, counts, 1.0)).sum(axis=-1) / np.where(total > 0, total, 1.0)
    u = np.where(total > 0, seeds, 0.0)  # a seed without any group of weight is left out, not taken for 0
    n = u.sum(axis=-1)
    return np.where(n > 0, (u * by_seed).sum(axis=-1) / np.where(n > 0, n, 1.0), np.nan)


def percentile(drawn: Array, alpha: float = 0.05) -> tuple[Array, Array]:
    """Efron's percentile interval, of draws on the first axis."""
    low, high = np.nanquantile(drawn, [alpha / 2, 1 - alpha / 2], axis=0)
    return low, high
