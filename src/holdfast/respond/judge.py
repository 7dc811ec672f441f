"""Judging: records → judgements, one per record and judge. Reads what responding left on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from holdfast.judges.contract import Backend, Judge
from holdfast.measures.contract import unscored
from holdfast.respond.cells import Cell
from holdfast.respond.layout import judge_folder
from holdfast.respond.run import Progress, reporter
from holdfast.respond.shards import fill
from holdfast.respond.subjects import SubjectRow
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.words import Item, Judgement, Record, Subject

UNREADABLE = ("overlong", "untranslated")  # a record's ``finish`` where there is nothing to judge
UNDECODED = "undecoded"


def needs_backend(cells: Sequence[Cell]) -> bool:
    """Whether a judge of these cells asks the base model."""
    return any(judge.needs_backend for cell in cells for judge in cell.judges)


def judge_subject(
    row: SubjectRow,
    cells: Sequence[Cell],
    folder: StudyFolder,
    *,
    backend: Backend | None = None,
    base: Subject | None = None,
    progress: Progress = lambda event: None,
) -> None:
    """Judges a subject's records by every judge of their cells. ``backend`` and ``base``: see ``needs_backend``."""
    for cell in cells:
        if cell.concerns(row):
            for judge in cell.judges:
                _judge_cell(row, cell, judge, folder, backend, base, progress)


def _judge_cell(
    row: SubjectRow,
    cell: Cell,
    judge: Judge,
    folder: StudyFolder,
    backend: Backend | None,
    base: Subject | None,
    progress: Progress,
) -> None:
    shards = sorted(folder.cell(cell.name, cell.id).shard(row.subject, 0).parent.glob("*.parquet"))
    records = {r.id: r for shard in shards for r in tables.read_rows(shard, "records", Record)}
    items = {item.id: item for item in cell.items}

    def path(k: int) -> Path:
        return folder.judgement(cell.name, cell.id, judge_folder(judge), row.subject, k)

    def make(missing: Sequence[str]) -> list[Judgement]:
        return judged(judge, cell, [(items[records[i].item], records[i]) for i in missing], backend, base)

    fill(
        path(0).parent,
        "judgements",
        Judgement,
        list(records),
        path,
        make,
        key=lambda judgement: judgement.record,
        # A translation of the response may have come since.
        keep=lambda judgement: judgement.reason != UNDECODED,
        done=reporter(progress, f"judge:{judge.name}", row, cell, len(records)),
    )


def judged(
    judge: Judge, cell: Cell, pairs: Sequence[tuple[Item, Record]], backend: Backend | None, base: Subject | None
) -> list[Judgement]:
    """Judgements in the order of the pairs; the judge sees only records that can be read."""
    verdicts: dict[str, Judgement] = {}
    readable = []
    for item, record in pairs:
        if record.finish in UNREADABLE:
            verdicts[record.id] = unscored(record, judge.name, record.finish)
            continue
        if record.response and not record.plain:
            plain = cell.measure.plain(record.attack, record.response)
            if plain is None:
                verdicts[record.id] = unscored(record, judge.name, UNDECODED)
                continue
            record = replace(record, plain=plain)
        readable.append((item, record))
    answers = judge.judge(readable, backend, base)
    assert [a.record for a in answers] == [r.id for _, r in readable], f"{judge.name} must judge every row, in order"
    verdicts |= {answer.record: answer for answer in answers}
    return [verdicts[record.id] for _, record in pairs]
