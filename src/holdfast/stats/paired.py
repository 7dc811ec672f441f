"""Differences between two subjects that answered the same prompts: interval and test.

Sources: Bonett and Price, *J. Educational and Behavioral Statistics* 37 (2012) (paired proportions, two imagined
pairs); Fisher, *The Design of Experiments* (1935), ch. 3 (sign flips); Phipson and Smyth, *Statistical Applications in
Genetics and Molecular Biology* 9 (2010) (a drawn permutation p is never 0).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from holdfast import rng
from holdfast.stats.estimate import Estimate, by_pivots
from holdfast.stats.linear import Linear, spread
from holdfast.stats.pivot import Pivot

Array = np.ndarray
EXACT = 12  # up to so many prompts that differ, all 2^n sign patterns are gone through
DRAWS = 9999
_CHUNK = 1 << 24  # elements of a block of sums


def difference(d: Linear, *, share: bool, width: float, alpha: float = 0.05) -> Estimate:
    """A paired difference: its interval, p, and the one pivot that all its tests go by.

    ``d`` is the linearised difference; ``share``: both sides are shares; ``width``: of the metric's range (inf: none).
    Where few prompts differ, the spread of the differences is itself unknown and the t interval too short: all that is
    bounded therefore gets two imagined prompts, one worse and one better, as Bonett and Price have it for shares. They
    differ by what those that do differ by, and by the whole range so far as too few do to know better (see ``_edge``),
    so that no difference in 3 prompts is no evidence of equality, whatever the metric. A metric without bounds in which
    nothing differs has an unknown variance (NaN).
    """
    pseudo, present, value = d.pseudo, d.present, d.value
    centre, lean = value, np.zeros_like(value)
    m = d.present.sum(axis=-1)
    if share or np.isfinite(width):
        edge = _edge(d, share, width)
        here = present[..., None, :]
        by_seed = np.where(here, pseudo, 0.0).sum(axis=-1, keepdims=True)
        # Shares: the imagined prompts lie around 0 and draw the mean towards it. Other means: around their own value.
        by_seed = by_seed / (m[..., None, None] + 2) if share else by_seed / np.maximum(m[..., None, None], 1)
        ends = np.stack([edge, -edge], axis=-1)[..., None, :] + (0.0 if share else by_seed)
        # Absent prompts stay at the mean, which the imagined ones have moved.
        ends = np.broadcast_to(ends, (*pseudo.shape[:-1], 2))
        pseudo = np.concatenate([np.where(here, pseudo, by_seed), ends], axis=-1)
        present = np.concatenate([present, np.ones((*present.shape[:-1], 2), dtype=bool)], axis=-1)
        centre = np.where(np.isnan(value), np.nan, by_seed[..., 0].mean(axis=-1))
        lean = edge / (m + 2)
    variance, df = spread(pseudo, present)
    pivot = Pivot(centre, np.where(variance < 1e-24, np.nan, variance), df, lean)
    return by_pivots(value, (pivot,), alpha, (-width, width))


def _edge(d: Linear, share: bool, width: float) -> Array:
    """By how much an imagined prompt differs: with k prompts that do, by the root mean square of k of their differences
    and one of the whole range.

    Shares: k is the number of prompts that differ, by one response each. Other means, of which every prompt differs a
    little: k is what all differences together come to, in units of the range, and a prompt counts by its difference.
    """
    size = np.abs(d.raw)
    if share:
        k, step = (size > 1e-12).any(axis=-2).sum(axis=-1), np.minimum(d.step, 1.0)
        return np.sqrt((k * step**2 + 1) / (k + 1.0))
    k = size.mean(axis=-2).sum(axis=-1) / width
    return np.sqrt(((size**3).mean(axis=-2).sum(axis=-1) / width + width**2) / (k + 1.0))


def sign_flip(d: Array, draws: int = DRAWS) -> Array:
    """Two-sided p, for each row of ``d`` [rows, prompts], that its mean is 0.

    Were the two subjects alike, either could have given either answer to a prompt: each prompt's difference might as
    well have had the other sign. All patterns of signs where at most ``EXACT`` prompts differ, else ``draws`` of them,
    the same for all rows and on every machine.
    """
    d = np.asarray(d, dtype=float)
    p = np.full(len(d), np.nan)
    moved = np.abs(d) > 1e-12
    counts = moved.sum(axis=1)
    known = ~np.isnan(d).any(axis=1)
    for n in np.unique(counts[known & (counts <= EXACT)]):
        rows = np.flatnonzero(known & (counts == n))
        some = d[rows][moved[rows]].reshape(len(rows), n)
        signs = 1.0 - 2.0 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
        p[rows] = _as_extreme(some, signs) / 2**n
    rows = np.flatnonzero(known & (counts > EXACT))
    if len(rows):
        signs = _signs(-(-d.shape[1] // 64) * 64, draws)[:, : d.shape[1]]
        step = max(1, _CHUNK // draws)
        for at in range(0, len(rows), step):
            some = rows[at : at + step]
            p[some] = (_as_extreme(d[some].astype(np.float32), signs) + 1) / (draws + 1)
    return p


def _as_extreme(d: Array, signs: Array) -> Array:
    """How many patterns give a sum as far from 0 as the one seen. Ties count, whatever the order of summation."""
    sums = np.abs(d @ signs.T)
    slack = 1e-5 * np.abs(d).sum(axis=1)
    return (sums >= (np.abs(d.sum(axis=1)) - slack)[:, None]).sum(axis=1)


@lru_cache(maxsize=8)
def _signs(prompts: int, draws: int) -> Array:
    bits = rng.generator("sign flips", prompts, draws).integers(0, 2, size=(draws, prompts), dtype=np.int8)
    return (1 - 2 * bits).astype(np.float32)
