"""A number at every step of training, a line per run."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.charts import placing
from holdfast.report.charts.plot import (
    Figure,
    Look,
    Plane,
    chart,
    colour,
    number,
    of_rule,
    opacity,
    plain_axis,
    text,
    tips,
    within,
)

THOUSANDS = "datum.value >= 1000 ? datum.value / 1000 + 'k' : datum.label"


def path(name: str, title: str, unit: str, rows: pd.DataFrame, look: Look, caption: str) -> Figure:
    """``rows``: label, seed, tokens, value, and ``target`` (NaN: none), at which a dashed line stands."""
    targets = rows[["target"]].dropna().drop_duplicates()
    ends = placing.domain(
        pd.concat([rows[["value"]], targets.rename(columns={"target": "value"})]), top=None, zero=True
    )
    at = Plane(
        within((0, int(rows["tokens"].max()))),
        plain_axis("Training tokens (shared view)") | {"labelExpr": THOUSANDS, "grid": False},
        within(ends),
        plain_axis(unit, ticks=5),
        "tokens",
        "value",
    )
    drawn, tip = tips(
        rows[["label", "seed", "tokens", "value"]],
        ("label", words.own("objective"), str),
        ("seed", "seed", str),
        ("tokens", "tokens", "{:,}".format),
        ("value", unit, words.significant),
    )
    run, own = text("seed"), colour(look)
    layers = [at.line(drawn, 1.5, color=own, detail=run, order=number("tokens"), opacity=opacity(0.8))]
    layers.append(at.points(drawn, {"size": 40, "opacity": 0}, tooltip=tip))
    if len(targets):
        layers.append(of_rule(targets, "target", "y", at.scale_y, at.axis_y))
    last = rows.sort_values("tokens").groupby("label", sort=False)["value"].last()
    said = ", ".join(f"{label} {words.significant(value)}" for label, value in last.items())
    tidy = rows.rename(columns={"label": "objective"}).dropna(axis="columns", how="all")
    return Figure(name, title, chart(layers), caption, f"{title}. At the end: {said}.", tidy, height=260)
