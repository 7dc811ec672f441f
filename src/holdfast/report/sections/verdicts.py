"""Verdicts of many comparisons in one line; no row is left out for being awkward."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.answer_rows import one_seed
from holdfast.report import words

_FIRST = (
    "better", "worse", "shown", "refuted", "differs", "small but real", "equivalent", "inconclusive", "one seed",
)  # fmt: skip
SIGNS = {
    "better": "▲", "worse": "▼", "shown": "✓", "refuted": "✗", "differs": "◆", "equivalent": "=", "inconclusive": "?",
    "small but real": "≈", "one seed": "○",
}  # fmt: skip


def _ordered(found: pd.Series) -> list[str]:
    """The verdicts that there are, those that are known first."""
    there = [v for v in found.unique() if v]
    return [*(v for v in _FIRST if v in there), *(v for v in there if v not in _FIRST)]


def verdicts(found: pd.DataFrame) -> str:
    """``better in DPO; equivalent in IP and KL; inconclusive in CFT``."""
    if one_seed(found):
        return "no verdict, for each rests on one seed"
    by = {v: list(dict.fromkeys(some["label"])) for v, some in found.groupby("verdict", sort=False)}
    return "; ".join(f"{v} in {words.join(by[v])}" for v in _ordered(found["verdict"]))


def counted(found: pd.DataFrame, chosen: str) -> str:
    """``60 comparisons (declared): 6 better, 2 worse, …``. ``chosen``: of ``declaration_text.chosen``."""
    n = found["verdict"].value_counts()
    s = "" if len(found) == 1 else "s"
    said = words.join([f"{n[v]} {v}" for v in _ordered(found["verdict"])])
    said = "none has a verdict, for each rests on one seed" if one_seed(found) else said
    return f"{len(found)} comparison{s} ({chosen}): {said}."
