"""What all charts share: layers of Vega-Lite over two axes, intervals, lines, points, names at their points, tooltips.

A chart is written as the JSON that Vega-Lite reads, and holds no colour and no width; the theme and the writer give
them. (https://vega.github.io/vega-lite/docs; tests/report/test_charts.py checks every chart against its schema.)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pandas as pd

from holdfast.report.charts import placing, theme
from holdfast.report.charts.theme import BASE
from holdfast.store.defuse import file_name

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Look:
    """What the charts of a study share."""

    labels: tuple[str, ...]  # objectives, in charted order
    budgets: tuple[int, ...]
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with what must be said beside it (what is estimated, interval, n, seeds), a sentence for those who cannot
    see it, and its data."""

    name: str  # of its files
    title: str
    spec: Json  # Vega-Lite, with its data and without size, title and configuration
    caption: str
    alt: str
    data: pd.DataFrame
    height: int = 340

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", file_name(self.name))


# -- channels ---------------------------------------------------------------------------------------------------------


def number(field: str, **more: Any) -> Json:
    return {"field": field, "type": "quantitative", **more}


def text(field: str, **more: Any) -> Json:
    return {"field": field, "type": "nominal", **more}


def value(of: Any) -> Json:
    return {"value": of}


def expr(text: str) -> Json:
    return {"expr": text}


def where(test: str, yes: Any, no: Any) -> Json:
    return {"condition": {"test": test, "value": yes}, "value": no}


def opacity(idle: float, chosen: float | None = None) -> Json:
    """How strongly a mark is drawn: with no objective highlighted, with its own, with another."""
    return value(expr(f"focus === '' ? {idle} : focus === datum.label ? {chosen or idle} : 0.08"))


def _by_label(look: Look, range_: Any, named: bool) -> Json:
    legend = {"title": None, "orient": "top", "columns": expr("width < 420 ? 3 : 8"), "symbolOpacity": 1}
    return text("label", scale={"domain": list(look.labels), "range": range_}, legend=legend if named else None)


def colour(look: Look, *, named: bool = True) -> Json:
    """``named``: by a legend, and not only beside the points."""
    return _by_label(look, "category", named)


def shape(look: Look, *, named: bool = True) -> Json:
    return _by_label(look, theme.shapes(look.labels), named)


def share_axis(title: str, domain: Sequence[float], ticks: int = 6, **more: Any) -> Json:
    """Of a share, in per cent with as many digits as its ticks have: nothing is rounded."""
    return {"title": title, "format": f".{placing.digits(domain, ticks)}%", "tickCount": ticks, **more}


def plain_axis(title: str, ticks: int = 6) -> Json:
    return {"title": title, "tickCount": ticks, "format": "~r"}


def bare_axis(**more: Any) -> Json:
    """Of names: no line, no ticks."""
    return {"title": None, "domain": False, "ticks": False, "labelFontSize": 12, **more}


def within(domain: Sequence[float], **more: Any) -> Json:
    return {"domain": list(domain), "nice": False, **more}


Tip = tuple[str, str, Callable[[Any], str]]


def tips(data: pd.DataFrame, *shown: Tip) -> tuple[pd.DataFrame, list[Json]]:
    """What is said of a point that is pointed at, column by column with a title and what makes it a text: rounded as
    tables round, which Vega's own formats do not. Returns the data with these texts, and the tooltips."""
    texts = {f"{column}_said": [say(v) for v in data[column]] for column, _, say in shown}
    return data.assign(**texts), [text(f"{column}_said", title=title) for column, title, _ in shown]


# -- layers -----------------------------------------------------------------------------------------------------------


def mark(kind: str, data: pd.DataFrame, style: Mapping[str, Any] | None = None, /, **encoding: Any) -> Json:
    """A layer; what is None is not encoded."""
    there = {k: v for k, v in encoding.items() if v is not None}
    return {"data": data, "mark": {"type": kind, **(style or {})}, "encoding": there}


def chart(layers: Iterable[Json], *params: Json) -> Json:
    """The layers as one specification; data go in once, by a name that their content gives them."""
    datasets: Json = {}
    named: dict[int, Json] = {}
    parts = []
    for one in layers:
        if (known := id(one["data"])) not in named:
            rows = _rows(one["data"])
            name = f"data-{sha256(json.dumps(rows, sort_keys=True, default=str).encode()).hexdigest()[:32]}"
            datasets[name], named[known] = rows, {"name": name}
        parts.append({**one, "data": named[known]})
    spec: Json = {"layer": parts}
    if len(datasets) == 1:
        spec = {"layer": [{k: v for k, v in p.items() if k != "data"} for p in parts], "data": parts[0]["data"]}
    return spec | {"params": [{"name": "focus", "value": ""}, *params], "datasets": datasets}


