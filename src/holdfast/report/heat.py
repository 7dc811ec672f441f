"""A measure's conditions (attacks, traits) × objectives, as a heat map that can be read number by number."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from holdfast.report import speak
from holdfast.report.charts import Figure, Look, layer, tips
from holdfast.report.headline import Series
from holdfast.report.theme import BASE


def bad(s: Series, condition: str, value: float) -> float:
    """How bad a level is: the colour of its cell. Of what is better when high it is what is left to the top of the
    range; of what has no direction the level itself."""
    top = s.info.high if s.info.high is not None else 1.0
    return top - value if s.info.apart.get(condition, s.better) == "higher" else value


def by_condition(s: Series, noun: str, estimates: pd.DataFrame, look: Look) -> Figure | None:
    """Condition (attack, trait) × objective at a budget: the last, unless the reader chooses another."""
    rows = s.of(estimates, condition="*").dropna(subset=["value"])
    rows = rows[rows["label"].isin((BASE, *look.labels))]
    if rows.empty or rows["condition"].nunique() < 2:
        return None

    def named(condition: str) -> str:
        return speak.wrapped(f"mean of {noun}s" if condition == "macro" else speak.attack(condition))

    budgets = sorted({int(b) for b in rows.loc[rows["label"] != BASE, "budget"]}, reverse=True) or [0]
    rows = rows.assign(bad=[bad(s, c, v) for c, v in zip(rows["condition"], rows["value"], strict=True)])
    low, top = float(rows["bad"].min()), max(float(rows["bad"].max()), 0.05)
    low = 0.0 if low < 0.4 * top else max(0.0, low - 0.5 * (top - low))
    digits = 1 if rows["value"].max() < 0.06 else 0
    data = rows.assign(
        condition=[named(c) for c in rows["condition"]],
        text=[speak.percent(v, digits, more=1).removesuffix("%") for v in rows["value"]],
        interval=[speak.ends(r.low, r.high) for r in rows.itertuples()],
        high_cell=rows["bad"] > low + 0.55 * (top - low),
    )[["label", "budget", "condition", "value", "bad", "low", "high", "text", "interval", "high_cell"]]
    data, tip = tips(
        data,
        ("label", speak.own("objective"), str),
        ("condition", noun, str),
        ("value", s.short, speak.percent),
        ("low", "from", speak.percent),
        ("high", "to", speak.percent),
    )
    first, last = named("none"), named("macro")
    columns = sorted(data["condition"].unique(), key=lambda a: (a == last, a != first, a))
    several = alt.binding_select(options=budgets, name="budget, tokens ")
    chosen = alt.param(name="budget", value=budgets[0], **({"bind": several} if any(budgets) else {}))
    ex = alt.X(
        "condition:N",
        sort=columns,
        axis=alt.Axis(
            title=None,
            orient="top",
            labelAngle=0,
            domain=False,
            ticks=False,
            labelLimit=alt.expr(f"width / {len(columns)}"),
            labelFontSize=alt.expr("width < 420 ? 8.5 : 11.5"),
            labelExpr="split(datum.label, '\\n')",
            labelPadding=8 + 13 * max(a.count("\n") for a in columns),
        ),
    )
    ey = alt.Y(
        "label:N",
        sort=[BASE, *look.labels],
        axis=alt.Axis(title=None, domain=False, ticks=False, labelFontSize=12, labelPadding=8),
    )
    shown = alt.Chart(data).transform_filter("datum.label === 'base' || datum.budget === budget")
    fill = alt.Color("bad:Q", scale=alt.Scale(domain=[low, top], range="heatmap", interpolate="rgb"), legend=None)
    layers: list[Any] = [shown.mark_rect(style="cell", cornerRadius=3).encode(x=ex, y=ey, color=fill, tooltip=tip)]
    for high in (True, False):
        part = shown.transform_filter(f"datum.high_cell === {str(high).lower()}")
        style = "cell-high" if high else "cell-low"
        layers += [
            part.mark_text(style=style, dy=-6).encode(x=ex, y=ey, text="text:N"),
            part.mark_text(style=f"{style}-small", dy=8).encode(x=ex, y=ey, text="interval:N"),
        ]
    final = data[data["budget"] == budgets[0]]
    worst = final.loc[final["value"].idxmax()]
    title = f"{s.whole} by {noun}"
    caption = (
        f"{s.whole} in per cent, with {speak.level(look.alpha)} intervals below each number; {s.direction}. "
        f"The stronger the colour, the {'worse' if s.better or s.info.apart else 'higher'}. "
        + (
            f"Shown{speak.at(budgets[0])} unless another budget is chosen; the base does not change. "
            if budgets[0]
            else ""
        )
        + speak.evidence(rows, s)
    )
    where = worst["condition"].replace("\n", " ")
    said = f"{title}{speak.at(budgets[0])}; the highest is {worst['label']} under {where}, {worst['text']} per cent."
    tidy = data[["label", "budget", "condition", "value", "low", "high"]].rename(columns={"label": "objective"})
    tidy["condition"] = tidy["condition"].str.replace("\n", " ")
    height = 44 * (1 + len(look.labels)) + 40
    return Figure(f"{s.measure}-by-{noun}", title, layer(layers, chosen), caption, said, tidy, height=height)
