"""All findings of a study: who finds what, put under one another."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from holdfast.analysis import estimands, matched_rows
from holdfast.analysis.config_info import Configs
from holdfast.analysis.findings import NAMES, empty, finished
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.regimes import SHARED, regimes
from holdfast.config.study import Study
from holdfast.store.tables import COLUMNS


def joints(frame: pd.DataFrame, configs: Configs, study: Study) -> dict[str, Joint]:
    """The records of every regime. ``frame``: of ``frame.load(tuning=True)``, with the settings that were tried."""
    return {regime: Joint(rows, configs, study) for regime, rows in regimes(frame, configs, study).items()}


def findings(
    frame: pd.DataFrame, configs: Configs, study: Study, each: Mapping[str, Joint] | None = None
) -> pd.DataFrame:
    """The table of findings, of every regime; its columns are documented in ``store.tables``. ``frame``: with the
    settings that were tried; ``each``: its ``joints``, where they are there already."""
    parts = []
    for regime, joint in (each or joints(frame, configs, study)).items():
        both = (estimands.rows(joint.frame, configs, study), matched_rows.rows(joint))
        found = [some for some in both if len(some)]
        if found:  # once more together: the answer's family spans them
            parts.append(_of(finished(pd.concat(found, ignore_index=True), study)[list(NAMES)], regime))
    columns = [c.name for c in COLUMNS["findings"][1]]
    return (pd.concat(parts, ignore_index=True) if parts else empty().assign(regime="")).reindex(columns=columns)


def _of(some: pd.DataFrame, regime: str) -> pd.DataFrame:
    """A family is of one regime, and says of which where that is not the study's one setting."""
    named = some["family"].where((some["family"] == "") | (regime == SHARED), some["family"] + f", {regime}")
    return some.assign(regime=regime, family=named)
