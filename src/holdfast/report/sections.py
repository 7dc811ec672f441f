"""What the page says, section by section: of one model and task, and of the study as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from holdfast.report import (
    charts,
    checklist,
    claims,
    consistency,
    distance,
    gist,
    harm,
    heat,
    judged,
    markup,
    matched,
    paper,
    published,
    speak,
    stability,
    tables,
    tuned,
)
from holdfast.report.charts import Figure
from holdfast.report.headline import Series, lead
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Findings, Setting
from holdfast.report.theme import BASE

# What is asked first comes first; a section that is not named here stands before what was left out.
ORDER = (
    "controls", "brackets", "unsafe", "asked", "frontier", "budgets", "matched", "tuned", "stability", "consistency",
    "attacks", "coherence", "judges", "cost", "counted", "published", "paper", "parameters",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A section of the page. ``parts``: of the study as a whole (None), or of each model and task, by its place."""

    id: str
    title: str
    parts: tuple[tuple[int | None, str, Group], ...]


def ordered(settings: Sequence[Part], common: Sequence[Group]) -> list[Section]:
    every: list[tuple[int | None, str, Group]] = [(i, p.slug, g) for i, p in enumerate(settings) for g in p.groups]
    every += [(None, "", g) for g in common]
    place = {name: k for k, name in enumerate(ORDER)}
    names = sorted(dict.fromkeys(g.id for _, _, g in every), key=lambda n: place.get(n, place["counted"] - 0.5))
    by_name = {n: tuple(x for x in every if x[2].id == n) for n in names}
    return [Section(n, parts[0][2].title, parts) for n, parts in by_name.items()]


# -- one model and task ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Part:
    """One model and task. ``first``: the chart beside the answer. ``own``: the table of what was asked with the string
    that an objective was trained with, ``said`` its one line."""

    setting: Setting
    name: str
    slug: str
    headlines: list[markup.Headline]
    first: Figure | None
    groups: list[Group]
    own: Block | None = None
    said: str = ""

    @property
    def figures(self) -> list[Figure]:
        return [*([self.first] if self.first else []), *(f for g in self.groups for f in g.figures)]


def of_setting(s: Setting) -> Part:
    findings, look, mark = s.findings, s.findings.look, s.findings.study.mark
    found, last = s.series, s.last
    capability, robust, persona = (lead(s.shown, a) for a in ("capability", "robustness", "persona"))
    numbers = tables.headline(s, last)
    if len(numbers):
        title = f"{'Objectives' if findings.study.trains else 'Levels'}{speak.at(last)}"
        tables.save(s, speak.own("objectives"), numbers, title, tables.spoken(numbers, s.shown))

    robusts = [x for x in found if x.axis == "robustness"]  # a conclusion may turn with the benchmark: show each
    against = [*robusts, *([persona] if persona else [])]
    front = [
        charts.frontier(capability, y, s.estimates, look, lead=y in (robust, persona)) for y in against if capability
    ]
    first = charts.frontier(capability, robust, s.estimates, look, at=last) if capability and robust else None
    ladder = [charts.against_budget(x, s.estimates, look) for x in found] if any(look.budgets) else []
    maps = [heat.by_condition(x, noun, s.estimates, look) for x in found if (noun := _NOUNS.get(x.axis))]
    parts = s.estimates[s.estimates["condition"] != "macro"]  # of safe prompts alone, so no mean of the two
    apart = [x for x in found if x.info.apart and x.axis not in _NOUNS]
    maps += [heat.by_condition(x, x.about.summary.by or "label", parts, look) for x in apart]
    own = tables.own_conditions(s)
    if len(own):
        tables.save(s, "own-conditions", own, "Under the objective's own string")
    asked = markup.table(own, mark, _OWN, labels=findings.labels) if len(own) else None
    four = [harm.quadrants(s, x, last) for x in robusts]
    moved, cost, far_from = _moved(s, robust)
    far, at_far = distance.at_equal(s)
    fair, read = _unsafe(s)
    few = (
        ""
        if len(findings.study.ladder) > 1 or not findings.study.trains
        else "The study has one budget, so paths have one step and there is no slope."
    )
    on_front, sloped = gist.front(s.fronts, look.budgets), gist.slopes(s.answers())
    groups = [
        Group("frontier", "The frontier", few, _some(front), (), _absent(capability, robust), on_front),
        *([Group("budgets", "Against budget", "", _some(ladder), finding=sloped)] if any(look.budgets) else []),
        Group(
            "attacks",
            "By attack, by trait",
            "",
            _some(maps),
            absent="No measure with several attacks or traits.",
        ),
        Group(
            "coherence",
            "Harm and coherence",
            _COHERENCE,
            _some(four),
            matched.coherence(s),
            absent="No judge of coherence has spoken in this study.",
            finding=gist.coherent(_at_last(s.coherence, last), *_screened(s, robusts), speak.at(float(last))),
        ),
        matched.group(s),
        *([each] if (each := tuned.group(s)) else []),
        stability.group(s),
        Group(
            "cost",
            "Distance moved, and what it cost",
            _COST,
            (*_some(moved), *far),
            (*at_far, *cost),
            absent="No training counts were found.",
            finding=gist.moved(far_from[far_from["budget"] == last], speak.at(float(last))),
        ),
        Group("unsafe", "Who read unsafe text", _UNSAFE, (), fair, "No training counts were found.", read),
    ]
    if not findings.study.trains:
        bare = {g.id for g in groups if g.id in _OF_LEARNING and not g.figures and not g.tables}
        groups = [g for g in groups if g.id not in (*_OF_TRAINING, *bare)]
    return Part(s, s.name, s.slug, markup.headlines(s, numbers), first, groups, asked, gist.own(own))


