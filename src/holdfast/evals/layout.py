"""What a study's folder says of its cells: descriptions and items, and nothing of cells that are not planned.

Later stages read all that lies in ``records/`` and ``judgements/``. A cell that a changed study no longer plans is
therefore put on a shelf (a hidden folder beside the others), not deleted: if the study is changed back, it is there.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges.judge import Judge
from holdfast.store import tables
from holdfast.store.digest import digest, short
from holdfast.store.files import write_json
from holdfast.store.folder import StudyFolder, present
from holdfast.types import Record

SHELF = ".unplanned"


def judge_id(judge: Judge) -> str:
    """Digest of all that determines the judge's verdicts."""
    return digest(judge.identity())


def judge_folder(label: str, judge: Judge) -> str:
    """The judge as part of a path: another version or parameter is another folder."""
    return f"{label}-{short(judge_id(judge))}"


def answered(folder: StudyFolder, cell: EvalConfig, subject: str) -> list[Record]:
    """The records of one subject that are there, in their order."""
    return tables.read_rows(present(folder.cell(cell.name, cell.id).of(subject)), "records", Record)


def answered_ids(folder: StudyFolder, cell: EvalConfig, subject: str) -> set[str]:
    """Their ids alone, which is much less to read."""
    return set(tables.read(present(folder.cell(cell.name, cell.id).of(subject)), "records", ["id"])["id"])


def judged_at(folder: StudyFolder, cell: EvalConfig, label: str, judge: Judge, subject: str) -> Path:
    """The folder of a judge's judgements of one subject."""
    return folder.judgement(cell.name, cell.id, judge_folder(label, judge), subject, 0).parent


def write_cells(folder: StudyFolder, cells: Sequence[EvalConfig]) -> None:
    """Writes ``cell.json`` and the items of each cell, and shelves cells and judges that are no longer planned.

    Called by one process, before workers respond or judge.
    """
    records = [folder.cell(cell.name, cell.id).root for cell in cells]
    judgements = {cell.id: folder.judged(cell.name, cell.id) for cell in cells}
    arrange(folder.records, records)
    arrange(folder.judgements, judgements.values())
    for cell in cells:
        arrange(judgements[cell.id], [judgements[cell.id] / judge_folder(*seat) for seat in cell.judges.items()])
        at = folder.cell(cell.name, cell.id)
        tables.write(at.items, "items", cell.items, measure=cell.label, cell=cell.id)
        write_json(at.cell_json, cell.about())


def arrange(parent: Path, planned: Iterable[Path]) -> None:
    """Moves folders of ``parent`` that are not planned to its shelf, and planned ones back from there."""
    wanted, shelf = {p.name for p in planned}, parent / SHELF
    for child in sorted(parent.glob("*")):
        if child.is_dir() and not child.name.startswith(".") and child.name not in wanted:
            shelf.mkdir(exist_ok=True)
            shutil.rmtree(shelf / child.name, ignore_errors=True)
            os.replace(child, shelf / child.name)
    for name in sorted(wanted):
        if (shelf / name).is_dir() and not (parent / name).exists():
            os.replace(shelf / name, parent / name)
