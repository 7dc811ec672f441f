"""What the exports read of a study that has run."""

from __future__ import annotations

from collections.abc import Collection

import pandas as pd

from holdfast.analysis import estimates_file
from holdfast.analysis.contrasts import OVER_SEEDS
from holdfast.analysis.estimates_file import measured
from holdfast.analysis.scope import scope
from holdfast.config import loading
from holdfast.evals.subject import SubjectRow
from holdfast.store import tables
from holdfast.store.folder import StudyFolder


def estimates(folder: StudyFolder) -> pd.DataFrame:
    """Levels and plain differences. Raises UserError where nothing is estimated yet."""
    loading.finished(folder)
    return measured(estimates_file.read(folder))


def subjects(folder: StudyFolder) -> list[SubjectRow]:
    """Those that the study plans, of all that were measured once."""
    planned = scope(folder).subjects(tables.read(folder.subjects, "subjects")).index
    rows = tables.read_rows(folder.subjects, "subjects", SubjectRow)
    return [rows[place] for place in planned]


def of_subject(rows: pd.DataFrame, who: SubjectRow, tasks: Collection[str]) -> pd.DataFrame:
    """The estimates of one subject on these tasks: its own seed's where there are any, else those over seeds."""
    same = (rows["model"] == who.model) & (rows["label"] == who.label) & (rows["budget"] == who.budget)
    rows = rows[same & (rows["bracket"] == who.bracket) & rows["task"].isin(tasks)]
    own = rows[rows["seed"] == who.seed]
    return own if len(own) else rows[rows["seed"] == OVER_SEEDS]