_OF_TRAINING = ("cost", "unsafe", "brackets")  # sections that a study which trains nothing has no part in
_OF_LEARNING = ("frontier", "matched")  # that it has where its subjects are compared in capability, or over budgets
_NOUNS = {"robustness": "attack", "persona": "trait"}
_OWN = "At the last budget, asked with the string that the objective was trained with, beside the plain prompt."
_COHERENCE = (
    "A fine-tuned model can answer nonsense. Harm that is incoherent is not the same finding as harm that can be read."
)
_COST = "An objective may look safe because it moved less. Here is how far each moved, and what it was given to do so."
_UNSAFE = "Where some objectives read unsafe text and others do not, that difference is part of the comparison."


def _some(found: list[Figure | None]) -> tuple[Figure, ...]:
    return tuple(f for f in found if f is not None)


def _absent(capability: Any, robust: Any) -> str:
    missing = [n for n, x in (("capability", capability), ("robustness", robust)) if x is None]
    return (
        f"A frontier needs a measure of {speak.join(missing)}, which this study does not have."
        if missing
        else "No estimates."
    )


def _at_last(rates: pd.DataFrame, last: int) -> pd.DataFrame:
    return rates[(rates["budget"] == last) | (rates["label"] == BASE)]


def _screened(s: Setting, robusts: Sequence[Series]) -> tuple[int, int]:
    """How many responses to the measures of robustness were judged on coherence, and how many are incoherent."""
    mine = s.of(s.findings.table("screened"))
    mine = mine[mine["measure"].isin([x.measure for x in robusts])]
    return int(mine["responses"].sum()), int(mine["incoherent"].sum())


def _moved(s: Setting, robust: Any) -> tuple[list[Figure | None], tuple[Block, ...], pd.DataFrame]:
    """Charts and table, and the distances that are charted: label, budget, value."""
    points, look, mark = s.checkpoints, s.findings.look, s.findings.study.mark
    table = tables.spent(s)
    far = pd.DataFrame(columns=["label", "budget", "value"])
    if table.empty:
        return [], (), far
    tables.save(s, "cost", table, "What each objective did")
    found: list[Figure | None] = []
    for column, title, about in (
        (
            "kl_base",
            "KL from the base (nats per token)",
            "KL(policy ‖ base) on fixed held-out prompts, mean over response tokens",
        ),
        ("adapter_norm", "Adapter norm", "Frobenius norm of the change of all weights together"),
    ):
        if column in points and points[column].notna().any():
            rows = points.assign(value=pd.to_numeric(points[column]))[["label", "budget", "value"]]
            rows = rows.groupby(["label", "budget"], sort=False)["value"].mean().reset_index()
            asked = column == "kl_base" and "examples" in points  # weights are asked nothing
            of = f"n = {speak.spread(points['examples'].dropna())} held-out prompts. " if asked else ""
            seeds = of + speak.pooled(points["seed"].nunique())
            name = title.split(" (")[0]
            found.append(charts.distance(column, name, title, rows, look, f"{about}; no interval. {seeds}."))
            far = rows if column == "kl_base" else far
            if column == "kl_base" and robust:
                found.insert(0, charts.moved(robust, s.estimates, rows, look))
    caption = "Mean over seeds at each budget. Forward tokens count every sequence an objective runs, prompts included."
    block = markup.table(table, mark, caption, labels=s.findings.labels)
    told = markup.folded("Passes, tokens, clipping, log-probs and margins, number by number", block)
    return found, (told,), far


