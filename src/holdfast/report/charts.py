"""The charts, one function each. A chart holds no colour and no width; the theme and the writer give them.

Every function returns a ``Figure``: the specification with what must be said beside it (what is estimated, interval, n,
seeds), a sentence for those who cannot see it, and its data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import altair as alt
import pandas as pd

from holdfast.report import labels as place
from holdfast.report import speak, theme
from holdfast.report.headline import Series, good
from holdfast.report.theme import BASE
from holdfast.store.defuse import file_name


@dataclass(frozen=True, slots=True)
class Look:
    """What the charts of a study share."""

    labels: tuple[str, ...]  # objectives, in charted order
    budgets: tuple[int, ...]
    alpha: float = 0.05


@dataclass(frozen=True, slots=True)
class Figure:
    name: str  # of its files
    title: str
    spec: dict[str, Any]  # Vega-Lite, with its data and without size, title and configuration
    caption: str
    alt: str
    data: pd.DataFrame
    height: int = 340

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", file_name(self.name))


def frontier(
    x: Series, y: Series, estimates: pd.DataFrame, look: Look, *, lead: bool = True, at: int | None = None
) -> Figure | None:
    """Capability against harm: a path per objective over budgets, from the base. ``lead``: the first of its axis.
    ``at``: the one budget that is drawn, without paths."""
    across, asked = x.of(estimates)[["label", "budget", "value", "low", "high"]], x.of(estimates)["n_prompts"]
    up = y.of(estimates)[["label", "budget", "value", "low", "high", *speak.COUNTS]]
    data = across.merge(up, on=["label", "budget"], suffixes=("_x", "_y")).dropna(subset=["value_x", "value_y"])
    if at is not None:
        data = data[(data["budget"] == at) | (data["label"] == BASE)]
    if not (data["label"] != BASE).any():
        return None
    data = data.rename(columns={c: c.replace("value_", "") for c in ("value_x", "value_y")})
    if at is not None:
        counts = f"n = {speak.spread(asked)} prompts of {lower(x.title)}, {speak.spread(data['n_prompts'])} of "
        caption = (
            f"Crosses: {speak.level(look.alpha)} intervals; diamond: the base model. {counts}{lower(y.title)}. "
            f"{speak.seeds(data['n_seeds'])}."
        )
        title = f"{y.title} against {lower(x.title)}{speak.at(at)}"
        return _paths("frontier-last", title, x, y.title, y.better, data, look, caption, 300, paths=False)
    caption = (
        f"{x.title} (across, {good(x.better)}) against {lower(y.title)} (up, {good(y.better)}). "
        f"{speak.own('One path per objective')} from the base model (diamond) through budgets "
        f"{speak.budgets(_ladder(data))}; points grow with budget. Crosses: {speak.level(look.alpha)} intervals, "
        "strongest at the last budget. " + speak.evidence(up, y)
    )
    name = ("frontier" if y.axis == "robustness" else f"frontier-{y.axis}") if lead else f"frontier-{y.measure}"
    return _paths(name, f"{y.title} against {lower(x.title)}", x, y.title, y.better, data, look, caption)


def moved(y: Series, estimates: pd.DataFrame, distance: pd.DataFrame, look: Look) -> Figure | None:
    """Harm against distance moved from the base: did an objective stay safe, or merely stay?"""
    far = distance.dropna(subset=["value"])[["label", "budget", "value"]].rename(columns={"value": "x"})
    up = y.of(estimates)[["label", "budget", "value", "low", "high", *speak.COUNTS]]
    up = up.rename(columns={"value": "y", "low": "low_y", "high": "high_y"}).dropna(subset=["y"])
    start = pd.DataFrame({"label": [BASE], "budget": [0], "x": [0.0]})
    data = pd.concat([start, far]).merge(up, on=["label", "budget"]).assign(low_x=math.nan, high_x=math.nan)
    if not (data["label"] != BASE).any():
        return None
    caption = (
        f"{y.title} against the distance moved: KL from the base on fixed held-out prompts (nats per token, mean over "
        f"seeds). Paths start at the base, at distance zero. Vertical lines: {speak.level(look.alpha)} intervals. "
        + speak.evidence(up, y)
    )
    title = f"{y.title} against distance moved"
    return _paths("moved", title, "KL from the base (nats per token)", y.title, y.better, data, look, caption, 300)


def _ladder(data: pd.DataFrame) -> list[int]:
    """Every budget that is drawn: the study's, and those at which some run was matched in capability."""
    return sorted(int(b) for b in data.loc[data["label"] != BASE, "budget"].unique())