def _rows(data: pd.DataFrame) -> list[Json]:
    """As JSON has it: nothing where a number is missing."""
    columns = [data[c].to_numpy(dtype=object, na_value=None).tolist() for c in data]
    return [dict(zip(data.columns, row, strict=True)) for row in zip(*columns, strict=True)]


def of_rule(data: pd.DataFrame, field: str, along: str, scale: Json, axis: Json) -> Json:
    """A dashed line across the plot, at a value along ``x`` or ``y``."""
    return mark("rule", data, {"style": "base-line"}, **{along: number(field, scale=scale, axis=axis)})


@dataclass(frozen=True)
class Plane:
    """Two axes that all layers lie on; columns x and y unless others are named."""

    scale_x: Json
    axis_x: Json
    scale_y: Json
    axis_y: Json
    field_x: str = "x"
    field_y: str = "y"

    @property
    def x(self) -> Json:
        return number(self.field_x, scale=self.scale_x, axis=self.axis_x)

    @property
    def y(self) -> Json:
        return number(self.field_y, scale=self.scale_y, axis=self.axis_y)

    def points(self, data: pd.DataFrame, style: Mapping[str, Any], **more: Any) -> Json:
        return mark("point", data, {"filled": True, **style}, x=self.x, y=self.y, **more)

    def line(self, data: pd.DataFrame, width: float, **more: Any) -> Json:
        return mark("line", data, {"strokeWidth": width}, x=self.x, y=self.y, **more)

    def base(self, data: pd.DataFrame, style: Mapping[str, Any] | None = None, **more: Any) -> Json:
        """The base model: a diamond."""
        look = {"shape": "diamond", "size": 120, "style": "base-point", "opacity": 1, **(style or {})}
        return self.points(data, look, **more)

    def interval(
        self, along: str, low: str, high: str, data: pd.DataFrame, style: Json, kind: str = "rule", **more: Any
    ) -> Json:
        """From ``low`` to ``high`` along ``x`` or ``y``, at the other's value."""
        scale, axis = (self.scale_x, self.axis_x) if along == "x" else (self.scale_y, self.axis_y)
        other = {"y": self.y} if along == "x" else {"x": self.x}
        ends = {along: number(low, scale=scale, axis=axis), f"{along}2": {"field": high}}
        return mark(kind, data, style, **ends, **other, **more)

    def names(self, ends: pd.DataFrame, own: Json) -> Iterable[Json]:
        """Each end's name where ``placing.beside`` put it; a line leads to its point where it might be another's."""
        led = ends[ends["leader"]].assign(toward=lambda e: e["dy"] - 6 * e["dy"].map(lambda y: 1 if y > 0 else -1))
        if len(led):
            reach = {"x2Offset": expr("datum.dx"), "y2Offset": expr("datum.toward")}
            style = {"strokeWidth": 0.9, "style": "leader", **reach}
            to = {"x2": {"field": "x"}, "y2": {"field": "y"}}
            yield mark("rule", led, style, x=self.x, y=self.y, **to, opacity=opacity(0.9))
        style = {"fontSize": 12, "fontWeight": 600, "baseline": "middle"} | PLACED
        base, others = ends[ends["label"] == BASE], ends[ends["label"] != BASE]
        grey = {"style": "base-label", "fontStyle": "normal"}
        yield mark("text", base, style | grey, x=self.x, y=self.y, text=text("label"))
        yield mark("text", others, style, x=self.x, y=self.y, text=text("label"), color=own, opacity=opacity(1))


PLACED = {k: expr(f"datum.{k}") for k in ("align", "dx", "dy")}


def plane(data: pd.DataFrame, titles: tuple[str, str], shares: tuple[bool, bool] = (True, True), **more: Any) -> Plane:
    """For points with intervals (low_x, high_x, low_y, high_y): axes that hold them. ``more``: of that across."""
    ends: list[Any] = []
    for k, title, share in zip("xy", titles, shares, strict=True):
        domain = placing.domain(data[[k, f"low_{k}", f"high_{k}"]], top=1.0 if share else None)
        axis = share_axis(title, domain) if share else plain_axis(title)
        ends += [within(domain), axis | (more if k == "x" and share else {})]
    return Plane(*ends)
