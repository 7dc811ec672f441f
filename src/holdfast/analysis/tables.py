"""Every table that the page shows beside estimates and findings, read as ``analysis.write_tables`` left it.

Their columns are those of the functions that make them; ``store.schemas.FRAMES`` lists them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.comparisons import AtDistance, Consistency, Front, Instruments, Matched
from holdfast.analysis.config_info import Configs
from holdfast.store.defuse import csv, from_spreadsheet
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json, reading, write_json, write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_frame
from holdfast.types import UserError

FRONT = {"points": "front", "dominance": "dominance"}  # field of ``Front``: kind of table
REPEATED = ("components", "ranges", "flips")  # fields of ``Consistency``
MEAN = "mean"  # of a published figure: over budgets


def of(rows: pd.DataFrame, model: str, task: str) -> pd.DataFrame:
    """Rows of a model that belong to the task or, as the base model's do, to none. The task's own come first."""
    mine = rows[(rows["model"] == model) & rows["task"].isin(("", task))]
    return mine.sort_values("task", key=lambda t: t != task, kind="stable")


def read(folder: StudyFolder, name: str) -> pd.DataFrame:
    """One that is a single table: of all models and tasks."""
    found = _frame(folder, f"{name}.parquet", name)
    if name == "published":
        found["budget"] = [b if b == MEAN else int(b) for b in found["budget"]]
    return found


def read_matched(folder: StudyFolder, configs: Configs) -> list[Matched]:
    def one(r: dict[str, Any], of: Callable[[str], pd.DataFrame]) -> Matched:
        tools = Instruments(configs[r.pop("match")], configs[r.pop("capability")], (configs[r["harm"]],))
        three = {name: of(name) for name in ("at_target", "at_ceiling", "gaps")}
        return Matched(**{**r, "harm": configs[r["harm"]]}, instruments=tools, **three)

    return _each(folder, "matched", "versus", one)


def read_at_distance(folder: StudyFolder, configs: Configs) -> list[AtDistance]:
    return _each(
        folder,
        "at_distance",
        "versus",
        lambda r, of: AtDistance(
            **{k: v for k, v in r.items() if k != "cell"}, config=configs[r["cell"]], table=of("table")
        ),
    )


def read_fronts(folder: StudyFolder) -> list[Front]:
    rows = _frame(folder, "fronts.parquet", "fronts").to_dict("records")
    return [
        Front(**r, **{x: _frame(folder, f"fronts-{k}-{x}.parquet", name) for x, name in FRONT.items()})
        for k, r in enumerate(rows)
    ]


# -- comparisons: a row each, and tables of their own beside it -------------------------------------------------------


def _each(folder: StudyFolder, name: str, kind: str, make: Callable[..., Any]) -> list[Any]:
    rows = _frame(folder, f"{name}.parquet", name).to_dict("records")
    return [make(r, lambda x, k=k: _frame(folder, f"{name}-{k}-{x}.parquet", kind)) for k, r in enumerate(rows)]


def _frame(folder: StudyFolder, file: str, name: str) -> pd.DataFrame:
    """Raises UserError where it is missing: an earlier version analysed, an analysis was cut short, or it was deleted.
    What is there is believed only if the last that is written is there, too."""
    at = folder.analysis / file
    if not at.exists() or not (folder.analysis / f"{LAST}.parquet").exists():
        raise UserError(
            f"{folder.root} has not all tables that the page shows, as where an earlier holdfast analysed it; run "
            "`holdfast analyse` again first"
        )
    return read_frame(at, name)


# -- repeats ----------------------------------------------------------------------------------------------------------


def write_consistency(found: Consistency, folder: StudyFolder) -> None:
    """``consistency/components.csv``, ``ranges.csv`` and ``flips.csv``, and checksums to read them by."""
    for name in REPEATED:
        write_text(folder.consistency / f"{name}.csv", csv(getattr(found, name)))
    written = {name: file_digest(folder.consistency / f"{name}.csv") for name in REPEATED}
    write_json(folder.consistency / "checksums.json", written)


def read_consistency(folder: StudyFolder) -> Consistency:
    """What ``write_consistency`` wrote; empty tables where nothing is there.

    Raises UserError where a file was altered since."""
    checksums = folder.consistency / "checksums.json"
    for name, wrote in (read_json(checksums, *REPEATED) if checksums.exists() else {}).items():
        file = folder.consistency / f"{name}.csv"
        with reading(file):
            if file_digest(file) != wrote:
                raise UserError(f"{file} was altered since it was written; `holdfast analyse` makes it again")
    return Consistency(*(_csv(folder.consistency / f"{name}.csv") for name in REPEATED))


def _csv(path: Path) -> pd.DataFrame:
    if not path.exists() or path.stat().st_size < 3:
        return pd.DataFrame()
    return pd.read_csv(path, keep_default_na=False, na_values=[""]).map(from_spreadsheet).fillna({"task": ""})


LAST = "coherence"  # that is written
TRIED = "tried"
