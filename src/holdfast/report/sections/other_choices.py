"""*Would other choices have said the same?*: every comparison under every choice, as a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from holdfast.report import words
from holdfast.report.html import element, scrolled
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting, named
from holdfast.report.sections.section import Block, Heading, Section
from holdfast.report.series import plain
from holdfast.report.table import Table, caption

GLYPHS = {"higher": "↑", "higher, unclear": "+", "none": "=", "lower, unclear": "−", "lower": "↓"}
_VERDICTS = ("higher", "unclear", "lower")  # of a way
_ORDER = ("last", "mean", "slope")


def section(s: Setting) -> Section:
    table, found = s.table("ways"), s.table("stability")
    if table.empty:
        return Section("stability")
    blocks: list[Block] = []
    for against in ("sft", "base"):
        if len(mine := table[table["against"] == against]):
            blocks += _grid(s, mine, against)
    files = (
        Table(found, name="stability", title="Which conclusions survive other choices"),
        Table(table, name="ways", title="Every comparison under every choice"),
    )
    return Section("stability", (), [*blocks, _summary(s, found)], stable(found), files)


def stable(found: pd.DataFrame) -> str:
    """Of the comparisons of attack success; ``found``: of ``analysis.stability``."""
    worst = found.loc[found["agree"].idxmin()]
    return phrase(
        "stability.line",
        ways=words.spread(found["n_distinct"]),
        choices=words.spread(found["n_ways"]),
        copies=found["n_ways"].gt(found["n_distinct"]).any(),
        unclear=(found["unclear"] == 1).all(),
        alike=worst["agree"] == found["agree"].max(),
        worst=worst,
        turned=int((found["flips"] != "").sum()),
        of=len(found),
    )


def _summary(s: Setting, found: pd.DataFrame) -> Table:
    a = s.answers()
    a = a[(a["estimand"] == "last") & (a["axis"] == "robustness")].drop_duplicates(["label", "against"])
    answered = a.set_index(["label", "against"])["verdict"]
    shown = pd.DataFrame(
        {
            "objective": found["label"],
            "against": found["against"].map({"sft": s.findings.reference, "base": "base"}),
            "points": found["value"].map(words.points),
            "as declared": found["verdict"],
            "the answer": [answered.get(key, "–") for key in zip(found["label"], found["against"], strict=True)],
            "ways": [f"{r.n_distinct} of {r.n_ways}" for r in found.itertuples()],
            "agree": found["agree"].map(_share),
            "same sign": found["same_sign"].map(_share),
            "higher": found["higher"].map(_share),
            "lower": found["lower"].map(_share),
            "reversed by": found["flips"].map(_choices),
            "made unclear, or clear, by": found["loses"].map(_choices),
        }
    )
    return Table(shown, phrase("stability.note", alpha=s.findings.study.alpha))


def _grid(s: Setting, table: pd.DataFrame, against: str) -> list[Block]:
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
            *(_cell(_first([at.get((way, *c)) for way in some])) for c in columns),
        )
        for some in alike
    ]
    leading = data[data["way"].isin([some[0] for some in alike])]
    counted = leading.groupby(["verdict", "label", "budgets"]).size()
    counts = [
        element("tr", element("th", v, scope="row"), *(element("td", counted.get((v, *c), 0)) for c in columns))
        for v in _VERDICTS
    ]
    who = "the base" if against == "base" else s.findings.reference
    title = f"Every comparison with {who} under every choice"
    note = phrase(
        "stability.grid", who=who, alpha=s.findings.study.alpha, over=over, rows=len(rows),
        choices=len(set(data["way"])), several=data["n_seeds"].max() > 1,
        n=words.spread(data["n_prompts"]), seeds=words.seeds([int(data["n_seeds"].max())]), file=named("ways", s.slug),
    )  # fmt: skip
    parts = (element("thead", *head), element("tbody", *rows), element("tfoot", *counts))
    below = caption(note, s.findings.study.mark)
    return [Heading(title), scrolled(title, below, *parts, cls=f"ways by-{len(over)}")]


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
    return "; ".join(_combined(spoken[data["way"].isin(some)].drop_duplicates()))


def _combined(ways: pd.DataFrame) -> list[str]:
    each = [list(dict.fromkeys(ways[c])) for c in ways]
    if math.prod(map(len, each)) == len(ways):
        return [" · ".join(", ".join(v) for v in each)]
    first = next(c for c, v in zip(ways, each, strict=True) if len(v) > 1)
    return [text for _, some in ways.groupby(first, sort=False) for text in _combined(some)]


def _first(found: Sequence[dict[Any, Any] | None]) -> dict[Any, Any] | None:
    """The cell of a row, outlined where one of its ways is the declared one."""
    there = [r for r in found if r]
    return {**there[0], "declared": any(r["declared"] for r in there)} if there else None


def _cell(r: dict[Any, Any] | None) -> Markup:
    if r is None:
        return element("td")
    css = r["kind"].replace(", ", "-") + (" declared" if r["declared"] else "")
    told = f"{r['kind']}: {words.estimate(r, signed=True)}"
    return element("td", GLYPHS[r["kind"]], cls=css, title=told, aria_label=r["kind"])


def kinds(table: pd.DataFrame) -> pd.Series:
    """The verdict of each way with, where it is unclear, the side it is on."""
    side = table["value"].gt(0).map({True: "higher", False: "lower"}).where(table["value"].abs() > 1e-9, "none")
    return side.where((table["verdict"] != "unclear") | (side == "none"), side + ", unclear")


def _words(values: pd.Series, factor: str) -> pd.Series:
    if factor == "threshold":
        return values.map(lambda t: t if t.startswith("mean") else f"≥ {t}")
    if factor == "responses":
        return values.replace("all", "all responses")
    return values.map(plain)


def _share(x: float) -> str:
    return words.percent(x, 0)


def _choices(some: str) -> str:
    return some.replace("miniature_", "").replace("_", " ") or "–"
