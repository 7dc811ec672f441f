"""The section *At equal capability*: harm where runs know equally much, who is on the front, and who beats whom."""

from __future__ import annotations

from typing import Any

import pandas as pd

from holdfast.analysis import coherent
from holdfast.analysis.against_sft import reservations
from holdfast.analysis.matched import SURE, Matched
from holdfast.analysis.pareto import Front
from holdfast.config import decisions
from holdfast.report import gap, gist, markup, speak, tables
from holdfast.report.charts import Figure, Look
from holdfast.report.headline import plain
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Setting
from holdfast.report.theme import BASE

_LEAD = (
    "Objectives learn at different rates, so at one budget they are compared at different capabilities. Here each run "
    "is read off where its capability, smoothed so that it never falls, reaches the same value."
)
_DRAWS = (
    "The match is made anew in every draw of prompts and seeds, and harm is read at both checkpoints around it, so the "
    "intervals hold its uncertainty too"
)
_CORRECTED = "Verdicts after Bonferroni’s correction over objectives."
_FRONT = (
    "Probability: share of joint draws of prompts and seeds in which no other objective at this budget, nor the base, "
    "is at least as good on both and better on one. Best: beats all others. Anywhere: some budget of it is on the "
    "front of all budgets. By value: on the front by the point values alone."
)
_COHERENT = (
    "Attack success over all responses, over the coherent ones alone, and its bounds if every incoherent response were "
    "harmless (least) or harmful (most); {level} intervals, mean over attacks{at}."
)


def group(s: Setting) -> Group:
    """Of one model and task."""
    mine, drawn = s.matched, s.fronts
    figures = tuple(f for one in mine if (f := _gap(one, s.findings.look, alone=len(mine) == 1)) is not None)
    blocks = _stopped(s)
    if mine and not figures:
        blocks.append(markup.said(speak.own(_NOWHERE)))
    for one in mine:
        blocks += _compared(s, one, alone=len(mine) == 1)
    for some in drawn:
        blocks += _front(s, some, alone=len(drawn) == 1)
    return Group("matched", "At equal capability", speak.own(_LEAD), figures, tuple(blocks), _ABSENT, gist.equal(mine))


_NOWHERE = (
    f"There is no range of capability above the base model’s that the runs of two objectives reach in {100 * SURE:.0f}"
    "% of draws, so their attack success is drawn against none."
)
_ABSENT = "Needs a measure of capability and one of robustness."


def _stopped(s: Setting) -> list[Block]:
    """Which runs were trained no further, for they had reached the target."""
    where = decisions.stopped(s.findings.study, s.findings.folder)
    if where is None:
        return []
    runs = s.findings.runs
    mine = runs[(runs["model"] == s.model) & (runs["task"] == s.task) & (runs["bracket"] == "")]
    said = decisions.in_words(where, mine[["trajectory", "label", "seed"]].itertuples(index=False, name=None))
    return [markup.said(f"{_STOPPED} {said}. {_LATER}" if said else _NONE_STOPPED)]


_STOPPED = "Each run was to end at the first checkpoint whose smoothed capability reaches the target. There ended:"
_LATER = (
    "At later budgets these runs are missing: levels and differences there, in charts and tables, are of the others, "
    "which learn more slowly. Findings, fronts, the grid of choices and all that is said of a last budget go as far as "
    "every run came, and no further. What ended at the target does not show what it might have learnt beyond it."
)
_NONE_STOPPED = "Each run was to end where it reaches the target; none reached it before the last budget."


