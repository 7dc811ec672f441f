"""*Harm and coherence*: what share of the responses under attack is harmful, and can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from holdfast.analysis.comparisons import QUADRANTS
from holdfast.report import words
from holdfast.report.charts.bars import stacked
from holdfast.report.charts.plot import Figure, tips
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Block, Folded, Section, some
from holdfast.report.series import Series, plain
from holdfast.report.table import Table

_INCOHERENT = [q for q in QUADRANTS if q.endswith(" incoherent")]
_RATES = {"all": "all", "coherent": "coherent only", "none": "least", "worst": "most"}


def section(s: Setting) -> Section:
    found = s.table("coherence")
    robusts = [x for x in s.series if x.axis == "robustness"]
    last = found[(found["budget"] == s.last) | (found["label"] == BASE)]
    line = incoherent(last, *_screened(s, robusts), words.at(float(s.last)))
    files = [Table(found, name="coherence", title="Attack success and coherence")] if len(found) else []
    return Section("coherence", some([quadrants(s, x, last) for x in robusts]), _tables(s, last), line, files)


def _screened(s: Setting, robusts: Sequence[Series]) -> tuple[int, int]:
    """How many responses to the measures of robustness were judged on coherence, and how many are incoherent."""
    mine = s.of(s.findings.table("screened"))
    mine = mine[mine["measure"].isin([x.measure for x in robusts])]
    return int(mine["responses"].sum()), int(mine["incoherent"].sum())


def incoherent(rates: pd.DataFrame, judged: int, gone: int, at: str) -> str:
    """How much is: under attack at the last budget (``rates``: of ``analysis.coherent``), and that ``gone`` are of all
    that were ``judged``, whatever their budget, format and attack."""
    shares = rates[rates["what"].isin(_INCOHERENT)]
    shares = shares.groupby(["measure", "judge", "label"], sort=False)["value"].sum(min_count=1).dropna()
    if shares.empty or not judged:
        return ""
    ends = words.least_to_most(f"Incoherent under attack{at}", shares.rename("value").reset_index(), words.percent)
    return phrase("coherence.line", ends=ends, judged=judged, gone=gone)


def _tables(s: Setting, found: pd.DataFrame) -> list[Block]:
    """Rates under every rule, and the quadrants with intervals."""
    if found.empty:
        return []
    shown = []
    for (measure, judge, label), mine in found.groupby(["measure", "judge", "label"], sort=False):
        one = mine.set_index("what")
        said = {"objective": label, "measure": plain(measure), "judge": plain(judge)}
        said |= {name: words.estimate(one.loc[rule].to_dict()) for rule, name in _RATES.items()}
        shown.append(said | {q: words.estimate(one.loc[q].to_dict()) for q in QUADRANTS})
    table, order = pd.DataFrame(shown), {x: k for k, x in enumerate((BASE, *s.findings.labels))}
    table = table.sort_values("objective", key=lambda x: x.map(order), kind="stable")
    table = table.sort_values(["measure", "judge"], kind="stable", ignore_index=True)
    table = table[[c for c in table if c not in ("measure", "judge") or table[c].nunique() > 1]]
    note = phrase("coherence.note", level=words.level(s.findings.study.alpha), at=words.at(float(s.last)))
    four = table[[c for c in table if c in QUADRANTS or c in ("objective", "measure", "judge")]]
    return [
        Table(table[[c for c in table if c not in QUADRANTS]], note),
        Folded("The four quadrants with intervals", Table(four, phrase("coherence.quadrants"))),
    ]


def quadrants(s: Setting, x: Series, rates: pd.DataFrame) -> Figure | None:
    """The quadrants of one measure, a bar each objective; None where coherence was not judged."""
    look, study = s.findings.look, s.findings.study
    found = rates[(rates["measure"] == x.measure) & (rates["judge"] == x.judge) & rates["what"].isin(QUADRANTS)]
    found = found.dropna(subset=["value"])
    data = found[found["label"].isin((BASE, *look.labels))].rename(columns={"what": "quadrant", "value": "share"})
    if data.empty:
        return None
    data = data.assign(
        order=data["quadrant"].map(QUADRANTS.index),
        text=[words.fixed(100 * v, 0, whole="100") if v >= 0.045 else "" for v in data["share"]],
    )
    data, tip = tips(
        data,
        ("label", words.own("objective"), str),
        ("quadrant", "quadrant", str),
        *((k, t, words.percent) for k, t in (("share", "share"), ("low", "from"), ("high", "to"))),
    )
    spec = stacked(
        data, "Share of responses", ("label", [BASE, *look.labels]),
        ("quadrant", {"domain": list(QUADRANTS), "range": "ordinal"}), tip,
        (("cell-high", "datum.order === 0"), ("cell-low", " || ".join(f"datum.order === {i}" for i in (1, 2, 3)))),
        narrow=2, wide=4,
    )  # fmt: skip
    harmful = data[data["quadrant"].str.startswith("harmful")].groupby("label", sort=False)["share"].sum()
    said = ", ".join(f"{k} {words.percent(float(v))}" for k, v in harmful.items())
    caption = phrase(
        "coherence.chart", at=words.at(s.last), judge=plain(x.judge), threshold=f"{study.threshold:g}",
        n=words.spread(data["n_prompts"]), seeds=words.pooled(int(data["n_seeds"].max())),
    )  # fmt: skip
    tidy = data[["label", "quadrant", "share", "low", "high"]].rename(columns={"label": "objective"})
    title, height = "Harm and coherence of responses under attack", 34 * data["label"].nunique() + 60
    figure = Figure("quadrants", title, spec, caption, f"{title}. Harmful: {said}.", tidy, height=height)
    if x.alone:
        return figure
    return replace(figure, name=f"quadrants-{x.measure}", title=f"{title} on {plain(x.measure)}")
