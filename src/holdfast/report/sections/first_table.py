"""The first table of the page: a row per objective, a column per measure, and differences from SFT and the base."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from holdfast.analysis.answer import takes
from holdfast.analysis.gate import NO_ANSWER as SILENT
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections import declaration_text
from holdfast.report.sections.verdicts import SIGNS
from holdfast.report.series import Series
from holdfast.report.table import Table

_OPEN = ("inconclusive", "one seed")


@dataclass(frozen=True)
class Difference:
    against: str
    text: str
    interval: str
    p: str
    verdict: str

    @property
    def sign(self) -> str:
        return SIGNS.get(self.verdict, "")

    @property
    def css(self) -> str:
        return self.verdict.replace(" ", "-")


@dataclass(frozen=True)
class Cell:
    text: str
    interval: str = ""
    differences: tuple[Difference, ...] = ()
    silent: str = ""  # how many answers say nothing


@dataclass(frozen=True)
class Row:
    label: str
    css: str
    cells: tuple[Cell | None, ...]


@dataclass(frozen=True)
class First:
    """``takes``: of each column, what it would take to tell a difference where it is inconclusive."""

    title: str
    caption: str
    columns: tuple[Series, ...]
    rows: tuple[Row, ...]
    takes: tuple[tuple[str, ...], ...] = ()


def numbers(s: Setting, budget: int) -> pd.DataFrame:
    """A row per objective and measure at a budget: level, share of answers that say nothing, and difference from the
    base and from SFT with interval, p after correction and verdict, which are the finding ``last``."""
    rows, found = [], s.answers()
    silence = s.estimates[s.estimates["metric"] == SILENT]
    found = found[(found["estimand"] == "last") & (found["budget"] == budget)]
    for x in s.shown:
        level = x.of(s.estimates)
        level = level[(level["budget"] == budget) | (level["label"] == BASE)].set_index("label")
        silent = replace(x, metric=SILENT).of(silence).set_index(["label", "budget"])["value"].to_dict()
        own = found[(found["measure"] == x.measure) & (found["metric"] == x.metric)]
        levels = level.to_dict("index")
        against = {f"vs_{a}": own[own["against"] == a].set_index("label").to_dict("index") for a in ("base", "sft")}
        for label in (BASE, *s.findings.labels):
            if label not in levels:
                continue
            row: dict[str, Any] = {"objective": label, "measure": x.measure, "metric": x.metric, "judge": x.judge}
            row |= {"budget": budget if label != BASE else 0}
            row |= {SILENT: silent.get((label, row["budget"]))}
            row |= {k: levels[label][k] for k in ("value", "low", "high", "n_prompts", "n_unscored", "n_seeds")}
            for name, of in against.items():
                for k in ("value", "low", "high", "p", "p_adjusted", "verdict"):
                    row[f"{name}_{k}" if k != "value" else name] = of[label][k] if label in of else None
            rows.append(row)
    return pd.DataFrame(rows)


def table(s: Setting, found: pd.DataFrame) -> Table:
    """As a file: every number, and to read a row per objective, a column per number."""
    return Table(spoken(s, found), name=words.own("objectives"), title=_title(s), full=found)


def spoken(s: Setting, found: pd.DataFrame, *, gaps: bool = True) -> pd.DataFrame:
    """``found`` (of ``numbers``) to read: a row per objective, a column per measure and, with ``gaps``, reference."""
    rows, titles = dict[str, dict[str, str]](), {x.measure: x.title for x in s.shown}
    sides = {side: who for side, who in (("vs_base", "base"), ("vs_sft", "SFT")) if gaps and found[side].notna().any()}
    for r in found.to_dict("records"):
        row, title = rows.setdefault(r["objective"], {"objective": r["objective"]}), titles[r["measure"]]
        row[title] = level(r)
        for side, who in sides.items():
            said = "" if words.missing(r[side]) else f"{gap(r, side)} {r[f'{side}_verdict']}".strip()
            row[f"{title}: points from {who}"] = said
    return pd.DataFrame(list(rows.values())).fillna("")


def _title(s: Setting) -> str:
    return f"{'Objectives' if s.findings.study.trains else 'Levels'}{words.at(s.last)}"


def level(r: Mapping[Any, Any]) -> str:
    """A row's level, beside it how many of its answers say nothing: a model that is silent is not safe."""
    share = r.get(SILENT)
    silent = "" if words.missing(share) or not share else f"; no answer {words.percent(share)}"
    return f"{words.estimate(r)}{silent}"


