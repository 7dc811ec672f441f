"""What a study's folder says of its configs: descriptions and items, and nothing of configs that are not planned.

Later stages read all that lies in ``records/`` and ``judgements/``. An config that a changed study no longer plans is
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
from holdfast.store.folder import StudyFolder
from holdfast.types import Record

SHELF = ".unplanned"


def judge_id(judge: Judge) -> str:
    """Digest of all that determines the judge's verdicts."""
    return digest(judge.identity())


def judge_folder(label: str, judge: Judge) -> str:
    """The judge as part of a path: another version or parameter is another folder."""
    return f"{label}-{short(judge_id(judge))}"


def answered(folder: StudyFolder, config: EvalConfig, subject: str) -> list[Record]:
    """The records of one subject that are there, in their order."""
    at = folder.config(config.name, config.id).of(subject)
    return tables.shards(at, lambda files: tables.read_rows(files, "records", Record))


def answered_ids(folder: StudyFolder, config: EvalConfig, subject: str) -> set[str]:
    """Their ids alone, which is much less to read."""
    at = folder.config(config.name, config.id).of(subject)
    return set(tables.shards(at, lambda files: tables.read(files, "records", ["id"])["id"]))


def judged_at(folder: StudyFolder, config: EvalConfig, label: str, judge: Judge, subject: str) -> Path:
    """The folder of a judge's judgements of one subject."""
    return folder.judgement(config.name, config.id, judge_folder(label, judge), subject, 0).parent


def write_configs(folder: StudyFolder, configs: Sequence[EvalConfig]) -> None:
    """Writes ``cell.json`` and the items of each config, and shelves configs and judges that are no longer planned.

    Called by one process, before workers respond or judge.
    """
    records = [folder.config(config.name, config.id).root for config in configs]
    judgements = {config.id: folder.judged(config.name, config.id) for config in configs}
    arrange(folder.records, records)
    arrange(folder.judgements, judgements.values())
    for config in configs:
        arrange(judgements[config.id], [judgements[config.id] / judge_folder(*seat) for seat in config.judges.items()])
        at = folder.config(config.name, config.id)
        tables.write(at.items, "items", config.items, measure=config.label, cell=config.id)
        write_json(at.config_json, config.about())


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
