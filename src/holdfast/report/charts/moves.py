"""How far each of many traits moved, a row each and a column per objective."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.charts.plot import Figure, Json, Look, bare_axis, chart, expr, mark, number, text, tips
from holdfast.report.series import Series

ROW = 26  # pixels


def moves(s: Series, rows: pd.DataFrame, look: Look, caption: str) -> Figure:
    """``rows``: trait in the order in which they are shown, group, label, value, low, high, p_holm."""
    told = rows.assign(
        shown=rows["p_holm"] < look.alpha,
        said=[words.points(v) for v in rows["value"]],
        trait=[words.attack(t).replace("-", " ") for t in rows["trait"]],
    )[["trait", "group", "label", "value", "low", "high", "p_holm", "shown", "said"]]
    data, tip = tips(
        told,
        ("trait", "trait", str),
        ("label", words.own("objective"), str),
        ("value", "points from base", words.points),
        ("low", "from", words.points),
        ("high", "to", words.points),
        ("p_holm", "p (Holm)", words.bare_p),
    )
    far = max(float(rows["value"].abs().max()), 0.02)
    scale = {"domain": [-far, far], "domainMid": 0, "range": "ramp", "interpolate": "rgb"}
    names = bare_axis(labelLimit=expr("width < 420 ? 130 : 260"), labelPadding=8) | {"labelFontSize": 11}
    at: Json = {
        "x": text("label", sort=[*look.labels], axis=bare_axis(orient="top", labelAngle=0)),
        "y": text("trait", scale={"domain": _spaced(told)}, axis=names),
    }
    fill = {"style": "cell", "cornerRadius": 3}
    layers = [mark("rect", data, fill, **at, color=number("value", scale=scale, legend=None), tooltip=tip)]
    weight = {"fontWeight": expr("datum.shown ? 700 : 400"), "fontSize": 11}
    for test, style in ((">", "cell-high"), ("<=", "cell-low")):  # to be read on a strong colour
        part = {"transform": [{"filter": f"datum.value {test} {0.6 * far}"}]}
        layers.append(mark("text", data, weight | {"style": style}, **at, text=text("said")) | part)
    sure = told[told["shown"]]
    title = f"{s.whole}: how far each trait moved"
    first = f"{len(sure) or 'None'} of {len(told)} moves {'is' if len(sure) < 2 else 'are'} shown"
    tidy = rows.rename(columns={"label": "objective"}).drop(columns=["model", "task", "measure"])
    height = ROW * len(at["y"]["scale"]["domain"]) + 40
    return Figure(f"{s.measure}-moves", title, chart(layers), caption, f"{title}. {first}.", tidy, height=height)


def _spaced(told: pd.DataFrame) -> list[str]:
    """The traits in order, with a blank row between groups."""
    found: list[str] = []
    for k, (_, rows) in enumerate(told.groupby("group", sort=False)):
        found += [*([" " * k] if k else []), *dict.fromkeys(rows["trait"])]
    return found
