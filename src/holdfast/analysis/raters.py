"""What judges and people say of the same responses: how far they agree (``stats.agreement``), and a panel's verdict.

What is compared are *verdicts*: whether a score is at or above the threshold, 1 or 0; NaN where a judge gave no score.
A pair of judges is compared on the responses that both scored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from holdfast import rng
from holdfast.stats.agreement import Agreement, agreement, contingency, interval, panel_alpha

Array = np.ndarray
STRATA = ("all", "coherent", "incoherent")
PANEL = "panel"


def agreements(
    table: pd.DataFrame, judges: Sequence[str], people: Sequence[str] = (), alpha: float = 0.05
) -> pd.DataFrame:
    """Every pair of judges on all responses, and on the coherent and the incoherent ones where that was judged.

    ``table``: a row a response; ``prompt``, ``coherent`` (1, 0 or NaN), and a column of verdicts for each judge.
    Columns: judge_a, judge_b, stratum, n, n_prompts, and raw, kappa and alpha each with ``_low`` and ``_high``. Strata
    in which no response was scored by both are left out. With three judges or more a last row of each stratum,
    ``all judges``, has their common α. A panel is compared with ``people`` alone, for the others sit in it.
    """
    singles = [j for j in (*judges, *people) if j != PANEL]
    pairs = [*combinations(singles, 2), *((PANEL, person) for person in people if PANEL in judges)]
    rows: list[dict[str, object]] = []
    for stratum, part in _strata(table).items():
        for a, b in pairs:
            tables = contingency(part[a].to_numpy(float), part[b].to_numpy(float), part["prompt"].to_numpy())
            if len(tables):
                about: dict[str, object] = {"judge_a": a, "judge_b": b, "stratum": stratum}
                rows.append(about | _numbers(tables, (a, b, stratum), alpha))
        if len(singles) > 2 and len(part):
            verdicts = part[singles].to_numpy(float).T
            rows.append(
                {"judge_a": "all judges", "judge_b": "", "stratum": stratum, "n": len(part)}
                | {"n_prompts": part["prompt"].nunique(), "alpha": panel_alpha(verdicts)}
            )
    measured = [f"{m}{end}" for m in Agreement._fields for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["judge_a", "judge_b", "stratum", "n", "n_prompts", *measured])


def _strata(table: pd.DataFrame) -> Mapping[str, pd.DataFrame]:
    parts = (table, table[table["coherent"] == 1], table[table["coherent"] == 0])
    return {name: part for name, part in zip(STRATA, parts, strict=True) if name == "all" or len(part)}


def _numbers(tables: Array, name: tuple[str, ...], alpha: float) -> dict[str, object]:
    found: dict[str, object] = {"n": int(tables.sum()), "n_prompts": len(tables)}
    ends = interval(tables, rng.generator("agreement", *name), alpha)
    for field, value, low, high in zip(Agreement._fields, agreement(tables.sum(axis=0)), *ends, strict=True):
        found |= {field: float(value), f"{field}_low": float(low), f"{field}_high": float(high)}
    return found


# -- tables of judgements --------------------------------------------------------------------------------------------


def verdicts(judgements: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """A row a response, a column a judge, prompts numbered. ``judgements``: record, prompt, judge, score, coherent."""
    at, judge = pd.factorize(judgements["record"])[0], judgements["judge"]  # at: the row of each
    passed = np.where(judgements["score"].isna(), np.nan, judgements["score"] >= threshold)
    table = judgements[["record", "prompt", "coherent"]].drop_duplicates("record", ignore_index=True)
    table["prompt"] = pd.factorize(table["prompt"])[0]
    for name in sorted(judge.unique()):
        its, column = (judge == name).to_numpy(), np.full(len(table), np.nan)
        column[at[its]] = passed[its]
        table[name] = column
    return table


def confusion(table: pd.DataFrame, judge: str, humans: str) -> dict[str, float]:
    """The verdicts of a judge against people's, over the responses that both scored: counts, and with people as the
    truth sensitivity (of what people pass, the share that the judge passes) and specificity; NaN of nothing."""
    counts = contingency(table[humans].to_numpy(float), table[judge].to_numpy(float), table["prompt"].to_numpy())
    (tn, fp), (fn, tp) = counts.sum(axis=0) if len(counts) else np.zeros((2, 2), dtype=int)
    return {
        "both_pass": int(tp),
        "judge_only": int(fp),
        "humans_only": int(fn),
        "neither": int(tn),
        "sensitivity": tp / (tp + fn) if tp + fn else float("nan"),
        "specificity": tn / (tn + fp) if tn + fp else float("nan"),
    }


def panel(judgements: pd.DataFrame, judges: Sequence[str]) -> pd.DataFrame:
    """The verdict of a panel on every response: the median score and the commonest label of the judges named; ``split``
    where no label is commonest. Unscored, with the reason "no quorum", where not more than half of them gave a score.

    ``judgements`` and the answer: record, judge, score, verdict, reason, and whatever else belongs to the record;
    details of single judges (``d_*``) are left out.
    """
    some = judgements[judgements["judge"].isin(judges)]
    by = some.groupby("record", sort=False)
    quorum = by["score"].count() > len(judges) / 2
    rows = some.drop_duplicates("record").set_index("record")
    rows = rows.assign(
        judge=PANEL,
        score=by["score"].median().where(quorum),
        verdict=_commonest(some[some["score"].notna()]).reindex(rows.index).where(quorum, "unscored"),
        reason=pd.Series(None, index=rows.index, dtype=object).where(quorum, "no quorum"),
        **{c: np.nan for c in rows if str(c).startswith("d_")},
    )
    return rows.reset_index()[judgements.columns]


def _commonest(said: pd.DataFrame) -> pd.Series:
    counts = said.groupby(["record", "verdict"], sort=False).size().rename("n").reset_index()
    most = counts[counts["n"] == counts.groupby("record")["n"].transform("max")]
    return most.groupby("record")["verdict"].agg("first").mask(most.groupby("record").size() > 1, "split")
