"""A study's whole analysis: from its records to the table of estimates and every other table that the page shows."""

from __future__ import annotations

import shutil
from collections.abc import Mapping

import pandas as pd

from holdfast.analysis import (
    answered,
    coherent,
    consistency,
    declaration,
    estimands,
    estimates_file,
    inside,
    matched_rows,
    published,
    table_files,
    tuned,
)
from holdfast.analysis.claims import claims
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.control_runs import control_runs
from holdfast.analysis.declaration import Standing
from holdfast.analysis.estimates import estimates
from holdfast.analysis.estimates_file import compared, measured
from holdfast.analysis.findings import finished
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.needed import needed
from holdfast.analysis.regimes import SHARED, regimes
from holdfast.analysis.relearning import relearning
from holdfast.analysis.stability import stability, ways
from holdfast.analysis.trait_map import trait_map
from holdfast.config import decisions
from holdfast.config.study import Study
from holdfast.store.defuse import csv
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import complete
from holdfast.store.tables import read as read_table

Joints = Mapping[str, Joint]  # the records of every regime, by its name


def analyse(
    folder: StudyFolder, study: Study, configs: Configs, frame: pd.DataFrame, stands: Standing | None = None
) -> pd.DataFrame:
    """Write ``estimates.parquet`` and ``.csv``, ``claims.csv`` and all under ``analysis/``; returns the estimates.

    ``frame``: of ``load_records(tuning=True)``; ``stands``: how what is asked stands to what was declared (None: it was
    just declared).
    """
    each = joints(frame, configs, study)
    levels = estimates(each[SHARED].frame, configs, study)  # before there are joint draws, which stay in memory
    found = comparisons(frame, configs, study, each)
    if study.consistency:
        varied = consistency.consistency(folder, study)
        table_files.write_consistency(varied, folder)
        found = pd.concat([found, consistency.rows(varied, study.ladder[-1])], ignore_index=True)
    found = declaration.confirmed(found, stands) if stands else found
    table = pd.concat([levels, found], ignore_index=True)
    estimates_file.write(folder, table)
    write_shown(folder, configs, study, frame, each, table)
    write_text(folder.claims_csv, csv(table_files.read(folder, "claims")))
    return table


def write_shown(
    folder: StudyFolder, configs: Configs, study: Study, frame: pd.DataFrame, each: Joints, estimates: pd.DataFrame
) -> None:
    """Every table that the page shows beside the estimates, in place of those of an earlier analysis."""
    shutil.rmtree(folder.analysis, ignore_errors=True)
    shared = each[SHARED]
    for name, some in (("matched", shared.matched), ("at_distance", shared.at_distance), ("fronts", shared.fronts)):
        table_files.write_each(folder, name, some)
    rows, subjects = shared.frame, read_table(folder.subjects, "subjects")
    every = ways({k: joint.records for k, joint in each.items()}, configs, study)
    printed = published.beside(study, measured(estimates), configs, lambda: rows)
    again, gives_in = relearning(folder, configs, study)
    shown = {
        "ways": every,
        "stability": stability(every),
        "agreement": answered.agreements(rows, configs, study),
        "confusion": answered.confusions(rows, configs, study),
        "verdicts": answered.verdicts(rows),
        "asked": answered.asked(rows),
        "screened": answered.screened(rows),
        "sample": answered.shown_prompts(rows, configs, subjects, study),
        "brackets": control_runs(measured(estimates), rows, configs, study.alpha),
        "settings": _settings(folder, configs, study, frame, each),
        "published": printed.assign(budget=printed["budget"].astype(str)),  # or "mean"
        "procedures": published.procedures(study, configs, printed),
        "claims": printed_claims(estimates, subjects, study, configs),
        "relearning": again,
        "gives_in": gives_in,
        "traits": trait_map(measured(estimates), configs, study),
        "layers": inside.layers(folder, configs, rows),
        "inside": inside.agreement(rows, configs, study),
        "needed": needed(shared.ladders, configs, study, compared(estimates)),
        table_files.LAST: coherent.rates(shared.records, configs, study),
    }
    for name, table in shown.items():
        table_files.write(folder, name, table)


def printed_claims(estimates: pd.DataFrame, subjects: pd.DataFrame, study: Study, configs: Configs) -> pd.DataFrame:
    """``claims.claims``, of the one setting for all objectives, which is their design."""
    found = compared(estimates)
    return claims(found[found["regime"] == SHARED], subjects, study, configs)


def _settings(folder: StudyFolder, configs: Configs, study: Study, frame: pd.DataFrame, each: Joints) -> pd.DataFrame:
    """Levels at the last budget (of ``tuned.levels``) in each regime, and of every setting that was tried (regime
    ``tried``): those of one model and task together, with its base model."""
    parts = []
    for model, task in sorted({(c.model, c.task) for c in decisions.choices(study, folder)}):
        about = {"of_model": model, "of_task": task}
        some = {table_files.TRIED: tuned.tried(table_files.of(frame, model, task), configs, study)}
        some |= {k: tuned.levels(table_files.of(x.frame, model, task), configs, study) for k, x in each.items()}
        parts += [rows.assign(**about, regime=regime) for regime, rows in some.items()]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


def joints(frame: pd.DataFrame, configs: Configs, study: Study) -> dict[str, Joint]:
    """The records of every regime. ``frame``: of ``load_records(tuning=True)``, with the settings that were tried."""
    return {regime: Joint(rows, configs, study) for regime, rows in regimes(frame, configs, study).items()}


def comparisons(frame: pd.DataFrame, configs: Configs, study: Study, each: Joints | None = None) -> pd.DataFrame:
    """What the study asked and what it found, in every regime: rows of the table of estimates. ``frame``: with the
    settings that were tried; ``each``: its ``joints``, where they are there already."""
    parts = []
    for regime, joint in (each or joints(frame, configs, study)).items():
        found = [*estimands.findings(joint.ladders, study), *matched_rows.findings(joint)]
        if found:
            parts.append(_of(finished(found, study), regime))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"label": [], "regime": []}, dtype=str)
    objective = table["label"].map({v.label: v.objective for v in study.objectives}).fillna("")
    return complete("estimates", table, objective=objective, seed=OVER_SEEDS, bracket="", format=DEFAULT)


def _of(some: pd.DataFrame, regime: str) -> pd.DataFrame:
    """A family is of one regime, and says of which where that is not the study's one setting."""
    named = some["family"].where((some["family"] == "") | (regime == SHARED), some["family"] + f", {regime}")
    return some.assign(regime=regime, family=named)
