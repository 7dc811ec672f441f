"""Harm against capability or against distance moved: paths over budgets, and curves over a setting."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from holdfast.report import words
from holdfast.report.charts import placing
from holdfast.report.charts.plot import (
    PLACED,
    Figure,
    Look,
    chart,
    colour,
    mark,
    number,
    opacity,
    plane,
    shape,
    text,
    tips,
    value,
    where,
)
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import evidence, phrase
from holdfast.report.series import Series

_POINT = ["label", "budget", "value", "low", "high"]


def frontier(
    x: Series, y: Series, estimates: pd.DataFrame, look: Look, *, lead: bool = True, at: int | None = None
) -> Figure | None:
    """Capability against harm: a path per objective over budgets, from the base. ``lead``: the first of its axis.
    ``at``: the one budget that is drawn, without paths."""
    across, asked = x.of(estimates)[_POINT], x.of(estimates)["n_prompts"]
    up = y.of(estimates)[[*_POINT, *words.COUNTS]]
    data = across.merge(up, on=["label", "budget"], suffixes=("_x", "_y")).dropna(subset=["value_x", "value_y"])
    if at is not None:
        data = data[(data["budget"] == at) | (data["label"] == BASE)]
    if not (data["label"] != BASE).any():
        return None
    data = data.rename(columns={c: c.replace("value_", "") for c in ("value_x", "value_y")})
    title = f"{y.title} against {words.lower(x.title)}"
    about: dict[str, Any] = {"x": x, "y": y, "level": words.level(look.alpha)}
    if at is not None:
        asked, n, seeds = words.spread(asked), words.spread(data["n_prompts"]), words.seeds(data["n_seeds"])
        caption = phrase("charts.last", **about, asked=asked, n=n, seeds=seeds)
        title += words.at(at)
        return _paths("frontier-last", title, x, y.title, y.better, data, look, caption, 300, paths=False)
    caption = phrase("charts.frontier", **about, budgets=_budgets(data), evidence=evidence(up, y))
    name = ("frontier" if y.axis == "robustness" else f"frontier-{y.axis}") if lead else f"frontier-{y.measure}"
    return _paths(name, title, x, y.title, y.better, data, look, caption)


def moved(y: Series, estimates: pd.DataFrame, distance: pd.DataFrame, look: Look) -> Figure | None:
    """Harm against distance moved from the base: did an objective stay safe, or merely stay?"""
    far = distance.dropna(subset=["value"])[["label", "budget", "value"]].rename(columns={"value": "x"})
    up = y.of(estimates)[[*_POINT, *words.COUNTS]]
    up = up.rename(columns={"value": "y", "low": "low_y", "high": "high_y"}).dropna(subset=["y"])
    start = pd.DataFrame({"label": [BASE], "budget": [0], "x": [0.0]})
    data = pd.concat([start, far]).merge(up, on=["label", "budget"]).assign(low_x=math.nan, high_x=math.nan)
    if not (data["label"] != BASE).any():
        return None
    caption = phrase("charts.moved", y=y, level=words.level(look.alpha), evidence=evidence(up, y))
    title = f"{y.title} against distance moved"
    return _paths("moved", title, "KL from the base (nats per token)", y.title, y.better, data, look, caption, 300)


def _budgets(data: pd.DataFrame) -> list[int]:
    """Every budget that is drawn: the study's, and those at which some run was matched in capability."""
    return sorted(int(b) for b in data.loc[data["label"] != BASE, "budget"].unique())


