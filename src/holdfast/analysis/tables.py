"""Every table that the page shows beside estimates and findings: made once, kept under ``analysis/``, and read back.

Their columns are those of the functions that make them; ``store.tables.FRAMES`` lists them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis import coherent
from holdfast.analysis.distance import AtDistance
from holdfast.analysis.estimates import Cells
from holdfast.analysis.matched import Instruments, Matched
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.pareto import Front
from holdfast.analysis.regimes import SHARED
from holdfast.analysis.stability import ways
from holdfast.config.study import Study
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_frame, write_frame
from holdfast.types import UserError


def write(folder: StudyFolder, cells: Cells, study: Study, each: Mapping[str, Joint]) -> None:
    """All of them, in place of those of an earlier analysis. ``each``: of ``asked.joints``."""
    shutil.rmtree(folder.analysis, ignore_errors=True)
    at, shared = folder.analysis, each[SHARED]
    _write_matched(at, shared.matched)
    _write_at_distance(at, shared.at_distance)
    _write_fronts(at, shared.fronts)
    _write(at, "ways", ways({k: joint.records for k, joint in each.items()}, cells, study))
    _write(at, "coherence", coherent.rates(shared.records, cells, study))


def read(folder: StudyFolder, name: str) -> pd.DataFrame:
    """One that is a single table: of all models and tasks."""
    return read_frame(_there(folder) / f"{name}.parquet", name)


def read_matched(folder: StudyFolder, cells: Cells) -> list[Matched]:
    def one(r: dict[str, Any], of: Callable[[str], pd.DataFrame]) -> Matched:
        tools = Instruments(cells[r.pop("match")], cells[r.pop("capability")], (cells[r["harm"]],))
        three = {name: of(name) for name in ("at_target", "at_ceiling", "gaps")}
        return Matched(**{**r, "harm": cells[r["harm"]]}, instruments=tools, **three)

    return _each(folder, "matched", "versus", one)


def read_at_distance(folder: StudyFolder, cells: Cells) -> list[AtDistance]:
    return _each(
        folder, "at_distance", "versus", lambda r, of: AtDistance(**{**r, "cell": cells[r["cell"]]}, table=of("table"))
    )


def read_fronts(folder: StudyFolder) -> list[Front]:
    at = _there(folder)
    rows = read_frame(at / "fronts.parquet", "fronts").to_dict("records")
    return [
        Front(**r, **{x: read_frame(at / f"fronts-{k}-{x}.parquet", name) for x, name in _FRONT.items()})
        for k, r in enumerate(rows)
    ]


# -- comparisons: a row each, and tables of their own beside it -------------------------------------------------------

_FRONT = {"points": "front", "dominance": "dominance"}


def _write_matched(at: Path, some: list[Matched]) -> None:
    rows = []
    for k, one in enumerate(some):
        tools = {"match": one.instruments.match["cell"], "capability": one.instruments.capability["cell"]}
        rows.append(_plain(one) | tools | {"harm": one.harm["cell"]})
        for name in ("at_target", "at_ceiling", "gaps"):
            write_frame(at / f"matched-{k}-{name}.parquet", "versus", _numbers(getattr(one, name)))
    _write(at, "matched", pd.DataFrame(rows))


def _write_at_distance(at: Path, some: list[AtDistance]) -> None:
    for k, one in enumerate(some):
        write_frame(at / f"at_distance-{k}-table.parquet", "versus", _numbers(one.table))
    _write(at, "at_distance", pd.DataFrame([_plain(one) | {"cell": one.cell["cell"]} for one in some]))


def _write_fronts(at: Path, some: list[Front]) -> None:
    for k, one in enumerate(some):
        for field, name in _FRONT.items():
            write_frame(at / f"fronts-{k}-{field}.parquet", name, getattr(one, field))
    _write(at, "fronts", pd.DataFrame([_plain(one) for one in some]))


def _plain(one: Any) -> dict[str, Any]:
    """What of a comparison is a word or a number."""
    return {k: v for k, v in vars(one).items() if isinstance(v, (str, int, float))}


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Without the accounts of its errors, which are no numbers and decided the verdict."""
    return table.drop(columns="made", errors="ignore")


def _write(at: Path, name: str, table: pd.DataFrame) -> None:
    write_frame(at / f"{name}.parquet", name, table)


def _each(folder: StudyFolder, name: str, kind: str, make: Callable[..., Any]) -> list[Any]:
    at = _there(folder)
    rows = read_frame(at / f"{name}.parquet", name).to_dict("records")
    return [make(r, lambda x, k=k: read_frame(at / f"{name}-{k}-{x}.parquet", kind)) for k, r in enumerate(rows)]


def _there(folder: StudyFolder) -> Path:
    """Raises UserError where an earlier version analysed, or an analysis was cut short."""
    if not (folder.analysis / f"{LAST}.parquet").exists():
        raise UserError(
            f"{folder.root} has not all tables that the page shows, as where an earlier holdfast analysed it; run "
            "`holdfast analyse` again first"
        )
    return folder.analysis


LAST = "coherence"  # that is written
