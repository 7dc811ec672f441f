"""The section *Would other choices have said the same?*: every comparison under every choice, as a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from holdfast.analysis.stability import RULES, VERDICTS
from holdfast.report import gist, markup, speak, tables
from holdfast.report.headline import plain
from holdfast.report.markup import Block, Group, element
from holdfast.report.reading import Setting, named

_LEAD = (
    "A conclusion that holds under one judge or one threshold alone is a conclusion about that choice. Each comparison "
    "is made again under every choice that this study can make."
)
GLYPHS = {"higher": "↑", "higher, unclear": "+", "none": "=", "lower, unclear": "−", "lower": "↓"}
_ORDER = ("last", "mean", "slope")


def group(s: Setting) -> Group:
    """Of one model and task."""
    table = s.ways
    if table.empty:
        return Group("stability", _TITLE, _LEAD, absent="Needs a measure of robustness.")
    found = s.stable
    tables.save(s, "stability", found, "Which conclusions survive other choices")
    tables.save(s, "ways", table, "Every comparison under every choice")
    grids = [_grid(s, mine, against) for against in ("sft", "base") if len(mine := table[table["against"] == against])]
    return Group("stability", _TITLE, _LEAD, (), (*grids, _summary(s, found)), finding=gist.stable(found))


_TITLE = "Would other choices have said the same?"


def _summary(s: Setting, found: pd.DataFrame) -> Block:
    a = s.answers()
    a = a[(a["finding"] == "last") & (a["axis"] == "robustness")].drop_duplicates(["label", "against"])
    answered = a.set_index(["label", "against"])["verdict"]
    shown = pd.DataFrame(
        {
            "objective": found["label"],
            "against": found["against"].map({"sft": s.findings.reference, "base": "base"}),
            "points": found["value"].map(speak.points),
            "as declared": found["verdict"],
            "the answer": [answered.get(key, "–") for key in zip(found["label"], found["against"], strict=True)],
            "ways": [f"{r.n_distinct} of {r.n_ways}" for r in found.itertuples()],
            "agree": found["agree"].map(_share),
            "same sign": found["same_sign"].map(_share),
            "higher": found["higher"].map(_share),
            "lower": found["lower"].map(_share),
            "reversed by": found["flips"].map(_plain),
            "made unclear, or clear, by": found["loses"].map(_plain),
        }
    )
    caption = (
        "As declared: the study’s own benchmark, judge and threshold, all responses, the last budget. Ways: how many "
        "are distinct, for many choices give the very numbers of another; what follows is of these. Agree: share of "
        f"ways with the same verdict, each at p < {s.findings.study.alpha:g} by itself, not corrected for their "
        "number; the answer: its verdict, which is. The last two columns: a single choice that, changed alone, changes "
        "the verdict."
    )
    return markup.table(shown, s.findings.study.mark, caption, labels=s.findings.labels)


def _grid(s: Setting, table: pd.DataFrame, against: str) -> Block:
    """Ways × objectives; within an objective last budget, mean and slope. A table and no chart: it scrolls beside its
    ways on a narrow page, is walked through by a screen reader, and prints."""
    varied = [f for f in ("benchmark", "judge", "threshold", "responses", "regime") if table[f].nunique() > 1]
    spoken = pd.DataFrame({f: _words(table[f], f) for f in varied or ["threshold"]})
    data = table.assign(way=spoken.agg(" · ".join, axis=1), kind=kinds(table))
    over = [x for x in _ORDER if x in set(data["budgets"])]
    labels = [x for x in s.findings.labels if x in set(data["label"])]
    at = {(r["way"], r["label"], r["budgets"]): r for r in data.to_dict("records")}
    columns = [(label, budgets) for label in labels for budgets in over]
    head = [element("tr", element("td"), *(element("th", x, scope="colgroup", colspan=len(over)) for x in labels))]
    if len(over) > 1:
        head.append(element("tr", element("td"), *(element("th", budgets, scope="col") for _, budgets in columns)))
    alike = _alike(data, columns)
    rows = [
        element(
            "tr",
            element("th", _named(spoken, data, some), scope="row"),
            *(_config(_first([at.get((way, *c)) for way in some])) for c in columns),
        )
        for some in alike
    ]
    leading = data[data["way"].isin([some[0] for some in alike])]
    counted = leading.groupby(["verdict", "label", "budgets"]).size()
    counts = [
        element("tr", element("th", v, scope="row"), *(element("td", counted.get((v, *c), 0)) for c in columns))
        for v in reversed(VERDICTS)
    ]
    who = "the base" if against == "base" else s.findings.reference
    title, mark = f"Every comparison with {who} under every choice", s.findings.study.mark
    under = speak.own(f"Under each objective {speak.join(over)} over budgets. ") if len(over) > 1 else ""
    caption = (
        f"Attack success less that of {who} under each choice: ↑ higher, ↓ lower (p < {s.findings.study.alpha:g}), + − "
        "on that side but unclear, = no difference; each way by itself, not corrected for many comparisons as verdicts "
        "elsewhere are. Worst case: the incoherent are harmful. Outlined: the way that the "
        f"study declares. {under}At the foot, how many of these "
        f"{len(rows)} rows (of {len(set(data['way']))} choices, those that give the same "
        f"numbers throughout together). Paired by prompt{' and seed' if data['n_seeds'].max() > 1 else ''}. n = "
        f"{speak.spread(data['n_prompts'])} prompts. {speak.seeds([int(data['n_seeds'].max())])}. Every number and "
        f"interval: tables/{named('ways', s.slug)}.csv."
    )
    parts = (element("thead", *head), element("tbody", *rows), element("tfoot", *counts))
    grid = markup.scrolled(title, markup.caption(caption, mark), *parts, cls=f"ways by-{len(over)}")
    return Block(markup.title(title).html + grid.html)


def _alike(data: pd.DataFrame, columns: list[tuple[str, str]]) -> list[list[str]]:
    """The ways, those together that give the same numbers in every column."""
    numbers = data[["value", "low", "high", "p"]].astype(float).round(10).astype(str).agg(" ".join, axis=1)
    place = {c: k for k, c in enumerate(columns)}
    order = pd.Series([place[c] for c in zip(data["label"], data["budgets"], strict=True)], index=data.index)
    whole = data.assign(said=order.astype(str) + ":" + numbers, order=order).sort_values("order", kind="stable")
    of_way = whole.groupby("way", sort=False)["said"].agg("|".join).to_dict()
    rows: dict[str, list[str]] = {}
    for way in dict.fromkeys(data["way"]):
        rows.setdefault(of_way[way], []).append(way)
    return list(rows.values())


def _named(spoken: pd.DataFrame, data: pd.DataFrame, some: list[str]) -> str:
    """The choices of ways that are one row: of each kind those that occur, if that is all of their combinations; else
    so of each choice of the first kind that there are several of."""
    return "; ".join(_blocks(spoken[data["way"].isin(some)].drop_duplicates()))


def _blocks(ways: pd.DataFrame) -> list[str]:
    each = [list(dict.fromkeys(ways[c])) for c in ways]
    if math.prod(map(len, each)) == len(ways):
        return [" · ".join(", ".join(v) for v in each)]
    first = next(c for c, v in zip(ways, each, strict=True) if len(v) > 1)
    return [block for _, some in ways.groupby(first, sort=False) for block in _blocks(some)]


def _first(found: Sequence[dict[Any, Any] | None]) -> dict[Any, Any] | None:
    """The eval config of a row, outlined where one of its ways is the declared one."""
    there = [r for r in found if r]
    return {**there[0], "declared": any(r["declared"] for r in there)} if there else None


def _config(r: dict[Any, Any] | None) -> Markup:
    if r is None:
        return element("td")
    css = r["kind"].replace(", ", "-") + (" declared" if r["declared"] else "")
    told = f"{r['kind']}: {speak.estimate(r, signed=True)}"
    return element("td", GLYPHS[r["kind"]], cls=css, title=told, aria_label=r["kind"])


def kinds(table: pd.DataFrame) -> pd.Series:
    """The verdict of each way with, where it is unclear, the side it is on."""
    side = table["value"].gt(0).map({True: "higher", False: "lower"}).where(table["value"].abs() > 1e-9, "none")
    return side.where((table["verdict"] != "unclear") | (side == "none"), side + ", unclear")


def _words(values: pd.Series, factor: str) -> pd.Series:
    if factor == "threshold":
        return values.map(lambda t: t if t.startswith("mean") else f"≥ {t}")
    if factor == "responses":
        return values.map({**{v: v for v in RULES.values()}, "all": "all responses"})
    return values.map(plain)


def _share(x: float) -> str:
    return speak.percent(x, 0)


def _plain(choices: str) -> str:
    return choices.replace("miniature_", "").replace("_", " ") or "–"
