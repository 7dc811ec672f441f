"""Where runs ended because they had reached the capability that is the goal of their training (``matched.stop``).

Decided budget by budget while they are trained (``pipeline``) and kept in ``stopped.json``; a plan reads it, and no
more of a run is planned than up to there. Of another goal the file says nothing: its runs go on from where they stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from holdfast.config.study import Study
from holdfast.store.digest import digest
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder

Where = Mapping[str, Mapping[str, Any]]  # by run: the budget, and the smoothed capability there


def read(study: Study, folder: StudyFolder | None) -> Where | None:
    """Every run that ended before the last checkpoint; None: not decided yet."""
    if not study.stops or folder is None or not folder.stopped_json.is_file():
        return None
    there = read_json(folder.stopped_json, "goal", "runs")
    return there["runs"] if there["goal"] == _goal(study) else None


def write(where: Where, study: Study, folder: StudyFolder) -> None:
    write_json(folder.stopped_json, {"goal": _goal(study), "runs": dict(sorted(where.items()))})


def said(where: Where, runs: Iterable[tuple[str, str, int]]) -> str:
    """In words; ``runs``: run, label and seed."""
    seeds: dict[tuple[str, int], list[str]] = {}
    for id, label, seed in runs:
        if id in where:
            seeds.setdefault((label, where[id]["budget"]), []).append(str(seed))
    return "; ".join(
        f"{label} at {budget:,} tokens (seed{'s' if len(some) > 1 else ''} {', '.join(some)})"
        for (label, budget), some in seeds.items()
    )


def _goal(study: Study) -> str:
    """Digest of what decides where a run ends, but for the run itself."""
    assert study.matched is not None
    goal = study.matched.model_dump(include={"target", "relative"})
    measure = next(m for m in study.measures if m.label == study.matched.measure)
    return digest([goal, measure, study.checkpoint_budgets, study.threshold])
