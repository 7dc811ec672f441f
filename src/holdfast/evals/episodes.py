"""Conversations of several rounds: what a subject is asked next, from what it answered before.

Every round is a record of its own, planned before anything is answered. The conversation is put together from the
records of the rounds before, those on disk among them, so that a killed run goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from holdfast.data import thinking
from holdfast.data.blank import is_blank
from holdfast.evals.attackers import Attackers, Unwritten
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.layout import answered
from holdfast.evals.planned import UNASKED, UNREADABLE, PlannedRecord
from holdfast.evals.subject import Conditions
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Record, Turn

EMPTY = "..."  # stands for an answer of no words, for templates differ in what they make of an empty turn


def in_rounds(planned: Iterable[PlannedRecord]) -> Iterator[list[PlannedRecord]]:
    """First all that are asked in a first round, then all in a second, …"""
    for _, some in groupby(sorted(planned, key=lambda p: p.prompt.round), key=lambda p: p.prompt.round):
        yield list(some)


def answer_in_conversation(response: str) -> str:
    """What of a response the subject is shown again: the answer, without the thought before it and not decoded."""
    said = thinking.split(response).answer
    return EMPTY if is_blank(said) else said


@dataclass
class Episodes:
    """The conversations of one subject in an eval config."""

    folder: StudyFolder
    config: EvalConfig
    subject: str
    conditions: Conditions | None
    attackers: Attackers
    _made: dict[str, Record] = field(default_factory=dict)

    def add(self, records: Iterable[Record]) -> None:
        """Records that were made just now."""
        self._made |= {record.id: record for record in records}

    def ready(self, planned: Sequence[PlannedRecord]) -> list[PlannedRecord]:
        """Rows of one round, each as ``goes_on`` has it; what attackers have to write for them is written first."""
        ready, wanted = [], []
        for row in planned:
            try:
                ready.append(self.goes_on(row))
            except Unwritten as one:
                wanted.append(one)
        if not wanted:
            return ready
        self.attackers.write(wanted)
        return [self.goes_on(row) for row in planned]

    def goes_on(self, planned: PlannedRecord) -> PlannedRecord:
        """The row with the conversation so far as its request; without a request, and with the reason, where the
        conversation has ended before. Raises ``Unwritten`` where an attacker has to write the turn first."""
        if not planned.before or planned.request is None:
            return planned
        earlier = [self._made.get(id) or self._there[id] for id in planned.before]
        if gone := next((r.finish for r in earlier if r.finish in UNREADABLE), ""):
            return replace(planned, request=None, unasked=gone)
        turns = self.turns(planned, [answer_in_conversation(r.response) for r in earlier])
        if turns is None:
            return replace(planned, request=None, unasked=UNASKED)
        request = replace(planned.request, turns=turns)
        if request.sampling.temperature == 0:  # conversations that are the same so far, of whatever items, are one
            without = request.without.digest if request.without else ""
            request = replace(request, key=digest([request.subject.id, turns, request.sampling, without]))
        return replace(planned, request=request)

    def turns(self, planned: PlannedRecord, answers: list[str]) -> tuple[Turn, ...] | None:
        """What is asked after these answers, in the eval config's format and under the objective's own condition."""
        turns = self.config.measure.conversation(planned.item, planned.prompt.attack, answers, self.attackers.next)
        if turns is None:
            return None
        turns = self.config.put(turns)
        if planned.condition:
            assert self.conditions is not None
            turns = tuple(self.conditions(turns)[planned.condition])
        return turns

    @cached_property
    def _there(self) -> dict[str, Record]:
        return {r.id: r for r in answered(self.folder, self.config, self.subject)}
