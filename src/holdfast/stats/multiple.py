"""Many comparisons at once: Holm's correction, and every objective against one reference.

Sources: Holm, *Scandinavian J. Statistics* 6 (1979); Dunnett, *JASA* 50 (1955) (many against one); Westfall and Young,
*Resampling-Based Multiple Testing* (1993) (smallest p of jointly distributed tests); Conneely and Boehnke, *American J.
Human Genetics* 81 (2007) (the same by the normal distribution with the tests' correlation).
"""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from holdfast import rng

Array = np.ndarray
DRAWS = 50_000


def holm(p: Array, family: Array) -> Array:
    """Holm's step-down correction of ``p`` [N] within each family. ``family`` [N]: whole numbers; those below 0, and
    tests without a p (NaN), take no part and come out as NaN.

    Written out for all families at once; equal to ``statsmodels``' by test, which collects garbage at every call.
    """
    corrected = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p) & (family >= 0))
    order = known[np.lexsort((p[known], family[known]))]
    of = family[order]
    _, first, size = np.unique(of, return_index=True, return_counts=True)
    left = np.repeat(first + size, size) - np.arange(len(order))
    raised = p[order] * left
    # The running maximum within a family, by ranks, which with the family before them are one rising sequence.
    ascending = np.argsort(raised, kind="stable")
    rank = np.empty(len(order), dtype=np.int64)
    rank[ascending] = np.arange(len(order))
    shift = np.repeat(np.arange(len(first)) * len(order), size)
    corrected[order] = np.minimum(raised[ascending[np.maximum.accumulate(rank + shift) - shift]], 1.0)
    return corrected


def correlation(pseudo: Array) -> Array:
    """[..., K, K]: how the errors of K paired contrasts go together, from their pseudo-values [..., K, S, I].

    All K share the reference, so that they err alike even where nothing differs (about 1/2 each). The covariances of
    seeds' means and of prompts' means are added, as in the two-way variance.
    """
    total = np.zeros((*pseudo.shape[:-2], pseudo.shape[-3]))
    for axis in (-1, -2):
        means = pseudo.mean(axis=axis)  # ... K S, or ... K I
        n = means.shape[-1]
        if n > 1:
            centred = (means - means.mean(axis=-1, keepdims=True)) / n
            total = total + centred @ np.swapaxes(centred, -1, -2)
    sd = np.sqrt(np.diagonal(total, axis1=-2, axis2=-1))
    scale = sd[..., :, None] * sd[..., None, :]
    identity = np.broadcast_to(np.eye(pseudo.shape[-3]), total.shape)
    return np.where(scale > 0, total / np.where(scale > 0, scale, 1.0), identity)


def many_to_one(p: Array, together: Array, alpha: float = 0.05, draws: int = DRAWS) -> tuple[Array, float]:
    """Comparisons of K conditions with one reference: corrected two-sided p [K], and the level at which each interval
    must stand so that all K cover together with probability 1 - ``alpha``.

    The p of each comparison stays what its own test says, whatever its degrees of freedom; only their dependence is
    taken from ``together`` [K, K] (by ``correlation``, or of the columns of bootstrap draws): a normal copula. With
    equal degrees of freedom this is close to Dunnett's test. Correlated tests lose less than by Holm or Bonferroni.
    """
    assert together.shape == (len(p), len(p))
    values, vectors = np.linalg.eigh(together)  # raises where there is a NaN
    # The symmetric root: equal eigenvalues leave their vectors open, which differ from processor to processor.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    z = rng.generator("many to one", len(p), draws).standard_normal((draws, len(p))) @ root.T
    largest = np.sort(np.abs(z).max(axis=1))
    known = ~np.isnan(p)
    own = ndtri(1 - np.clip(np.where(known, p, 1.0), 1e-300, 1.0) / 2)
    at_least = draws - np.searchsorted(largest, own - 1e-12)
    # A drawn p is never 0, and a correction never makes a p smaller.
    corrected = np.maximum((at_least + 1) / (draws + 1), p)
    each = 2 * ndtr(-np.quantile(largest, 1 - alpha))
    return np.where(known, np.minimum(corrected, 1.0), np.nan), float(each)
