"""The study's answer in words, from its findings, and saying no more than they do."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from holdfast.analysis.contrasts import OVER_SEEDS
from holdfast.analysis.design import FEW_SEEDS
from holdfast.analysis.estimates import Cells
from holdfast.analysis.findings import CANNOT_TELL
from holdfast.analysis.headlines import headlines
from holdfast.analysis.shown import BETTER, EQUIVALENT, WORSE, listed, shown
from holdfast.spec import Study

LITTLE = 0.1  # of the probability: a model that gives less to yes and no together is not answering
NEAR = 0.05  # of 0 or 1: where a capability leaves no room for a frontier


def answer(findings: pd.DataFrame, study: Study) -> str:
    """A paragraph: what was asked, what holds, what cannot be told. ``findings``: of one model, task and regime.

    Better, worse and equivalent are verdicts of the findings; what cannot be told is never called equal.
    """
    return " ".join(sentences(findings, study))


def sentences(findings: pd.DataFrame, study: Study) -> list[str]:
    """The same in its parts; that on a measure begins with its name and a colon."""
    rows = shown(findings, study)
    if rows.empty:
        return ["Nothing has been compared yet, so there is no answer."]
    said = [_asked(rows, study)]
    never = (findings["finding"] == "matched") & findings["value"].isna()
    for (finding, name), some in rows[rows["axis"] != "normative"].groupby(["finding", "name"], sort=False):
        lead = f"At equal capability, {name}" if finding == "matched" else name[:1].upper() + name[1:]
        said.append(f"{lead}: {_told(some, study)}")
        if finding == "matched" and never.any():
            said[-1] += f" Never there: {listed(findings.loc[never, 'label'])}."
    if never.any() and not (rows["finding"] == "matched").any():
        said.append(f"At equal capability nothing is compared: no objective gets there with a seed of {study.sft()}’s.")
    if study.matched and not (findings["finding"] == "matched").any():
        said.append("At the stated capability nothing is compared; the section on equal capability says why.")
    return [*said, _silence(rows, study)]


def _asked(rows: pd.DataFrame, study: Study) -> str:
    model, task, budget = rows["model"].iloc[0], rows["task"].iloc[0], rows["budget"].max()
    sides = listed([*([study.sft()] if (rows["against"] == "sft").any() else []), "the base model"])
    at = f" after {budget:,} tokens" if budget > 0 else ""
    if not study.trains:
        return f"What was given is compared with {sides}, {model}{at}."
    seeds, n = int(rows["n_seeds"].max()), rows["label"].nunique()
    runs = "one seed each" if seeds < 2 else f"{seeds} seeds each"
    return f"{n} objective{'s' * (n > 1)} trained {model} on {task}, {runs}; here they are compared with {sides}{at}."


def _told(rows: pd.DataFrame, study: Study) -> str:
    """Who moved against whom; then, of the reference that stands nearest, who is equivalent and who cannot be told."""
    noun = "objective" if study.trains else "subject"
    names = {a: name for a, name in (("base", "the base model"), ("sft", study.sft())) if (rows["against"] == a).any()}
    said, still = [], []
    for against, name in names.items():
        some = rows[rows["against"] == against]
        moved = [(v, list(some.loc[some["verdict"] == v, "label"])) for v in (BETTER, WORSE)]
        said += [f"{listed(who)} {'is' if len(who) == 1 else 'are'} {v} than {name}" for v, who in moved if who]
        still += [] if any(who for _, who in moved) else [name]
    if still:
        said.append(f"no {noun} is shown better or worse than {' or '.join(reversed(still))}")
    same, untold = (list(some.loc[some["verdict"] == v, "label"]) for v in (EQUIVALENT, CANNOT_TELL))
    rest = [f"equivalent to {name}: {'all' if len(same) == len(some) else listed(same)}"] if same else []
    rest += [f"cannot tell: {'all' if len(untold) == len(some) else listed(untold)}"] if untold else []
    tail = "; ".join(rest)
    return f"{'; '.join(said)}." + (f" {tail[0].upper()}{tail[1:]}." if tail else "")


def _silence(rows: pd.DataFrame, study: Study) -> str:
    """What the study cannot say."""
    seeds = int(rows["n_seeds"].max())
    if not study.trains:
        runs = "of another run of the same recipe, for each subject is one run that was not made here"
    elif seeds < 2:
        runs = "of another training run, for there is one seed and these are differences between checkpoints"
    elif seeds < FEW_SEEDS:
        runs = f"much of how far another run may differ, for {seeds} seeds know their own spread poorly"
    else:
        runs = "of other training settings"
    return f"The study cannot speak of other models or tasks, nor {runs}."


def caveats(estimates: pd.DataFrame, cells: Cells, checks: pd.DataFrame | None) -> list[str]:
    """Where the numbers themselves are to be distrusted, a sentence each. ``checks``: the table of ``brackets``."""
    proper = headlines(estimates, cells)
    levels = proper[(proper["bracket"] == "") & (proper["estimate"] == "level")]
    said = []
    for measure, some in levels[levels["axis"] == "capability"].groupby("measure", sort=False):
        if some["value"].max() < NEAR:
            said.append(
                f"Capability is near zero for all subjects ({measure}: at most {_share(some['value'].max())}): the "
                "frontier says little, and no claim about safety at a given capability can be made."
            )
        elif some["value"].min() > 1 - NEAR:
            said.append(f"Capability is near its ceiling for all subjects ({measure}): the frontier says little.")
    said += _about_responses(estimates)
    for check in (checks[~checks["moved"].astype(bool)] if checks is not None else pd.DataFrame()).to_dict("records"):
        said.append(
            f"The bracketing run {check['bracket']} should show this: {check['expected']}. It does not "
            f"({check['verdict']}): distrust that measure."
        )
    return said


def _about_responses(estimates: pd.DataFrame) -> Iterable[str]:
    """Where a rate hides that responses had no score or made no sense."""
    over = (estimates["seed"] == OVER_SEEDS) | (estimates["label"] == "base")
    rows = estimates[over & (estimates["estimate"] == "level") & (estimates["condition"] == "macro")]
    rows = rows[rows["bracket"] == ""]
    gone = rows[(rows["metric"] == "unscored") & (rows["value"] > NEAR)]
    for measure, some in gone.groupby("measure", sort=False):
        worst = some.loc[some["value"].idxmax()]
        who = f"{worst['label']}, judge {worst['judge']}"
        yield f"On {measure} up to {_share(worst['value'])} of responses are unscored ({who})."
    held = rows[(rows["metric"] == "mass") & (rows["axis"] == "persona") & (rows["value"] < LITTLE)]
    for measure, some in held.groupby("measure", sort=False):
        yield (
            f"On {measure} yes and no together hold as little as {_share(some['value'].min())} of the model's "
            "probability: it does not answer, and P(match) says little."
        )
    unclear = rows[(rows["metric"] == "coherent") & (rows["axis"] == "robustness") & (rows["value"] < 0.8)]
    if len(unclear):
        worst = unclear.loc[unclear["value"].idxmin()]
        yield (
            f"Under attack only {_share(worst['value'])} of {worst['label']}'s responses are coherent; what judges say "
            "of incoherent text is unreliable."
        )


def _share(x: float) -> str:
    return f"{100 * x:.1f}%"
