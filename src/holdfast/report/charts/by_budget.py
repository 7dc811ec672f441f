"""A number at each budget, a line per objective."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence

import pandas as pd

from holdfast.report import words
from holdfast.report.charts import placing
from holdfast.report.charts.plot import (
    Figure,
    Json,
    Look,
    Plane,
    Tip,
    chart,
    colour,
    mark,
    number,
    opacity,
    plain_axis,
    shape,
    share_axis,
    tips,
    value,
    within,
)
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import evidence, phrase
from holdfast.report.series import Series

TOKENS = "Training tokens (shared view)"


def level(s: Series, estimates: pd.DataFrame, look: Look) -> Figure | None:
    """A measure's level at each budget, the base as a line."""
    rows = s.of(estimates)
    level, rests = words.level(look.alpha), evidence(rows, s)
    caption = phrase("charts.by_budget", s=s, level=level, evidence=rests)
    return _lines(f"{s.measure}-{s.metric}", s.title, s.title, rows, look, caption, share=True)


def distance(name: str, title: str, unit: str, rows: pd.DataFrame, look: Look, about: str) -> Figure | None:
    """How far training moved the model, at each budget; the base is zero."""
    return _lines(name, title, unit, rows.assign(low=math.nan, high=math.nan), look, about, share=False)


def share(
    name: str, title: str, unit: str, rows: pd.DataFrame, look: Look, about: str, across: str, beside: str
) -> Figure | None:
    """A share with its intervals at budgets of another kind, which ``across`` names; ``beside``: what is no objective
    and is drawn dashed."""
    return _lines(name, title, unit, rows, look, about, share=True, across=across, beside=beside)


def _lines(
    name: str,
    title: str,
    unit: str,
    rows: pd.DataFrame,
    look: Look,
    caption: str,
    *,
    share: bool,
    across: str = TOKENS,
    beside: str = "",
) -> Figure | None:
    rows = rows[rows["label"].isin((BASE, beside, *look.labels))].dropna(subset=["value"])
    trained, base = rows[rows["label"].isin(look.labels)], rows[rows["label"] == BASE].head(1)
    if trained.empty:
        return None
    budgets = sorted(int(b) for b in trained["budget"].unique())
    trained = trained.assign(
        at=placing.dodge(trained, look.labels, budgets), order=trained["label"].map(look.labels.index)
    )
    domain = placing.domain(rows[["value", "low", "high"]], top=1.0 if share else None, zero=not share)
    up = share_axis(unit, domain, ticks=5) if share else plain_axis(unit, ticks=5)
    axis: Json = {"title": across, "values": budgets, "labelExpr": _named(budgets)}
    axis |= {"grid": False, "labelOverlap": True}
    log = within(placing.span(budgets), type="log")
    at = Plane(log, axis, within(domain, zero=False), up, "at", "value")
    show = words.percent if share else words.significant
    keep = ["label", "budget", "value", "low", "high"]
    told: list[Tip] = [("label", words.own("objective"), str), ("budget", "tokens", "{:,}".format)]
    told += [("value", unit, show), *([("low", "from", show), ("high", "to", show)] if share else [])]
    drawn, tip = tips(trained[[*keep, "at", "order"]], *told)
    own, layers = colour(look), []
    if len(base):
        line = tips(base[keep], *told)[0]
        if base[["low", "high"]].notna().all(axis=None):
            low = number("low", scale=at.scale_y, axis=up)
            layers.append(mark("rect", line, {"style": "base-band"}, y=low, y2={"field": "high"}))
        name_style = {"style": "base-label", "align": "left", "baseline": "bottom", "dx": 4, "dy": -3, "text": "base"}
        layers += [
            mark("rule", line, {"style": "base-line"}, y=at.y, tooltip=tip[:1] + tip[2:]),
            mark("text", line, name_style, x=value(0), y=at.y),
        ]
    if beside:
        line = tips(rows.loc[rows["label"] == beside, keep].assign(at=lambda r: r["budget"]), *told)[0]
        end = {"style": "base-label", "align": "right", "baseline": "middle", "dx": -6, "text": beside}
        layers.append(mark("line", line, {"style": "base-line"}, x=at.x, y=at.y, tooltip=tip))
        layers.append(mark("text", line.head(1), end, x=at.x, y=at.y))
    layers.append(at.line(drawn, 1.5, color=own, order=number("budget"), opacity=opacity(0.5)))
    if share:
        bar = {"strokeWidth": 1.75}
        layers.append(at.interval("y", "low", "high", drawn, bar, color=own, opacity=opacity(0.8)))
    halo = {"style": "halo", "strokeWidth": 1, "size": 62}
    layers.append(at.points(drawn, halo, color=own, shape=shape(look), opacity=opacity(1), tooltip=tip))
    last = trained[trained["budget"] == budgets[-1]]
    said = ", ".join(f"{r.label} {show(r.value)}" for r in last.sort_values("order").itertuples())
    start = f" The base is at {show(base['value'].iloc[0])}." if len(base) else ""
    tidy = rows[keep].rename(columns={"label": "objective"})
    alt = f"{title}. At {budgets[-1]:,} tokens: {said}.{start}"
    return Figure(name, title, chart(layers), caption, alt, tidy, height=300)


def _named(budgets: Sequence[int]) -> str:
    """The labels of an axis of budgets, as the text around it has them."""
    return f"{json.dumps({str(b): words.tokens(b) for b in budgets})}[datum.value]"
