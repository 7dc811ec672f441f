"""Judging: records → judgements, one per record and judge. Reads what responding left on disk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from holdfast.data import thinking
from holdfast.data.blank import is_blank
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges.judge import NOTHING, Judge, JudgeCost, JudgeModel, JudgeResources
from holdfast.evals.judges.ledger import totals
from holdfast.evals.layout import answered, judge_id, judged_at
from holdfast.evals.measures.measure import Measure, unscored
from holdfast.evals.planned import UNREADABLE
from holdfast.evals.respond import Progress, plain_answer, reporter
from holdfast.evals.shards import fill
from holdfast.evals.subject import SubjectRow
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Item, Judgement, Record, UserError

UNDECODED = "undecoded"
NO_ANSWER, CUT_OFF = "no_answer", "cut_off"  # labels of responses about which no judge is asked
AGAIN = (UNDECODED, "unanswered")  # reasons that may be gone next time: a translation came, an endpoint is back


def wanted(configs: Sequence[EvalConfig]) -> list[JudgeModel | None]:
    """The local models that the judges of these eval configs ask, each once; None stands for judges that ask none."""
    found = [judge.wants for config in configs for judge in config.judges.values()]
    return [w for n, w in enumerate(found) if w not in found[:n]]


def judge_subject(
    row: SubjectRow,
    configs: Sequence[EvalConfig],
    folder: StudyFolder,
    *,
    wants: JudgeModel | None = None,
    resources: JudgeResources = NOTHING,
    progress: Progress = lambda event: None,
) -> None:
    """Judges a subject's records by those judges of their eval configs that want this model; ``resources`` have it."""
    for config in configs:
        if config.concerns(row):
            for label, judge in config.judges.items():
                if judge.wants == wants:
                    _judge_config(row, config, label, judge, folder, resources, progress)


def costs(
    rows: Sequence[SubjectRow], configs: Sequence[EvalConfig], folder: StudyFolder, resources: JudgeResources
) -> list[JudgeCost]:
    """What the judging that is left costs at most, for each model that is paid for. Asks nothing."""
    found = []
    for config in configs:
        for label, judge in config.judges.items():
            if judge.cost([], resources) is not None:
                mine = [row for row in rows if config.concerns(row)]
                pairs = [pair for row in mine for pair in _left(row, config, label, judge, folder)]
                found.append(judge.cost(pairs, resources))
    return totals(found)


def _left(
    row: SubjectRow, config: EvalConfig, label: str, judge: Judge, folder: StudyFolder
) -> list[tuple[Item, Record]]:
    """The rows of a subject that can be read and are not judged yet."""
    items = {item.id: item for item in config.items}
    at = judged_at(folder, config, label, judge, row.subject)
    said = tables.shards(at, lambda files: tables.read_rows(files, "judgements", Judgement))
    there = {j.record for j in said if j.reason not in AGAIN}
    left = (r for r in answered(folder, config, row.subject) if r.id not in there)
    return readable(judge, config.measure, ((items[r.item], r) for r in left))


def readable(judge: Judge, measure: Measure, pairs: Iterable[tuple[Item, Record]]) -> list[tuple[Item, Record]]:
    """The rows that the judge will be asked about, as it reads them."""
    found = ((item, _readable("", judge, measure, item, record)) for item, record in pairs)
    return [(item, read) for item, read in found if isinstance(read, Record)]


def _judge_config(
    row: SubjectRow,
    config: EvalConfig,
    label: str,
    judge: Judge,
    folder: StudyFolder,
    resources: JudgeResources,
    progress: Progress,
) -> None:
    records = {r.id: r for r in answered(folder, config, row.subject)}
    items = {item.id: item for item in config.items}

    def make(missing: Sequence[str]) -> list[Judgement]:
        return judged(label, judge, config.measure, [(items[records[i].item], records[i]) for i in missing], resources)

    fill(
        judged_at(folder, config, label, judge, row.subject),
        "judgements",
        Judgement,
        list(records),
        make,
        key=lambda judgement: judgement.record,
        keep=lambda judgement: judgement.reason not in AGAIN,
        done=reporter(progress, f"judge:{label}", row, config, len(records)),
    )


def judged(
    label: str, judge: Judge, measure: Measure, pairs: Sequence[tuple[Item, Record]], resources: JudgeResources
) -> list[Judgement]:
    """Judgements in the order of the pairs, signed; the judge sees only records that can be read."""
    verdicts: dict[str, Judgement] = {}
    asked = []
    for item, record in pairs:
        found = _readable(label, judge, measure, item, record)
        if isinstance(found, Judgement):
            verdicts[record.id] = found
        else:
            asked.append((item, found))
    answers = judge.judge(asked, resources) if asked else []
    assert [a.record for a in answers] == [r.id for _, r in asked], f"{judge.name} must judge every row, in order"
    summary = getattr(measure, "summary", None)  # responses from anywhere have none
    if judge.name != "own" or (summary and summary.threshold):  # a measure's own rule may count in another unit
        beyond = next((a.score for a in answers if a.score is not None and not 0 <= a.score <= 1), None)
        if beyond is not None:
            raise UserError(f"the judge {label} gives the score {beyond:g}, which lies outside 0 to 1; mend the judge")
    verdicts |= {answer.record: answer for answer in answers}
    rubric = digest(judge.rubric) if judge.rubric else ""
    id = judge_id(judge)
    return [replace(verdicts[record.id], judge=label, judge_id=id, rubric=rubric) for _, record in pairs]


def _readable(label: str, judge: Judge, measure: Measure, item: Item, record: Record) -> Record | Judgement:
    """The record as a judge reads it, decoded and without its thought; or the judgement of one that cannot be read, was
    cut off while it thought, or says nothing, which is the same for every judge."""
    if record.finish in UNREADABLE:
        return unscored(record, label, record.finish)
    if record.continuations:
        return record
    plain = record.plain or plain_answer(measure, record.attack, record.response)
    if plain is None:
        return unscored(record, label, UNDECODED)
    written, read = thinking.split(record.response), thinking.split(plain)
    if not (written.closed and read.closed):
        return Judgement(record.id, label, None, CUT_OFF, "cut off")
    if is_blank(read.answer):
        score = judge.silence(item)
        return Judgement(record.id, label, score, NO_ANSWER, "no answer" if score is None else None)
    return record if read.answer == record.plain else replace(record, plain=read.answer)
