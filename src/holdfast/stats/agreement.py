"""How far two judges or more agree: raw agreement, Cohen's κ and Krippendorff's α, with intervals clustered by prompt.

Sources: Cohen, *Educational and Psychological Measurement* 20 (1960); Krippendorff, *Content Analysis* (2004), ch. 11
(nominal α, from the matrix of coincidences); the interval is the percentile bootstrap over prompts (Efron 1979), since
responses to one prompt are judged alike.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

Array = np.ndarray
REPLICATES = 1000


class Agreement(NamedTuple):
    """NaN where it is not defined: nothing to compare, or (κ, α) one verdict throughout."""

    raw: Array
    kappa: Array
    alpha: Array


def agreement(counts: Array) -> Agreement:
    """Of tables [..., 2, 2] of responses by the verdicts of two judges."""
    counts = np.asarray(counts, dtype=float)
    n = counts.sum(axis=(-1, -2))
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = np.trace(counts, axis1=-2, axis2=-1) / n
        chance = (counts.sum(axis=-1) * counts.sum(axis=-2)).sum(axis=-1) / n**2
        kappa = np.where(chance < 1 - 1e-12, (raw - chance) / (1 - chance), np.nan)
        values = counts.sum(axis=-1) + counts.sum(axis=-2)  # how often each verdict was given, by either
        expected = values.prod(axis=-1) * 2 / (2 * n * (2 * n - 1))
        alpha = np.where(expected > 1e-12, 1 - (1 - raw) / expected, np.nan)
    return Agreement(raw, kappa, alpha)


def panel_alpha(verdicts: Array) -> float:
    """Krippendorff's nominal α of several judges, [judges, responses] with NaN; NaN where it is not defined."""
    import krippendorff

    known = verdicts[:, (~np.isnan(verdicts)).sum(axis=0) >= 2]
    if len(np.unique(known[~np.isnan(known)])) < 2:
        return float("nan")
    return float(krippendorff.alpha(reliability_data=known, level_of_measurement="nominal"))


def contingency(a: Array, b: Array, prompts: Array) -> Array:
    """[P, 2, 2]: for each prompt, in the order in which they come, its responses by the two verdicts; those that only
    one judge scored are left out."""
    both = ~(np.isnan(a) | np.isnan(b))
    found, first, codes = np.unique(prompts[both], return_index=True, return_inverse=True)
    place = np.empty(len(found), dtype=int)
    place[np.argsort(first)] = np.arange(len(found))
    at = place[codes] * 4 + a[both].astype(int) * 2 + b[both].astype(int)
    return np.bincount(at, minlength=4 * len(found)).reshape(-1, 2, 2)


def interval(tables: Array, random: np.random.Generator, alpha: float = 0.05) -> tuple[Agreement, Agreement]:
    """Lower and upper ends for ``contingency``'s tables: prompts are resampled. One prompt: NaN."""
    p = len(tables)
    if p < 2:
        return Agreement(*[np.asarray(np.nan)] * 3), Agreement(*[np.asarray(np.nan)] * 3)
    draws = random.multinomial(p, np.full(p, 1 / p), size=REPLICATES)
    drawn = agreement(np.tensordot(draws, tables, axes=1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # undefined in every replicate: NaN, and said as such
        low, high = np.nanquantile(np.stack(drawn), [alpha / 2, 1 - alpha / 2], axis=1)
    return Agreement(*low), Agreement(*high)
