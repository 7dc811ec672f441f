"""A comparison and its verdict: what every estimand is found as, and what all of them have in common.

``finished`` makes rows of the table of estimates of them: whether they were declared, their family, its correction, a
verdict. Who finds which is in ``analyse``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.comparisons import About
from holdfast.config.study import Study
from holdfast.stats.equivalence import CANNOT_TELL, ONE_SEED, above, below, decided, tost
from holdfast.stats.estimate import Estimate
from holdfast.stats.pivot import Pivot, t_quantile
from holdfast.store.schemas import COLUMNS

_LATER = ("objective", "seed", "bracket", "format", "regime", "effective_n", "p_missing", "n_records", "n_unscored")
NAMES = tuple(c.name for c in COLUMNS["estimates"][1] if c.name not in _LATER)  # what ``finished`` gives
OVER_BUDGETS = -1
ANSWERED = ("last", "matched")  # what the answer and the recommendation speak of: one family
NOTHING = Estimate(np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Finding:
    """One comparison, before its verdict.

    ``estimate`` None: nothing was scored. Its ``bound_low`` and ``bound_high`` are ends of the interval at 1 - alpha,
    sampling error included, where every missing score is taken as it would harm most; no verdict is given that does
    not survive them. ``interest``: the smallest value of interest, in the estimate's unit (NaN: none). ``pools``:
    whether the spread of its seeds may be pooled with other labels' (``_pool``). ``within`` and ``worse``: p of
    equivalence and of being worse by ``interest`` or more, where they are not the estimate's own. ``fails``: p that a
    statement with several conditions does not hold (NaN: no such statement). ``decided``: a verdict that was reached
    otherwise. ``declared`` None: where the study asked for the estimand and the reference.
    """

    about: About
    estimand: str
    estimate: Estimate | None
    label: str = ""
    against: str = ""
    budget: int = OVER_BUDGETS
    interest: float = np.nan
    note: str = ""
    pools: bool = False
    within: float | None = None
    worse: float | None = None
    fails: float = np.nan
    decided: str | None = None
    declared: bool | None = None

    @property
    def p_within(self) -> float:
        """NaN where nothing was scored, or there is no interest."""
        if self.within is not None:
            return self.within
        return self.estimate.within(self.interest) if self.estimate is not None and self.interest > 0 else np.nan

    @property
    def p_worse(self) -> float:
        """Where neither way is better, that it is so far either way."""
        if self.worse is not None:
            return self.worse
        if self.estimate is None or not self.interest > 0:
            return np.nan
        if not self.about.better:
            return self.estimate.within(self.interest)
        lower = self.about.better == "lower"
        return self.estimate.below(self.interest) if lower else self.estimate.above(-self.interest)

    def row(self) -> dict[str, Any]:
        """What of it stands in the table as it is."""
        found = self.estimate or NOTHING
        return {
            **asdict(self.about),
            **{k: getattr(self, k) for k in ("estimand", "label", "against", "budget", "interest")},
            **{k: float(getattr(found, k)) for k in ("value", "low", "high", "p", "bound_low", "bound_high")},
            **{k: getattr(found, k) for k in ("n_prompts", "n_seeds", "method", "warning")},
            "condition": "macro",
            "unit": "" if self.estimate is None else "seed and prompt" if found.n_seeds > 1 else "prompt",
            "note": "nothing scored" if self.estimate is None else self.note,
        }


def finished(found: Sequence[Finding], study: Study) -> pd.DataFrame:
    """Rows of the table of estimates (``NAMES``), with family, correction and verdict.

    A *family* is one estimand, measure, metric and reference, of one model and task, over all objectives and budgets;
    but all that the answer speaks of (``ANSWERED``) is one family, over measures and references too. Each of its K rows
    is judged at alpha / K: ``low_all`` and ``high_all`` hold together with probability 1 - alpha (Bonferroni), and a
    verdict is what they say. The spread of seeds is then pooled over the labels (``_pool``), for a few seeds know
    their own too poorly to speak so far out; a verdict must hold at alpha by each row's own spread as well. Of the two
    nulls of a row, 0 and the margin, at most one is true, so that false differences and false equivalences are at most
    alpha together.
    """
    if not found:
        return pd.DataFrame(columns=list(NAMES))
    asked, table = study.declared, pd.DataFrame([x.row() for x in found])
    wanted = {*asked.estimands, *(("last",) if "level" in asked.estimands else ())}  # a level, at the last budget
    by_study = table["estimand"].isin(wanted) & table["against"].isin(["", *asked.references])
    said = pd.Series([x.declared for x in found], dtype=object)
    table["declared"] = by_study.where(said.isna(), said).astype(bool)
    table["family"] = _families(table).where(table["p"].notna(), "")
    tests = table["family"].map(table["family"].value_counts()).where(table["family"] != "", 1).to_numpy(float)
    ends = [
        x.estimate.interval(study.alpha / n)
        if x.estimate is not None and x.estimate.told and pd.notna(low)
        else (np.nan, np.nan)
        for x, n, low in zip(found, tests, table["low"], strict=True)
    ]
    table[["low_all", "high_all"]] = np.array(ends, dtype=float).reshape(len(table), 2)
    own = np.array([(x.p_within, x.p_worse) for x in found], dtype=float)
    table["p_adjusted"], table["p_equal"], table["p_worse"] = table["p"], own[:, 0], own[:, 1]
    _pool(table, found, tests, study.alpha)
    # By each row's own spread as well, as the verdict, so that no p is small beside an interval that holds 0.
    table["p_adjusted"] = np.fmax((table["p_adjusted"] * tests).clip(upper=1.0), table["p"])
    table = table.assign(**_judged(table, found, own, tests, study))
    if asked.prompts == "fixed":
        table["unit"] = np.where(table["n_seeds"] > 0, "seed", "")
    for pair in (["low", "high"], ["low_all", "high_all"]):
        table[pair] = table[pair].where(np.isfinite(table[pair]))
    return table[list(NAMES)]


def _families(table: pd.DataFrame) -> pd.Series:
    finding, measure, metric, against, model, task = (
        table[c].astype(str) for c in ("estimand", "measure", "metric", "against", "model", "task")
    )
    kind = pd.Series(np.where(table["declared"], "declared", "exploratory"), index=table.index)
    versus = (" against " + against).where(against != "", "")
    own = kind + ": " + finding + versus + ", " + measure + " " + metric + ", " + model + ", " + task
    return own.where(~finding.isin(ANSWERED), "answer: " + model + ", " + task)


_LIKE = ["estimand", "model", "task", "measure", "metric", "against", "budget", "n_seeds"]


def _pool(table: pd.DataFrame, found: Sequence[Finding], tests: np.ndarray, alpha: float) -> None:
    """Of those that pool: family interval and all p with the variance of seeds' means pooled over the K labels of
    the same comparison, as Dunnett's test has it, or the row's own where that is larger: an objective whose seeds
    scatter more than the others' is not judged by theirs. Nothing is done where there is but one label or seed.

    K variances of S - 1 degrees of freedom each, of contrasts that share a reference and therefore go together by a
    half, have (S - 1) 4K / (K + 3) (Satterthwaite: their squares' correlations are 1/4). What prompts add is each row's
    own. No family interval is narrower than the row's own.
    """
    may = np.array([x.pools and x.estimate is not None for x in found]) & (table["n_seeds"].to_numpy() > 1)
    if not may.any():
        return
    k = table[may].groupby(_LIKE, sort=False)["label"].transform("size")
    rows = k.index[k > 1]
    if rows.empty:
        return
    some, k = table.loc[rows], k[rows].to_numpy(float)
    estimates = [one for i in rows if (one := found[i].estimate) is not None]
    *own, seeds = (_stacked(made) for made in zip(*(x.pivots for x in estimates), strict=True))
    variance = pd.Series(seeds.variance, index=rows).groupby([some[c] for c in _LIKE], sort=False).transform("mean")
    pooled = np.maximum(variance.to_numpy(), seeds.variance)
    df = (some["n_seeds"].to_numpy() - 1) * 4 * k / (k + 3)
    made = [seeds._replace(variance=pooled, df=df)]
    for one in own:
        rest = np.maximum(one.variance - seeds.variance, 0.0)
        parts = pooled**2 / df + rest**2 / np.maximum(some["n_prompts"].to_numpy() - 1.0, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            made.append(one._replace(variance=pooled + rest, df=np.where(parts > 0, (pooled + rest) ** 2 / parts, df)))
    each, limit = alpha / tests[rows], np.array([x.limit for x in estimates])
    half = [t_quantile(d.df, each) * np.sqrt(d.variance) for d in made]
    low = np.maximum(np.min([d.centre - h for d, h in zip(made, half, strict=True)], axis=0), -limit)
    high = np.minimum(np.max([d.centre + h for d, h in zip(made, half, strict=True)], axis=0), limit)
    far, way = some["interest"].to_numpy(float), np.array([found[i].about.better for i in rows])
    within = tost(*made, margin=far)
    less, more = (np.fmax.reduce([test(d, b) for d in made]) for test, b in ((below, far), (above, -far)))
    table.loc[rows, "low_all"] = np.minimum(low, some["low"].to_numpy(float))
    table.loc[rows, "high_all"] = np.maximum(high, some["high"].to_numpy(float))
    table.loc[rows, "p_adjusted"] = np.fmax.reduce([d.p() for d in made])
    table.loc[rows, "p_equal"] = within
    table.loc[rows, "p_worse"] = np.where(way == "lower", less, np.where(way == "higher", more, within))


def _stacked(made: Sequence[Pivot]) -> Pivot:
    return Pivot(*(np.array(x, dtype=float) for x in zip(*made, strict=True)))


def _judged(
    table: pd.DataFrame, found: Sequence[Finding], own_p: np.ndarray, tests: np.ndarray, study: Study
) -> dict[str, np.ndarray]:
    """A verdict a row, and the two p that others decide by: what missing scores could overturn is not shown."""
    numbers = ("value", "low_all", "high_all", "p_adjusted", "p_equal", "p_worse", "interest", "p")
    value, low, high, p, within, worse, interest, own = (table[c].to_numpy(float) for c in numbers)
    own_within, own_worse = own_p.T
    least, most = (table[c].to_numpy(float) for c in ("bound_low", "bound_high"))
    alpha, way, fails = study.alpha, np.array([x.about.better for x in found]), np.array([x.fails for x in found])
    whole = np.isnan(least)
    real = whole | np.where(value > 0, least > 0, most < 0)
    near = whole | ((least > -interest) & (most < interest))
    safe = np.where(way == "lower", most < interest, np.where(way == "higher", least > -interest, near)) | whole
    # The interval has its say as well, for a single seed's p is that of sign flips.
    apart = (p < alpha) & (own < alpha) & ~((low <= 0) & (high >= 0)) & real
    equal = (within * tests < alpha) & (own_within < alpha) & near
    statement = np.where((p < alpha) & real, "shown", np.where(fails * tests < alpha, "refuted", CANNOT_TELL))
    said = np.where(np.isnan(fails), decided(apart, equal, value > 0, way), statement)
    said = np.array([x.decided if x.decided is not None else s for x, s in zip(found, said, strict=True)])
    if study.trains:
        said = np.where((table["n_seeds"].to_numpy() == 1) & (said != ""), ONE_SEED, said)
    return {
        "verdict": said,
        "p_equal": np.where(near, within, 1.0),
        "p_worse": np.where(safe & (own_worse < alpha), worse, 1.0),
    }
