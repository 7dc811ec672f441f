"""What the study asked, and what it found: the table of findings, whatever estimand a row is of.

Its columns are those of ``store.tables``. Who brings rows of which kind is in ``asked``; ``finished`` gives the rows of
comparisons what they have in common: whether they were declared, their family, Holm's correction, a
verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from holdfast.analysis.ladder import Account, Ladder
from holdfast.analysis.paired import holm
from holdfast.spec import Study
from holdfast.store.tables import COLUMNS

NAMES = tuple(c.name for c in COLUMNS["findings"][1] if c.name != "regime")  # ``asked`` says of which regime a row is
OVER_LADDER = -1
CANNOT_TELL = "cannot tell"
Better = Literal["lower", "higher", ""]


def empty() -> pd.DataFrame:
    return pd.DataFrame(columns=list(NAMES))


def better(axis: str, metric: str) -> Better:
    """Which way is better; "" where a move is just a move, as on normative measures."""
    if metric == "compliance":  # the share of safe prompts answered
        return "higher"
    ways: dict[str, Better] = {"capability": "higher", "robustness": "lower", "persona": "lower"}
    return ways.get(axis, "")


def row(
    ladder: Ladder,
    finding: str,
    found: Account | None,
    *,
    label: str = "",
    against: str = "",
    budget: int = OVER_LADDER,
    interest: float = np.nan,
    **more: Any,
) -> dict[str, Any]:
    """One finding about one measure. ``found`` None: nothing was scored. ``more`` replaces what it says.

    For ``finished``, and dropped by it: ``_within``, p of equivalence; ``_fails``, p that a statement with several
    conditions does not hold (NaN: no such statement); ``_decided``, a verdict that was reached otherwise; ``_way``,
    which way is better.
    """
    what = {c: getattr(ladder, c) for c in ("model", "task", "axis", "measure", "metric", "judge")}
    what |= {"finding": finding, "label": label, "against": against, "condition": "macro", "budget": budget}
    if found is None:
        numbers: dict[str, Any] = dict.fromkeys(("value", "low", "high", "p", "_within"), np.nan)
        numbers |= {"n_prompts": 0, "n_seeds": 0, "method": "", "warning": "", "note": "nothing scored", "unit": ""}
    else:
        numbers = {c: getattr(found, c) for c in ("value", "low", "high", "p", "n_prompts", "n_seeds")}
        numbers |= {c: getattr(found, c) for c in ("method", "warning")}
        numbers |= {"_within": found.within(interest) if interest > 0 else np.nan, "note": ""}
        numbers["unit"] = "seed and prompt" if found.n_seeds > 1 else "prompt"
    judged = {"interest": interest, "_fails": np.nan, "_decided": "", "_way": better(ladder.axis, ladder.metric)}
    return what | numbers | judged | more


def finished(parts: Sequence[dict[str, Any]], study: Study) -> pd.DataFrame:
    """Rows as from ``row``, whole. The verdict is by the test of equivalence at alpha and, where that does not hold, by
    p after Holm's correction.

    A *family*: one finding, measure, metric and reference, of one model and task, over all objectives and budgets.
    """
    if not parts:
        return empty()
    table = pd.DataFrame(list(parts))
    asked = study.declared
    compared = table["against"].isin(["", *asked.references])
    table["declared"] = table["finding"].isin(asked.estimands) & compared
    table["family"] = _families(table).where(table["p"].notna(), "")
    table["p_holm"] = holm(table["p"], table["family"])
    table["verdict"] = [_verdict(r, study.alpha) for r in table.to_dict("records")]
    if asked.prompts == "fixed":
        table["unit"] = np.where(table["n_seeds"] > 0, "seed", "")
    ends = table[["low", "high"]].astype(float)
    table[["low", "high"]] = ends.where(np.isfinite(ends))
    return table[list(NAMES)]


def _families(table: pd.DataFrame) -> pd.Series:
    finding, measure, metric, against, model, task = (
        table[c].astype(str) for c in ("finding", "measure", "metric", "against", "model", "task")
    )
    kind = pd.Series(np.where(table["declared"], "declared", "exploratory"), index=table.index)
    versus = (" against " + against).where(against != "", "")
    return kind + ": " + finding + versus + ", " + measure + " " + metric + ", " + model + ", " + task


def _verdict(r: dict[str, Any], alpha: float) -> str:
    there = r["p_holm"] < alpha
    if r["_decided"]:
        return str(r["_decided"])
    if not np.isnan(r["_fails"]):
        return "shown" if there else "refuted" if r["_fails"] < alpha else CANNOT_TELL
    if r["_within"] < alpha:
        return "equivalent"
    if not there:
        return CANNOT_TELL
    if not r["_way"]:
        return "differs"
    return "better" if (r["value"] > 0) == (r["_way"] == "higher") else "worse"
