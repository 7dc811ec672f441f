"""Several subjects of one model asked together, for an engine that serves many adapters in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.evals.attackers import Attackers
from holdfast.evals.episodes import Episodes, in_rounds
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.layout import answered_ids
from holdfast.evals.planned import PlannedRecord
from holdfast.evals.respond import (
    Encodes,
    Live,
    Progress,
    SubjectBackend,
    alternatives,
    records_of,
    requests,
    respond_subject,
    rows,
)
from holdfast.evals.subject import Conditions, SubjectRow
from holdfast.store.folder import StudyFolder
from holdfast.types import Read, Request, Response, Scored, Subject, Turn


def respond_together(
    backend: SubjectBackend,
    tokens: Encodes,
    subjects: Sequence[SubjectRow],
    configs: Sequence[EvalConfig],
    folder: StudyFolder,
    progress: Progress = lambda event: None,
    attackers: Attackers | None = None,
) -> None:
    """As ``respond_subject`` of each, but all that is missing of a config goes out in one call (one each round). The
    same records come of it; a run that is killed loses an eval config's answers instead of a shard's."""
    live = {row.subject: Live.of(backend, row, folder) for row in subjects}
    for config in configs:
        mine = [row for row in subjects if config.concerns(row)]
        own = {row.subject: row.conditions() if config.own_conditions else None for row in mine}
        by = attackers or Attackers(folder.judge_cache)
        episodes = {who: Episodes(folder, config, who, conditions, by) for who, conditions in own.items()}
        said: dict[str, Any] = {}
        for planned in in_rounds(r for row in mine for r in _missing(config, row, folder, own[row.subject])):
            by_subject: dict[str, list[PlannedRecord]] = {}
            for one in planned:
                by_subject.setdefault(one.subject.id, []).append(one)
            wanted = [r for who, some in by_subject.items() for r in episodes[who].ready(some)]
            for request in (r.request for r in wanted if r.request):
                live[request.subject.id].asked(request.turns)
            ways = alternatives(tokens, config, wanted)
            for how, asked in requests(ways, wanted).items():
                said |= {answer.key: answer for answer in getattr(backend, how)(asked)}
            for record in records_of(config, wanted, said, ways):
                episodes[record.subject].add([record])
        for row in mine:
            respond_subject(_Answered(said), tokens, row, [config], folder, progress, attackers=by)


def _missing(
    config: EvalConfig, row: SubjectRow, folder: StudyFolder, conditions: Conditions | None
) -> list[PlannedRecord]:
    there = answered_ids(folder, config, row.subject)
    return [r for r in rows(config, row.speaker(folder.root), conditions) if r.id not in there]


@dataclass(frozen=True)
class _Answered:
    """A backend that has answered already; adapters have been checked to be live."""

    said: Mapping[str, Any]

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        return (self.said[r.key] for r in requests)

    def score(self, requests: Sequence[Request]) -> Iterator[Scored]:
        return (self.said[r.key] for r in requests)

    def read(self, requests: Sequence[Request]) -> Iterator[Read]:
        return (self.said[r.key] for r in requests)

    def assert_live(self, subject: Subject, turns: tuple[Turn, ...]) -> None:
        pass
