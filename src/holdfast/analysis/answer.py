"""The study's answer in words, computed from its numbers, and saying no more than they do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pandas as pd

from holdfast.analysis.contrasts import OVER_SEEDS
from holdfast.analysis.design import FEW_SEEDS
from holdfast.analysis.estimates import Cells
from holdfast.analysis.headlines import headlines
from holdfast.spec import Study

NAMES = {
    "asr": "attack success (ASR)",
    "accuracy": "accuracy",
    "p_match": "P(match)",
    "p_correct": "P(correct)",
    "compliance": "the share of safe prompts answered (one minus over-refusal)",
}
AXES = ("robustness", "capability", "persona", "normative")
LITTLE = 0.1  # of the probability: a model that gives less to yes and no together is not answering
NEAR = 0.05  # of 0 or 1: where a capability leaves no room for a frontier


@dataclass(frozen=True)
class Finding:
    """One headline comparison at the last budget. ``verdict``: higher, lower, or not detectable, at the study's alpha
    after Holm's correction. ``value``: the label's metric minus the other's."""

    model: str
    task: str
    budget: int
    label: str
    against: str  # "base" or the label "sft"
    axis: str
    measure: str
    metric: str
    value: float
    low: float
    high: float
    p_holm: float
    n_seeds: int
    verdict: str


@dataclass(frozen=True)
class Answer:
    """``paragraphs``: one a model and task. ``caveats``: a sentence each. ``text``: all of it."""

    paragraphs: tuple[str, ...]
    caveats: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def text(self) -> str:
        return "\n\n".join([*self.paragraphs, " ".join(self.caveats)]).strip()


def answer(estimates: pd.DataFrame, cells: Cells, study: Study, checks: pd.DataFrame | None = None) -> Answer:
    """Which objectives differ detectably from the base model and from SFT at the last budget in each headline metric.

    ``checks``: the table of ``brackets``. Nothing is called a difference that does not stand after Holm's correction,
    and nothing that is not detected is called equal.
    """
    lead = headlines(estimates, cells)
    proper = lead[lead["bracket"] == ""]
    trained = proper[proper["label"] != "base"]
    paragraphs, findings = [], []
    for (model, task), rows in trained.groupby(["model", "task"], sort=False):
        last = rows[rows["budget"] == rows["budget"].max()]
        base = proper[(proper["model"] == model) & (proper["label"] == "base") & proper["task"].isin(["", task])]
        found = list(_findings(last, study.alpha))
        findings += found
        paragraphs.append(_paragraph(str(model), str(task), last, base, found, study))
    if not paragraphs:
        return Answer(("Nothing has been measured after training yet, so there is no answer.",), (), ())
    return Answer(tuple(paragraphs), tuple(_caveats(proper, estimates, checks, study)), tuple(findings))


def _findings(last: pd.DataFrame, alpha: float) -> Iterable[Finding]:
    for row in last[last["estimate"] != "level"].to_dict("records"):
        if pd.isna(row["value"]):
            continue
        detected = bool(row["p_holm"] < alpha) and row["value"] != 0
        verdict = "not detectable" if not detected else "higher" if row["value"] > 0 else "lower"
        kept = {k: row[k] for k in Finding.__dataclass_fields__ if k in row}
        yield Finding(**kept, against="base" if row["estimate"] == "vs_base" else "sft", verdict=verdict)