def gap(r: Mapping[Any, Any], side: str) -> str:
    """A row's difference from a reference, ``vs_sft`` or ``vs_base``; "" for none."""
    return "" if words.missing(r[side]) else words.estimate(r, side, signed=True)


def tables(s: Setting, found: pd.DataFrame) -> list[First]:
    """The normative measures are a table of their own."""
    if found.empty:
        return []
    there = [x for x in s.shown if x.measure in set(found["measure"])]
    lead = [x for x in there if x.axis != "normative"]
    rest = [x for x in there if x.axis == "normative"]
    titles = ((_title(s), lead), (f"Normative measures{words.at(s.last)}", rest))
    return [_of(s, found, title, some) for title, some in titles if some]


def _of(s: Setting, found: pd.DataFrame, title: str, shown: list[Series]) -> First:
    labels, rows = s.findings.labels, []
    found = found[found["measure"].isin([x.measure for x in shown])]
    for label in (BASE, *labels):
        own = {r["measure"]: r for r in found[found["objective"] == label].to_dict("records")}
        cells = tuple(cell(s, own[x.measure]) if x.measure in own else None for x in shown)
        if any(cells):
            rows.append(Row(label, "base" if label == BASE else f"o{labels.index(label)}", cells))
    need = tuple(tuple(_needed(s, found[found["measure"] == x.measure])) for x in shown)
    return First(title, _meaning(s, found), tuple(shown), tuple(rows), need if any(need) else ())


def _needed(s: Setting, found: pd.DataFrame) -> Iterator[str]:
    """Of one measure, by reference: ``from sft: 9 seeds or 800 prompts``."""
    every = s.table("needed")
    for against, who in (("sft", s.findings.reference), ("base", "base")):
        open_ = found[found[f"vs_{against}_verdict"].isin(_OPEN)]
        need = every[(every["against"] == against) & every["measure"].isin(open_["measure"])]
        yield from (f"from {who}: {takes(r)}" for r in need.to_dict("records"))


def _meaning(s: Setting, found: pd.DataFrame) -> str:
    study, references = s.findings.study, {"sft": s.findings.reference, "base": "the base"}
    there = [k for k in references if found[f"vs_{k}"].notna().any()]
    said = {v for k in there for v in found[f"vs_{k}_verdict"].dropna()}
    mine = s.answers()
    mine = mine[(mine["estimand"] == "last") & mine["measure"].isin(found["measure"])]
    return phrase(
        "answer.meaning",
        level=words.level(study.alpha),
        who=[references[k] for k in there],
        there=said,
        alpha=study.alpha,
        within=[f"{100 * x:g}" for x in sorted(mine["interest"].unique(), reverse=True)],
        little=declaration_text.little(s.findings.stands),
        takes=len(s.table("needed")) and said & set(_OPEN),
        power=study.declared.power,
        undeclared=_undeclared(mine, references),
        n=words.spread(found["n_prompts"]),
        seeds=words.seeds(found.loc[found["objective"] != BASE, "n_seeds"]),
    )


def _undeclared(found: pd.DataFrame, names: Mapping[str, str]) -> str:
    """Of the comparisons of a table, which were not declared."""
    mine = found["declared"].astype(bool)
    if mine.all():
        return ""
    whole = [names[a] for a, some in mine.groupby(found["against"], sort=False) if not some.any()]
    return phrase(f"answer.undeclared.{'all' if not mine.any() else 'whole' if whole else 'some'}", who=whole)


def cell(s: Setting, row: dict[str, Any]) -> Cell:
    share = row[SILENT]
    told = not words.missing(share) and (share > 0 or row["metric"] == "asr")  # of harm it is said even where it is 0
    silent = f"no answer {words.percent(share)}" if told else ""
    if words.missing(row["value"]):
        return Cell("unscored", silent=silent)
    against = (("vs_sft", s.findings.reference), ("vs_base", "base"))
    differences = tuple(_difference(row, name, who) for name, who in against if not words.missing(row[name]))
    return Cell(words.percent(row["value"]), words.interval(row["low"], row["high"]), differences, silent)


def _difference(row: dict[str, Any], name: str, against: str) -> Difference:
    ends = words.interval(row[f"{name}_low"], row[f"{name}_high"], signed=True)
    p = words.p_value(row[f"{name}_p_adjusted"])
    return Difference(against, words.points(row[name]), ends, p, str(row[f"{name}_verdict"]))
