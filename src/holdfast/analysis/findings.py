"""What the study asked, and what it found: the table of findings, whatever estimand a row is of.

``finished`` gives the rows of comparisons what they have in common: whether they were declared, their family, its
correction, a verdict. Who brings rows of which kind is in ``analyse``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.ladder import Ladder
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Better
from holdfast.stats.equivalence import CANNOT_TELL, ONE_SEED, above, below, decided, tost
from holdfast.stats.estimate import Estimate
from holdfast.stats.intervals import t_quantile
from holdfast.stats.pivot import Pivot
from holdfast.store.schemas import COLUMNS

_LATER = ("objective", "seed", "bracket", "format", "regime", "effective_n", "p_missing", "n_records", "n_unscored")
NAMES = tuple(c.name for c in COLUMNS["estimates"][1] if c.name not in _LATER)  # what ``finished`` gives
OVER_LADDER = -1
ANSWERED = ("last", "matched")  # what the answer and the recommendation speak of: one family


def empty() -> pd.DataFrame:
    return pd.DataFrame(columns=list(NAMES))


def row(
    ladder: Ladder,
    finding: str,
    found: Estimate | None,
    *,
    label: str = "",
    against: str = "",
    budget: int = OVER_LADDER,
    interest: float = np.nan,
    **more: Any,
) -> dict[str, Any]:
    """One finding about one measure. ``found`` None: nothing was scored. ``more`` replaces what it says.

    For ``finished``, which leaves them in the table: ``_at``, a function of alpha that gives the interval at 1 - alpha;
    ``_pool``, the estimate where the spread of its seeds may be pooled with other labels' (``_pool``), else None;
    ``_within`` and ``_worse``, p of equivalence and p of being worse by the smallest value of interest or more;
    ``_fails``, p that a statement with several conditions does not hold (NaN: no such statement); ``_decided``, a
    verdict that was reached otherwise; ``_way``, which way is better.

    ``bound_low``, ``bound_high``: ends of the interval at 1 - alpha, sampling error included, where every missing score
    is taken as it would harm most; NaN: nothing is missing. No verdict is given that does not survive them.
    """
    what = {c: getattr(ladder, c) for c in ("model", "task", "axis", "measure", "metric", "judge")}
    what |= {"estimand": finding, "label": label, "against": against, "condition": "macro", "budget": budget}
    way = more.get("_way", ladder.better)
    if found is None:
        numbers: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p", "_within", "_worse"), np.nan)
        numbers |= {"n_prompts": 0, "n_seeds": 0, "method": "", "warning": "", "note": "nothing scored", "unit": ""}
        numbers |= {"_at": None, "bound_low": np.nan, "bound_high": np.nan}
    else:
        numbers = {c: getattr(found, c) for c in ("value", "low", "high", "p", "n_prompts", "n_seeds")}
        numbers |= {c: getattr(found, c) for c in ("method", "warning", "bound_low", "bound_high")}
        numbers |= {"_within": found.within(interest) if interest > 0 else np.nan, "note": "", "_at": found.interval}
        numbers["_worse"] = no_worse(found, interest, way) if interest > 0 else np.nan
        numbers["unit"] = "seed and prompt" if found.n_seeds > 1 else "prompt"
    judged = {"interest": interest, "_fails": np.nan, "_decided": None, "_way": way, "_pool": None}
    return what | numbers | judged | more


def no_worse(found: Estimate, interest: float, way: Better) -> float:
    """p that the value is worse by ``interest`` or more; where neither way is better, that it is so far either way."""
    if not way:
        return found.within(interest)
    return found.below(interest) if way == "lower" else found.above(-interest)


def finished(parts: Sequence[dict[str, Any]] | pd.DataFrame, study: Study) -> pd.DataFrame:
    """Rows as from ``row``, whole: with family, correction and verdict. What ``row`` adds for it stays in the table, so
    that rows of several finders can be finished again together.

    A *family* is one finding, measure, metric and reference, of one model and task, over all objectives and budgets;
    but all that the answer speaks of (``ANSWERED``) is one family, over measures and references too. Each of its K rows
    is judged at alpha / K: ``low_all`` and ``high_all`` hold together with probability 1 - alpha (Bonferroni), and a
    verdict is what they say. The spread of seeds is then pooled over the labels (``_pool``), for a few seeds know
    their own too poorly to speak so far out; a verdict must hold at alpha by each row's own spread as well. Of the two
    nulls of a row, 0 and the margin, at most one is true, so that false differences and false equivalences are at most
    alpha together.
    """
    if not len(parts):
        return empty()
    table = pd.DataFrame(parts) if isinstance(parts, pd.DataFrame) else pd.DataFrame(list(parts))
    reals = {c.name for c in COLUMNS["estimates"][1] if c.null and c.name in NAMES} | {"_within", "_worse", "_fails"}
    for missing in {*_OBJECTS, *reals} - set(table):  # a front alone has neither ends nor an interest
        table[missing] = None if missing in _OBJECTS else np.nan
    asked = study.declared
    if "declared" not in table:
        compared = table["against"].isin(["", *asked.references])
        asked_for = {
            *asked.estimands,
            *(("last",) if "level" in asked.estimands else ()),
        }  # a level, at the last budget
        table["declared"] = table["estimand"].isin(asked_for) & compared
    table["family"] = _families(table).where(table["p"].notna(), "")
    tests = table["family"].map(table["family"].value_counts()).where(table["family"] != "", 1)
    ends = [
        at(study.alpha / n) if callable(at) and pd.notna(low) else (np.nan, np.nan)
        for at, n, low in zip(table["_at"], tests, table["low"], strict=True)
    ]
    table[["low_all", "high_all"]] = np.array(ends, dtype=float).reshape(len(table), 2)
    for column, own in (("p_adjusted", "p"), ("p_equal", "_within"), ("p_worse", "_worse")):
        table[column] = table[own].astype(float)
    _pool(table, tests.to_numpy(float), study.alpha)
    # By each row's own spread as well, as the verdict, so that no p is small beside an interval that holds 0.
    table["p_adjusted"] = np.fmax((table["p_adjusted"] * tests).clip(upper=1.0), table["p"].astype(float))
    table = table.assign(**_decided(table, tests.to_numpy(float), study))
    if asked.prompts == "fixed":
        table["unit"] = np.where(table["n_seeds"] > 0, "seed", "")
    for pair in (["low", "high"], ["low_all", "high_all"]):
        numbers = table[pair].astype(float)
        table[pair] = numbers.where(np.isfinite(numbers))
    return table


def _families(table: pd.DataFrame) -> pd.Series:
    finding, measure, metric, against, model, task = (
        table[c].astype(str) for c in ("estimand", "measure", "metric", "against", "model", "task")
    )
    kind = pd.Series(np.where(table["declared"], "declared", "exploratory"), index=table.index)
    versus = (" against " + against).where(against != "", "")
    own = kind + ": " + finding + versus + ", " + measure + " " + metric + ", " + model + ", " + task
    return own.where(~finding.isin(ANSWERED), "answer: " + model + ", " + task)


_LIKE = ["estimand", "model", "task", "measure", "metric", "against", "budget", "n_seeds"]


def _pool(table: pd.DataFrame, tests: np.ndarray, alpha: float) -> None:
    """Of rows with ``_pool``: family interval and all p with the variance of seeds' means pooled over the K labels of
    the same comparison, as Dunnett's test has it, or the row's own where that is larger: an objective whose seeds
    scatter more than the others' is not judged by theirs. Nothing is done where there is but one label or seed.

    K variances of S - 1 degrees of freedom each, of contrasts that share a reference and therefore go together by a
    half, have (S - 1) 4K / (K + 3) (Satterthwaite: their squares' correlations are 1/4). What prompts add is each row's
    own. No family interval is narrower than the row's own.
    """
    may = np.array([isinstance(x, Estimate) for x in table["_pool"]]) & (table["n_seeds"].to_numpy() > 1)
    if not may.any():
        return
    k = table[may].groupby(_LIKE, sort=False)["label"].transform("size")
    rows = k.index[k > 1]
    if rows.empty:
        return
    some, k = table.loc[rows], k[rows].to_numpy(float)
    *own, seeds = (_stacked(made) for made in zip(*(x.pivots for x in some["_pool"]), strict=True))
    variance = pd.Series(seeds.variance, index=rows).groupby([some[c] for c in _LIKE], sort=False).transform("mean")
    pooled = np.maximum(variance.to_numpy(), seeds.variance)
    df = (some["n_seeds"].to_numpy() - 1) * 4 * k / (k + 3)
    made = [seeds._replace(variance=pooled, df=df)]
    for one in own:
        rest = np.maximum(one.variance - seeds.variance, 0.0)
        parts = pooled**2 / df + rest**2 / np.maximum(some["n_prompts"].to_numpy() - 1.0, 1.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            made.append(one._replace(variance=pooled + rest, df=np.where(parts > 0, (pooled + rest) ** 2 / parts, df)))
    each, limit = alpha / tests[table.index.get_indexer(rows)], np.array([x.limit for x in some["_pool"]])
    half = [t_quantile(d.df, each) * np.sqrt(d.variance) for d in made]
    low = np.maximum(np.min([d.centre - h for d, h in zip(made, half, strict=True)], axis=0), -limit)
    high = np.minimum(np.max([d.centre + h for d, h in zip(made, half, strict=True)], axis=0), limit)
    far, way = some["interest"].to_numpy(float), some["_way"].to_numpy(str)
    within = tost(*made, margin=far).p
    less, more = (np.fmax.reduce([test(d, b) for d in made]) for test, b in ((below, far), (above, -far)))
    table.loc[rows, "low_all"] = np.minimum(low, some["low"].to_numpy(float))
    table.loc[rows, "high_all"] = np.maximum(high, some["high"].to_numpy(float))
    table.loc[rows, "p_adjusted"] = np.fmax.reduce([d.p() for d in made])
    table.loc[rows, "p_equal"] = within
    table.loc[rows, "p_worse"] = np.where(way == "lower", less, np.where(way == "higher", more, within))


def _stacked(made: Sequence[Pivot]) -> Pivot:
    return Pivot(*(np.array(x, dtype=float) for x in zip(*made, strict=True)))


_OBJECTS = ("_at", "_decided", "_pool", "_way")


def _decided(table: pd.DataFrame, tests: np.ndarray, study: Study) -> dict[str, np.ndarray]:
    """A verdict a row, and the two p that others decide by: what missing scores could overturn is not shown."""
    numbers = ("value", "low_all", "high_all", "p_adjusted", "p_equal", "p_worse", "_fails", "interest")
    value, low, high, p, within, worse, fails, interest = (table[c].to_numpy(float) for c in numbers)
    own, own_within, own_worse = (table[c].to_numpy(float) for c in ("p", "_within", "_worse"))
    least, most = (table[c].to_numpy(float) for c in ("bound_low", "bound_high"))
    alpha, way = study.alpha, table["_way"].fillna("").to_numpy(str)
    whole = np.isnan(least)
    real = whole | np.where(value > 0, least > 0, most < 0)
    near = whole | ((least > -interest) & (most < interest))
    safe = np.where(way == "lower", most < interest, np.where(way == "higher", least > -interest, near)) | whole
    # The interval has its say as well, for a single seed's p is that of sign flips.
    apart = (p < alpha) & (own < alpha) & ~((low <= 0) & (high >= 0)) & real
    equal = (within * tests < alpha) & (own_within < alpha) & near
    said = decided(apart, equal, value > 0, way)
    statement = np.where((p < alpha) & real, "shown", np.where(fails * tests < alpha, "refuted", CANNOT_TELL))
    said = np.where(np.isnan(fails), said, statement)
    decreed = table["_decided"].to_numpy(object)
    given = np.array([x is not None and x == x for x in decreed])
    said = np.where(given, decreed, said)
    if study.trains:
        said = np.where((table["n_seeds"].to_numpy() == 1) & (said != ""), ONE_SEED, said)
    return {
        "verdict": said,
        "p_equal": np.where(near, within, 1.0),
        "p_worse": np.where(safe & (own_worse < alpha), worse, 1.0),
    }
