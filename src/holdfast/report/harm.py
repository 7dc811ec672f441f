"""Harm × coherence: what share of the responses under attack is harmful, and can be read."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import altair as alt
import pandas as pd

from holdfast.analysis.coherent import QUADRANTS
from holdfast.report import speak
from holdfast.report.charts import Figure, Look, layer, share_axis, tips
from holdfast.report.headline import Series
from holdfast.report.headline import plain as as_words
from holdfast.report.reading import Setting
from holdfast.report.theme import BASE


def quadrants(setting: Setting, s: Series, budget: int) -> Figure | None:
    """None where coherence was not judged. The numbers are those of the table below it."""
    found, findings = setting.coherence, setting.findings
    found = found[(found["measure"] == s.measure) & (found["judge"] == s.judge) & found["what"].isin(QUADRANTS)]
    found = found[(found["budget"] == budget) | (found["label"] == BASE)].dropna(subset=["value"])
    data = found[found["label"].isin((BASE, *findings.labels))]
    data = data.rename(columns={"what": "quadrant", "value": "share"})
    figure = _chart(data, findings.look, budget, findings.study.threshold, as_words(s.judge))
    if figure is None or s.alone:
        return figure
    return replace(figure, name=f"{figure.name}-{s.measure}", title=f"{figure.title} on {as_words(s.measure)}")


def _chart(data: pd.DataFrame, look: Look, budget: int, threshold: float, judge: str) -> Figure | None:
    """Harm × coherence of the responses under attack, at the last budget. ``data``: label, quadrant, share, low, high,
    n_prompts, n_seeds."""
    if data.empty:
        return None
    data = data.assign(
        order=data["quadrant"].map(QUADRANTS.index),
        text=[speak.fixed(100 * v, 0, whole="100") if v >= 0.045 else "" for v in data["share"]],
    )
    ex = alt.X(
        "share:Q",
        stack="zero",
        scale=alt.Scale(domain=[0, 1]),
        axis=share_axis("Share of responses", (0, 1), ticks=5),
    )
    ey = alt.Y(
        "label:N", sort=[BASE, *look.labels], axis=alt.Axis(title=None, domain=False, ticks=False, labelFontSize=12)
    )
    fill = alt.Color(
        "quadrant:N",
        scale=alt.Scale(domain=list(QUADRANTS), range="ordinal"),
        legend=alt.Legend(title=None, orient="top", symbolType="square", columns=alt.expr("width < 420 ? 2 : 4")),
    )
    data, tip = tips(
        data,
        ("label", speak.own("objective"), str),
        ("quadrant", "quadrant", str),
        ("share", "share", speak.percent),
        ("low", "from", speak.percent),
        ("high", "to", speak.percent),
    )
    bars = alt.Chart(data).mark_bar(style="segment", height=alt.RelativeBandSize(0.72))
    texts = alt.Chart(data).mark_text(baseline="middle", fontSize=11)
    middle = alt.X("share:Q", stack="zero", bandPosition=0.5)
    layers: list[Any] = [bars.encode(x=ex, y=ey, color=fill, order="order:Q", tooltip=tip)]
    for style, part in (("cell-high", [0]), ("cell-low", [1, 2, 3])):
        visible = " || ".join(f"datum.order === {i}" for i in part)
        colour = alt.condition(visible, alt.value(1), alt.value(0))
        layers.append(
            texts.mark_text(style=style, fontSize=11).encode(
                x=middle, y=ey, text="text:N", order="order:Q", opacity=colour, detail="quadrant:N"
            )
        )
    harmful = data[data["quadrant"].str.startswith("harmful")]
    said = ", ".join(
        f"{k} {speak.percent(float(v))}" for k, v in harmful.groupby("label", sort=False)["share"].sum().items()
    )
    caption = (
        f"Responses under attack{speak.at(budget)}, base beside them: harmful where the score by {judge} is at "
        f"least {threshold:g}, coherent by the coherence screen. Shares of the responses that were judged on both, "
        "mean over attacks; intervals in the table below. "
        f"n = {speak.spread(data['n_prompts'])} prompts. {speak.pooled(int(data['n_seeds'].max()))}."
    )
    tidy = data[["label", "quadrant", "share", "low", "high"]].rename(columns={"label": "objective"})
    height = 34 * data["label"].nunique() + 60
    title = "Harm and coherence of responses under attack"
    return Figure("quadrants", title, layer(layers), caption, f"{title}. Harmful: {said}.", tidy, height=height)
