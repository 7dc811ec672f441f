"""Every table that the page shows beside the estimates: written when a study is analysed, and read.

Their columns are those of the functions that make them; ``store.schemas.FRAMES`` lists them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis.comparisons import AtDistance, Consistency, Front, Instruments, Matched
from holdfast.analysis.config_info import Configs
from holdfast.store.defuse import csv, from_spreadsheet
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json, reading, write_json, write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_frame, write_frame
from holdfast.types import UserError

# Tables that are fields of comparisons, and which kind each is of.
BESIDE = dict.fromkeys(("at_target", "at_ceiling", "gaps", "table"), "versus")
BESIDE |= {"points": "front", "dominance": "dominance"}
REPEATED = ("components", "ranges", "flips")  # fields of ``Consistency``
LAST = "coherence"  # that is written
TRIED = "tried"
MEAN = "mean"  # of a published figure: over budgets


def of(rows: pd.DataFrame, model: str, task: str) -> pd.DataFrame:
    """Rows of a model that belong to the task or, as the base model's do, to none. The task's own come first."""
    mine = rows[(rows["model"] == model) & rows["task"].isin(("", task))]
    return mine.sort_values("task", key=lambda t: t != task, kind="stable")


def of_model(model: str) -> str:
    """The stratum, in the table of agreements, of a model's responses."""
    return f"of {model}"


def read(folder: StudyFolder, name: str) -> pd.DataFrame:
    """One that is a single table: of all models and tasks."""
    found = _frame(folder, f"{name}.parquet", name)
    if name == "published":
        found["budget"] = [b if b == MEAN else int(b) for b in found["budget"]]
    return found


def write(folder: StudyFolder, name: str, table: pd.DataFrame) -> None:
    write_frame(folder.analysis / f"{name}.parquet", name, table)


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


# -- comparisons: a row each, and tables of their own beside it -------------------------------------------------------


def write_each(folder: StudyFolder, name: str, some: Sequence[Matched | AtDistance | Front]) -> None:
    """What of a comparison is a word or a number, and the ids of its configs, in one row. The accounts of errors
    (``made``) are no numbers and stay out: they have decided the verdict."""
    rows = []
    for k, one in enumerate(some):
        own, ids = vars(one), dict[str, Any]()
        if isinstance(one, Matched):
            ids = {"match": one.instruments.match.id, "capability": one.instruments.capability.id, "harm": one.harm.id}
        elif isinstance(one, AtDistance):
            ids = {"cell": one.config.id}
        rows.append({x: v for x, v in own.items() if isinstance(v, (str, int, float))} | ids)
        for field in (x for x in BESIDE if x in own):
            file = folder.analysis / f"{name}-{k}-{field}.parquet"
            write_frame(file, BESIDE[field], own[field].drop(columns="made", errors="ignore"))
    write(folder, name, pd.DataFrame(rows))


def read_matched(folder: StudyFolder, configs: Configs) -> list[Matched]:
    found = []
    for r, own in _each(folder, "matched", "at_target", "at_ceiling", "gaps"):
        match, capability, harm = (configs[r.pop(x)] for x in ("match", "capability", "harm"))
        found.append(Matched(**r, **own, instruments=Instruments(match, capability, (harm,)), harm=harm))
    return found


def read_at_distance(folder: StudyFolder, configs: Configs) -> list[AtDistance]:
    return [AtDistance(config=configs[r.pop("cell")], **r, **own) for r, own in _each(folder, "at_distance", "table")]


def read_fronts(folder: StudyFolder) -> list[Front]:
    return [Front(**r, **own) for r, own in _each(folder, "fronts", "points", "dominance")]


def _each(folder: StudyFolder, name: str, *fields: str) -> Iterator[tuple[dict[str, Any], dict[str, pd.DataFrame]]]:
    for k, r in enumerate(read(folder, name).to_dict("records")):
        own = {x: _frame(folder, f"{name}-{k}-{x}.parquet", BESIDE[x]) for x in fields}
        yield {str(c): v for c, v in r.items()}, own


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