def _paths(
    name: str, title: str, x: Series | str, y: str, better: str, data: pd.DataFrame, look: Look, caption: str,
    height: int = 430, *, paths: bool = True,
) -> Figure:  # fmt: skip
    capability, own = isinstance(x, Series), colour(look, named=paths)
    order = {label: i for i, label in enumerate((BASE, *look.labels))}
    data = data[data["label"].isin(order)].sort_values(["label", "budget"], key=lambda c: c.map(order).fillna(c))
    data = data.assign(last=data.groupby("label")["budget"].transform("max") == data["budget"])
    rank = {b: i for i, b in enumerate(_ladder(data))}
    data["area"] = [60 if r.label == BASE else 28 + 92 * (rank[r.budget] + 1) / len(rank) for r in data.itertuples()]
    far = speak.percent if capability else speak.significant
    data, tip = tips(
        data,
        ("label", speak.own("objective"), str),
        ("budget", "tokens", "{:,}".format),
        ("x", x.short if isinstance(x, Series) else "distance", far),
        ("y", y, speak.percent),
        ("low_y", "from", speak.percent),
        ("high_y", "to", speak.percent),
    )
    base, tuned = data[data["label"] == BASE], data[data["label"] != BASE]
    starts = [base.assign(label=label) for label in tuned["label"].unique()]
    path = pd.concat([*starts, tuned])[["label", "budget", "x", "y"]]

    dx = place.domain(data[["x", "low_x", "high_x"]], top=1.0 if capability else None)
    dy = place.domain(data[["y", "low_y", "high_y"]], top=1.0)
    if capability:
        across = share_axis(f"{x.title} (→ better)", dx, grid=True)
    else:
        across = alt.Axis(title=f"{x}", tickCount=6, format="~r")
    sx, sy = (alt.Scale(domain=d, nice=False) for d in (dx, dy))
    ex = alt.X("x:Q", scale=sx, axis=across)
    up = share_axis(f"{y} ({'↓' if better == 'lower' else '↑'} better)", dy)
    ey = alt.Y("y:Q", scale=sy, axis=up)
    tuned_chart, ends = alt.Chart(tuned), tuned[tuned["last"]]
    layers: list[Any] = []
    for axis in ("x", "y"):
        if data[f"low_{axis}"].isna().all():
            continue
        whisker = (
            {"x": alt.X("low_x:Q", scale=sx, axis=across), "x2": "high_x:Q", "y": ey}
            if axis == "x"
            else {"y": alt.Y("low_y:Q", scale=sy, axis=up), "y2": "high_y:Q", "x": ex}
        )
        early = alt.Chart(tuned[~tuned["last"]]).mark_rule(strokeWidth=1)
        layers += [
            early.encode(**whisker, color=own, opacity=opacity_of(0.28, chosen=0.9)),
            alt.Chart(ends).mark_rule(strokeWidth=1.75).encode(**whisker, color=own, opacity=opacity_of(0.85)),
            alt.Chart(base).mark_rule(strokeWidth=1.25, style="base-line", strokeDash=[]).encode(**whisker),
        ]
    line = alt.Chart(path).mark_line(strokeWidth=2, strokeJoin="round")
    if paths:
        layers.append(line.encode(x=ex, y=ey, color=own, order="budget:Q", opacity=opacity_of(0.75)))
    layers += [
        tuned_chart.mark_point(filled=True, style="halo", strokeWidth=1.25).encode(
            x=ex,
            y=ey,
            color=own,
            shape=shape(look, named=paths),
            size=alt.Size("area:Q", scale=None),
            opacity=opacity_of(1),
            tooltip=tip,
        ),
        alt.Chart(base)
        .mark_point(filled=True, shape="diamond", size=120, style="base-point", strokeWidth=1.5, opacity=1)
        .encode(x=ex, y=ey, tooltip=tip),
    ]
    ends = place.beside(pd.concat([ends, base]), data, dx, dy, place.SIZE if paths else place.SMALL)
    led = ends[ends["leader"]].assign(toward=lambda e: e["dy"] - 6 * e["dy"].map(lambda y: 1 if y > 0 else -1))
    if len(led):
        reach = {"x2Offset": alt.expr("datum.dx"), "y2Offset": alt.expr("datum.toward")}
        leader = alt.Chart(led).mark_rule(strokeWidth=0.9, style="leader", **reach)
        layers.append(leader.encode(x=ex, y=ey, x2="x:Q", y2="y:Q", opacity=opacity_of(0.9)))
    layers += [
        alt.Chart(group)
        .mark_text(
            fontSize=12,
            fontWeight=600,
            align=alt.expr("datum.align"),
            baseline="middle",
            dx=alt.expr("datum.dx"),
            dy=alt.expr("datum.dy"),
            **({"style": "base-label", "fontStyle": "normal"} if is_base else {}),
        )
        .encode(x=ex, y=ey, text="label:N", **({} if is_base else {"color": own, "opacity": opacity_of(1)}))
        for is_base, group in ((True, ends[ends["label"] == BASE]), (False, ends[ends["label"] != BASE]))
    ]
    if capability and better and x.better:  # type: ignore[union-attr]
        corner = "better ↘" if better == "lower" else "better ↗"
        note = alt.Chart(pd.DataFrame({"note": [corner]})).mark_text(style="note", align="right")
        at = "height - 10" if better == "lower" else "12"
        layers.append(note.encode(x=alt.value(alt.expr("width - 8")), y=alt.value(alt.expr(at)), text="note:N"))
    last = ends[ends["label"] != BASE]
    said = "; ".join(f"{r.label} {far(r.x)} and {speak.percent(r.y)}" for r in last.itertuples())
    tidy = data[["label", "budget", "x", "low_x", "high_x", "y", "low_y", "high_y"]].rename(
        columns={"label": "objective"}
    )
    return Figure(
        name,
        title,
        layer(layers),
        caption,
        f"{title}. At the last budget: {said}.",
        tidy,
        height=height,
    )


