"""How far the scores move with trivial choices of procedure: shares of variance, ranges, and verdicts that flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import pandas as pd

from holdfast.analysis import consistency
from holdfast.analysis.consistency import Consistency
from holdfast.analysis.repeats import PROMPT, REST
from holdfast.config.study_runs import variations
from holdfast.config.variant import Variant
from holdfast.report import gist, markup, speak, tables
from holdfast.report.charts import Figure, layer, share_axis, tips
from holdfast.report.headline import plain
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Findings
from holdfast.report.theme import BASE
from holdfast.store import defuse

PROMPTS, TOGETHER = "prompts and noise", "choices together"
_LEAD = (
    "The same models, measured and trained again with choices that ought not to matter. What a choice moves is no "
    "finding about an objective: a difference between objectives that is smaller than these ranges may not be repeated."
)
_SECOND = " A second round is no such choice but more training: it is by itself, and in no range over all of them."
_TITLES = {
    "measuring": "What moves a score: choices of measuring",
    "training": "What moves a score: choices of training",
    "benchmarks": "What moves a score: the benchmark",
}
_WHAT = {
    "measuring": "Every combination of the levels was measured, on every objective and seed at the last budget.",
    "training": "Each choice was varied around the study's own setting or, where the study asked for it, all of them "
    "together. A level is one run, so its part holds what any other run would have moved.",
    "benchmarks": "Scores of one axis and metric by several measures, over objectives and seeds.",
}
_SHARES = (
    "Shares of the variance of a score, the mean over its prompts, by an analysis of variance with every factor's "
    "levels taken as drawn from many and interactions of two factors; estimates below 0 count as 0. “Prompts and "
    "noise”: the prompts, their interactions and what is left, divided by the number of prompts; “choices together”: "
    "interactions of choices. A factor of two or three levels is known roughly: see the intervals in the "
    "table. {counts}"
)
_REPEATS = (
    "Own: the score in the study’s own setting, over the seeds that are repeated. Lowest and highest: of all repeats, "
    "no interval. Flipped: share of prompts (under each attack) with another verdict in some repeat, with a {level} "
    "bootstrap interval over prompts; it grows with the number of repeats. One sample: how often it has the verdict of "
    "most."
)
_COMPONENTS = (
    "SD: of the score, in points, from one effect alone. Of a score and of one answer: shares of the variance; "
    "{level} generalised intervals (Weerahandi). A dash: not estimated."
)


def group(findings: Findings) -> Group | None:
    """None where the study varies nothing."""
    found = consistency.read(findings.folder)
    if findings.study.consistency is None or found.ranges.empty:
        return None
    mark, level = findings.study.mark, speak.level(findings.study.alpha)
    shown, shares = repeats(found, [BASE, *findings.labels]), components(found)
    for name, table, title in (
        ("consistency-repeats", shown, "Scores and verdicts over repeats"),
        ("consistency-components", shares, "Components of variance"),
    ):
        if len(table):
            tables.save(findings, name, table, title)
    caption = _REPEATS.format(level=level)
    whole = shown[shown["over"] == "all"]
    blocks = [
        *([markup.table(whole.drop(columns="over"), mark, caption, labels=findings.labels)] if len(whole) else []),
        markup.folded("By choice", markup.table(shown[shown["over"] != "all"], mark, caption, labels=findings.labels)),
    ]
    if len(shares):
        blocks.append(
            markup.folded("Components of variance", markup.table(shares, mark, _COMPONENTS.format(level=level)))
        )
    figures = tuple(f for design in _TITLES if (f := chart(found, design)))
    return Group(
        "consistency",
        "Would it come out the same?",
        _LEAD + _SECOND * (consistency.TRAINING["second_round"] in set(found.ranges["factor"])),
        figures,
        (*blocks, *proof(findings, variations(findings.study))),
        finding=gist.moving(found),
    )


# -- tables ------------------------------------------------------------------------------------------------------------


def repeats(found: Consistency, labels: Sequence[str] = ()) -> pd.DataFrame:
    """A row per measure, objective and factor: ranges of the score beside flips of verdicts; in the labels' order."""
    several = [c for c in ("model", "task") if found.ranges[c].nunique() > 1]
    rows = []
    for r, f in zip(found.ranges.to_dict("records"), found.flips.to_dict("records"), strict=True):
        rows.append(
            {c: r[c] for c in several}
            | {"measure": plain(str(r["measure"])), "objective": r["objective"], "over": r["factor"]}
            | {"repeats": int(r["runs"]), "own": speak.percent(r["value"])}
            | {"lowest": speak.percent(r["low"]), "highest": speak.percent(r["high"])}
            | {"flipped": f"{speak.percent(f['flipped'])} {speak.interval(f['low'], f['high'])}".strip()}
            | {"one sample": speak.percent(f.get("one_sample", float("nan")))}
        )
    table = pd.DataFrame(rows)
    place = {label: k for k, label in enumerate(labels)}
    rank = table.assign(_m=pd.factorize(table["measure"])[0], _o=table["objective"].map(place))
    table = table.loc[rank.sort_values([*several, "_m", "_o"], kind="stable").index].reset_index(drop=True)
    return table if (table["one sample"] != "–").any() else table.drop(columns="one sample")


