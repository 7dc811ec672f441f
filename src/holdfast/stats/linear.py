"""Every estimate here is a mean over prompts of something; this file says of what.

A *macro* mean over attacks (or traits) is a weighted sum of group means whose groups share prompts. Linearised by
Taylor's theorem it is the mean of one number a prompt, its *pseudo-value*, in which all that the prompt did under every
attack stands together: a prompt under five attacks is one cluster. Intervals and tests then need only that mean.

Shapes: S seeds (of one condition), I items, G groups, ``...`` any batch. NaN: not measured or unscored.

Sources: Särndal, Swensson and Wretman, *Model Assisted Survey Sampling* (1992), ch. 5 (linearisation of ratios);
Binder, *International Statistical Review* 51 (1983); Searle, Casella and McCulloch, *Variance Components* (1992), ch. 4
(crossed two-way layout); Satterthwaite, *Biometrics Bulletin* 2 (1946) (degrees of freedom).
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

Array = np.ndarray


class Linear(NamedTuple):
    """An estimate as a mean over prompts."""

    value: Array  # ...       mean over seeds
    pseudo: Array  # ... S I  mean over present prompts is the seed's own estimate; that very estimate where absent
    raw: Array  # ... S I     the prompt's uncentred contribution, 0 where absent: what a swap of labels would negate
    present: Array  # ... I   whether the prompt was measured in any seed and group of weight
    shares: Array  # ... I    the prompt's share of the weight, summing to 1
    groups: Array  # ... G    whether the group has data in every seed
    step: Array  # ...        the most that one prompt under one attack adds to its pseudo-value


class Spread(NamedTuple):
    """How far the mean may be from what other prompts (and seeds) would give."""

    variance: Array  # ... of the mean
    df: Array  # ... degrees of freedom


def linearise(y: Array, weights: Array) -> Linear:
    """Weighted mean of group means of ``y`` [..., S, I, G], every item of a group counting alike.

    Groups that have no data in some seed are left out and the other weights scaled up: the caller says so in a note.
    """
    seen = ~np.isnan(y) & (weights > 0)
    n = seen.sum(axis=-2)  # ... S G
    groups = (n > 0).all(axis=-2)  # ... G
    w = np.where(groups, weights, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        w = (w / w.sum(axis=-1, keepdims=True))[..., None, :]  # ... 1 G
        scale = np.where(n > 0, w / n, 0.0)[..., None, :]  # ... S 1 G
    filled = np.where(seen, y, 0.0)
    means = filled.sum(axis=-2) / np.maximum(n, 1)  # ... S G
    by_seed = (means * np.where(np.isnan(w), 0.0, w)).sum(axis=-1)  # ... S
    by_seed = np.where(groups.any(axis=-1)[..., None], by_seed, np.nan)
    present = (seen & groups[..., None, None, :]).any(axis=(-1, -3))  # ... I
    m = present.sum(axis=-1)[..., None, None]
    shares = (seen * scale).sum(axis=-1)  # ... S I
    contribution = (filled * scale).sum(axis=-1)
    influence = contribution - (seen * scale * means[..., None, :]).sum(axis=-1)
    return Linear(
        value=by_seed.mean(axis=-1),
        pseudo=by_seed[..., None] + m * influence,
        raw=m * contribution,
        present=present,
        shares=shares.mean(axis=-2),
        groups=groups,
        step=np.nanmax(np.where(np.isnan(scale), 0.0, scale), axis=(-1, -2, -3)) * m[..., 0, 0],
    )


def spread(pseudo: Array, present: Array) -> Spread:
    """Variance of the mean of pseudo-values [..., S, I] over prompts, and over seeds that are crossed with them.

    One seed: the variance over prompts. Several: (MS_seed + MS_prompt - MS_rest) / (S m), which is unbiased when seeds
    and prompts are both drawn at random, never less than either alone, with Satterthwaite's degrees of freedom.

    Assumptions: prompts are drawn independently of one another, seeds too. One prompt: NaN, nothing is known.
    """
    s, m = pseudo.shape[-2], present.sum(axis=-1)
    here = present[..., None, :]
    grand = np.where(present.any(axis=-1), pseudo.mean(axis=(-1, -2)), np.nan)
    with warnings.catch_warnings(), np.errstate(invalid="ignore", divide="ignore"):
        centred = np.where(here, pseudo - grand[..., None, None], 0.0)
        over_seeds = centred.mean(axis=-2)  # ... I
        ms_prompt = s * (over_seeds**2).sum(axis=-1) / np.where(m > 1, m - 1, np.nan)
        if s == 1:
            return Spread(ms_prompt / m, np.maximum(m - 1.0, 0.0))
        by_seed = centred.sum(axis=-1) / m[..., None]  # ... S
        ms_seed = m * (by_seed**2).sum(axis=-1) / (s - 1)
        rest = np.where(here, centred - over_seeds[..., None, :] - by_seed[..., None], 0.0)
        df_rest = (s - 1) * np.where(m > 1, m - 1.0, np.nan)
        ms_rest = (rest**2).sum(axis=(-1, -2)) / df_rest
        return two_way(ms_seed, ms_prompt, ms_rest, s, m)


def level_spread(found: Linear, share: bool) -> Spread:
    """``spread`` of a level. Of a share, the degrees of freedom are those with two imagined prompts, one that never
    succeeds and one that always does: where a single response fails, it looks as if one seed were all the variance, of
    which one seed knows nothing, and the interval would be wider than with more failures."""
    own = spread(found.pseudo, found.present)
    if not share or found.pseudo.shape[-2] < 2:
        return own
    both = (*found.pseudo.shape[:-1], 2)
    pseudo = np.concatenate([found.pseudo, np.broadcast_to(np.array([0.0, 1.0]), both)], axis=-1)
    present = np.concatenate([found.present, np.ones((*found.present.shape[:-1], 2), dtype=bool)], axis=-1)
    return Spread(own.variance, spread(pseudo, present).df)


def two_way(ms_seed: Array, ms_prompt: Array, ms_rest: Array, s: int, m: Array) -> Spread:
    """``spread`` from mean squares of ``s`` > 1 seeds and ``m`` prompts."""
    with np.errstate(invalid="ignore", divide="ignore"):
        df_rest = (s - 1) * np.where(m > 1, m - 1.0, np.nan)
        total = ms_seed + ms_prompt - ms_rest
        df = total**2 / (ms_seed**2 / (s - 1) + ms_prompt**2 / (m - 1) + ms_rest**2 / df_rest)
        floor = np.maximum(ms_seed, ms_prompt)
        # Where two are equal but for rounding, the order of summation must not decide.
        df = np.where(total > floor * (1 + 1e-9), df, np.where(ms_seed >= ms_prompt * (1 - 1e-9), s - 1.0, m - 1.0))
        df = np.where(np.isnan(df), s - 1.0, np.maximum(df, 1.0))
        return Spread(np.maximum(total, floor) / (s * m), df)