def against_budget(s: Series, estimates: pd.DataFrame, look: Look) -> Figure | None:
    """A measure's level at each budget, the base as a line."""
    rows = s.of(estimates)
    caption = (
        f"{s.title} at each budget ({good(s.better)}). Bars: {speak.level(look.alpha)} intervals; points of one "
        f"budget are set side by side. Dashed line and band: the base model. " + speak.evidence(rows, s)
    )
    return _lines(plain_name(s), s.title, s.title, rows, look, caption, share=True)


def distance(name: str, title: str, unit: str, rows: pd.DataFrame, look: Look, about: str) -> Figure | None:
    """How far training moved the model, at each budget; the base is zero."""
    return _lines(name, title, unit, rows.assign(low=math.nan, high=math.nan), look, about, share=False)


def _lines(
    name: str, title: str, unit: str, rows: pd.DataFrame, look: Look, caption: str, *, share: bool
) -> Figure | None:
    rows = rows[rows["label"].isin((BASE, *look.labels))].dropna(subset=["value"])
    tuned, base = rows[rows["label"] != BASE], rows[rows["label"] == BASE].head(1)
    if tuned.empty:
        return None
    budgets = sorted(int(b) for b in tuned["budget"].unique())
    tuned = tuned.assign(at=place.dodge(tuned, look.labels, budgets), order=tuned["label"].map(look.labels.index))
    domain = place.domain(rows[["value", "low", "high"]], top=1.0 if share else None, zero=not share)
    up = share_axis(unit, domain, ticks=5) if share else alt.Axis(title=unit, format="~r", tickCount=5)
    sy = alt.Scale(domain=domain, nice=False, zero=False)
    ends = {"y": alt.Y("low:Q", scale=sy, axis=up), "y2": alt.Y2("high:Q")}
    ex = alt.X(
        "at:Q",
        scale=alt.Scale(type="log", domain=place.span(budgets), nice=False),
        axis=alt.Axis(
            title="Training tokens (shared view)", values=budgets, labelExpr=_named(budgets), grid=False,
            labelOverlap=True,
        ),
    )  # fmt: skip
    ey = alt.Y("value:Q", scale=sy, axis=up)
    show = speak.percent if share else speak.significant
    keep = ["label", "budget", "value", "low", "high"]
    tidy = rows[keep].rename(columns={"label": "objective"})
    told: list[Tip] = [("label", speak.own("objective"), str), ("budget", "tokens", "{:,}".format)]
    told += [("value", unit, show), *([("low", "from", show), ("high", "to", show)] if share else [])]
    drawn, tip = tips(tuned[[*keep, "at", "order"]], *told)
    points = alt.Chart(drawn)
    layers: list[Any] = []
    if len(base):
        line = alt.Chart(tips(base[keep], *told)[0])
        if base[["low", "high"]].notna().all(axis=None):
            layers.append(line.mark_rect(style="base-band").encode(**ends))
        layers += [
            line.mark_rule(style="base-line").encode(y=ey, tooltip=tip[:1] + tip[2:]),
            line.mark_text(style="base-label", align="left", baseline="bottom", dx=4, dy=-3, text="base").encode(
                x=alt.value(0), y=ey
            ),
        ]
    layers.append(
        points.mark_line(strokeWidth=1.5).encode(
            x=ex, y=ey, color=colour(look), order="budget:Q", opacity=opacity_of(0.5)
        )
    )
    if share:
        layers.append(
            points.mark_rule(strokeWidth=1.75).encode(x=ex, **ends, color=colour(look), opacity=opacity_of(0.8))
        )
    layers.append(
        points.mark_point(filled=True, style="halo", strokeWidth=1, size=62).encode(
            x=ex, y=ey, color=colour(look), shape=shape(look), opacity=opacity_of(1), tooltip=tip
        )
    )
    last = tuned[tuned["budget"] == budgets[-1]]
    said = ", ".join(f"{r.label} {show(r.value)}" for r in last.sort_values("order").itertuples())
    start = f" The base is at {show(base['value'].iloc[0])}." if len(base) else ""
    return Figure(
        name, title, layer(layers), caption, f"{title}. At {budgets[-1]:,} tokens: {said}.{start}", tidy, height=300
    )


