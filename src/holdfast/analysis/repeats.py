"""Repeated measurement of the same thing: what moves a score, how far, and which prompts' verdicts flip.

Rows are answers: ``item``, ``attack``, ``sample``, ``value`` (the metric of one response, NaN: unscored), ``verdict``
(whether it counts, 0 or 1, NaN likewise) and a column for each factor, which holds its level.

Sources: Searle, Casella and McCulloch, *Variance Components* (1992); Brennan, *Generalizability Theory* (2001), ch. 1
and 4 (what a mean over n prompts inherits of each component); Larsen, arXiv 2512.12066 (prompts that flip, and how well
one sample tells what many say).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from holdfast import rng
from holdfast.stats.components import REST, components, intervals, shares
from holdfast.stats.intervals import wilson

Array = np.ndarray
PROMPT = "prompt"
ANOVA, MIXED = "analysis of variance", "mixed model (REML)"
MOST = 1500  # means that a mixed model's dense matrices are made for


def array(rows: pd.DataFrame, factors: Sequence[str]) -> Array | None:
    """[a level of each factor …, prompts]: means over attacks and samples, of the prompts that were scored everywhere.

    None where a combination of levels was never measured, or no prompt was scored everywhere.
    """
    means = rows.groupby([*factors, "item"], observed=True)["value"].mean()
    levels = [sorted(rows[f].unique()) for f in factors]
    items = sorted(rows["item"].unique())
    full = means.reindex(pd.MultiIndex.from_product([*levels, items])).to_numpy()
    y = full.reshape([*map(len, levels), len(items)])
    whole = ~np.isnan(y).any(axis=tuple(range(y.ndim - 1)))
    return y[..., whole] if whole.any() else None


def variance(y: Array, factors: Sequence[str], *, alpha: float = 0.05) -> pd.DataFrame:
    """A row an effect: as ``components`` has it, with sd (of the score, in its unit; 0 for a negative variance) and
    score_share, its part of the variance of a *score*: the mean over these n prompts.

    What belongs to single prompts (every effect with the prompt in it, and the rest) enters a score divided by n.
    score_low and score_high: generalised intervals, of levels drawn from many (``components.intervals``).
    """
    n = y.shape[-1]
    names = [*factors, PROMPT]
    table = pd.DataFrame(components(y, names, alpha=alpha)._asdict())
    parts = [set(e.split(" × ")) for e in table["effect"]]
    over = np.array([n if PROMPT in p or REST in p else 1 for p in parts], dtype=float)
    table["sd"] = np.sqrt(np.maximum(table["variance"], 0.0) / over)
    table["score_share"] = shares(table["variance"].to_numpy() / over)
    kept, there = y.reshape([k for k in y.shape if k > 1]), [f for f, k in zip(names, y.shape, strict=True) if k > 1]
    low, high = intervals(kept, there, mean=n > 1, alpha=alpha)
    table["score_low"], table["score_high"] = (
        np.minimum(low, table["score_share"]),
        np.maximum(high, table["score_share"]),
    )
    return table.assign(n_prompts=n, method=ANOVA)


def with_gaps(rows: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """The same by a mixed model (REML), where some levels were never combined or most prompts went unscored somewhere:
    each factor and the prompt, no interactions, no intervals. Empty where there are more than ``MOST`` means, or where
    the search for the maximum does not end: its numbers would be none."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning

    means = rows.groupby([*factors, "item"])["value"].mean().dropna().reset_index()
    factors = [f for f in factors if means[f].nunique() > 1]
    if len(means) > MOST or not factors or means["item"].nunique() < 2:
        return pd.DataFrame()
    n = means["item"].nunique()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # other optimisers are tried
        try:
            table = mixed(means, "value", {f: [f] for f in factors} | {PROMPT: ["item"]})
        except ArithmeticError:
            return pd.DataFrame()
    over = np.array([n if PROMPT in e.split(" × ") or e == REST else 1 for e in table["effect"]], dtype=float)
    scores = table["variance"].to_numpy() / over
    nothing = dict.fromkeys(("share_low", "share_high", "score_low", "score_high"), np.nan)
    more = {"sd": np.sqrt(np.maximum(scores, 0.0)), "score_share": shares(scores), "n_prompts": n, "method": MIXED}
    return table.assign(**nothing, **more)