def components(found: Consistency) -> pd.DataFrame:
    """Effects that are anything, largest first within a measure."""
    if found.components.empty:
        return pd.DataFrame()
    c = found.components[found.components["score_share"] > 0.0005]
    c = c.sort_values(["design", "measure", "score_share"], ascending=[True, True, False], kind="stable")
    ends = [(r.score_low, r.score_high, r.share_low, r.share_high) for r in c.itertuples()]
    return pd.DataFrame(
        {
            "choices of": c["design"],
            "measure": [" × ".join(map(plain, str(m).split(" × "))) for m in c.measure],
            "effect": c["effect"],
            "SD": [speak.fixed(100 * v, 1) for v in c["sd"]],
            "of a score": [
                f"{speak.percent(v)} {speak.interval(*e[:2])}".strip()
                for v, e in zip(c["score_share"], ends, strict=True)
            ],
            "of one answer": [
                f"{speak.percent(v)} {speak.interval(*e[2:])}".strip() for v, e in zip(c["share"], ends, strict=True)
            ],
        }
    ).reset_index(drop=True)


def show(found: Consistency) -> None:
    """The same for the terminal: over every choice together, and each alone."""
    from rich.table import Table

    rows = repeats(found) if len(found.ranges) else pd.DataFrame()
    table = Table(box=None, pad_edge=False)
    for column in rows.columns:
        table.add_column(str(column), justify="left" if rows[column].dtype == object else "right")
    for row in rows.astype(str).itertuples(index=False):
        table.add_row(*row)
    defuse.console().print(table if len(rows) else "nothing was varied")


# -- the picture -------------------------------------------------------------------------------------------------------


def part(effect: str) -> str:
    """Which part of the bar an effect is counted in."""
    factors = effect.split(" × ")
    if PROMPT in factors or effect == REST:
        return PROMPTS
    return effect if len(factors) == 1 else TOGETHER


