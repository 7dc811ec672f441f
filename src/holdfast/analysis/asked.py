"""All findings of a study: who finds what, put under one another."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis import estimands, matched_rows
from holdfast.analysis.estimates import Cells
from holdfast.analysis.findings import NAMES, empty, finished
from holdfast.analysis.regimes import SHARED, regimes
from holdfast.config.study import Study
from holdfast.store.tables import COLUMNS

# Each takes the frame, the cells and the study as ``estimates`` does, and returns rows of the table of findings.
FINDERS = (estimands.rows, matched_rows.rows)


def findings(frame: pd.DataFrame, cells: Cells, study: Study) -> pd.DataFrame:
    """The table of findings, of every regime; its columns are documented in ``store.tables``. ``frame``: with the
    settings that were tried."""
    parts = []
    for regime, records in regimes(frame, cells, study).items():
        found = [some for find in FINDERS if len(some := find(records, cells, study))]
        if found:  # once more together: the answer's family spans them
            parts.append(_of(finished(pd.concat(found, ignore_index=True), study)[list(NAMES)], regime))
    columns = [c.name for c in COLUMNS["findings"][1]]
    return (pd.concat(parts, ignore_index=True) if parts else empty().assign(regime="")).reindex(columns=columns)


def _of(some: pd.DataFrame, regime: str) -> pd.DataFrame:
    """A family is of one regime, and says of which where that is not the study's one setting."""
    named = some["family"].where((some["family"] == "") | (regime == SHARED), some["family"] + f", {regime}")
    return some.assign(regime=regime, family=named)