def coherence(s: Setting) -> tuple[Block, ...]:
    """Rates under every rule, and the quadrants with intervals, at the last budget."""
    found = s.coherence
    if found.empty:
        return ()
    mark = s.findings.study.mark
    tables.save(s, "coherence", found, "Attack success and coherence")
    last = s.last
    found = found[(found["budget"] == last) | (found["label"] == BASE)]
    shown = []
    keys = ["measure", "judge", "label"]
    order = {x: k for k, x in enumerate((BASE, *s.findings.labels))}
    for (measure, judge, label), some in found.groupby(keys, sort=False):
        one = some.set_index("what")
        said = {"objective": label, "measure": plain(measure), "judge": plain(judge)}
        names = {"all": "all", "coherent": "coherent only", "none": "least", "worst": "most"}
        said |= {name: speak.estimate(one.loc[rule].to_dict()) for rule, name in names.items()}
        said |= {q: speak.estimate(one.loc[q].to_dict()) for q in coherent.QUADRANTS}
        shown.append(said)
    table = pd.DataFrame(shown)
    table = table.sort_values("objective", key=lambda x: x.map(order), kind="stable")
    table = table.sort_values(["measure", "judge"], kind="stable", ignore_index=True)
    table = table[[c for c in table if c not in ("measure", "judge") or table[c].nunique() > 1]]
    rates = [c for c in table if c not in coherent.QUADRANTS]
    caption = _COHERENT.format(level=speak.level(s.findings.study.alpha), at=speak.at(float(last)))
    four = table[[c for c in table if c in coherent.QUADRANTS or c in ("objective", "measure", "judge")]]
    of_judged = "Share of the responses that were judged on both, mean over attacks; with intervals."
    return (
        markup.table(table[rates], mark, caption, labels=s.findings.labels),
        markup.folded(
            "The four quadrants with intervals", markup.table(four, mark, of_judged, labels=s.findings.labels)
        ),
    )


# -- tables ------------------------------------------------------------------------------------------------------------


def _compared(s: Setting, one: Matched, *, alone: bool) -> list[Block]:
    study, mark = s.findings.study, s.findings.study.mark
    tail = "" if alone else f" on {plain(one.harm.measure)}"
    match = plain(one.instruments.match.measure)
    blocks = []
    if study.matched is not None:
        goal = speak.percent(one.target)
        blocks.append(markup.title(f"At a capability of {goal}{tail}"))
        if one.void:
            void = f"The base model already meets the target ({goal} on {match}): there is nothing to compare."
            blocks.append(markup.said(void, calm=True))
        else:
            rows = "the very rows that are reported"
            split = f"{match}, whose rows are not those reported" if one.instruments.apart else rows
            caption = f"Matched on {split}; attack success by {plain(one.judge)}. {_DRAWS}. {_against(one)} "
            caption += "Verdicts are those of the answer, corrected over all that it compares."
            name = "matched" if alone else f"matched-{one.harm.measure}"
            table = _as_answered(s, one)
            tables.save(s, name, table, "At equal capability")
            shown = _spoken(one, table, "attack success", study.labels)
            blocks.append(markup.table(shown, mark, caption, labels=s.findings.labels))
    if len(one.at_ceiling):
        ceiling = speak.percent(one.ceiling)
        name = "at-safety" if alone else f"at-safety-{one.harm.measure}"
        tables.save(s, name, one.at_ceiling, "Capability at equal safety")
        caption = (
            f"The most capability (smoothed, on {match}) that each run offers before its attack success first exceeds "
            f"{ceiling}. {_against(one)} {speak.own(_CORRECTED)}"
        )
        shown = markup.table(
            _spoken(one, one.at_ceiling, "capability", study.labels), mark, caption, labels=s.findings.labels
        )
        blocks += [markup.title(f"Capability at an attack success of {ceiling}{tail}"), shown]
    return blocks


def _as_answered(s: Setting, one: Matched) -> pd.DataFrame:
    """The row at the target of each label, with the verdict and p of the findings: the page gives one for each."""
    found, table = s.answers(), one.at_target
    mine = found[(found["finding"] == "matched") & (found["measure"] == one.harm.measure)].set_index("label")
    there = [c for c in ("verdict", "p_adjusted") if c in table]
    return table.assign(**{c: table["label"].map(mine[c]).fillna(table[c]) for c in there})


def _against(one: Matched) -> str:
    seeds = int(one.at_ceiling["n_seeds"].max()) if len(one.at_ceiling) else 0
    return f"Differences from {one.sft} in points, paired by seed. {speak.seeds([seeds])}." if one.sft else ""


