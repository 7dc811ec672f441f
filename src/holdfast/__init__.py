"""holdfast: what the choice of fine-tuning objective does to a model besides teaching it the task.

``holdfast.load_study("study.yaml").run("runs/mine")`` does a whole study and returns its estimates as a data frame;
``holdfast.open("runs/mine")`` gives the tables and charts of one that has run.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from holdfast.results import Results
    from holdfast.runs.pipeline import LoadedStudy

__version__ = "0.1.0"
__all__ = ["__version__", "load_study", "open"]


def load_study(path: str | Path) -> LoadedStudy:
    """A study from a file, a preset's name or a study's folder. Raises ``UserError`` where it is not sound."""
    from holdfast.config.loading import load
    from holdfast.runs.pipeline import LoadedStudy

    return LoadedStudy(load(path))


def open(folder: str | Path) -> Results:
    """A study that has run, from its folder. Raises ``UserError`` where there is none."""
    from holdfast.config.loading import finished
    from holdfast.results import Results
    from holdfast.store.folder import StudyFolder

    at = StudyFolder(Path(folder))
    return Results(at, finished(at))
