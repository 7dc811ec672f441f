"""How much of the measuring is there: planned minus present, told from the folder alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from holdfast.evals.attackers import Pair
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges.judge import JudgeCost, JudgeModel
from holdfast.evals.judges.ledger import totals
from holdfast.evals.judging import AGAIN
from holdfast.evals.layout import answered_ids, judged_at
from holdfast.evals.respond import rows
from holdfast.evals.subject import Conditions, SubjectRow
from holdfast.store import tables
from holdfast.store.folder import StudyFolder


@dataclass(frozen=True, slots=True)
class Share:
    """Rows that are planned, and those of them that are there."""

    planned: int
    present: int

    @property
    def done(self) -> bool:
        return self.present == self.planned

    def __add__(self, other: Share) -> Share:
        return Share(self.planned + other.planned, self.present + other.present)


def responded(row: SubjectRow, configs: list[EvalConfig], folder: StudyFolder) -> Share:
    """Records of one subject."""
    share = Share(0, 0)
    for config in configs:
        if config.concerns(row):
            share += _share(_planned(row, config, folder), answered_ids(folder, config, row.subject))
    return share


def judged(
    row: SubjectRow,
    configs: list[EvalConfig],
    folder: StudyFolder,
    wants: JudgeModel | Literal["any"] | None = "any",
    again: Collection[str] = AGAIN,
) -> Share:
    """Judgements of one subject, by every judge or by those that want one model. A row that was left unscored for a
    reason that may pass (``again``) is not there yet: it is judged again."""
    share = Share(0, 0)
    for config in configs:
        some = {label: judge for label, judge in config.judges.items() if wants in ("any", judge.wants)}
        if some and config.concerns(row):
            planned = _planned(row, config, folder)
            for label, judge in some.items():
                at = judged_at(folder, config, label, judge, row.subject)
                said = tables.shards(at, lambda files: tables.read(files, "judgements", ["record", "reason"]))
                share += _share(planned, set(said.loc[~said["reason"].isin(again), "record"]))
    return share


def _share(planned: set[str], there: set[str]) -> Share:
    """By id and not by number: a row that is asked otherwise than before is another row."""
    return Share(len(planned), len(planned & there))


def _planned(row: SubjectRow, config: EvalConfig, folder: StudyFolder) -> set[str]:
    """Ids of the rows that a subject will have in an eval config."""
    return {planned.id for planned in rows(config, row.speaker(folder.root), _conditions(row, config))}


def messages(some: Sequence[SubjectRow], configs: Sequence[EvalConfig], folder: StudyFolder) -> list[JudgeCost]:
    """How many messages attackers behind endpoints write at most for the records that are left. Asks nothing."""
    found: list[JudgeCost] = []
    for config in configs:
        attacks = getattr(config.measure, "wrappings", {})
        by = {name: a.endpoint.model for name, a in attacks.items() if isinstance(a, Pair) and a.endpoint}
        for row in (r for r in some if by and config.concerns(r)):
            there, conditions = answered_ids(folder, config, row.subject), _conditions(row, config)
            planned = rows(config, row.speaker(folder.root), conditions)
            left = Counter(r.prompt.attack for r in planned if r.prompt.round > 1 and r.id not in there)
            found += [JudgeCost(model, left[name], 0.0) for name, model in by.items()]
    return totals(found)


def _conditions(row: SubjectRow, config: EvalConfig) -> Conditions | None:
    return row.conditions() if config.own_conditions else None
