"""Which objective a study recommends, by a rule that is stated (docs/findings.md).

Only what is shown decides, and on every axis: recommended is who is shown better in something that was declared and, in
all else that was compared, shown better or not worse by the smallest difference of interest. What is inconclusive
drops.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from holdfast.analysis.answer_rows import answer_rows, listed, one_seed
from holdfast.analysis.config_info import Configs
from holdfast.config.study import Study
from holdfast.stats.equivalence import BETTER, DIFFERS, EQUIVALENT, ONE_SEED, SMALL, WORSE

SAFETY = ("robustness", "persona")


@dataclass(frozen=True)
class Recommendation:
    """``text``: what is recommended and why, in words. ``chosen``: labels, none where the reference stands. ``steps``:
    the rule, step by step, each with what it kept and what it left out."""

    text: str
    chosen: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def recommend(findings: pd.DataFrame, study: Study, configs: Configs) -> Recommendation:
    """``findings``: of one model, task and regime. The reference is SFT or, in a study without it, the base model."""
    rows = answer_rows(findings, study, configs)
    able, safe = rows[rows["axis"] == "capability"], rows[rows["axis"].isin(SAFETY)]
    if able.empty or safe.empty:
        lacks = "capability" if able.empty else "attack success or persona"
        return Recommendation(f"No recommendation: the study has no findings on {lacks}.")
    if one_seed(rows):
        text = (
            "No recommendation: one training seed speaks of its checkpoints, and another run may give another answer."
        )
        why = ("More than one training seed. Kept: none.",)
        return Recommendation(" ".join([text, *_limits(rows, study)]), (), why)
    own = study.sft() if (rows["against"] == "sft").any() else ""
    against, name = ("sft", own) if own else ("base", "the base model")
    steps: list[str] = []

    def step(condition: str, of: Iterable[str], kept: Iterable[str]) -> None:
        stay, gone = ([x for x in study.labels if x in some] for some in (set(kept), set(of) - set(kept)))
        steps.append(f"{condition}. Kept: {listed(stay) or 'none'}." + (f" Left out: {listed(gone)}." if gone else ""))

    gained = able[able["against"] == "base"]
    kept = _with(gained, BETTER) - _with(gained, WORSE)
    step("Capability is shown better than the base model’s", gained["label"], kept)
    if not kept:
        text = "No recommendation: no objective is shown to have learnt the task, so there is nothing to weigh."
        return Recommendation(" ".join([text, *_limits(gained, study)]), (), tuple(steps))
    rivals = kept - {own}

    mine = rows[rows["against"] == against]
    weighed = _judged(mine if own else mine[mine["axis"] != "capability"])
    weighed = weighed.assign(fine=_no_worse(weighed, study))
    matched = bool((weighed["estimand"] == "matched").any())
    where = " (attack success at equal capability)" if matched else ""
    where_judged = " Here attack success counts as it is at equal capability, not at the last budget." * matched
    better = _with(weighed[weighed["declared"].astype(bool)], BETTER)
    asked = f"{listed(weighed['name'])}{where}" if weighed["declared"].any() else "nothing was"
    step(f"Shown better than {name} in something declared: {asked}", rivals, rivals & better)
    seen = weighed.groupby("label")["measure"].nunique()
    behind = {*weighed.loc[~weighed["fine"], "label"], *seen.index[seen < weighed["measure"].nunique()]}
    chosen = tuple(x for x in study.labels if x in (rivals & better) - behind)
    step("In each of the others shown better, or not worse by what matters", rivals & better, chosen)

    if chosen:
        text = " ".join(_praise(x, weighed[weighed["label"] == x], name) for x in chosen)
    elif own and own not in kept:
        text = f"No recommendation: {own}, with which all are compared, is not shown to have learnt the task."
    else:
        text = _none(weighed[weighed["label"].isin(rivals)], name, stands=bool(own)) + where_judged
    cost = rows[(rows["against"] == "base") & rows["verdict"].isin([WORSE, DIFFERS]) & (rows["axis"] != "capability")]
    said = [text, *_costs(cost, chosen or (own,)), *_limits(weighed, study)]
    return Recommendation(" ".join(said), chosen, tuple(steps))


def _costs(cost: pd.DataFrame, who: Iterable[str]) -> Iterable[str]:
    """What the recommended, or the reference that stands, is shown to lose against the base model."""
    ways = ((WORSE, "shown worse than the base model"), (DIFFERS, "shown to differ from the base model"))
    for x in who:
        for verdict, words in ways:
            mine = cost[(cost["label"] == x) & (cost["verdict"] == verdict)]
            if len(mine):
                yield f"{x} itself is {words} in {listed(mine['name'])}."


def _no_worse(rows: pd.DataFrame, study: Study) -> pd.Series:
    """Of each row, whether it is shown better, or not worse by the smallest difference of interest: at alpha over the
    number of objectives, for each of them could be recommended in error, and of one the worst measure decides."""
    near = rows["p_worse"].astype(float) * max(rows["label"].nunique(), 1) < study.alpha
    return rows["verdict"].isin([BETTER, EQUIVALENT, SMALL]) | (near & (rows["verdict"] != ONE_SEED))


def _judged(safe: pd.DataFrame) -> pd.DataFrame:
    """Of every label and measure the finding at equal capability, where there is one, else that at the last budget."""
    return safe.sort_values("estimand", key=lambda f: f != "matched", kind="stable").drop_duplicates(
        ["label", "measure"]
    )


def _with(rows: pd.DataFrame, verdict: str) -> set[str]:
    return set(rows.loc[rows["verdict"] == verdict, "label"])


def _praise(label: str, mine: pd.DataFrame, name: str) -> str:
    def named(some: pd.Series) -> str:
        return listed(
            mine.loc[some, "name"] + mine.loc[some, "estimand"].map({"matched": " at equal capability"}).fillna("")
        )

    better = mine["verdict"] == BETTER
    rest = named(~better)
    return f"{label} is recommended over {name}: shown better in {named(better)}" + (
        f", and shown not to be worse by what matters in {rest}." if rest else ", in all that was compared."
    )


def _none(left: pd.DataFrame, name: str, *, stands: bool) -> str:
    """``left``: rows of who learnt the task."""
    lead = f"{name} stands" if stands else "No recommendation"
    said = [
        f"{lead}: no objective that learnt the task is shown better than {name} in something declared and, in all else "
        "that was compared, better or not worse by what matters."
        if left["declared"].any()
        else f"{lead}: a recommendation rests on what was declared beforehand."
    ]
    same, only = [], "only in what was not declared: " if left["declared"].any() else "in "
    for x, some in left.groupby("label", sort=False):
        better, behind = some["verdict"] == BETTER, ~some["fine"]
        if (some["verdict"] == EQUIVALENT).all():
            same.append(str(x))
        elif better.any():
            worse = some["verdict"] == WORSE
            lacks = [f"shown worse in {listed(some.loc[worse, 'name'])}"] if worse.any() else []
            if (behind & ~worse).any():
                lacks.append(f"not shown to be no worse in {listed(some.loc[behind & ~worse, 'name'])}")
            said.append(
                f"{x} is shown better in {listed(some.loc[better, 'name'])}, but {' and '.join(lacks)}."
                if lacks
                else f"{x} is shown better {only}{listed(some.loc[better, 'name'])}."
            )
    if same:
        each = "each of " * (left["name"].nunique() > 1)
        said.append(f"Shown equivalent to {name} in {each}{listed(left['name'])}: {listed(same)}.")
    return " ".join(said)


def _limits(rows: pd.DataFrame, study: Study) -> Iterable[str]:
    if not rows["declared"].all():
        yield (
            "Some of these comparisons were not declared beforehand: exploratory."
            if rows["declared"].any()
            else "None of these comparisons was declared beforehand: exploratory."
        )
    if not study.trains:
        yield "Each subject is one run that was not made here: this is said of what was given, not of how it was made."
    last = rows.loc[rows["estimand"] == "last", "budget"].max()
    if study.stops and last < study.budgets[-1]:
        yield f"Runs ended at the target of capability, so this is said of the first {last:,.0f} tokens alone."
    if study.mark:
        yield f"({study.mark.rstrip('.')}.)"
