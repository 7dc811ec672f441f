"""Variance components of a crossed design: how much of the spread is the seed's, the prompt's, the objective's, ….

``y`` is an array with an axis a factor and one number in every place (a mean over samples and attacks). Every factor's
levels count as drawn from many. Of a full array the estimates are those of the analysis of variance, which with no
negative one among them are REML's; an array with gaps goes to ``mixed``, by statsmodels.

Sources: Searle, Casella and McCulloch, *Variance Components* (1992), ch. 4 (expected mean squares of balanced crossed
designs) and ch. 6 (REML); Weerahandi, *JASA* 88 (1993) (generalised intervals: each mean square over a χ² draw of its
own); Brennan, *Generalizability Theory* (2001), ch. 6 (bootstrap of crossed designs, one factor at a time).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from holdfast import rng

Array = np.ndarray
REST = "rest"
DRAWS = 4000


class Squares(NamedTuple):
    """Of each effect (a tuple of axes; the empty one, last, is the rest): mean square, degrees of freedom."""

    effects: tuple[tuple[int, ...], ...]
    ms: Array
    df: Array


def mean_squares(y: Array, order: int = 2, counts: Array | None = None) -> Squares:
    """Analysis of variance with interactions of up to ``order`` factors; higher ones are in the rest.

    The interaction of all factors is always in the rest, for a place holds one number. ``counts`` [draws, levels of the
    last factor]: how often each of these stands in a resample of as many; ``ms`` is then [draws, effects].

    By uncorrected sums of squares: those of an effect's means less those of the effects within it (Searle, Casella and
    McCulloch 1992, ch. 4).
    """
    assert not np.isnan(y).any(), "gaps: use mixed"
    last, y = y.ndim - 1, y - y.mean()
    weights = (np.ones((1, y.shape[-1])) if counts is None else counts) / y.shape[-1]

    def squares(kept: tuple[int, ...]) -> Array:
        """[draws]: mean square of the means of these factors' levels."""
        means = y.mean(axis=tuple(a for a in range(last) if a not in kept)).reshape(-1, y.shape[-1])
        if last in kept:
            return weights @ (means**2).mean(axis=0)
        return ((weights @ means.T) ** 2).mean(axis=1)

    effects = [e for k in range(1, min(order, last) + 1) for e in itertools.combinations(range(last + 1), k)]
    raw = {e: squares(e) for e in ((), *effects)}
    sums: list[Array] = []
    for effect in effects:
        within = [sub for k in range(len(effect) + 1) for sub in itertools.combinations(effect, k)]
        sums.append(y.size * np.sum([(-1.0) ** (len(effect) - len(sub)) * raw[sub] for sub in within], axis=0))
    total = (squares(tuple(range(last + 1))) - raw[()]) * y.size
    sums.append(np.maximum(total - np.sum(sums, axis=0), 0.0))
    df = [int(np.prod([y.shape[a] - 1 for a in e])) for e in effects]
    n = np.array([*df, y.size - 1 - sum(df)], dtype=float)
    ms = np.maximum(np.stack(sums, axis=-1), 0.0) / np.maximum(n, 1)
    return Squares((*effects, ()), ms[0] if counts is None else ms, n)


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


def components(
    y: Array, factors: Sequence[str], *, order: int = 2, alpha: float = 0.05, draws: int = DRAWS
) -> pd.DataFrame:
    """A row an effect: effect ("seed", "seed × prompt", …, "rest"), df, variance, share, share_low, share_high.

    ``variance`` is unbiased and may be negative, which means 0. ``share`` is its part of the sum of the positive ones,
    of one answer's spread; its interval is Weerahandi's. Factors of a single level have no effect and are left out.
    """
    kept = [a for a, n in enumerate(y.shape) if n > 1]
    names = [factors[a] for a in kept]
    y = np.asarray(y, dtype=float).reshape([y.shape[a] for a in kept])
    assert y.ndim > 0, "nothing varies: every factor has a single level"
    found = mean_squares(y, order)
    variances = solve(found, found.ms, y.shape)
    random = rng.generator("components", *names, *y.shape, draws)
    chi = np.stack([random.chisquare(max(df, 1.0), draws) / max(df, 1.0) for df in found.df], axis=1)
    low, high = np.quantile(shares(solve(found, found.ms / chi, y.shape)), [alpha / 2, 1 - alpha / 2], axis=0)
    return pd.DataFrame(
        {
            "effect": [" × ".join(names[a] for a in e) or REST for e in found.effects],
            "df": found.df.astype(int),
            "variance": variances,
            "share": shares(variances),
            "share_low": low,
            "share_high": high,
        }
    )


def shares(variances: Array) -> Array:
    positive = np.maximum(variances, 0.0)
    total = positive.sum(axis=-1, keepdims=True)
    return np.where(total > 0, positive / np.where(total > 0, total, 1.0), 0.0)


def mixed(table: pd.DataFrame, value: str, effects: Mapping[str, Sequence[str]], fixed: str = "1") -> pd.DataFrame:
    """REML estimates of a linear mixed model with crossed random effects, for designs with gaps.

    Columns: effect, variance, share. Raises ArithmeticError where the fit does not converge.

    ``effects``: each effect's name and the columns whose combinations are its levels, {"seed × prompt": ["seed",
    "prompt"]}; ``fixed``: right-hand side of a formula. statsmodels' matrices are dense: meant for some thousand rows.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    rows = table.dropna(subset=[value]).reset_index(drop=True)
    codes = {f"effect{k}": rows.groupby(list(by), sort=True).ngroup() for k, by in enumerate(effects.values())}
    rows = rows.assign(_y=rows[value], _all=1, **codes)
    terms = {name: f"0 + C({name})" for name in codes}
    fit = MixedLM.from_formula(f"_y ~ {fixed}", groups="_all", vc_formula=terms, data=rows).fit(reml=True)
    if not fit.converged:
        raise ArithmeticError("the mixed model did not converge: its numbers mean nothing")
    order = list(fit.model.exog_vc.names)
    variances = np.array([*(float(fit.vcomp[order.index(name)]) for name in codes), float(fit.scale)])
    return pd.DataFrame({"effect": [*effects, REST], "variance": variances, "share": shares(variances)})
