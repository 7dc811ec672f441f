"""*At equal capability*: harm where runs know equally much, who is on the front, and who beats whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from holdfast.analysis.comparisons import SURE, Front, Matched, reservations
from holdfast.config import decisions
from holdfast.report import words
from holdfast.report.charts.gap import gap
from holdfast.report.charts.plot import Figure, Look
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Block, Folded, Heading, Paragraph, Section, some
from holdfast.report.sections.verdicts import verdicts
from holdfast.report.series import plain
from holdfast.report.table import Table


def section(s: Setting) -> Section:
    mine, fronts = s.matched, s.fronts
    charts = some([_gap(one, s.findings.look, alone=len(mine) == 1) for one in mine])
    blocks, files = _stopped(s), list[Table]()
    if mine and not charts:
        blocks.append(Paragraph(phrase("matched.nowhere", sure=SURE)))
    for one in mine:
        blocks += _compared(s, one, files, alone=len(mine) == 1)
    for front in fronts:
        blocks += _front(s, front, files, alone=len(fronts) == 1)
    return Section("matched", charts, blocks, equal(mine), files)


def equal(every: Sequence[Matched]) -> str:
    """Attack success at the stated capability, of every measure of it."""
    said = []
    for one in every:
        if one.sft and not one.at_target.empty:
            table = one.at_target[one.at_target["label"] != one.sft]
            there, never = table[table["n_reached"] > 0], table.loc[table["n_reached"] == 0, "label"]
            where = "" if len(every) == 1 else f" on {plain(one.harm.measure)}"
            told = [verdicts(there)] if len(there) else []
            told += [f"never there: {words.join(never)}"] if len(never) else []
            said += [phrase("matched.line", where=where, sft=one.sft, told=told)] if told else []
    return " ".join(said)


def _stopped(s: Setting) -> list[Block]:
    """Which runs were trained no further, for they had reached the target."""
    where = decisions.stopped(s.findings.study, s.findings.folder)
    if where is None:
        return []
    runs = s.findings.runs
    mine = runs[(runs["model"] == s.model) & (runs["task"] == s.task) & (runs["bracket"] == "")]
    said = decisions.in_words(where, mine[["trajectory", "label", "seed"]].itertuples(index=False, name=None))
    return [Paragraph(phrase("matched.stopped", which=said) if said else phrase("matched.none_stopped"))]


# -- tables ------------------------------------------------------------------------------------------------------------


def _compared(s: Setting, one: Matched, files: list[Table], *, alone: bool) -> list[Block]:
    measure, match = one.harm.measure, plain(one.instruments.match.measure)
    tail, end = ("", "") if alone else (f" on {plain(measure)}", f"-{measure}")
    seeds = words.seeds(one.at_ceiling["n_seeds"])
    against = phrase("matched.against", sft=one.sft, seeds=seeds) if one.sft else ""
    blocks: list[Block] = []
    if s.findings.study.matched is not None:
        goal = words.percent(one.target)
        blocks.append(Heading(f"At a capability of {goal}{tail}"))
        if one.void:
            blocks.append(Paragraph(phrase("matched.void", goal=goal, match=match), calm=True))
        else:
            rests = {"match": match, "one": one, "against": against, "of_sft": _of_sft(one, one.at_target)}
            note = phrase("matched.note", **rests)
            files.append(Table(one.at_target, name=f"matched{end}", title="At equal capability"))
            blocks.append(Table(_spoken(one, one.at_target, "attack success"), note))
    if len(one.at_ceiling):
        ceiling = words.percent(one.ceiling)
        files.append(Table(one.at_ceiling, name=f"at-safety{end}", title="Capability at equal safety"))
        blocks.append(Heading(f"Capability at an attack success of {ceiling}{tail}"))
        rests = {"match": match, "ceiling": ceiling, "against": against, "of_sft": _of_sft(one, one.at_ceiling)}
        note = phrase("matched.safety", **rests)
        blocks.append(Table(_spoken(one, one.at_ceiling, "capability"), note))
    return blocks


def _spoken(one: Matched, table: pd.DataFrame, what: str) -> pd.DataFrame:
    shown = []
    for r in table.to_dict("records"):
        never = r["n_reached"] == 0
        said: dict[str, Any] = {"objective": r["label"], "tokens": "never" if never else words.tokens(r["budget"])}
        said["runs"] = f"{r['n_reached']} of {r['n_seeds']}"
        said[what] = words.estimate(r)
        if "capability" in r:
            reported = plain(one.instruments.capability.measure)
            said[f"{reported} there"] = words.estimate(r, "capability")
        if one.sft:
            own = r["label"] == one.sft
            said[f"from {one.sft}"] = "" if own else words.estimate(r, "gap", signed=True)
            said["verdict"] = "" if own else str(r.get("verdict", ""))
        rest = str(r.get("between") or "").removesuffix(_of_sft(one, table)).removesuffix("; ")
        said["note"] = reservations(r | {"between": rest})
        shown.append(said)
    found = pd.DataFrame(shown)
    return found.drop(columns="note") if len(found) and (found["note"] == "").all() else found


def _of_sft(one: Matched, table: pd.DataFrame) -> str:
    """What is said of where SFT lies, which stands in every row, for all are compared with it: said once, below."""
    mine = table[(table["label"] == one.sft)].to_dict("records")
    return str(mine[0].get("between") or "") if mine else ""


def _front(s: Setting, front: Front, files: list[Table], *, alone: bool) -> list[Block]:
    tail, end = ("", "") if alone else (f" on {plain(front.measure)}", f"-{front.measure}")
    files += [
        Table(front.points, name=f"front{end}", title="The front, with probabilities"),
        Table(front.dominance, name=f"dominance{end}", title="Who beats whom"),
    ]
    last = front.points["budget"].max()
    points = front.points[(front.points["budget"] == last) | (front.points["label"] == BASE)]
    shown = pd.DataFrame(
        {
            "objective": points["label"],
            "capability": points["capability"].map(words.percent),
            "attack success": points["harm"].map(words.percent),
            "by value": points["on_front"].map({True: "on the front", False: ""}),
            **{c: points[c].map(_chance) for c in ("probability", "best", "anywhere")},
        }
    )
    wide = front.dominance.pivot(index="label", columns="over", values="probability")
    names = [x for x in (BASE, *s.findings.labels) if x in wide.index]
    wide = wide.reindex(index=names, columns=names).map(_chance).rename_axis(index=None, columns=None)
    wide = wide.rename(columns=lambda x: f"over {x}").reset_index(names="objective")
    return [
        Heading(f"Who is on the front{words.at(float(last))}{tail}"),
        Table(shown, phrase("matched.front", seeds=words.seeds([front.n_seeds]))),
        Folded("Who beats whom", Table(wide, phrase("matched.beats"))),
    ]


def _chance(p: float) -> str:
    return "–" if words.missing(p) else words.percent(p, 0)


# -- the gap as a function of capability -------------------------------------------------------------------------------


def _gap(one: Matched, look: Look, *, alone: bool) -> Figure | None:
    """Attack success less SFT's, over the capability that both reach."""
    data = one.gaps[one.gaps["gap"].notna()] if one.sft else one.gaps.iloc[:0]
    data = data[["label", "level", "gap", "gap_low", "gap_high", "value"]]
    if data["level"].nunique() < 2:
        return None
    across = f"Capability: {plain(one.instruments.match.measure)} (smoothed)"
    spec = gap(data, look, across, f"Attack success less {one.sft}’s (↓ better)", target=one.target)
    last = data.sort_values("level").groupby("label", sort=False).tail(1)
    said = ", ".join(f"{r.label} {words.points(r.gap)} at {words.percent(r.level)}" for r in last.itertuples())
    seeds = words.seeds(one.at_ceiling["n_seeds"])
    caption = phrase("matched.chart", one=one, level=words.level(look.alpha), sure=SURE, seeds=seeds)
    measure = one.harm.measure
    title = f"Attack success against {one.sft} at equal capability" + ("" if alone else f" on {plain(measure)}")
    tidy = data.rename(columns={"label": "objective", "value": "attack_success"})
    name = "gap" if alone else f"gap-{measure}"
    return Figure(name, title, spec, caption, f"{title}. {said}.", tidy, height=300)