def _unsafe(s: Setting) -> tuple[tuple[Block, ...], str]:
    """The table at the last budget, and its one line."""
    table, mark = tables.unsafe(s), s.findings.study.mark
    if table.empty:
        return (), ""
    tables.save(s, "unsafe", table, "Who read unsafe text")
    last = table[table["budget"] == table["budget"].max()]
    column = tables.UNSAFE["unsafe_tokens"]
    if column in last and not last[column].any():
        return (markup.said("No objective read a token of unsafe text.", calm=True),), gist.unsafe(last)
    caption = "Tokens of unsafe responses in what the objective trained on, by the last budget; mean over seeds."
    shown = markup.table(last, mark, caption, bar=column if column in last else "", labels=s.findings.labels)
    return (shown,), gist.unsafe(last)


# -- what belongs to the study as a whole --------------------------------------------------------------------------


def of_study(findings: Findings) -> list[Group]:
    mark = findings.study.mark
    found = tables.controls(findings)
    ruler, gone, dropped = tables.control_runs(findings), tables.unscored(findings), tables.dropped(findings)
    parameters, instruments = tables.parameters(findings.study), tables.instruments(findings)
    reported = checklist.checklist(findings)
    checklist.write(findings, reported)
    for name, table, title in (
        ("controls", tables.controls_frame(found), "What was held fixed"),
        ("brackets", ruler, "Bracketing runs"),
        ("unscored", gone, "Responses without a score"),
        ("dropped", dropped, "Training rows dropped"),
        ("parameters", parameters, "Parameters of the study"),
        ("instruments", instruments, "Instruments"),
    ):
        if len(table):
            tables.save(findings, name, table, title)
    left_out = (
        markup.table(dropped, mark, "Training rows that could not be used: what some objective cannot, none was given.")
        if len(dropped)
        else markup.said("No training row was dropped.", calm=True)
    )
    counted = [
        *([left_out] if findings.study.trains else []),
        markup.table(gone, mark, "Responses without a score. They are in no rate, and are not counted as harmless.")
        if len(gone)
        else markup.said("Every response was scored.", calm=True),
    ]
    ruled = (markup.table(ruler, mark, "Differences from the base in percentage points."),) if len(ruler) else ()
    told = (
        markup.table(instruments, mark, "Versions, judges and digests of the attack texts."),
        markup.folded("Every parameter of the study", markup.table(parameters, mark)),
        markup.folded("Reporting checklist, for a paper’s appendix", markup.table(reported, mark)),
    )
    groups = [
        *([asked] if (asked := claims.group(findings)) else []),
        Group(
            "controls",
            "Was the comparison fair?",
            _CONTROLS if findings.study.trains else "",
            (),
            tuple(markup.controls(found, mark)),
            "No proofs of control were found." if findings.study.trains else _GIVEN,
            gist.controls(found),
        ),
        judged.group(findings),
        *([varied] if (varied := consistency.group(findings)) else []),
        Group(
            "brackets",
            "Does the ruler work?",
            _CONTROL_RUNS,
            (),
            ruled,
            "The study asked for no bracketing runs.",
            gist.control_runs(ruler),
        ),
        Group("counted", "What was left out", "", (), tuple(counted), finding=gist.left_out(dropped, gone)),
        *([beside] if (beside := published.group(findings)) else []),
        Group("parameters", "Parameters", "", (), told),
        paper.group(findings),
    ]
    return [g for g in groups if findings.study.trains or g.id not in _OF_TRAINING]


_GIVEN = (
    "What is measured here was trained elsewhere: nothing is known of how, so nothing is said of what was held fixed. "
    "The measuring was the same for all."
)
_CONTROLS = "Every trajectory writes digests of what it was given; here they are compared over objectives."
_CONTROL_RUNS = (
    "Runs whose effect is known beforehand. If one does not move its measure, the measure cannot be trusted here."
)
