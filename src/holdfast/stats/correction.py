"""A rate as people would have judged it, from a judge's verdicts on all responses and people's on a sample of them.

Two estimates that fail in different ways, so they stand side by side:

- *prediction-powered* (Angelopoulos, Bates, Fannjiang, Jordan, Zrnic 2023, arXiv 2301.09633): the judge's rate on all
  responses plus the mean difference between people and judge on the labelled ones. It assumes nothing about the judge,
  and needs labels of the very responses whose rate it is.
- *Rogan–Gladen* (Rogan and Gladen, *American Journal of Epidemiology* 107 (1978)): the judge's rate, put right by its
  sensitivity and specificity. These may be known from other responses, under the assumption that the judge errs alike
  on them. Its interval is Lang and Reiczigel's (*Preventive Veterinary Medicine* 113 (2014)).

A labelled response that was drawn with another probability than the rest has the inverse of it as its weight (Horvitz
and Thompson 1952; normalised as Hájek's). Responses to one prompt are one cluster, and so are those of one seed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri

from holdfast.stats.estimate import Estimate
from holdfast.stats.pivot import t_quantile

Array = np.ndarray


NOTHING = Estimate(np.nan, np.nan, np.nan, effective_n=0)


def prediction_powered(
    judged: Array, people: Array, prompts: Array, weights: Array, shares: Array, seeds: Array, alpha: float = 0.05
) -> Estimate:
    """The share of responses that people would pass; ``effective_n`` is the number of labels. All arrays have a row a
    response.

    ``judged``: the judge's verdict, 1 or 0; ``people``: people's, NaN where there is no label; ``weights``: inverse
    probability of having been labelled; ``shares``: how much the response counts in the rate; ``prompts``, ``seeds``:
    codes of the clusters. The t interval is cut off at 0 and 1. Without labels of two prompts: NaN.
    """
    labelled = ~np.isnan(people)
    w = np.where(labelled, weights * shares, 0.0)
    own = len(np.unique(prompts[labelled]))
    if own < 2:
        return Estimate(np.nan, np.nan, np.nan, effective_n=int(labelled.sum()))
    a, w = shares / shares.sum(), w / w.sum()
    error = np.where(labelled, people, judged) - judged
    rate, shift = float(a @ judged), float(w @ error)
    influence = a * (judged - rate) + w * (error - shift)
    unseen = sum(_unseen(judged == v, float(a @ (judged == v)), error, w, alpha) for v in (0, 1))
    variance = max(_variance(influence, prompts, seeds), unseen)
    half = float(t_quantile(own - 1.0, alpha)) * np.sqrt(variance)
    value = rate + shift
    value, low, high = (float(np.clip(v, 0, 1)) for v in (value, value - half, value + half))
    return Estimate(value, low, high, effective_n=int(labelled.sum()))


def rate(judged: Array, prompts: Array, seeds: Array, shares: Array) -> tuple[float, float]:
    """The judge's own rate, and how many independent responses it is worth, at most the number of them."""
    a = shares / shares.sum()
    value = float(a @ judged)
    variance = _variance(a * (judged - value), prompts, seeds)
    if not variance > 0:
        return value, float(len(np.unique(prompts)))
    return value, min(value * (1 - value) / variance, float(len(judged)))


class Errors(NamedTuple):
    """A judge's error rates, and the effective number of labels that each was estimated from."""

    sensitivity: float
    specificity: float
    n_positive: float
    n_negative: float
    n_labels: int


def error_rates(judged: Array, people: Array, weights: Array) -> Errors | None:
    """From labelled responses, weighted by the inverse of their probability. None where people passed all or none."""
    labelled = ~np.isnan(people)
    y, f, w = people[labelled] >= 0.5, judged[labelled], weights[labelled]
    if not y.any() or y.all():
        return None
    sensitivity, specificity = np.average(f[y], weights=w[y]), np.average(1 - f[~y], weights=w[~y])
    return Errors(float(sensitivity), float(specificity), _effective(w[y]), _effective(w[~y]), len(y))


def rogan_gladen(rate: float, n: float, errors: Errors, alpha: float = 0.05) -> Estimate:
    """The rate that the judge's ``rate`` on ``n`` (effective) responses stands for. A judge that is no better than
    chance (sensitivity + specificity at most 1) says nothing: NaN."""
    se, sp = errors.sensitivity, errors.specificity
    if se + sp <= 1 or not n > 0:
        return Estimate(np.nan, np.nan, np.nan, effective_n=errors.n_labels)
    z = float(ndtri(1 - alpha / 2))
    # Lang and Reiczigel: a success and a failure more for each error rate, z²/2 of each for the rate.
    n_, rate_ = n + z**2, (n * rate + z**2 / 2) / (n + z**2)
    n_se, n_sp = errors.n_positive + 2, errors.n_negative + 2
    se_, sp_ = (errors.n_positive * se + 1) / n_se, (errors.n_negative * sp + 1) / n_sp
    skill = se_ + sp_ - 1
    if skill <= 0:
        return Estimate(np.nan, np.nan, np.nan, effective_n=errors.n_labels)
    p = float(np.clip((rate_ + sp_ - 1) / skill, 0, 1))
    shift = 2 * z**2 * (p * se_ * (1 - se_) / n_se - (1 - p) * sp_ * (1 - sp_) / n_sp)
    variance = (
        rate_ * (1 - rate_) / n_ + p**2 * se_ * (1 - se_) / n_se + (1 - p) ** 2 * sp_ * (1 - sp_) / n_sp
    ) / skill**2
    half = z * np.sqrt(variance)
    value = np.clip((rate + sp - 1) / (se + sp - 1), 0, 1)
    low, high = (float(np.clip(p + shift + side * half, 0, 1)) for side in (-1, 1))
    return Estimate(float(value), low, high, effective_n=errors.n_labels)


def _unseen(rows: Array, share: float, error: Array, w: Array, alpha: float) -> float:
    """Variance that the errors on one of the judge's verdicts bring at least, by Agresti and Coull's (*The American
    Statistician* 52 (1998)) rate of them: where few labels show no error, the next may show one."""
    if share == 0:
        return 0.0
    z2 = float(ndtri(1 - alpha / 2)) ** 2
    n, wrong = _effective(w[rows]), float(w[rows] @ np.abs(error[rows])) / max(float(w[rows].sum()), 1e-300)
    rate = (n * wrong + z2 / 2) / (n + z2)
    return share**2 * rate * (1 - rate) / (n + z2)


def _effective(weights: Array) -> float:
    """Kish's effective number of rows (*Survey Sampling* 1965)."""
    total = float((weights**2).sum())
    return float(weights.sum()) ** 2 / total if total > 0 else 0.0


def _variance(influence: Array, prompts: Array, seeds: Array) -> float:
    """Of a sum of influences that are clustered by prompt and, where there are several, by seed (Cameron, Gelbach and
    Miller, *J. Business & Economic Statistics* 29 (2011)); never less than by prompt alone or by seed alone."""
    by_prompt, by_seed = _clustered(influence, prompts), _clustered(influence, seeds)
    if not by_seed:
        return by_prompt
    both = _clustered(influence, prompts * (seeds.max() + 1) + seeds)
    return max(by_prompt + by_seed - both, by_prompt, by_seed)


def _clustered(influence: Array, codes: Array) -> float:
    _, at = np.unique(codes, return_inverse=True)
    sums = np.bincount(at, weights=influence)
    m = len(sums)
    return float((sums**2).sum() * m / (m - 1)) if m > 1 else 0.0
