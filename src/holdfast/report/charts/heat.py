"""A measure's conditions (attacks, traits) × objectives, as a heat map that can be read number by number."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.charts.plot import Figure, Json, Look, bare_axis, chart, expr, mark, number, text, tips
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import evidence, phrase
from holdfast.report.series import Series

MOST = 12  # columns that can be read; of more traits there is the map of moves


def bad(s: Series, condition: str, value: float) -> float:
    """How bad a level is: the colour of its cell. Of what is better when high it is what is left to the top of the
    range; of what has no direction the level itself."""
    top = s.info.high if s.info.high is not None else 1.0
    return top - value if s.info.apart.get(condition, s.better) == "higher" else value


def by_condition(s: Series, noun: str, estimates: pd.DataFrame, look: Look) -> Figure | None:
    """Condition (attack, trait) × objective at a budget: the last, unless the reader chooses another."""
    rows = s.of(estimates, condition="*").dropna(subset=["value"])
    rows = rows[rows["label"].isin((BASE, *look.labels))]
    if rows.empty or not 2 <= rows["condition"].nunique() <= 1 + MOST:
        return None

    def named(condition: str) -> str:
        return words.wrapped(f"mean of {noun}s" if condition == "macro" else words.attack(condition))

    budgets = sorted({int(b) for b in rows.loc[rows["label"] != BASE, "budget"]}, reverse=True) or [0]
    rows = rows.assign(bad=[bad(s, c, v) for c, v in zip(rows["condition"], rows["value"], strict=True)])
    low, top = float(rows["bad"].min()), max(float(rows["bad"].max()), 0.05)
    low = 0.0 if low < 0.4 * top else max(0.0, low - 0.5 * (top - low))
    digits = 1 if rows["value"].max() < 0.06 else 0
    data = rows.assign(
        condition=[named(c) for c in rows["condition"]],
        text=[words.percent(v, digits, more=1).removesuffix("%") for v in rows["value"]],
        interval=[words.ends(r.low, r.high) for r in rows.itertuples()],
        high_cell=rows["bad"] > low + 0.55 * (top - low),
    )[["label", "budget", "condition", "value", "bad", "low", "high", "text", "interval", "high_cell"]]
    data, tip = tips(
        data,
        ("label", words.own("objective"), str),
        ("condition", noun, str),
        ("value", s.short, words.percent),
        ("low", "from", words.percent),
        ("high", "to", words.percent),
    )
    first, last = named("none"), named("macro")
    columns = sorted(data["condition"].unique(), key=lambda a: (a == last, a != first, a))
    several = {"input": "select", "options": budgets, "labels": [f"{b:,}" for b in budgets], "name": "budget, tokens "}
    chosen = {"name": "budget", "value": budgets[0], **({"bind": several} if any(budgets) else {})}
    head = bare_axis(
        orient="top",
        labelAngle=0,
        labelLimit=expr(f"width / {len(columns)}"),
        labelExpr="split(datum.label, '\\n')",
        labelPadding=8 + 13 * max(a.count("\n") for a in columns),
    ) | {"labelFontSize": expr("width < 420 ? 8.5 : 11.5")}
    at = {
        "x": text("condition", sort=columns, axis=head),
        "y": text("label", sort=[BASE, *look.labels], axis=bare_axis(labelPadding=8)),
    }
    here = {"filter": "datum.label === 'base' || datum.budget === budget"}
    scale = {"domain": [low, top], "range": "heatmap", "interpolate": "rgb"}
    fill = {"style": "cell", "cornerRadius": 3}
    layers: list[Json] = [
        mark("rect", data, fill, **at, color=number("bad", scale=scale, legend=None), tooltip=tip)
        | {"transform": [here]}
    ]
    for high, style in ((True, "cell-high"), (False, "cell-low")):
        part = {"transform": [here, {"filter": f"datum.high_cell === {str(high).lower()}"}]}
        for name, column, dy in ((style, "text", -6), (f"{style}-small", "interval", 8)):
            layers.append(mark("text", data, {"style": name, "dy": dy}, **at, text=text(column)) | part)
    final = data[data["budget"] == budgets[0]]
    worst = final.loc[final["value"].idxmax()]
    title = f"{s.whole} by {noun}"
    level, rests = words.level(look.alpha), evidence(rows, s)
    caption = phrase("charts.by_condition", s=s, level=level, budget=budgets[0], evidence=rests)
    under = worst["condition"].replace("\n", " ")
    said = f"{title}{words.at(budgets[0])}; the highest is {worst['label']} under {under}, {worst['text']} per cent."
    tidy = data[["label", "budget", "condition", "value", "low", "high"]].rename(columns={"label": "objective"})
    tidy["condition"] = tidy["condition"].str.replace("\n", " ")
    height = 44 * (1 + len(look.labels)) + 40
    return Figure(f"{s.measure}-by-{noun}", title, chart(layers, chosen), caption, said, tidy, height=height)
