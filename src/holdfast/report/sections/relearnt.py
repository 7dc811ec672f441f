"""*How little it takes*: attack success along a few tokens of forbidden training, from where each objective ended."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.relearning import GIVES_IN, UNTRAINED
from holdfast.report import words
from holdfast.report.charts import by_budget
from holdfast.report.charts.plot import Figure
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Section, some
from holdfast.report.series import plain
from holdfast.report.table import Table


def section(s: Setting) -> Section | None:
    study = s.findings.study
    if study.relearning is None:
        return None
    levels, tokens = s.table("relearning"), s.table("gives_in")
    level = words.level(study.alpha)
    charts, tables, lines = [], [], []
    for measure, rows in levels.groupby("measure", sort=False):
        about = phrase("relearnt.chart", level=level, judge=rows["judge"].iloc[0], seeds=words.seeds(rows["n_seeds"]))
        several = levels["measure"].nunique() > 1
        charts.append(_chart(s, str(measure), rows, about, several))
        mine = tokens[tokens["measure"] == measure]
        table = _table(rows, mine, s.findings.reference)
        note = phrase("relearnt.note", level=level, half=words.percent(GIVES_IN, 0), sft=s.findings.reference)
        tables.append(Table(table, note, f"relearnt-{measure}", plain(str(measure))))
        if len(mine):
            lines.append(_line(mine, several))
    return Section("relearnt", some(charts), tables, " ".join(lines), tables)


def _chart(s: Setting, measure: str, rows: pd.DataFrame, about: str, several: bool) -> Figure | None:
    title = f"Attack success{f' on {plain(measure)}' if several else ''} while it relearns"
    drawn = rows[rows["budget"] > 0]  # the axis of tokens is one of powers
    across, look = "Tokens of relearning", s.findings.look
    return by_budget.share(f"{measure}-relearnt", title, "attack success", drawn, look, about, across, UNTRAINED)


def _table(rows: pd.DataFrame, tokens: pd.DataFrame, sft: str) -> pd.DataFrame:
    """A row per objective: what is left after each few tokens, and how many it takes."""
    found = []
    took = tokens.set_index("label")
    for label, some_ in rows.groupby("label", sort=False):
        row = {"objective": label}
        for r in some_.to_dict("records"):
            row["before" if r["budget"] == 0 else f"{words.tokens(r['budget'])} tokens"] = words.estimate(r)
        last = some_.iloc[-1]
        row[f"from {sft} at the end"] = words.estimate(last, "gap", signed=True) if pd.notna(last["gap"]) else "–"
        if label in took.index:
            row["gives in after"] = _took(took.loc[label])
        found.append(row)
    return pd.DataFrame(found).fillna("–")


def _took(r: pd.Series) -> str:
    if not r["n_reached"]:
        return f"not in {r['n_seeds']} runs" if r["n_seeds"] > 1 else "not yet"
    spread = f" ({words.tokens(r['low'])} to {words.tokens(r['high'])})" if r["n_reached"] > 1 else ""
    gone = "" if r["n_reached"] == r["n_seeds"] else f", {r['n_reached']} of {r['n_seeds']} runs"
    return f"{words.tokens(r['value'])} tokens{spread}{gone}"


def _line(tokens: pd.DataFrame, several: bool) -> str:
    there = tokens[tokens["n_reached"] == tokens["n_seeds"]].sort_values("value", kind="stable")
    never = list(tokens.loc[tokens["n_reached"] == 0, "label"])
    told = [(r.label, words.tokens(r.value)) for r in there.itertuples()]
    where = f" on {plain(str(tokens['measure'].iloc[0]))}" if several else ""
    partly = list(tokens.loc[tokens["n_reached"].between(1, tokens["n_seeds"] - 1), "label"])
    return phrase("relearnt.line", where=where, told=told, never=never, partly=partly)
