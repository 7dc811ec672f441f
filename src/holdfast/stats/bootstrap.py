"""Bootstrap of scores: prompts and seeds are the clusters that are resampled, for all conditions together.

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
Scheme = Literal["crossed", "prompts", "seeds"]
_CHUNK = 1 << 21  # prompt weights held at a time


def resample(
    y: Array,
    weights: Array,
    draws: int,
    random: np.random.Generator,
    *,
    scheme: Scheme = "crossed",
    less: int = 1,
) -> Array:
    """[draws, T]: the weighted mean over groups and seeds of scores ``y`` [T, S, I, G], NaN where there is none.

    ``crossed``: seeds and prompts are drawn independently of one another; ``prompts``, ``seeds``: one of them, the
    other fixed. ``less``: so many clusters fewer than there are make a draw (Rao and Wu: 1; the plain bootstrap: 0).
    Where there is but one cluster it is kept.
    """
    t, s, i, g = y.shape
    seen = ~np.isnan(y)
    matrix = _by_prompt(np.where(seen, y, 0.0))
    held = None if seen.all() else _by_prompt(seen)
    # A block of draws is one product of weights and answers, as large as stays in memory; single precision, for what
    # draws differ by is far above 1e-7.
    step = max(1, min(draws, 1000, _CHUNK // max(i, t * s * g // 4)))
    found = np.empty((draws, t), dtype=np.float32)
    for at in range(0, draws, step):
        b = min(step, draws - at)
        u = times_drawn(random, b, s, less) if scheme != "prompts" else np.ones((b, s), dtype=np.float32)
        v = times_drawn(random, b, i, less) if scheme != "seeds" else np.ones((b, i), dtype=np.float32)
        top = (v @ matrix).reshape(b, t, s, g)
        if held is None:  # the same number everywhere
            w = (weights / weights.sum()).astype(np.float32)
            by_seed, seeds = (top @ w) / np.float32(v[0].sum()), u[:, None, :]
            found[at : at + b] = (by_seed * seeds).sum(axis=-1) / seeds.sum(axis=-1)
        else:
            found[at : at + b] = combine(top, (v @ held).reshape(b, t, s, g), weights, u[:, None, :])
    return found


def _by_prompt(x: Array) -> Array:
    """[T, S, I, G] as [I, T·S·G]."""
    return np.ascontiguousarray(np.moveaxis(x, 2, 0).reshape(x.shape[2], -1), dtype=np.float32)


def times_drawn(random: np.random.Generator, draws: int, n: int, less: int) -> Array:
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
