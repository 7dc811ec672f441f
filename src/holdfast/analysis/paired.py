"""Differences between two subjects that answered the same prompts: interval, test, and correction for many tests.

Sources: Bonett and Price, *J. Educational and Behavioral Statistics* 37 (2012) (paired proportions, two imagined
pairs); Fisher, *The Design of Experiments* (1935), ch. 3 (sign flips); Phipson and Smyth, *Statistical Applications in
Genetics and Molecular Biology* 9 (2010) (a drawn permutation p is never 0); Holm, *Scandinavian J. Statistics* 6
(1979).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import stdtr

from holdfast import rng
from holdfast.analysis.intervals import t_quantile, wilson
from holdfast.analysis.linear import Linear, spread

Array = np.ndarray
EXACT = 12  # up to so many prompts that differ, all 2^n sign patterns are gone through
DRAWS = 9999
_CHUNK = 1 << 24  # elements of a block of sums


class Difference(NamedTuple):
    """``centre`` of the interval, its variance and degrees of freedom: what a t test of the same difference needs."""

    low: Array
    high: Array
    centre: Array
    variance: Array
    df: Array


def difference(d: Linear, *, share: bool, width: float, alpha: float = 0.05) -> Difference:
    """Interval of a paired difference.

    ``d`` is the linearised difference; ``share``: both sides are shares; ``width``: of the metric's range (inf: none).
    Where few prompts differ, the spread of the differences is itself unknown and the t interval too short. Shares
    therefore get two imagined prompts, one worse and one better, as Bonett and Price have it: by one response each, and
    by all of them (under every attack) so far as too few prompts differ to know better, as in ``effective_n``. Where no
    prompt at all differs in another metric, the share of prompts that might is at most Wilson's bound for 0 of m, and
    the difference at most that times the range.
    """
    pseudo, present, value = d.pseudo, d.present, d.value
    centre = value
    if share:
        differ = (np.abs(d.raw) > 1e-12).any(axis=-2).sum(axis=-1)
        edge = np.sqrt((differ * np.minimum(d.step, 1.0) ** 2 + 1) / (differ + 1.0))[..., None, None]
        edge = np.broadcast_to(np.concatenate([edge, -edge], axis=-1), (*pseudo.shape[:-1], 2))
        m = present.sum(axis=-1)[..., None, None]
        here = present[..., None, :]
        by_seed = np.where(here, pseudo, 0.0).sum(axis=-1, keepdims=True) / (m + 2)
        # Absent prompts stay at the mean, which the imagined ones have moved.
        pseudo = np.concatenate([np.where(here, pseudo, by_seed), edge], axis=-1)
        present = np.concatenate([present, np.ones((*present.shape[:-1], 2), dtype=bool)], axis=-1)
        centre = np.where(np.isnan(value), np.nan, by_seed[..., 0].mean(axis=-1))
    variance, df = spread(pseudo, present)
    with np.errstate(invalid="ignore"):
        half = np.where(np.isnan(variance), np.inf, t_quantile(df, alpha) * np.sqrt(np.maximum(variance, 0)))
    if not share and np.isfinite(width):
        same = (np.abs(d.raw) < 1e-12).all(axis=(-1, -2)) & ~np.isnan(value)
        half = np.where(same, width * wilson(0.0, d.present.sum(axis=-1), alpha)[1], half)
    low, high = np.maximum(centre - half, -width), np.minimum(centre + half, width)
    unknown = np.isnan(value)
    return Difference(np.where(unknown, np.nan, low), np.where(unknown, np.nan, high), centre, variance, df)


def t_test(centre: Array, variance: Array, df: Array) -> Array:
    """Two-sided p of a mean of 0. No variance: 1 where the mean is 0, else NaN (nothing to judge it by)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        t = np.abs(centre) / np.sqrt(np.where(variance > 0, variance, np.nan))
        p = 2 * stdtr(np.maximum(df, 1e-9), -t)
    return np.where(np.abs(centre) < 1e-12, 1.0, p)


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


def holm(p: pd.Series, family: pd.Series) -> pd.Series:
    """Holm's step-down correction within each family. Tests without a p take no part.

    Written out for all families at once; equal to ``statsmodels``' by test, which collects garbage at every call.
    """
    known = pd.DataFrame({"p": p, "family": family}).dropna().sort_values("p", kind="stable")
    group = known.groupby("family", sort=False)["p"]
    left = group.transform("size") - group.cumcount()
    corrected = (known["p"] * left).groupby(known["family"], sort=False).cummax().clip(upper=1.0)
    return corrected.reindex(p.index)
