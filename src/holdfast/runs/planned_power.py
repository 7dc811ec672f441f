"""What a planned study will be able to see: the power of comparing an objective with SFT at one budget.

The spread comes from a pilot study's records or, where it has none of a measure, from the guesses that stand in the
study file (``declared.guesses``). Power is that of the rule which will judge the answer (``findings.finished``): alpha
over all comparisons of its family, the spread of seeds pooled over the objectives.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from holdfast import registry
from holdfast.analysis.answer_rows import matched_only
from holdfast.analysis.contrasts import sft_of
from holdfast.analysis.ladder import ladders
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.metrics import headline
from holdfast.analysis.needed import GUESSED, MOST_PROMPTS, MOST_SEEDS, SeenNoise, guessed, mean, spreads
from holdfast.config.loading import load as load_study
from holdfast.config.study import MeasureSpec, Study
from holdfast.runs.plan import Plan, Power
from holdfast.stats import power as reckon
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

Pilot = Mapping[str, SeenNoise]  # by measure: the mean over objectives, and the pilot's seeds


def powers(study: Study, plan: Plan, pilot: StudyFolder | None = None) -> tuple[Power, ...]:
    """A statement for each measure of capability, robustness and persona that is compared.

    Raises UserError where the pilot is no finished study with SFT and another objective.
    """
    if len(study.objectives) < 2:
        return ()
    known = _pilot(pilot) if pilot is not None else {}
    unasked = matched_only((c.measure for c in plan.configs if c.axis == "capability"), study)
    specs = {name: m for m in study.measures if (name := m.label) not in unasked}
    judged = level(study, plan)
    found = []
    for measure, axis, items in dict.fromkeys((c.measure, c.axis, c.items) for c in plan.configs):
        spec = specs.get(measure)
        if spec is None or axis not in GUESSED or (measure not in known and not _guessable(spec)):
            continue
        model, basis = _model(study, spec, axis, known.get(measure))
        basis += "" if items else ", the number of items too"
        found.append(_said(study, judged, measure, axis, items or study.declared.guesses.items, model, basis))
    return tuple(found)


def _said(
    study: Study, judged: reckon.Level, measure: str, axis: str, items: int, model: reckon.Model, basis: str
) -> Power:
    aim, seeds, least = study.declared.power, len(study.seeds), study.declared.interest.of(axis)
    chance = reckon.power(model, least, seeds, items, judged)
    detects = reckon.detectable(model, seeds, items, aim, judged)
    return Power(
        measure=measure,
        axis=axis,
        prompts=items,
        seeds=seeds,
        alpha=judged.each,
        target=aim,
        detects=None if np.isnan(detects) else float(detects),
        interest=least,
        chance=None if np.isnan(chance) else chance,
        seeds_needed=reckon.seeds_for(model, least, items, aim, judged, MOST_SEEDS),
        prompts_needed=reckon.prompts_for(model, least, seeds, aim, judged, MOST_PROMPTS),
        basis=basis,
    )


def level(study: Study, plan: Plan) -> reckon.Level:
    """At which a comparison with SFT is judged: the answer's family has, of a model and task, every measure of every
    objective against the base and SFT, at the last budget, and at the matched capability attack success against SFT."""
    others = len(study.objectives) - 1
    unasked = matched_only((c.measure for c in plan.configs if c.axis == "capability"), study)
    counts = []
    for task in {c.task for c in plan.configs if c.task} or {""}:
        asked = {
            c.measure: c.axis for c in plan.configs if c.task in ("", task) and not c.of and c.measure not in unasked
        }
        harm = sum(axis == "robustness" for axis in asked.values()) if study.matched else 0
        counts.append(len(asked) * (2 * others + 1) + harm * others)
    return reckon.Level(study.alpha / max(counts), study.alpha, others)


# -- where the spread comes from -------------------------------------------------------------------------------------


def _model(study: Study, spec: MeasureSpec, axis: str, seen: SeenNoise | None) -> tuple[reckon.Model, str]:
    guess = guessed(study, _attacks(spec), axis)
    if seen is None:
        return guess, "guesses"
    noise, seeds = seen
    if seeds == 1 and len(study.seeds) > 1:
        there = guess(study.declared.interest.of(axis), len(study.seeds))
        noise = noise._replace(seed=there.seed if there else 0.0)
        return (lambda difference, n: noise), "pilot; its one seed says nothing of seeds: their spread is guessed"
    return (lambda difference, n: noise), "pilot"


def _guessable(spec: MeasureSpec) -> bool:
    """Whether the headline has the range that the guesses are about: of others only a pilot says something."""
    summary = registry.build("measures", spec.measure, spec.params).summary
    said = summary.metrics.get(headline(summary))
    return said is None or None not in (said.low, said.high)


def _attacks(spec: MeasureSpec) -> int:
    """How many the measure's headline is a mean over."""
    return len(registry.build("measures", spec.measure, spec.params).summary.macro_over or ()) or 1


def _pilot(folder: StudyFolder) -> Pilot:
    if not folder.estimates_parquet.exists():
        raise UserError(f"the pilot {folder.root} is no finished study; run it to its estimates first")
    study, subjects = load_study(folder.study_yaml), tables.read(folder.subjects, "subjects")
    found: dict[str, list[SeenNoise]] = {}
    for ladder in ladders(load_records(folder), configs(folder), study) if sft_of(subjects, study) else ():
        found.setdefault(ladder.about.measure, []).extend(spreads(ladder, study))
    if not any(found.values()):
        raise UserError(
            f"the pilot {folder.root} compares no objective with SFT, so it tells no spread of a difference"
        )
    return {measure: mean(some) for measure, some in found.items() if some}
