"""Parts of a whole, a bar each: what responses under attack are, and what moves a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from holdfast.report.charts.plot import Json, bare_axis, chart, expr, mark, number, share_axis, text, where


def stacked(
    data: pd.DataFrame,
    title: str,
    rows: tuple[str, Sequence[str]],
    parts: tuple[str, Json],
    tooltip: list[Json],
    pale: Sequence[tuple[str, str]],
    *,
    narrow: int,
    wide: int,
    names: Json | None = None,
    shown: Sequence[str] = (),
    size: Any = 11,
) -> Json:
    """``data``: share, order, text and the columns of ``rows`` (with their order) and ``parts`` (with their scale).
    ``pale``: the style of the texts and which of them have it; ``narrow``, ``wide``: columns of the legend; ``shown``:
    what it names, if not all."""
    across = {"scale": {"domain": [0, 1]}, "axis": share_axis(title, (0, 1), ticks=5)}
    at = text(rows[0], sort=list(rows[1]), axis=bare_axis(**(names or {})))
    columns = expr(f"width < 420 ? {narrow} : {wide}")
    legend: Json = {"title": None, "orient": "top", "symbolType": "square", "columns": columns}
    fill = text(parts[0], scale=parts[1], legend=legend | ({"values": list(shown)} if shown else {}))
    bar, order = {"style": "segment", "height": {"band": 0.72}}, number("order")
    layers = [
        mark(
            "bar", data, bar, x=number("share", stack="zero", **across), y=at, color=fill, order=order, tooltip=tooltip
        )
    ]
    middle = number("share", stack="zero", bandPosition=0.5)
    for style, test in pale:
        label = {"style": style, "fontSize": size, "baseline": "middle"}
        seen = {"opacity": where(test, 1, 0), "detail": text(parts[0])}
        layers.append(mark("text", data, label, x=middle, y=at, text=text("text"), order=order, **seen))
    return chart(layers)
