"""A difference from SFT as a function of capability or of distance: a line with its band per objective."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.charts import placing
from holdfast.report.charts.plot import (
    Json,
    Look,
    Plane,
    chart,
    colour,
    mark,
    of_rule,
    opacity,
    plain_axis,
    share_axis,
    tips,
    within,
)


def gap(
    data: pd.DataFrame, look: Look, across: str, up: str, *, share: bool = True, target: float | None = None
) -> Json:
    """``data``: label, level (across), gap, gap_low, gap_high (up). ``share``: what is across is one, as capability is;
    else it starts at 0 and small values have room. ``target``: a level that is singled out."""
    dx = placing.domain(data[["level"]], top=1.0) if share else [0.0, 1.04 * float(data["level"].max())]
    dy = placing.domain(data[["gap", "gap_low", "gap_high"]], top=1.0)
    low = min(float(data["gap_low"].min()), 0.0)
    dy = [round(low - 0.06 * (dy[1] - low), 6), max(dy[1], 0.02)]
    ways = (within(dx), share_axis(across, dx)) if share else (within(dx, type="sqrt"), plain_axis(across))
    at = Plane(*ways, within(dy), share_axis(up, dy), "level", "gap")
    data, tip = tips(
        data,
        ("label", words.own("objective"), str),
        ("level", *(("capability", words.percent) if share else ("distance", words.significant))),
        ("gap", "difference in points", words.points),
        ("gap_low", "from", words.points),
        ("gap_high", "to", words.points),
    )
    own = colour(look)
    layers = [of_rule(pd.DataFrame({"gap": [0.0]}), "gap", "y", at.scale_y, at.axis_y)]
    if target is not None and dx[0] < target < dx[1]:
        layers.append(of_rule(pd.DataFrame({"level": [target]}), "level", "x", at.scale_x, at.axis_x))
    layers += [
        at.interval("y", "gap_low", "gap_high", data, {}, "area", color=own, opacity=opacity(0.07, 0.25)),
        at.line(data, 2, color=own, opacity=opacity(0.95)),
        mark("point", data, {"size": 40, "opacity": 0}, x=at.x, y=at.y, tooltip=tip),
    ]
    if not share:  # each ends at a distance of its own: a short line must be seen
        last = data.sort_values("level").groupby("label", sort=False).tail(1)
        layers.append(at.points(last, {"size": 50}, color=own, opacity=opacity(0.95), tooltip=tip))
    return chart(layers)