def mixed(table: pd.DataFrame, value: str, effects: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """REML estimates of a linear mixed model with crossed random effects, for designs with gaps.

    Columns: effect, variance, share. Raises ArithmeticError where the fit does not converge.

    ``effects``: each effect's name and the columns whose combinations are its levels, {"seed × prompt": ["seed",
    "prompt"]}. statsmodels' matrices are dense: meant for some thousand rows.
    """
    from statsmodels.regression.mixed_linear_model import MixedLM

    rows = table.dropna(subset=[value]).reset_index(drop=True)
    codes = {f"effect{k}": rows.groupby(list(by), sort=True).ngroup() for k, by in enumerate(effects.values())}
    rows = rows.assign(_y=rows[value], _all=1, **codes)
    terms = {name: f"0 + C({name})" for name in codes}
    fit = MixedLM.from_formula("_y ~ 1", groups="_all", vc_formula=terms, data=rows).fit(reml=True)
    if not fit.converged:
        raise ArithmeticError("the mixed model did not converge: its numbers mean nothing")
    order = list(fit.model.exog_vc.names)
    variances = np.array([*(float(fit.vcomp[order.index(name)]) for name in codes), float(fit.scale)])
    return pd.DataFrame({"effect": [*effects, REST], "variance": variances, "share": shares(variances)})


def spread(rows: pd.DataFrame, by: Sequence[str]) -> dict[str, float | int]:
    """Scores of the repeats that ``by`` tells apart: runs, low, high (of their means over prompts)."""
    scores = rows.groupby([*by, "item"])["value"].mean().groupby(level=list(range(len(by)))).mean().dropna()
    none = {"runs": 0, "low": np.nan, "high": np.nan}
    return {"runs": len(scores), "low": float(scores.min()), "high": float(scores.max())} if len(scores) else none


def flips(
    rows: pd.DataFrame, by: Sequence[str], within: Sequence[str] = (), alpha: float = 0.05
) -> dict[str, float | int]:
    """Share of prompts (under each attack) whose verdict is not the same in all repeats that ``by`` tells apart, and of
    how many; low and high by a bootstrap over prompts, of Wilson where these all agree. Repeats are compared ``within``
    a level of these. Questions that some repeat left unscored are left out."""
    table = rows.groupby(["item", "attack", *within, *by])["verdict"].first()
    table = table.unstack(list(by))
    table = table[table.notna().all(axis=1)]
    if table.empty or table.shape[1] < 2:
        return {"runs": table.shape[1], "flipped": np.nan, "low": np.nan, "high": np.nan, "n_prompts": 0}
    flipped = (table.nunique(axis=1) > 1).astype(float).groupby("item").mean().to_numpy()
    draws = rng.generator("flips", len(flipped), *by).integers(0, len(flipped), size=(2000, len(flipped)))
    low, high = np.quantile(flipped[draws].mean(axis=1), [alpha / 2, 1 - alpha / 2])
    if flipped.mean() in (0, 1):  # prompts that all agree would prove too much
        low, high = wilson(flipped.mean(), len(flipped), alpha)
    shares = {"flipped": float(flipped.mean()), "low": float(low), "high": float(high)}
    return {"runs": table.shape[1], **shares, "n_prompts": len(flipped)}


def one_sample(rows: pd.DataFrame) -> float:
    """How often one sample has the verdict of most of its prompt's and attack's; ties are left out. NaN: one each."""
    shares = rows.groupby(["item", "attack"])["verdict"].agg(["mean", "size"])
    shares = shares[(shares["size"] > 1) & (shares["mean"] != 0.5)]["mean"]
    return float(np.maximum(shares, 1 - shares).mean()) if len(shares) else np.nan