def chart(found: Consistency, design: str) -> Figure | None:
    """A bar per measure, split by what moves its score."""
    c = found.components
    c = c[c["design"] == design] if len(c) else c
    if c.empty or not c["score_share"].sum():
        return None
    several = [k for k in ("model", "task") if c[k].nunique() > 1]
    names = [" · ".join([plain(str(r["measure"])), *(str(r[k]) for k in several)]) for r in c.to_dict("records")]
    data = c.assign(measure=names, part=[part(e) for e in c["effect"]])
    data = data.groupby(["measure", "part"], sort=False)["score_share"].sum().rename("share").reset_index()
    whole = data.groupby("measure")["share"].transform("sum")
    still = list(dict.fromkeys(data.loc[whole == 0, "measure"]))
    data = data[whole > 0]
    own = [p for p in dict.fromkeys(data["part"]) if p not in (PROMPTS, TOGETHER)]
    order = [*own, TOGETHER, PROMPTS]
    data = data.assign(
        order=data["part"].map(order.index),
        text=[
            f"{p} {speak.fixed(100 * v, 0)}"
            if v >= 0.012 * (len(p) + 4)
            else speak.fixed(100 * v, 0)
            if v >= 0.04
            else ""
            for p, v in zip(data["part"], data["share"], strict=True)
        ],
        pale=data["part"].isin((PROMPTS, TOGETHER)),
    )
    ex = alt.X(
        "share:Q",
        stack="zero",
        scale=alt.Scale(domain=[0, 1]),
        axis=share_axis("Share of the score's variance", (0, 1), ticks=5),
    )
    wide = alt.Axis(
        title=None, domain=False, ticks=False, labelFontSize=12, labelLimit=alt.expr("width < 420 ? 90 : 180")
    )
    ey = alt.Y("measure:N", sort=list(dict.fromkeys(names)), axis=wide)
    there = [p for p in (PROMPTS, TOGETHER, *own) if p in set(data["part"])]
    fill = alt.Color(
        "part:N",
        scale=alt.Scale(domain=[PROMPTS, TOGETHER, *own], range="diverging"),
        legend=alt.Legend(
            title=None, orient="top", symbolType="square", values=there, columns=alt.expr("width < 420 ? 2 : 5")
        ),
    )
    data, tip = tips(data, ("measure", "measure", str), ("part", "choice", str), ("share", "share", speak.percent))
    bars = alt.Chart(data).mark_bar(style="segment", height=alt.RelativeBandSize(0.72))
    layers: list[Any] = [bars.encode(x=ex, y=ey, color=fill, order="order:Q", tooltip=tip)]
    middle = alt.X("share:Q", stack="zero", bandPosition=0.5)
    for style, pale in (("cell-low", "true"), ("cell-high", "false")):
        seen = alt.condition(f"datum.pale === {pale}", alt.value(1), alt.value(0))
        texts = alt.Chart(data).mark_text(style=style, baseline="middle", fontSize=alt.expr("width < 420 ? 0 : 11"))
        layers.append(texts.encode(x=middle, y=ey, text="text:N", order="order:Q", opacity=seen, detail="part:N"))
    most = data[~data["part"].isin((PROMPTS,))].sort_values("share").groupby("measure", sort=False).last()
    said = "; ".join(f"{m}: most of all {r['part']}, {speak.percent(r['share'])}" for m, r in most.iterrows())
    counts = (
        f"n = {speak.spread(c.loc[c['n_prompts'] > 0, 'n_prompts'])} prompts." if (c["n_prompts"] > 0).any() else ""
    )
    return Figure(
        f"consistency-{design}",
        _TITLES[design],
        layer(layers),
        f"{_WHAT[design]} {_SHARES.format(counts=counts)}"
        + (f" Nothing moved at all, and no bar: {speak.join(still)}." if still else ""),
        f"{_TITLES[design]}. {said}.",
        data[["measure", "part", "share"]],
        height=44 * data["measure"].nunique() + 80,
    )


# -- proof of control of the variations --------------------------------------------------------------------------------


def undeclared(findings: Findings, made: Sequence[Variant]) -> Mapping[str, Sequence[str]]:
    """By run: what differs from the study's own run in its proof of control, though it was not declared."""
    runs = findings.runs
    found: dict[str, list[str]] = {}
    by_label = {x.label: x for x in made}
    proofs = {
        (r["model"], r["task"], r["label"], r["seed"]): tables.flat(r["controls"].get("controlled", {}))
        for r in runs.to_dict("records")
    }
    for r in runs[runs["bracket"] != ""].to_dict("records") if len(runs) else ():
        if (x := by_label.get(r["label"])) is None:
            continue
        mine = proofs[r["model"], r["task"], r["label"], r["seed"]]
        own = proofs.get((r["model"], r["task"], x.of, r["seed"]), {})
        differ = [k for k in mine if k in own and mine[k] != own[k] and not x.declares(k)]
        found[f"{r['label']} seed {r['seed']}"] = differ
    return found


def proof(findings: Findings, made: Sequence[Variant]) -> tuple[Block, ...]:
    """Whether the runs differ from the study's own in what they declare and in nothing else."""
    found = undeclared(findings, made)
    if not found:
        return ()
    bad = {k: v for k, v in found.items() if v}
    if not bad:
        said = f"All {len(found)} runs that vary in training differ from the study's own in what they declare alone."
        return (markup.said(said, calm=True),)
    said = "; ".join(f"{k}: {speak.join(v)}" for k, v in bad.items())
    return (markup.alarm("Not only the declared choice varied.", f"{said}."),)
