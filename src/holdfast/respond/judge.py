"""Judging: records → judgements, one per record and judge. Reads what responding left on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from holdfast.judges.contract import NOTHING, Cost, Desk, Judge, Wants
from holdfast.judges.ledger import totals
from holdfast.measures.contract import Measure, unscored
from holdfast.respond.cells import Cell
from holdfast.respond.layout import answered, judge_id, judged_at
from holdfast.respond.run import Progress, reporter
from holdfast.respond.shards import fill
from holdfast.respond.subjects import SubjectRow
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder, present
from holdfast.words import Item, Judgement, Record

UNREADABLE = ("overlong", "untranslated")  # a record's ``finish`` where there is nothing to judge
UNDECODED = "undecoded"
AGAIN = (UNDECODED, "unanswered")  # reasons that may be gone next time: a translation came, an endpoint is back


def wanted(cells: Sequence[Cell]) -> list[Wants | None]:
    """The local models that the judges of these cells ask, each once; None stands for judges that ask none."""
    found = [judge.wants for cell in cells for judge in cell.judges.values()]
    return [w for n, w in enumerate(found) if w not in found[:n]]


def judge_subject(
    row: SubjectRow,
    cells: Sequence[Cell],
    folder: StudyFolder,
    *,
    wants: Wants | None = None,
    desk: Desk = NOTHING,
    progress: Progress = lambda event: None,
) -> None:
    """Judges a subject's records by those judges of their cells that want this model; ``desk`` has it."""
    for cell in cells:
        if cell.concerns(row):
            for label, judge in cell.judges.items():
                if judge.wants == wants:
                    _judge_cell(row, cell, label, judge, folder, desk, progress)


def costs(rows: Sequence[SubjectRow], cells: Sequence[Cell], folder: StudyFolder, desk: Desk) -> list[Cost]:
    """What the judging that is left costs at most, for each model that is paid for. Asks nothing."""
    found = []
    for cell in cells:
        for label, judge in cell.judges.items():
            if judge.cost([], desk) is not None:
                mine = [row for row in rows if cell.concerns(row)]
                pairs = [pair for row in mine for pair in _left(row, cell, label, judge, folder)]
                found.append(judge.cost(pairs, desk))
    return totals(found)


def _left(row: SubjectRow, cell: Cell, label: str, judge: Judge, folder: StudyFolder) -> Iterable[tuple[Item, Record]]:
    """The rows of a subject that can be read and are not judged yet."""
    items = {item.id: item for item in cell.items}
    said = tables.read_rows(present(judged_at(folder, cell, label, judge, row.subject)), "judgements", Judgement)
    there = {j.record for j in said if j.reason not in AGAIN}
    for record in answered(folder, cell, row.subject):
        readable = _readable(cell.measure, record)
        if record.id not in there and not isinstance(readable, str):
            yield items[record.item], readable


def _judge_cell(
    row: SubjectRow, cell: Cell, label: str, judge: Judge, folder: StudyFolder, desk: Desk, progress: Progress
) -> None:
    records = {r.id: r for r in answered(folder, cell, row.subject)}
    items = {item.id: item for item in cell.items}

    def make(missing: Sequence[str]) -> list[Judgement]:
        return judged(label, judge, cell.measure, [(items[records[i].item], records[i]) for i in missing], desk)

    fill(
        judged_at(folder, cell, label, judge, row.subject),
        "judgements",
        Judgement,
        list(records),
        make,
        key=lambda judgement: judgement.record,
        keep=lambda judgement: judgement.reason not in AGAIN,
        done=reporter(progress, f"judge:{label}", row, cell, len(records)),
    )


def judged(
    label: str, judge: Judge, measure: Measure, pairs: Sequence[tuple[Item, Record]], desk: Desk
) -> list[Judgement]:
    """Judgements in the order of the pairs, signed; the judge sees only records that can be read."""
    verdicts: dict[str, Judgement] = {}
    readable = []
    for item, record in pairs:
        found = _readable(measure, record)
        if isinstance(found, str):
            verdicts[record.id] = unscored(record, label, found)
        else:
            readable.append((item, found))
    answers = judge.judge(readable, desk)
    assert [a.record for a in answers] == [r.id for _, r in readable], f"{judge.name} must judge every row, in order"
    verdicts |= {answer.record: answer for answer in answers}
    rubric = digest(judge.rubric) if judge.rubric else ""
    id = judge_id(judge)
    return [replace(verdicts[record.id], judge=label, judge_id=id, rubric=rubric) for _, record in pairs]


def _readable(measure: Measure, record: Record) -> Record | str:
    """The record with its response decoded, or the reason why a judge cannot read it."""
    if record.finish in UNREADABLE:
        return record.finish
    if record.response and not record.plain:
        plain = measure.plain(record.attack, record.response)
        return UNDECODED if plain is None else replace(record, plain=plain)
    return record