# -- what charts share -------------------------------------------------------------------------------------------


Tip = tuple[str, str, Callable[[Any], str]]


def tips(data: pd.DataFrame, *shown: Tip) -> tuple[pd.DataFrame, list[alt.Tooltip]]:
    """What is said of a point that is pointed at, column by column with a title and what makes it a text: rounded as
    tables round, which Vega's own formats do not. Returns the data with these texts, and the tooltips."""
    texts = {f"{column}_said": [say(v) for v in data[column]] for column, _, say in shown}
    return data.assign(**texts), [alt.Tooltip(f"{column}_said:N", title=title) for column, title, _ in shown]


def share_axis(title: str, domain: Sequence[float], ticks: int = 6, **more: Any) -> alt.Axis:
    """Of a share, in per cent with as many digits as its ticks have: nothing is rounded."""
    return alt.Axis(title=title, format=f".{place.digits(domain, ticks)}%", tickCount=ticks, **more)


def _named(budgets: Sequence[int]) -> str:
    """The labels of an axis of budgets, as the text around it has them."""
    return f"{json.dumps({str(b): speak.tokens(b) for b in budgets})}[datum.value]"


def lower(title: str) -> str:
    """A title inside a sentence; a name keeps its capitals."""
    return title if title.startswith("Dark") else title[:1].lower() + title[1:]


def plain_name(s: Series) -> str:
    return f"{s.measure}-{s.metric}"


def layer(layers: Sequence[Any], *params: alt.Parameter) -> dict[str, Any]:
    """The layers as one specification, without the address of its schema or Altair's own colours. Its validation takes
    a second a chart and is the tests' business (tests/report/test_charts.py). Data go in by name: Altair would copy
    every row of every layer, five times."""
    datasets: dict[str, Any] = {}
    named: dict[int, alt.NamedData] = {}
    parts = []
    for one in layers:
        if id(one.data) not in named:
            values = alt.to_values(one.data)["values"]
            # As Altair names what it consolidates: charts that were exported before keep their bytes.
            name = f"data-{sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()[:32]}"
            datasets[name], named[id(one.data)] = values, alt.NamedData(name=name)
        part = one.copy(deep=False)
        part.data = named[id(one.data)]
        parts.append(part)
    spec = alt.layer(*parts).add_params(alt.param(name="focus", value=""), *params).to_dict(validate=False)
    return {k: v for k, v in spec.items() if k not in ("$schema", "config")} | {"datasets": datasets}


def _scale(look: Look, range_: Any) -> alt.Scale:
    return alt.Scale(domain=list(look.labels), range=range_)


def legend() -> alt.Legend:
    return alt.Legend(title=None, orient="top", columns=alt.expr("width < 420 ? 3 : 8"), symbolOpacity=1)


def colour(look: Look, *, named: bool = True) -> alt.Color:
    """``named``: by a legend, and not only beside the points."""
    return alt.Color("label:N", scale=_scale(look, "category"), legend=legend() if named else None)


def shape(look: Look, *, named: bool = True) -> alt.Shape:
    title = legend() if named else None
    return alt.Shape("label:N", scale=_scale(look, theme.shapes(look.labels)), legend=title)


def opacity_of(idle: float, chosen: float | None = None) -> Any:
    """How strongly a mark is drawn: with no objective highlighted, with its own, with another."""
    return alt.value(alt.expr(f"focus === '' ? {idle} : focus === datum.label ? {chosen or idle} : 0.08"))
