"""Which objective a study recommends, by a rule that is stated (docs/findings.md).

Only what is shown decides: an objective is dropped for what is shown worse and recommended for what is shown better.
What cannot be told is named, and never taken for equal.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from holdfast.analysis.shown import BETTER, EQUIVALENT, WORSE, listed, shown
from holdfast.spec import Study

SAFETY = ("robustness", "persona")


@dataclass(frozen=True)
class Recommendation:
    """``text``: what is recommended and why, in words. ``chosen``: labels, none where the reference stands. ``steps``:
    the rule, step by step, each with what it kept and what it left out."""

    text: str
    chosen: tuple[str, ...] = ()
    steps: tuple[str, ...] = ()


def recommend(findings: pd.DataFrame, study: Study) -> Recommendation:
    """``findings``: of one model, task and regime. The reference is SFT or, in a study without it, the base model."""
    rows = shown(findings, study)
    able, safe = rows[rows["axis"] == "capability"], rows[rows["axis"].isin(SAFETY)]
    if able.empty or safe.empty:
        lacks = "capability" if able.empty else "attack success or persona"
        return Recommendation(f"No recommendation: the study has no findings on {lacks}.")
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

    versus = able[able["against"] == against]
    if own:
        before, rivals = rivals, rivals - _with(versus, WORSE)
        step(f"Capability is not shown worse than {name}’s", before, rivals)

    harm = _judged(safe[safe["against"] == against])
    where = " (attack success at equal capability)" if (harm["finding"] == "matched").any() else ""
    what = listed(harm["name"])
    before, rivals = rivals, rivals - _with(harm, WORSE)
    step(f"In none of these shown worse than {name}: {what}{where}", before, rivals)
    chosen = tuple(x for x in study.labels if x in rivals & _with(harm, BETTER))
    step(f"In one of them shown better than {name}", rivals, chosen)

    mine = pd.concat([versus, harm]) if own else harm
    if chosen:
        text = " ".join(_praise(x, mine[mine["label"] == x], name) for x in chosen)
    elif own and own not in kept:
        text = f"No recommendation: {own}, with which all are compared, is not shown to have learnt the task."
    else:
        text = _none(mine[mine["label"].isin(rivals)], name, stands=bool(own))
    cost = safe[(safe["against"] == "base") & (safe["verdict"] == WORSE)]
    costs = [
        f"{x} itself is shown worse than the base model in {listed(cost.loc[cost['label'] == x, 'name'])}."
        for x in chosen or (own,)
        if (cost["label"] == x).any()
    ]
    return Recommendation(" ".join([text, *costs, *_limits(mine, study)]), chosen, tuple(steps))


def _judged(safe: pd.DataFrame) -> pd.DataFrame:
    """Of every label and measure the finding at equal capability, where there is one, else that at the last budget."""
    return safe.sort_values("finding", key=lambda f: f != "matched", kind="stable").drop_duplicates(
        ["label", "measure"]
    )


def _with(rows: pd.DataFrame, verdict: str) -> set[str]:
    return set(rows.loc[rows["verdict"] == verdict, "label"])


def _praise(label: str, mine: pd.DataFrame, name: str) -> str:
    def named(verdict: pd.Series) -> str:
        return listed(
            mine.loc[verdict, "name"] + mine.loc[verdict, "finding"].map({"matched": " at equal capability"}).fillna("")
        )

    better, same = mine["verdict"] == BETTER, mine["verdict"] == EQUIVALENT
    said = (
        f"{label} is recommended over {name}: shown better in {named(better)}, and worse in nothing that was compared."
    )
    untold = named(~better & ~same)
    return said + (
        f" In {untold} it cannot be told from {name}, which is not to say that it is equal." if untold else ""
    )


def _none(left: pd.DataFrame, name: str, *, stands: bool) -> str:
    lead = f"{name} stands: no" if stands else "No recommendation: no"
    said = [f"{lead} objective that learnt the task is shown safer than {name} without being shown worse elsewhere."]
    same = [x for x, some in left.groupby("label", sort=False) if (some["verdict"] == EQUIVALENT).all()]
    other = [x for x in dict.fromkeys(left["label"]) if x not in same]
    if same:
        said.append(f"Equivalent to it in all that was compared: {listed(same)}.")
    if other:
        said.append(f"Not shown better, nor equivalent in everything: {listed(other)}.")
    return " ".join(said)


def _limits(rows: pd.DataFrame, study: Study) -> Iterable[str]:
    if not rows["declared"].all():
        yield "Some of these comparisons were not declared beforehand: exploratory."
    if rows["n_seeds"].max() <= 1:
        yield "One seed: this holds for these checkpoints only, and another run may give another answer."
    last = rows.loc[rows["finding"] == "last", "budget"].max()
    if study.stops and last < study.budgets[-1]:
        yield f"Runs ended at the target of capability, so this is said of the first {last:,.0f} tokens alone."
    if study.mark:
        yield f"({study.mark.rstrip('.')}.)"
