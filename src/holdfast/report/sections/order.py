"""Every section of the page, in the order in which questions are asked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from holdfast.report.charts.plot import Figure
from holdfast.report.charts.trade_off import frontier
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings, Setting
from holdfast.report.sections import (
    asked,
    at_budgets,
    beside_published,
    distance_cost,
    equal_capability,
    fairness,
    first_table,
    harm_coherence,
    inside,
    judge_trust,
    left_out,
    other_choices,
    own_settings,
    paper,
    parameters,
    relearnt,
    repeatability,
    traits,
    unsafe_text,
    ways,
    weights,
)
from holdfast.report.sections.first_table import First
from holdfast.report.sections.section import Section
from holdfast.report.series import lead
from holdfast.report.table import Table

# A section that is not named here stands before what was left out.
ORDER = (
    "controls", "control-runs", "unsafe", "asked", "frontier", "budgets", "matched", "tuned", "stability",
    "consistency", "attacks", "traits", "inside", "ways", "relearnt", "coherence", "judges", "cost", "weights",
    "counted", "published", "paper", "parameters",
)  # fmt: skip
OF_SETTING: tuple[Callable[[Setting], Section | None], ...] = (
    at_budgets.the_frontier,
    at_budgets.against_budget,
    at_budgets.by_attack,
    traits.section,
    inside.section,
    ways.section,
    relearnt.section,
    harm_coherence.section,
    equal_capability.section,
    own_settings.section,
    other_choices.section,
    distance_cost.section,
    weights.section,
    unsafe_text.section,
)
OF_STUDY: tuple[Callable[[Findings], Section | None], ...] = (
    asked.section,
    fairness.section,
    judge_trust.section,
    repeatability.section,
    fairness.control_runs,
    left_out.section,
    beside_published.section,
    parameters.section,
    paper.section,
)
_OF_TRAINING = ("cost", "unsafe", "control-runs")  # sections that a study which trains nothing has no part in
_OF_LEARNING = ("frontier", "matched")  # that it has where its subjects are compared in capability, or over budgets


@dataclass(frozen=True)
class Place:
    """A section on the page. ``parts``: of the study as a whole (None), or of each model and task, by its place."""

    id: str
    title: str
    parts: tuple[tuple[int | None, str, Section], ...]


@dataclass(frozen=True)
class Part:
    """One model and task: ``first``, the chart beside the answer, the first ``tables``, and its sections. ``own``: the
    table of what was asked with the string that an objective was trained with, ``own_said`` its one line."""

    setting: Setting
    tables: list[First]
    first: Figure | None
    sections: list[Section]
    files: list[Table]
    own: Table | None = None
    own_said: str = ""

    @property
    def name(self) -> str:
        return self.setting.name

    @property
    def slug(self) -> str:
        return self.setting.slug

    @property
    def figures(self) -> list[Figure]:
        return [*([self.first] if self.first else []), *(f for g in self.sections for f in g.charts)]


def ordered(parts: Sequence[Part], common: Sequence[Section]) -> list[Place]:
    every: list[tuple[int | None, str, Section]] = [(i, p.slug, g) for i, p in enumerate(parts) for g in p.sections]
    every += [(None, "", g) for g in common]
    place = {name: k for k, name in enumerate(ORDER)}
    names = sorted(dict.fromkeys(g.id for _, _, g in every), key=lambda n: place.get(n, place["counted"] - 0.5))
    by_name = {n: tuple(x for x in every if x[2].id == n) for n in names}
    return [Place(n, some[0][2].title, some) for n, some in by_name.items()]


def of_study(findings: Findings) -> list[Section]:
    found = [g for make in OF_STUDY if (g := make(findings)) is not None]
    return [g for g in found if findings.study.trains or g.id not in _OF_TRAINING]


def of_setting(s: Setting) -> Part:
    numbers = first_table.numbers(s, s.last)
    capability, robust = (lead(s.shown, a) for a in ("capability", "robustness"))
    beside = partial(frontier, estimates=s.estimates, look=s.findings.look, at=s.last)
    first = beside(capability, robust) if capability and robust else None
    sections = [g for make in OF_SETTING if (g := make(s)) is not None]
    if not s.findings.study.trains:
        bare = {g.id for g in sections if g.id in _OF_LEARNING and not g.charts and not g.blocks}
        sections = [g for g in sections if g.id not in (*_OF_TRAINING, *bare)]
    files = [first_table.table(s, numbers)] if len(numbers) else []
    own = ways.own_conditions(s)
    if not len(own):
        return Part(s, first_table.tables(s, numbers), first, sections, files)
    files.append(Table(own, phrase("answer.own"), "own-conditions", "Under the objective's own string"))
    return Part(s, first_table.tables(s, numbers), first, sections, files, files[-1], ways.own_said(own))
