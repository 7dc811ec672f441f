"""*Who read unsafe text*: what each objective was given of it."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Block, Paragraph, Section
from holdfast.report.table import Table

UNSAFE = {
    "unsafe_tokens": "unsafe tokens read",
    "unsafe_rows": "unsafe rows",
    "refusal_rows": "refusal rows",
    "rejected_tokens": "rejected tokens read",
}
_READ = UNSAFE["unsafe_tokens"]


def section(s: Setting) -> Section:
    table = means(s, UNSAFE)
    blocks: tuple[Block, ...] = ()
    if len(table):
        last = table[table["budget"] == table["budget"].max()]
        none = _READ in last and not last[_READ].any()
        shown = Table(last, phrase("unsafe.note"), bar=_READ if _READ in last else "")
        blocks = (Paragraph("No objective read a token of unsafe text.", calm=True) if none else shown,)
    files = [Table(table, name="unsafe", title="Who read unsafe text")] if len(table) else []
    return Section("unsafe", (), blocks, unsafe(last) if len(table) else "", files)


def unsafe(table: pd.DataFrame) -> str:
    """Of the table that is shown: of the last budget."""
    if _READ not in table:
        return ""
    who = list(dict.fromkeys(table.loc[table[_READ] > 0, "objective"]))
    return f"{words.join(who)} read unsafe text." if who else "No objective did."


def means(s: Setting, names: Mapping[str, str]) -> pd.DataFrame:
    """Columns of the checkpoints that are there, under the names that readers know, mean over seeds: a row per
    objective and budget."""
    points = s.checkpoints
    there = [c for c in names if c in points and points[c].notna().any()]
    if not there:
        return pd.DataFrame()
    numbers = points[["label", "budget"]].join(points[there].apply(pd.to_numeric, errors="coerce"))
    found = numbers.groupby(["label", "budget"], sort=False).mean().reset_index()
    order = {label: i for i, label in enumerate(s.findings.labels)}
    found = found[found["label"].isin(order)].sort_values(
        ["budget", "label"], key=lambda c: c.map(order) if c.name == "label" else c
    )
    return found.rename(columns={"label": "objective", **names}).reset_index(drop=True)
