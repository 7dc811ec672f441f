"""The chart of a difference from SFT as a function of capability or of distance: a line with its band per objective."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from holdfast.report import labels as place
from holdfast.report import speak
from holdfast.report.charts import Look, colour, layer, opacity_of, share_axis, tips


def chart(
    data: pd.DataFrame, look: Look, across: str, up: str, *, share: bool = True, mark: float | None = None
) -> dict[str, Any]:
    """``data``: label, level (across), gap, gap_low, gap_high (up). ``share``: what is across is one, as capability is;
    else it starts at 0 and small values have room. ``mark``: a level that is singled out."""
    dx = place.domain(data[["level"]], top=1.0) if share else [0.0, 1.04 * float(data["level"].max())]
    dy = place.domain(data[["gap", "gap_low", "gap_high"]], top=1.0)
    low = min(float(data["gap_low"].min()), 0.0)
    dy = [round(low - 0.06 * (dy[1] - low), 6), max(dy[1], 0.02)]
    scale, axis = alt.Scale(domain=dx, nice=False), share_axis(across, dx)
    if not share:
        scale, axis = alt.Scale(domain=dx, nice=False, type="sqrt"), alt.Axis(title=across, format="~r", tickCount=6)
    ex = alt.X("level:Q", scale=scale, axis=axis)
    sy, ay = alt.Scale(domain=dy, nice=False), share_axis(up, dy)
    ey = alt.Y("gap:Q", scale=sy, axis=ay)
    data, tip = tips(
        data,
        ("label", speak.own("objective"), str),
        ("level", *(("capability", speak.percent) if share else ("distance", speak.significant))),
        ("gap", "difference in points", speak.points),
        ("gap_low", "from", speak.points),
        ("gap_high", "to", speak.points),
    )
    drawn = alt.Chart(data)
    ends = {"y": alt.Y("gap_low:Q", scale=sy, axis=ay), "y2": "gap_high:Q"}
    last = alt.Chart(data.sort_values("level").groupby("label", sort=False).tail(1))
    layers: list[Any] = [
        alt.Chart(pd.DataFrame({"gap": [0.0]})).mark_rule(style="base-line").encode(y=ey),
        drawn.mark_area().encode(x=ex, **ends, color=colour(look), opacity=opacity_of(0.07, 0.25)),
        drawn.mark_line(strokeWidth=2).encode(x=ex, y=ey, color=colour(look), opacity=opacity_of(0.95)),
        drawn.mark_point(size=40, opacity=0).encode(x=ex, y=ey, tooltip=tip),
    ]
    if not share:  # each ends at a distance of its own: a short line must be seen
        point = last.mark_point(filled=True, size=50)
        layers.append(point.encode(x=ex, y=ey, color=colour(look), opacity=opacity_of(0.95), tooltip=tip))
    if mark is not None and dx[0] < mark < dx[1]:
        layers.insert(1, alt.Chart(pd.DataFrame({"level": [mark]})).mark_rule(style="base-line").encode(x=ex))
    return layer(layers)
