"""Variance components of a crossed design: how much of the spread is the seed's, the prompt's, the objective's, ….

``y`` is an array with an axis a factor and one number in every place (a mean over samples and attacks). Every factor's
levels count as drawn from many. Of a full array the estimates are those of the analysis of variance, which with no
negative one among them are REML's; a mixed model bears gaps.

Sources: Searle, Casella and McCulloch, *Variance Components* (1992), ch. 4 (expected mean squares of balanced crossed
designs) and ch. 6 (REML); Weerahandi, *JASA* 88 (1993) (generalised intervals: each mean square over a χ² draw of its
own); Brennan, *Generalizability Theory* (2001), ch. 6 (bootstrap of crossed designs, one factor at a time).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from holdfast import rng

Array = np.ndarray
REST = "rest"
DRAWS = 4000


class Squares(NamedTuple):
    """Of each effect (a tuple of axes; the empty one, last, is the rest): mean square, degrees of freedom."""

    effects: tuple[tuple[int, ...], ...]
    ms: Array
    df: Array


def mean_squares(y: Array, order: int = 2) -> Squares:
    """Analysis of variance with interactions of up to ``order`` factors; higher ones are in the rest.

    The interaction of all factors is always in the rest, for a place holds one number. By uncorrected sums of squares:
    those of an effect's means less those of the effects within it (Searle, Casella and McCulloch 1992, ch. 4).
    """
    assert not np.isnan(y).any(), "gaps"
    last, y = y.ndim - 1, y - y.mean()
    effects = [e for k in range(1, min(order, last) + 1) for e in itertools.combinations(range(last + 1), k)]
    means = {e: y.mean(axis=tuple(a for a in range(last + 1) if a not in e)) for e in ((), *effects)}
    raw = {e: float((m**2).mean()) for e, m in means.items()}
    sums = []
    for effect in effects:
        within = [sub for k in range(len(effect) + 1) for sub in itertools.combinations(effect, k)]
        sums.append(y.size * sum((-1.0) ** (len(effect) - len(sub)) * raw[sub] for sub in within))
    sums.append(max(float((y**2).sum()) - sum(sums), 0.0))
    df = [int(np.prod([y.shape[a] - 1 for a in e])) for e in effects]
    n = np.array([*df, y.size - 1 - sum(df)], dtype=float)
    return Squares((*effects, ()), np.maximum(sums, 0.0) / np.maximum(n, 1), n)


def solve(found: Squares, ms: Array, shape: tuple[int, ...]) -> Array:
    """Variances [..., effects] whose expected mean squares are ``ms`` [..., effects]: each mean square is the rest's
    variance, plus its own and that of every interaction it is part of, times the answers each level of them has."""
    size = int(np.prod(shape))
    variances = np.zeros_like(ms)
    variances[..., -1] = ms[..., -1]
    for k in reversed(range(len(found.effects) - 1)):
        effect = set(found.effects[k])
        above = ms[..., -1].copy()
        for j, other in enumerate(found.effects[:-1]):
            if effect < set(other):
                above = above + variances[..., j] * size / np.prod([shape[a] for a in other])
        variances[..., k] = (ms[..., k] - above) * np.prod([shape[a] for a in found.effects[k]]) / size
    return variances


class Components(NamedTuple):
    """Of each effect: its name ("seed", "seed × prompt", …, "rest"), degrees of freedom, variance, and its share of the
    spread with an interval."""

    effect: list[str]
    df: Array
    variance: Array
    share: Array
    share_low: Array
    share_high: Array


def components(
    y: Array, factors: Sequence[str], *, order: int = 2, alpha: float = 0.05, draws: int = DRAWS
) -> Components:
    """Of ``y``, with an axis for each of ``factors``.

    ``variance`` is unbiased and may be negative, which means 0. ``share`` is its part of the sum of the positive ones,
    of one answer's spread; its interval is of ``intervals``. Factors of a single level have no effect and are left out.
    """
    kept = [a for a, n in enumerate(y.shape) if n > 1]
    names = [factors[a] for a in kept]
    y = np.asarray(y, dtype=float).reshape([y.shape[a] for a in kept])
    assert y.ndim > 0, "nothing varies: every factor has a single level"
    found = mean_squares(y, order)
    variances = solve(found, found.ms, y.shape)
    own = shares(variances)
    low, high = intervals(y, names, order=order, alpha=alpha, draws=draws)
    effects = [" × ".join(names[a] for a in e) or REST for e in found.effects]
    return Components(effects, found.df.astype(int), variances, own, np.minimum(low, own), np.maximum(high, own))


def intervals(
    y: Array, names: Sequence[str], *, mean: bool = False, order: int = 2, alpha: float = 0.05, draws: int = DRAWS
) -> tuple[Array, Array]:
    """Of every effect's share: Weerahandi's generalised intervals. ``mean``: of the variance of a mean over the last
    factor, whose levels and the rest enter it divided by their number.

    The union of those with and without interactions: where several factors have two levels, what little is known of so
    many interactions drowns all else. By quantiles of the share itself the upper end of what is well known, beside
    several factors of two levels, was too low (86%): it is the effect's own quantile beside a low one of all others'
    sum (own choice, by ``calibration_other``: 96% at least, where a bootstrap of prompts covers 29% to 66%, for it
    holds the other factors' levels).
    """
    ends: dict[tuple[int, ...], list[Array]] = {}
    for most in range(1, order + 1):
        found = mean_squares(y, most)
        random = rng.generator("components", *names, *y.shape, draws, most)
        chi = np.stack([random.chisquare(max(df, 1.0), draws) / max(df, 1.0) for df in found.df], axis=1)
        last = y.ndim - 1
        over = [y.shape[-1] if mean and (last in e or not e) else 1 for e in found.effects]
        own, others = _parts(solve(found, found.ms / chi, y.shape) / over)
        most_own, least_else = np.quantile(own, 1 - alpha / 2, axis=0), np.quantile(others, alpha / 5, axis=0)
        some = np.quantile(_share(own, others), alpha / 2, axis=0), _share(most_own, least_else)
        for k, effect in enumerate(found.effects):
            ends.setdefault(effect, []).append(np.array([end[k] for end in some]))
    both = [np.stack(ends[effect]) for effect in mean_squares(y, order).effects]
    return np.array([b[:, 0].min() for b in both]), np.array([b[:, 1].max() for b in both])


def _parts(variances: Array) -> tuple[Array, Array]:
    """Of each effect its variance and that of all others, in whose sum negative estimates count: those of effects that
    are not there cancel out in it."""
    positive = np.maximum(variances, 0.0)
    total = np.maximum(variances.sum(axis=-1, keepdims=True), positive.max(axis=-1, keepdims=True))
    return positive, total - positive


def _share(own: Array, others: Array) -> Array:
    total = own + others
    return np.where(total > 0, own / np.where(total > 0, total, 1.0), 0.0)


def shares(variances: Array) -> Array:
    positive = np.maximum(variances, 0.0)
    return _share(positive, positive.sum(axis=-1, keepdims=True) - positive)
