"""A study's whole analysis: from its records to the table of estimates and every other table that the page shows."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from holdfast.analysis import consistency, declaration, estimands, estimates_file, matched_rows, tables, write_tables
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.declaration import Standing
from holdfast.analysis.estimates import estimates
from holdfast.analysis.findings import finished
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.regimes import SHARED, regimes
from holdfast.config.study import Study
from holdfast.store.defuse import csv
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import complete


def analyse(
    folder: StudyFolder, study: Study, configs: Configs, frame: pd.DataFrame, stands: Standing | None = None
) -> pd.DataFrame:
    """Write ``estimates.parquet`` and ``.csv``, ``claims.csv`` and all under ``analysis/``; returns the estimates.

    ``frame``: of ``load_records(tuning=True)``; ``stands``: how what is asked stands to what was declared (None: it was
    just declared).
    """
    each = joints(frame, configs, study)
    found = comparisons(frame, configs, study, each)
    if study.consistency:
        varied = consistency.consistency(folder, study)
        tables.write_consistency(varied, folder)
        found = pd.concat([found, consistency.rows(varied, study.ladder[-1])], ignore_index=True)
    found = declaration.confirmed(found, stands) if stands else found
    table = pd.concat([estimates(each[SHARED].frame, configs, study), found], ignore_index=True)
    estimates_file.write(folder, table)
    write_tables.write(folder, configs, study, frame, each, table)
    write_text(folder.claims_csv, csv(tables.read(folder, "claims")))
    return table


def joints(frame: pd.DataFrame, configs: Configs, study: Study) -> dict[str, Joint]:
    """The records of every regime. ``frame``: of ``load_records(tuning=True)``, with the settings that were tried."""
    return {regime: Joint(rows, configs, study) for regime, rows in regimes(frame, configs, study).items()}


def comparisons(
    frame: pd.DataFrame, configs: Configs, study: Study, each: Mapping[str, Joint] | None = None
) -> pd.DataFrame:
    """What the study asked and what it found, in every regime: rows of the table of estimates. ``frame``: with the
    settings that were tried; ``each``: its ``joints``, where they are there already."""
    parts = []
    for regime, joint in (each or joints(frame, configs, study)).items():
        found = [*estimands.findings(joint.frame, configs, study), *matched_rows.findings(joint)]
        if found:
            parts.append(_of(finished(found, study), regime))
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame({"label": [], "regime": []}, dtype=str)
    objective = table["label"].map({v.label: v.objective for v in study.objectives}).fillna("")
    return complete("estimates", table, objective=objective, seed=OVER_SEEDS, bracket="", format=DEFAULT)


def _of(some: pd.DataFrame, regime: str) -> pd.DataFrame:
    """A family is of one regime, and says of which where that is not the study's one setting."""
    named = some["family"].where((some["family"] == "") | (regime == SHARED), some["family"] + f", {regime}")
    return some.assign(regime=regime, family=named)