def _paths(
    name: str, title: str, x: Series | str, y: str, better: str, data: pd.DataFrame, look: Look, caption: str,
    height: int = 430, *, paths: bool = True,
) -> Figure:  # fmt: skip
    capable, own = x if isinstance(x, Series) else None, colour(look, named=paths)
    order = {label: i for i, label in enumerate((BASE, *look.labels))}
    data = data[data["label"].isin(order)].sort_values(["label", "budget"], key=lambda c: c.map(order).fillna(c))
    data = data.assign(last=data.groupby("label")["budget"].transform("max") == data["budget"])
    rank = {b: i for i, b in enumerate(_budgets(data))}
    data["area"] = [60 if r.label == BASE else 28 + 92 * (rank[r.budget] + 1) / len(rank) for r in data.itertuples()]
    far = words.percent if capable else words.significant
    data, tip = tips(
        data,
        ("label", words.own("objective"), str),
        ("budget", "tokens", "{:,}".format),
        ("x", capable.short if capable else "distance", far),
        *((k, t, words.percent) for k, t in (("y", y), ("low_y", "from"), ("high_y", "to"))),
    )
    base, trained = data[data["label"] == BASE], data[data["label"] != BASE]
    starts = [base.assign(label=label) for label in trained["label"].unique()]
    path = pd.concat([*starts, trained])[["label", "budget", "x", "y"]]

    arrow = f"{y} ({'↓' if better == 'lower' else '↑'} better)"
    titles = (f"{capable.title} (→ better)", arrow) if capable else (str(x), arrow)
    at = plane(data, titles, (capable is not None, True), grid=True)
    ends, early = trained[trained["last"]], trained[~trained["last"]]
    layers = []
    for k in "xy":
        if not data[f"low_{k}"].isna().all():
            side = (k, f"low_{k}", f"high_{k}")
            layers += [
                at.interval(*side, early, {"strokeWidth": 1}, color=own, opacity=opacity(0.28, 0.9)),
                at.interval(*side, ends, {"strokeWidth": 1.75}, color=own, opacity=opacity(0.85)),
                at.interval(*side, base, {"strokeWidth": 1.25, "style": "base-line", "strokeDash": []}),
            ]
    if paths:
        line = {"strokeWidth": 2, "strokeJoin": "round"}
        layers.append(
            mark("line", path, line, x=at.x, y=at.y, color=own, order=number("budget"), opacity=opacity(0.75))
        )
    form = {"color": own, "shape": shape(look, named=paths), "size": number("area", scale=None)}
    layers += [
        at.points(trained, {"style": "halo", "strokeWidth": 1.25}, **form, opacity=opacity(1), tooltip=tip),
        at.base(base, {"strokeWidth": 1.5}, tooltip=tip),
    ]
    dx, dy = at.scale_x["domain"], at.scale_y["domain"]
    ends = placing.beside(pd.concat([ends, base]), data, dx, dy, placing.SIZE if paths else placing.SMALL)
    layers += at.names(ends, own)
    if capable and better and capable.better:
        corner, low = ("better ↘", "height - 10") if better == "lower" else ("better ↗", "12")
        note, right = pd.DataFrame({"note": [corner]}), {"style": "note", "align": "right"}
        place = {"x": value({"expr": "width - 8"}), "y": value({"expr": low})}
        layers.append(mark("text", note, right, **place, text=text("note")))
    last = ends[ends["label"] != BASE]
    said = "; ".join(f"{r.label} {far(r.x)} and {words.percent(r.y)}" for r in last.itertuples())
    tidy = data[["label", "budget", "x", "low_x", "high_x", "y", "low_y", "high_y"]]
    tidy = tidy.rename(columns={"label": "objective"})
    return Figure(name, title, chart(layers), caption, f"{title}. At the last budget: {said}.", tidy, height=height)


_GOOD = {"higher": " (↑ better)", "lower": " (↓ better)", "": ""}


def curve(x: Series, y: Series, kind: str, data: pd.DataFrame, base: pd.DataFrame, look: Look, caption: str) -> Figure:
    """A line per objective through its values of a coefficient or of the learning rate (``kind``).

    ``data``: label, setting, factor, value and text (of the setting), own, chosen, line, order and the point; ``base``:
    the point of the base model.
    """
    across = _GOOD[x.better].translate({ord("↑"): "→", ord("↓"): "←"})
    at = plane(pd.concat([data, base]), (f"{x.title}{across}", f"{y.title}{_GOOD[y.better]}"))
    data, tip = tips(
        data,
        ("setting", "setting", str),
        *((k, t, words.percent) for k, t in (("x", x.short), ("y", y.short), ("low_y", "from"), ("high_y", "to"))),
    )
    own = colour(look)
    thin: dict[str, Any] = {"color": own, "opacity": opacity(0.2, 0.7)}
    outer = data["order"].isin(data.groupby("line")["order"].agg(["min", "max"]).to_numpy().ravel())
    named = data[outer & (data["factor"] != "")]  # in between the line says the order
    ends = placing.beside(named.assign(label=named["text"]), data, at.scale_x["domain"], at.scale_y["domain"])
    solid: dict[str, Any] = {"x": at.x, "y": at.y, "color": own, "opacity": opacity(1)}
    ring, small = {"shape": "circle", "size": 320, "strokeWidth": 1.5}, {"fontSize": 11, "baseline": "middle", **PLACED}
    layers = [
        at.interval("x", "low_x", "high_x", data, {"strokeWidth": 1}, **thin),
        at.interval("y", "low_y", "high_y", data, {"strokeWidth": 1}, **thin),
        at.line(data, 2, color=own, detail=text("line"), order=number("order"), opacity=opacity(0.75)),
        at.points(
            data, {"style": "halo", "strokeWidth": 1}, color=own, shape=shape(look),
            size=where("datum.own", 130, 45), opacity=opacity(1), tooltip=tip,
        ),
        mark("point", data[data["chosen"]], {"filled": False, **ring}, **solid),
        mark("text", ends.assign(label=named["label"]), small, **solid, text=text("text")),
        at.base(base),
    ]  # fmt: skip
    title = f"{y.title} against {words.lower(x.title)}, over the {kind}"
    said = "; ".join(
        f"{line}: " + ", ".join(f"{r.text} {words.percent(r.x)} and {words.percent(r.y)}" for r in some.itertuples())
        for line, some in data.groupby("line", sort=False)
    )
    tidy = data.rename(columns={"label": "objective"})
    keep = ["objective", "factor", "value", "setting", "own", "chosen", "x", "low_x", "high_x", "y", "low_y", "high_y"]
    name = f"tuned-{kind.replace(' ', '-')}"
    return Figure(name, title, chart(layers), caption, f"{title}. {said}.", tidy[keep], height=400)
