"""The section *Would other choices have said the same?*: every comparison under every choice, as a grid."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from holdfast.analysis.stability import FACTORS, RULES, stability, ways
from holdfast.report import gist, markup, speak, tables
from holdfast.report.charts import Figure, Look, layer
from holdfast.report.headline import plain
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Setting, named

_LEAD = (
    "A conclusion that holds under one judge or one threshold alone is a conclusion about that choice. Each comparison "
    "is made again under every choice that this study can make."
)
KINDS = ("higher", "higher, unclear", "lower, unclear", "lower")
GLYPHS = dict(zip(KINDS, "▲△▽▼", strict=True))
_ORDER = ("last", "mean", "slope")


def group(s: Setting) -> Group:
    """Of one model and task."""
    table = ways(s.records, s.findings.cells, s.findings.study)
    if table.empty:
        return Group("stability", _TITLE, _LEAD, absent="Needs a measure of robustness.")
    found, mark, out = stability(table), s.findings.study.mark, s.findings.folder.report / "tables"
    tables.write(out, named("stability", s.slug), found, mark, title="Which conclusions survive other choices")
    tables.write(out, named("ways", s.slug), table, mark, title="Every comparison under every choice")
    alpha = s.findings.study.alpha
    figures = tuple(
        figure
        for against in ("sft", "base")
        if (figure := _grid(table[table["against"] == against], s.findings.look, s.findings.reference, against, alpha))
    )
    return Group("stability", _TITLE, _LEAD, figures, (_summary(s, found),), finding=gist.stable(found))


_TITLE = "Would other choices have said the same?"


def _summary(s: Setting, found: pd.DataFrame) -> Block:
    shown = pd.DataFrame(
        {
            "objective": found["label"],
            "against": found["against"].map({"sft": s.findings.reference, "base": "base"}),
            "points": found["value"].map(speak.points),
            "as declared": found["verdict"],
            "ways": found["n_ways"],
            "agree": found["agree"].map(_share),
            "same sign": found["same_sign"].map(_share),
            "higher": found["higher"].map(_share),
            "lower": found["lower"].map(_share),
            "reversed by": found["flips"].map(_plain),
            "made unclear, or clear, by": found["loses"].map(_plain),
        }
    )
    caption = (
        "As declared: the study’s own benchmark, judge and threshold, all responses, the last budget. Agree: share of "
        f"ways with the same verdict, each at p < {s.findings.study.alpha:g} by itself, not corrected for their "
        "number. The last two columns: a single choice that, changed alone, changes the verdict."
    )
    return markup.table(shown, s.findings.study.mark, caption, labels=s.findings.labels)


def _grid(table: pd.DataFrame, look: Look, reference: str, against: str, alpha: float) -> Figure | None:
    """Ways × objectives; within an objective last budget, mean and slope."""
    if table.empty:
        return None
    varied = [f for f in ("benchmark", "judge", "threshold", "responses") if table[f].nunique() > 1]
    spoken = pd.DataFrame({f: _words(table[f], f) for f in varied or ["threshold"]})
    data = table.assign(way=spoken.agg(" · ".join, axis=1))
    sure = data["verdict"] != "unclear"
    side = data["value"].gt(0).map({True: "higher", False: "lower"})
    data["kind"] = side.where(sure, side + ", unclear")
    data["glyph"] = data["kind"].map(GLYPHS).where(data["value"].abs() > 1e-9, "=")
    there = [a for a in _ORDER if a in set(data["budgets"])]
    offset = {"xOffset": alt.XOffset("budgets:N", sort=there)} if len(there) > 1 else {}
    labels = [x for x in look.labels if x in set(data["label"])]
    top = alt.Axis(title=None, orient="top", labelAngle=0, domain=False, ticks=False, labelFontSize=12)
    left = alt.Axis(title=None, domain=False, ticks=False, labelLimit=alt.expr("width < 180 ? 130 : 220"))
    ex = alt.X("label:N", sort=labels, axis=top, scale=alt.Scale(paddingInner=0.12))
    ey = alt.Y("way:N", sort=list(dict.fromkeys(data["way"])), axis=left)
    keep = ["label", "way", *FACTORS, "value", "low", "high", "p", "kind", "glyph", "declared"]
    who = "the base" if against == "base" else reference
    tip = [
        alt.Tooltip("label:N", title="objective"),
        alt.Tooltip("way:N"),
        alt.Tooltip("budgets:N"),
        alt.Tooltip("value:Q", title=f"from {who}", format="+.3f"),
        alt.Tooltip("low:Q", title="from", format="+.3f"),
        alt.Tooltip("high:Q", title="to", format="+.3f"),
        alt.Tooltip("p:Q", format=".3g"),
        alt.Tooltip("kind:N", title="verdict"),
    ]
    fill = alt.Color("kind:N", scale=alt.Scale(domain=list(KINDS), range="ordinal"), legend=None)
    chart = alt.Chart(data[keep])
    size = alt.expr(f"max(4, min(10, width / {1.7 * len(labels) * len(there):.1f}))")
    layers: list[Any] = [chart.mark_rect(style="cell").encode(x=ex, y=ey, color=fill, tooltip=tip, **offset)]
    for style, dark in (("cell-high", True), ("cell-low", False)):
        part = chart.transform_filter(f"(datum.kind === 'higher') === {str(dark).lower()}")
        layers.append(part.mark_text(style=style, fontSize=size).encode(x=ex, y=ey, text="glyph:N", **offset))
    own = chart.transform_filter("datum.declared").mark_rect(filled=False, style="base-line", strokeDash=[])
    layers.append(own.encode(x=ex, y=ey, **offset))
    inside = f" Within an objective, from left to right: {speak.join(there)} over budgets." if offset else ""
    caption = (
        f"Attack success less that of {who} under each choice: ▲ higher, ▼ lower (p < {alpha:g}), △ ▽ on that side but "
        f"unclear, = no difference. Worst case: the incoherent are harmful. Outlined: the way that the study declares."
        f"{inside} Paired by prompt"
        f"{' and seed' if data['n_seeds'].max() > 1 else ''}. n = {speak.spread(data['n_prompts'])} prompts. "
        f"{speak.seeds([int(data['n_seeds'].max())])}."
    )
    agree = data.groupby("label", sort=False)["kind"].agg(lambda k: k.value_counts().idxmax())
    most = ", ".join(f"{label} {kind}" for label, kind in agree.items())
    title = f"Every comparison with {who} under every choice"
    height = 17 * data["way"].nunique() + 50
    said = f"{title}. Most often: {most}."
    return Figure(f"stability-{against}", title, layer(layers), caption, said, data[keep], height=height)


def _words(values: pd.Series, factor: str) -> pd.Series:
    if factor == "threshold":
        return values.map(lambda t: t if t.startswith("mean") else f"≥ {t}")
    if factor == "responses":
        return values.map({**{v: v for v in RULES.values()}, "all": "all responses"})
    return values.map(plain)


def _share(x: float) -> str:
    return f"{100 * x:.0f}%"


def _plain(choices: str) -> str:
    return choices.replace("miniature_", "").replace("_", " ") or "–"
