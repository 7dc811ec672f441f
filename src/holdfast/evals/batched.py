"""Several subjects of one model asked together, for an engine that serves many adapters in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.layout import answered_ids
from holdfast.evals.respond import (
    Encodes,
    Live,
    PlannedRecord,
    Progress,
    SubjectBackend,
    alternatives,
    requests,
    respond_subject,
    rows,
)
from holdfast.evals.subject import SubjectRow
from holdfast.store.folder import StudyFolder
from holdfast.types import Request, Response, Scored, Subject, Turn


def respond_together(
    backend: SubjectBackend,
    tokens: Encodes,
    subjects: Sequence[SubjectRow],
    configs: Sequence[EvalConfig],
    folder: StudyFolder,
    progress: Progress = lambda event: None,
) -> None:
    """As ``respond_subject`` of each, but all that is missing of a config goes out in one call. The same records come
    of it; a run that is killed loses an eval config's answers instead of a shard's."""
    live = {row.subject: Live.of(backend, row, folder) for row in subjects}
    for config in configs:
        mine = [row for row in subjects if config.concerns(row)]
        missing = {row.subject: _missing(config, row, folder) for row in mine}
        wanted = [r for some in missing.values() for r in some]
        for some in missing.values():
            if asked := [r.request for r in some if r.request]:
                live[asked[0].subject.id].asked(asked[0].turns)
        generate, score = requests(alternatives(tokens, config, wanted), wanted)
        said: dict[str, Any] = {response.key: response for response in backend.generate(generate)} if generate else {}
        said |= {scored.key: scored for scored in backend.score(score)} if score else {}
        for row in mine:
            respond_subject(_Answered(said), tokens, row, [config], folder, progress)


def _missing(config: EvalConfig, row: SubjectRow, folder: StudyFolder) -> list[PlannedRecord]:
    there = answered_ids(folder, config, row.subject)
    conditions = row.conditions() if config.own_conditions else None
    return [r for r in rows(config, row.speaker(folder.root), conditions) if r.id not in there]


@dataclass(frozen=True)
class _Answered:
    """A backend that has answered already; adapters have been checked to be live."""

    said: Mapping[str, Any]

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]:
        return (self.said[r.key] for r in requests)

    def score(self, requests: Sequence[Request]) -> Iterator[Scored]:
        return (self.said[r.key] for r in requests)

    def assert_live(self, subject: Subject, turns: tuple[Turn, ...]) -> None:
        pass
