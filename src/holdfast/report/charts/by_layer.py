"""A number at each layer of the model, a line per objective."""

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
    of_rule,
    opacity,
    plain_axis,
    share_axis,
    tips,
    within,
)


def by_layer(name: str, title: str, rows: pd.DataFrame, look: Look, caption: str) -> Figure:
    """``rows``: label, layer, value (a share), chosen (a layer that is singled out)."""
    up = placing.domain(rows[["value"]], top=None, zero=True)
    across = [-0.5, float(rows["layer"].max()) + 0.5]
    axis = plain_axis("Layer") | {"tickMinStep": 1}
    high = share_axis("Change of the hidden state, of its norm", up)
    at = Plane(within(across), axis, within(up), high, "layer", "value")
    drawn, tip = tips(
        rows[["label", "layer", "value"]],
        ("label", words.own("objective"), str),
        ("layer", "layer", str),
        ("value", "change", words.percent),
    )
    own = colour(look)
    single = rows[["chosen"]].drop_duplicates().rename(columns={"chosen": "layer"})
    layers = [
        of_rule(single, "layer", "x", at.scale_x, at.axis_x),
        at.line(drawn, 2, color=own, opacity=opacity(0.9)),
        at.points(drawn, {"size": 40}, color=own, opacity=opacity(0.95), tooltip=tip),
    ]
    last = rows.loc[rows.groupby("label", sort=False)["value"].idxmax()]
    said = ", ".join(f"{r.label} most at layer {r.layer} ({words.percent(r.value)})" for r in last.itertuples())
    tidy = rows.rename(columns={"label": "objective"})
    return Figure(name, title, chart(layers), caption, f"{title}. {said}.", tidy, height=260)