def _spoken(one: Matched, table: pd.DataFrame, what: str, order: tuple[str, ...]) -> pd.DataFrame:
    shown = []
    for r in table.to_dict("records"):
        never = r["n_reached"] == 0
        said: dict[str, Any] = {"objective": r["label"], "tokens": "never" if never else speak.tokens(r["budget"])}
        said["runs"] = f"{r['n_reached']} of {r['n_seeds']}"
        said[what] = speak.estimate(r)
        if "capability" in r:
            reported = plain(one.instruments.capability.measure)
            said[f"{reported} there"] = speak.estimate(r, "capability")
        if one.sft:
            own = r["label"] == one.sft
            said[f"from {one.sft}"] = "" if own else speak.estimate(r, "gap", signed=True)
            said["verdict"] = "" if own else str(r.get("verdict", ""))
        said["note"] = reservations(r)
        shown.append(said)
    found = pd.DataFrame(shown)
    return found.drop(columns="note") if len(found) and (found["note"] == "").all() else found


def _front(s: Setting, front: Front, *, alone: bool) -> list[Block]:
    mark, tail = s.findings.study.mark, "" if alone else f" on {plain(front.measure)}"
    name = "" if alone else f"-{front.measure}"
    tables.save(s, f"front{name}", front.points, "The front, with probabilities")
    tables.save(s, f"dominance{name}", front.dominance, "Who beats whom")
    last = front.points["budget"].max()
    points = front.points[(front.points["budget"] == last) | (front.points["label"] == BASE)]
    shown = pd.DataFrame(
        {
            "objective": points["label"],
            "capability": points["capability"].map(speak.percent),
            "attack success": points["harm"].map(speak.percent),
            "by value": points["on_front"].map({True: "on the front", False: ""}),
            "probability": points["probability"].map(_chance),
            "best": points["best"].map(_chance),
            "anywhere": points["anywhere"].map(_chance),
        }
    )
    order = [BASE, *s.findings.labels]
    wide = front.dominance.pivot(index="label", columns="over", values="probability")
    names = [x for x in order if x in wide.index]
    wide = wide.reindex(index=names, columns=names).map(_chance)
    wide = (
        wide.rename_axis(index=None, columns=None).rename(columns=lambda x: f"over {x}").reset_index(names="objective")
    )
    who = speak.own("Share of draws in which the objective of the row is at least as good on both and better on one.")
    return [
        markup.title(f"Who is on the front{speak.at(float(last))}{tail}"),
        markup.table(shown, mark, f"{speak.own(_FRONT)} {speak.seeds([front.n_seeds])}.", labels=s.findings.labels),
        markup.folded("Who beats whom", markup.table(wide, mark, who, labels=s.findings.labels)),
    ]


def _chance(p: float) -> str:
    return "–" if speak.missing(p) else speak.percent(p, 0)


# -- the gap as a function of capability -------------------------------------------------------------------------------


def _gap(one: Matched, look: Look, *, alone: bool) -> Figure | None:
    """Attack success less SFT's, over the capability that both reach."""
    data = one.gaps[one.gaps["gap"].notna()] if one.sft else one.gaps.iloc[:0]
    data = data[["label", "level", "gap", "gap_low", "gap_high", "value"]]
    if data["level"].nunique() < 2:
        return None
    name, up = plain(one.instruments.match.measure), f"Attack success less {one.sft}’s (↓ better)"
    spec = gap.chart(data, look, f"Capability: {name} (smoothed)", up, mark=one.target)
    last = data.sort_values("level").groupby("label", sort=False).tail(1)
    said = ", ".join(f"{r.label} {speak.points(r.gap)} at {speak.percent(r.level)}" for r in last.itertuples())
    caption = (
        f"Attack success of each objective less {one.sft}’s, where the runs of both have the capability across; by "
        f"{plain(one.judge)}, paired by seed. {_DRAWS}. Bands: {speak.level(look.alpha)} intervals, point by point. "
        f"Only where all runs of both, in {100 * SURE:.0f}% of draws, get there. n = {one.prompts} prompts. "
        f"{speak.seeds([int(one.at_ceiling['n_seeds'].max())])}."
    )
    title = f"Attack success against {one.sft} at equal capability"
    tail = "" if alone else f"-{one.harm.measure}"
    title += "" if alone else f" on {plain(one.harm.measure)}"
    tidy = data.rename(columns={"label": "objective", "value": "attack_success"})
    return Figure(f"gap{tail}", title, spec, caption, f"{title}. {said}.", tidy, height=300)
