"""Other ways of asking than the plain one: a measure's own (*Asked in other forms*), and with the string that an
objective was trained with."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd

from holdfast.evals.measures.measure import round_of
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Section
from holdfast.report.series import Series
from holdfast.report.table import Table

FORMS = ("default", "system", "reversed", "lettered")


def section(s: Setting) -> Section | None:
    """How far each form of the same statements moved: forms that agree speak of the trait, forms that do not of how it
    was asked."""
    each = [(x, table) for x in s.shown if x.axis == "persona" and len(table := _moves(s, x))]
    if not each:
        return None
    note = phrase("ways.note", level=words.level(s.findings.study.alpha), at=s.last)
    tables = [Table(table, note, f"forms-{x.measure}", x.title) for x, table in each]
    return Section("ways", (), tables, " ".join(_line(s, x, len(each) > 1) for x, _ in each), tables)


def _forms(s: Setting, x: Series) -> list[str]:
    """The measure's own: the base model, too, was asked in them, and in no objective's."""
    e = s.estimates
    there = set(e.loc[(e["measure"] == x.measure) & (e["label"] == BASE), "format"])
    return [f for f in FORMS if f in there]


def _moves(s: Setting, x: Series) -> pd.DataFrame:
    """A row per objective: its level and the points from the base model at the last budget, form by form."""
    forms = _forms(s, x)
    if len(forms) < 2:
        return pd.DataFrame()
    rows = []
    for label in (BASE, *s.findings.labels):
        row: dict[str, str] = {"objective": label}
        for form in forms:
            own = replace(x, format=form)
            level, moved = (_one(own.of(s.estimates, against=a), label, s.last) for a in ("", "base"))
            name = "plain" if form == "default" else form
            row |= {name: words.percent(level["value"]) if level is not None else "–"}
            row |= {f"{name}, from base": words.estimate(moved, signed=True) if moved is not None else "–"}
        rows.append(row)
    return pd.DataFrame(rows)


def _one(rows: pd.DataFrame, label: str, budget: int) -> dict[Any, Any] | None:
    rows = rows[(rows["label"] == label) & ((rows["budget"] == budget) | (label == BASE))]
    return rows.iloc[0].to_dict() if len(rows) else None


def _line(s: Setting, x: Series, several: bool) -> str:
    """Of how many objectives all forms move the same way, as far as their intervals say."""
    same: list[str] = []
    apart: list[str] = []
    for label in s.findings.labels:
        moved = [_one(replace(x, format=f).of(s.estimates, against="base"), label, s.last) for f in _forms(s, x)]
        ends = [(m["low"], m["high"]) for m in moved if m is not None]
        up, down = any(low > 0 for low, _ in ends), any(high < 0 for _, high in ends)
        if up or down:
            (apart if up and down else same).append(label)
    where = f" of {x.name}" if several else ""
    return phrase("ways.line", where=where, same=same, apart=apart, n=len(_forms(s, x)))


def own_conditions(s: Setting) -> pd.DataFrame:
    """Levels at the last budget under an objective's own evaluation string, beside the plain prompt."""
    rows, e = [], s.estimates
    for x in s.shown:
        mine = e[e["measure"] == x.measure]
        common = set(mine.loc[mine["label"] == BASE, "format"])  # the measure's own ways, in which all are asked
        for other in dict.fromkeys(f for f in mine["format"] if f not in common and not round_of(f)):
            level = replace(x, format=other).of(e)
            plain_level = x.of(e).set_index(["label", "budget"])
            for r in level[level["budget"] == level["budget"].max()].to_dict("records"):
                key = (r["label"], r["budget"])
                if r["label"] != BASE and key in plain_level.index:
                    row = {"objective": r["label"], "asked with": other, "measure": x.title}
                    row |= {"level": words.percent(r["value"]), "interval": words.interval(r["low"], r["high"])}
                    rows.append(row | {"plain prompt": words.estimate(plain_level.loc[key])})
    return pd.DataFrame(rows)


def own_said(table: pd.DataFrame) -> str:
    """What each objective's own string does to every measure, of the table of ``own_conditions``."""
    told = []
    for (objective, string), rows in table.groupby(["objective", "asked with"], sort=False) if len(table) else ():
        each = rows.to_dict("records")
        parts = [f"{r['measure']} {r['level']} instead of {r['plain prompt'].split()[0]}" for r in each]
        told.append(f"{objective} ({string}): {', '.join(parts)}.")
    return " ".join(told)
