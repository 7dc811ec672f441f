"""Responding: subjects × items → records. Only what is missing is asked, and a killed run ends with the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

from holdfast.data import thinking
from holdfast.data.blank import is_blank
from holdfast.evals.attackers import Attackers
from holdfast.evals.episodes import Episodes, in_rounds
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges import judge
from holdfast.evals.layout import answered
from holdfast.evals.measures.measure import Measure
from holdfast.evals.planned import OVERLONG, PlannedRecord
from holdfast.evals.shards import fill
from holdfast.evals.subject import Conditions, SubjectRow
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Prompt, Read, Record, Request, Response, Sampling, Scored, Subject, Turn

Progress = Callable[[dict[str, Any]], None]
Answer = Response | Scored | Read
Ways = Mapping[tuple[str, ...], tuple[str, ...]]  # the continuations of an ask → those that are asked for


class SubjectBackend(judge.JudgeBackend, Protocol):
    """As much of a backend as responding uses: what judges use of it, readings, and the check of an adapter."""

    def read(self, requests: Sequence[Request]) -> Iterator[Read]: ...

    def assert_live(self, subject: Subject, turns: tuple[Turn, ...]) -> None: ...


class Encodes(Protocol):
    """As much of the renderer as responding uses."""

    def continuation_ids(self, text: str) -> tuple[int, ...]: ...


def respond_subject(
    backend: SubjectBackend,
    tokens: Encodes,
    row: SubjectRow,
    configs: Sequence[EvalConfig],
    folder: StudyFolder,
    progress: Progress = lambda event: None,
    others: Sequence[SubjectRow] = (),
    attackers: Attackers | None = None,
) -> None:
    """Asks one subject all that is missing of the eval configs that concern it. ``tokens``: the subject's renderer.

    ``others`` have answered all of theirs before: what the first of them that a config concerns said is the draft.
    ``attackers``: who asks models that attack; None: nobody does.
    Before the first request to an adapter, checks that it is live (changes the base's logits); the control run
    ``noop`` is meant not to be. Raises what the backend raises.
    """
    live = Live.of(backend, row, folder)
    for config in configs:
        if config.concerns(row):
            source = next((other for other in others if config.concerns(other)), None)
            _respond_config(live, tokens, row, config, folder, progress, source, attackers)


@dataclass
class Live:
    """A backend whose adapter is checked, once, before the first request."""

    backend: SubjectBackend
    subject: Subject
    checked: bool

    @staticmethod
    def of(backend: SubjectBackend, row: SubjectRow, folder: StudyFolder) -> Live:
        subject = row.speaker(folder.root)
        return Live(backend, subject, checked=subject.adapter is None or row.bracket == "noop")

    def asked(self, turns: tuple[Turn, ...]) -> SubjectBackend:
        if not self.checked:
            self.backend.assert_live(self.subject, turns)
            self.checked = True
        return self.backend


def _respond_config(
    live: Live,
    tokens: Encodes,
    row: SubjectRow,
    config: EvalConfig,
    folder: StudyFolder,
    progress: Progress,
    source: SubjectRow | None,
    attackers: Attackers | None,
) -> None:
    conditions = row.conditions() if config.own_conditions else None
    plan = {r.id: r for r in rows(config, live.subject, conditions)}
    drafts, attackers = Drafts(folder, config, source), attackers or Attackers(folder.judge_cache)
    episodes = Episodes(folder, config, live.subject.id, conditions, attackers)
    fill(
        folder.config(config.name, config.id).of(live.subject.id),
        "records",
        Record,
        list(plan),
        lambda missing: _records(live, tokens, config, episodes, [drafts.of(plan[i]) for i in missing]),
        key=lambda record: record.id,
        turn=lambda id: plan[id].prompt.round,
        done=reporter(progress, "respond", row, config, len(plan)),
    )


@dataclass
class Drafts:
    """What one other subject answered to the same prompts, read when it is first wanted."""

    folder: StudyFolder
    config: EvalConfig
    source: SubjectRow | None

    @cached_property
    def _said(self) -> dict[tuple[str, str, str, int], str]:
        if self.source is None:
            return {}
        said = answered(self.folder, self.config, self.source.subject)
        return {(r.item, r.attack, r.format, r.sample): r.response for r in said if r.response}

    def of(self, row: PlannedRecord) -> PlannedRecord:
        """The row, its request with its draft."""
        if row.request is None or not row.prompt.generates:
            return row
        draft = self._said.get((row.item.id, row.prompt.attack, row.prompt.format, row.sample))
        return row if draft is None else replace(row, request=replace(row.request, drafts=(draft,)))


def rows(config: EvalConfig, subject: Subject, conditions: Conditions | None) -> Iterator[PlannedRecord]:
    """The planned rows of a subject in an eval config: item by item, so that a larger limit adds shards at the end."""
    for item in config.items:
        rounds: dict[tuple[str, str, int], tuple[str, ...]] = {}
        for prompt, condition in _under(config.prompts_for(item), conditions):
            for sample in range(config.sampling.samples if prompt.generates else 1):
                key = request_key(subject, prompt, config.sampling, sample)
                request = _request(key, subject, prompt, config.sampling) if prompt.turns else None
                record = digest([key, config.id, item.id, prompt.attack, prompt.format, sample])
                episode = (prompt.attack, condition, sample)
                before = rounds.get(episode, ()) if prompt.round > 1 else ()
                assert len(before) == prompt.round - 1, "a round is planned after those before it"
                rounds[episode] = (*before, record)
                yield PlannedRecord(record, subject, item, prompt, sample, request, condition, before)


def _request(key: str, subject: Subject, prompt: Prompt, sampling: Sampling) -> Request:
    return Request(
        key,
        subject,
        prompt.turns,
        prompt.continuations,
        sampling,
        direction=prompt.direction,
        without=prompt.without,
        soft=prompt.soft,
    )


def how_many(config: EvalConfig, conditions: Conditions | None) -> int:
    """The number of ``rows``, which is every subject's that is asked in these ways."""
    prompts = (prompt for item in config.items for prompt, _ in _under(config.prompts_for(item), conditions))
    return sum(config.sampling.samples if prompt.generates else 1 for prompt in prompts)


def request_key(subject: Subject, prompt: Prompt, sampling: Sampling, sample: int) -> str:
    """Digest of all that determines an answer. ``subject.id`` covers base, adapter weights and template; what was
    answered in earlier rounds is determined by the same, so that a later one has its key before they are asked."""
    how: dict[str, Any] = {"continuations": prompt.continuations}
    if prompt.direction is not None:
        how["read"] = prompt.direction.digest
    elif prompt.generates:
        how = {k: getattr(sampling, k) for k in ("max_new_tokens", "temperature", "top_p", "seed")} | {"sample": sample}
    if prompt.without is not None:
        how["without"] = prompt.without.digest
    if prompt.soft is not None:
        how["soft"] = prompt.soft.digest
    if prompt.round > 1 or (prompt.episode and sampling.temperature > 0):  # what is drawn is drawn for each item
        how |= {"round": prompt.round, "episode": prompt.episode}
    return digest({"subject": subject.id, "turns": prompt.turns, "how": how})


def distinct(tokens: Encodes, continuations: Sequence[str]) -> tuple[str, ...]:
    """The continuations less those whose tokens begin with another's: their probability is part of that one's."""
    ids = [tokens.continuation_ids(c) for c in continuations]
    kept = []
    for n, mine in enumerate(ids):
        assert mine, "a continuation without tokens"
        inside = any(mine[: len(other)] == other and (len(other) < len(mine) or m < n) for m, other in enumerate(ids))
        if not inside:
            kept.append(continuations[n])
    return tuple(kept)


def _under(prompts: Iterable[Prompt], conditions: Conditions | None) -> Iterator[tuple[Prompt, str]]:
    """Each as it is (""), and under each of the objective's own conditions, by its label."""
    for prompt in prompts:
        yield prompt, ""
        if conditions and prompt.turns:
            for label, turns in conditions(prompt.turns).items():
                # ``measure.way`` takes the two apart again.
                format = label if prompt.format == "default" else f"{prompt.format}+{label}"
                yield replace(prompt, turns=tuple(turns), format=format), label


def _records(
    live: Live, tokens: Encodes, config: EvalConfig, episodes: Episodes, wanted: Sequence[PlannedRecord]
) -> list[Record]:
    """Round by round: the records of one are in the conversations of the next."""
    made: dict[str, Record] = {}
    for planned in in_rounds(wanted):
        some = episodes.ready(planned)
        ways = alternatives(tokens, config, some)
        said: dict[str, Answer] = {}
        for how, asked in requests(ways, some).items():
            said |= {answer.key: answer for answer in getattr(live.asked(asked[0].turns), how)(asked)}
        records = records_of(config, some, said, ways)
        episodes.add(records)
        made |= {r.id: r for r in records}
    return [made[r.id] for r in wanted]


def records_of(
    config: EvalConfig, wanted: Sequence[PlannedRecord], said: Mapping[str, Answer], ways: Ways
) -> list[Record]:
    """The records of what was said, by key, to the requests of these rows."""
    return [_record(config, r, said[r.request.key] if r.request else None, ways) for r in wanted]


def alternatives(tokens: Encodes, config: EvalConfig, wanted: Sequence[PlannedRecord]) -> Ways:
    """The continuations that are asked for in place of each ask's own."""
    forms = {r.prompt.continuations for r in wanted}
    return {c: distinct(tokens, c) if config.measure.alternatives else c for c in forms}


def requests(ways: Ways, wanted: Sequence[PlannedRecord]) -> dict[str, list[Request]]:
    """What is asked for these rows, by the backend's method: to ``generate``, to ``score``, to ``read``."""
    # By key: two rows may ask the very same thing (an objective's condition that changes nothing).
    asked = {r.request.key: (r.request, r.prompt) for r in wanted if r.request}
    by: dict[str, list[Request]] = {"generate": [], "score": [], "read": []}
    for request, prompt in asked.values():
        if prompt.generates:
            by["generate"].append(request)
        elif prompt.direction is not None:
            by["read"].append(request)
        else:
            by["score"].append(replace(request, continuations=ways[prompt.continuations]))
    return {how: some for how, some in by.items() if some}


def _record(config: EvalConfig, r: PlannedRecord, answer: Answer | None, ways: Ways) -> Record:
    def record(finish: str, **rest: Any) -> Record:
        said: dict[str, Any] = {"response": "", "plain": "", "n_tokens": 0} | rest
        return Record(
            r.id,
            r.subject.id,
            config.label,
            r.item.id,
            r.prompt.attack,
            r.prompt.format,
            r.sample,
            finish=finish,
            **said,
        )

    if answer is None:
        return record(r.unasked)
    if isinstance(answer, Read):
        return record(answer.finish, continuations=answer.names, logps=answer.values)
    if isinstance(answer, Scored):
        if not answer.logps:
            return record(OVERLONG)
        asked = ways[r.prompt.continuations]
        return record("scored", n_tokens=sum(answer.n_tokens), continuations=asked, logps=tuple(answer.logps))
    plain = plain_answer(config.measure, r.prompt.attack, answer.text)
    return record(answer.finish, response=answer.text, plain=plain or "", n_tokens=answer.n_tokens)


def plain_answer(measure: Measure, attack: str, response: str) -> str | None:
    """The answer of a response as a judge reads it: without the thought before it, decoded; None where it cannot be."""
    answer = thinking.split(response).answer
    return answer if is_blank(answer) else measure.plain(attack, answer)


def reporter(progress: Progress, stage: str, row: SubjectRow, config: EvalConfig, total: int) -> Callable[[int], None]:
    """Tells how many of an eval config's rows are done, after each shard."""
    about = {"stage": stage, "subject": row.subject, "label": row.label, "cell": config.name, "total": total}
    return lambda done: progress({**about, "done": done})