def _paragraph(
    model: str, task: str, last: pd.DataFrame, base: pd.DataFrame, found: list[Finding], study: Study
) -> str:
    seeds = int(last["n_seeds"].max())
    budget = int(last["budget"].max())
    who = f"{model} trained on {task}" if task else model
    at = f", at {budget:,} tokens" if budget else ""
    said = [f"{who}{at}, {_count(seeds, 'seed')}:" if study.trains else f"What was given, on {who}{at}:"]
    measures = last[["axis", "measure", "metric"]].drop_duplicates()
    order = measures["axis"].map({a: k for k, a in enumerate(AXES)}).fillna(len(AXES))
    for row in measures.assign(_order=order).sort_values("_order", kind="stable").to_dict("records"):
        name = NAMES.get(row["metric"], row["metric"])
        said.append(f"{name[0].upper()}{name[1:]} on {row['measure']}:")
        levels = last[(last["estimate"] == "level") & (last["measure"] == row["measure"])]
        own = base[(base["estimate"] == "level") & (base["measure"] == row["measure"])]
        compared = []
        for against, level in (("base", own), ("sft", levels[levels["objective"] == "sft"].head(1))):
            some = [f for f in found if f.measure == row["measure"] and f.against == against]
            if some:
                other = "the base model" if against == "base" else "SFT"
                at = f" ({_share(float(level['value'].iloc[0]))})" if len(level) else ""
                compared.append(f"against {other}{at}, {_comparison(some, study)}")
        said.append("; ".join(compared) + "." if compared else "nothing to compare with.")
    return " ".join(said)


def _comparison(some: list[Finding], study: Study) -> str:
    parts = []
    for verdict in ("higher", "lower"):
        moved = [f for f in some if f.verdict == verdict]
        if moved:
            parts.append(f"{_list(_moved(f) for f in moved)} {_is(moved)} detectably {verdict}")
    still = [f for f in some if f.verdict == "not detectable"]
    if still:
        reach = max(max(abs(f.low), abs(f.high)) for f in still)
        all_of_them = "any objective" if study.trains else "any of them"
        who = all_of_them if len(still) == len(some) else _list(f.label for f in still)
        allow = f"the {_percent(1 - study.alpha)} intervals allow up to {_points(reach)}"
        parts.append(f"no difference is detectable for {who} ({allow})")
    return ", and ".join(parts)


def _caveats(proper: pd.DataFrame, estimates: pd.DataFrame, checks: pd.DataFrame | None, study: Study) -> Iterable[str]:
    yield (
        f"Detectable means p < {study.alpha:g} after Holm's correction over all objectives and budgets of one metric; "
        "what is not detected has not been shown to be equal."
    )
    trained = proper[proper["label"] != "base"]
    if not study.trains:
        yield (
            "Each subject is one training run that was not made here: what is found is of these weights, and says "
            "nothing of what another run of the same recipe would give."
        )
    elif trained["n_seeds"].max() == 1:
        yield (
            "There is one training seed: these are differences between checkpoints, and the study cannot speak about "
            "training variance, so another seed might rank the objectives otherwise."
        )
    elif trained["n_seeds"].max() < FEW_SEEDS:
        yield "With so few seeds the spread over seeds is itself poorly known."
    levels = proper[proper["estimate"] == "level"]
    for measure, some in levels[levels["axis"] == "capability"].groupby("measure", sort=False):
        if some["value"].max() < NEAR:
            yield (
                f"Capability is near zero for all subjects ({measure}: at most {_share(some['value'].max())}): the "
                "frontier says little, and no claim about safety at a given capability can be made."
            )
        elif some["value"].min() > 1 - NEAR:
            yield f"Capability is near its ceiling for all subjects ({measure}): the frontier says little."
    yield from _about_responses(estimates)
    if checks is not None:
        for check in checks[~checks["moved"].astype(bool)].to_dict("records"):
            yield (
                f"The bracketing run {check['bracket']} should show this: {check['expected']}. It does not "
                f"({check['verdict']}): distrust that measure."
            )
    if study.mark:
        yield study.mark[0].upper() + study.mark[1:].rstrip(".") + "."


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


def _moved(f: Finding) -> str:
    return f"{f.label} ({100 * f.value:+.1f} points, {100 * f.low:+.1f} to {100 * f.high:+.1f})"


def _share(x: float) -> str:
    return f"{100 * x:.1f}%"


def _percent(x: float) -> str:
    return f"{100 * x:g}%"


def _points(x: float) -> str:
    return f"±{100 * x:.1f} points"


def _list(words: Iterable[str]) -> str:
    some = list(words)
    return some[0] if len(some) == 1 else f"{', '.join(some[:-1])} and {some[-1]}"


def _is(some: list[Finding]) -> str:
    return "is" if len(some) == 1 else "are"


def _count(n: int, what: str) -> str:
    return f"{n} {what}" if n == 1 else f"{n} {what}s"
