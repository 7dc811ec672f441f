"""*The frontier*, *Against budget* and *By attack, by trait*: charts of what was measured, and one line of each."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from holdfast.analysis.comparisons import Front
from holdfast.report import words
from holdfast.report.charts import by_budget, heat
from holdfast.report.charts.theme import BASE
from holdfast.report.charts.trade_off import frontier
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.rounds import by_round
from holdfast.report.sections.section import Section, some
from holdfast.report.sections.verdicts import verdicts
from holdfast.report.series import lead, plain

_NOUNS = {"robustness": "attack", "persona": "trait"}


def the_frontier(s: Setting) -> Section:
    study, look = s.findings.study, s.findings.look
    capability, robust, persona = (lead(s.shown, a) for a in ("capability", "robustness", "persona"))
    robusts = [x for x in s.series if x.axis == "robustness"]  # a conclusion may turn with the benchmark: show each
    against = [*robusts, *([persona] if persona else [])]
    charts = [frontier(capability, y, s.estimates, look, lead=y in (robust, persona)) for y in against if capability]
    missing = [n for n, x in (("capability", capability), ("robustness", robust)) if x is None]
    said = {"few": study.trains and len(study.ladder) < 2, "missing": missing}
    return Section("frontier", some(charts), finding=front(s.fronts, look.budgets), said=said)


def against_budget(s: Setting) -> Section | None:
    if not any(s.findings.look.budgets):
        return None
    charts = some([by_budget.level(x, s.estimates, s.findings.look) for x in s.series])
    return Section("budgets", charts, finding=slopes(s.answers()))


def by_attack(s: Setting) -> Section:
    look = s.findings.look
    maps = [heat.by_condition(x, noun, s.estimates, look) for x in s.series if (noun := _NOUNS.get(x.axis))]
    parts = s.estimates[s.estimates["condition"] != "macro"]  # of safe prompts alone, so no mean of the two
    apart = [x for x in s.series if x.info.apart and x.axis not in _NOUNS]
    maps += [heat.by_condition(x, x.about.summary.by or "label", parts, look) for x in apart]
    talks = by_round(s)
    return Section("attacks", some(maps), talks, files=talks)


def front(every: Sequence[Front], budgets: Sequence[int]) -> str:
    """Who is on the front in most draws at the last budget, of every measure of attack success."""
    said = []
    for one in every:
        last = one.points[one.points["budget"] == one.points["budget"].max()]
        last = last[last["label"] != BASE].dropna(subset=["probability"])
        likely = last[last["probability"] >= 0.5].sort_values("probability", ascending=False, kind="stable")
        if len(last):
            where = "" if len(every) == 1 else f" on {plain(one.measure)}"
            at = words.at(float(last["budget"].max())) if len(budgets) > 1 else ""
            said.append(
                phrase("frontier.line", where=where, at=at, one=one.n_seeds == 1, who=likely.to_dict("records"))
            )
    return " ".join(said)


def slopes(found: pd.DataFrame) -> str:
    """Of the findings on slopes: of attack success against the base, on every measure of it."""
    there = found[(found["estimand"] == "slope") & (found["axis"] == "robustness") & (found["against"] == "base")]
    several = there["measure"].nunique() > 1
    return " ".join(
        phrase("budgets.line", where=f" on {plain(str(measure))}" if several else "", told=verdicts(some))
        for measure, some in there.groupby("measure", sort=False)
    )
