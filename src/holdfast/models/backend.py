"""Who answers: requests to responses and log-probs. The protocol, and the backend in this process.

The base is held once; adapters are switched, requests grouped by subject. Responses come in any order, by key.
"""

from __future__ import annotations

import collections.abc as abc
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from holdfast.models import adapters, cache, directions, finite, head, memory, prefixes, ragged, reading, soft_prompt
from holdfast.models.cache import Past, Pasts
from holdfast.models.decoding import Decoded, DecodingPrompt, decode
from holdfast.models.identity import subject_id
from holdfast.models.layouts import Batch, Layout, arrange, micro_batches
from holdfast.models.network import Network
from holdfast.models.prefixes import Ids
from holdfast.store.adapter_files import adapter_digest
from holdfast.types import (
    Direction,
    Read,
    Request,
    Response,
    Scored,
    Segment,
    Sequence,
    SoftPrompt,
    Subject,
    Turn,
    UserError,
)

FEW = 8  # positions whose logits the check of an adapter compares


class Backend(Protocol):
    """Generates and scores for subjects. ``identity`` is what a subject's id must be."""

    def identity(self, subject: Subject) -> str: ...

    def generate(self, requests: abc.Iterable[Request]) -> Iterator[Response]:
        """One response for each request, in any order."""
        ...

    def score(self, requests: abc.Iterable[Request]) -> Iterator[Scored]:
        """Log-probs of each request's continuations, in any order of requests."""
        ...

    def read(self, requests: abc.Iterable[Request]) -> Iterator[Read]:
        """Numbers of hidden states along each request's direction, in any order; of backends that can be asked for
        them."""
        ...


class NotLive(UserError):
    """An adapter that changes nothing: what would be measured is the base."""


class InProcess:
    """transformers and PEFT in this process, over one base model.

    ``batch_tokens`` bounds the positions of a batch, prompts and room for responses together, and ``batch_rows`` its
    rows: a bound on memory that changes no answer but by rounding. By default it is what ``memory`` finds; a batch
    that is too large all the same is halved. What prompts begin with alike is run once (see ``prefixes``). A subject
    whose logits are not finite ends in a ``UserError`` with its name: it has no answer, which is not a safe one.
    """

    def __init__(self, network: Network, *, batch_tokens: int | None = None, batch_rows: int = 256):
        self.network, self.batch_rows = network, batch_rows
        self.batch_tokens = batch_tokens or memory.batch_tokens(network)
        self._loaded: str | None = None  # the digest of the adapter in the network
        self._scoring: dict[bool, tuple[head.HeadKind, Layout]] = {}  # by whether an adapter is on the head
        self._goes_on: bool | None = None  # whether rows can go on from a prefix
        self._goes_apart: bool | None = None  # whether rows can go on by unequal numbers of tokens
        self._soft: dict[tuple[Subject, str], Tensor] = {}  # soft prompts, of whom
        self.near_ties = 0

    def identity(self, subject: Subject) -> str:
        """The digest of base, adapter weights and template, from the files as they are now."""
        return subject_id(self.network.digest, self.network.renderer.digest, subject.adapter)

    def generate(self, requests: abc.Iterable[Request]) -> Iterator[Response]:
        renderer = self.network.renderer
        for subject, altered, group in _apart(requests):
            prompts, turns = [], {r.key: r.turns for r in group}
            for r in group:
                s = r.sampling
                ids = soft_prompt.ids(self.network, r.turns, r.soft) if r.soft else renderer.asked_ids(r.turns)
                prompt = DecodingPrompt(r.key, ids, s.max_new_tokens, s.temperature, s.top_p)
                # Not cut to fit: an answer to a part of a question is none. The row is counted as unscored.
                if len(prompt.ids) + s.max_new_tokens > self.network.max_positions:
                    yield Response(r.key, "", 0, "overlong")
                else:
                    prompts.append(prompt)
            lengths = [0] * len(prompts) if altered.soft else self._shared([prompt.ids for prompt in prompts])
            drafts = self._drafts(group)
            prompts = [
                replace(prompt, shared=n, drafts=drafts.get(prompt.key, ()))
                for prompt, n in zip(prompts, lengths, strict=True)
            ]
            pasts = Pasts(self.network)
            for batch in self._batches(prompts):
                answers = memory.halving(partial(self._decoded, subject, altered, pasts), batch, self.network.spec.name)
                for prompt, answer in zip(batch, answers, strict=True):
                    self.near_ties += answer.near
                    text = renderer.answer(turns[prompt.key], answer.ids)
                    yield Response(prompt.key, text, len(answer.ids), answer.finish)

    def score(self, requests: abc.Iterable[Request]) -> Iterator[Scored]:
        """The prompt is run once for all its continuations, and of each continuation all but its last token."""
        for subject, group in _by_subject(requests).items():
            asked, rows = [], []
            for r in group:
                row = self._sequences(r)
                if max(len(s.ids) for s in row) > self.network.max_positions:
                    yield Scored(r.key, (), ())
                else:
                    asked.append(r)
                    rows.append(row)
            if not rows:
                continue
            kind, layout = self._way(subject, rows)
            pasts = Pasts(self.network)
            for prefix, members in self._by_prefix(rows, layout).items():
                cut = [
                    [replace(s, ids=s.ids[len(prefix) :], start=s.start - len(prefix)) for s in rows[i]]
                    for i in members
                ]
                for part in micro_batches(cut, layout, self.batch_tokens, len(prefix)):
                    work = partial(self._logps, subject, pasts, prefix, kind, layout)
                    answers = memory.halving(work, [cut[i] for i in part], self.network.spec.name)
                    for i, logps in zip(part, answers, strict=True):
                        r = asked[members[i]]
                        yield Scored(r.key, logps, tuple(len(s.response_ids) for s in cut[i]))

    def read(self, requests: abc.Iterable[Request]) -> Iterator[Read]:
        """Where each request's hidden states lie along its direction, which is found on the base, and how far they are
        from the base's, by layer."""
        names = directions.names(self.network)
        for subject, group in _by_subject(requests).items():
            by: dict[str, tuple[Direction, dict[str, Sequence]]] = {}
            for r in group:
                assert r.direction is not None, "nothing to be read"
                row = directions.sequence(self.network, r.turns, *r.continuations)
                if subject.model != self.network.spec.name:  # a whole model that was given: its base is not here
                    yield Read(r.key, finish="another_base")
                elif len(row.ids) > self.network.max_positions:
                    yield Read(r.key, finish="overlong")
                else:
                    by.setdefault(r.direction.digest, (r.direction, {}))[1][r.key] = row
            for direction, rows in by.values():
                work = partial(self._read, subject, direction)
                answers = reading.in_batches(
                    work, list(rows.values()), self.network, self.batch_tokens, self.batch_rows
                )
                for key, values in zip(rows, answers, strict=True):
                    yield Read(key, names, values)

    def _read(self, subject: Subject, direction: Direction, rows: list[Sequence]) -> list[tuple[float, ...]]:
        with self._as(subject):
            found = directions.found(self.network, direction)
            return directions.read(self.network, found, rows, adapted=subject.adapter is not None)

    def _altered(self, subject: Subject, altered: Altered) -> AbstractContextManager[None]:
        """As the subject, altered as an attack has it that sees inside."""
        without, soft = altered
        if without is not None:
            return directions.without(self.network, directions.found(self.network, without))
        if soft is None:
            return nullcontext()
        if (key := (subject, soft.digest)) not in self._soft:
            self._soft = {key: soft_prompt.found(self.network, soft)}  # one is asked after the other
        return soft_prompt.put(self.network, self._soft[key])

    @torch.no_grad()
    def assert_live(self, subject: Subject, turns: tuple[Turn, ...]) -> None:
        """Raises ``NotLive`` where the adapter's logits are the base's."""
        if subject.adapter is None:
            return
        ids = self.network.renderer.asked_ids(turns)
        ids_1L = torch.tensor([ids], device=self.network.device)
        positions_1L = torch.arange(len(ids), device=self.network.device).unsqueeze(0)
        with self._as(subject):
            own = self.network.own_logits(self.network.body(ids_1L, positions_1L)[0, -FEW:])
            with adapters.off(self.network):
                base = self.network.own_logits(self.network.body(ids_1L, positions_1L)[0, -FEW:])
            finite.check_chosen(own, own.argmax(-1))
        if torch.equal(own, base):
            raise NotLive(
                f"the adapter at {subject.adapter} is not live: its logits equal the base model's, so what would be "
                "measured is the base"
            )

    @contextmanager
    def _as(self, subject: Subject) -> Iterator[None]:
        """Within it the network is that subject, and a number that is not finite is said to be its."""
        name, adapter = self.network.spec.name, subject.adapter
        who = f"the model {name}" if adapter is None else f"the adapter at {adapter}, on {name},"
        if adapter is None:
            if not self._plain_head():  # the base is asked in one way, whoever was asked before it
                self._loaded = None
                adapters.detach(self.network)
        elif (
            self._loaded != (wanted := adapter_digest(adapter)) or self.network.trained is None
        ):  # runs are trained on it
            self._loaded = None
            adapters.load(self.network, adapter)
            self._loaded = wanted
        with finite.naming(who, self.network.model), nullcontext() if adapter else adapters.off(self.network):
            yield

    def _batches(self, prompts: abc.Sequence[DecodingPrompt]) -> Iterator[list[DecodingPrompt]]:
        """Prompts with one prefix side by side, and sorted by length, so that little is padding; the longest first."""
        batch: list[DecodingPrompt] = []
        room: tuple[int, ...] = (0, 0, 0)  # columns of prefixes, of what is left of the prompts, of responses
        for prompt in sorted(prompts, key=lambda p: (-p.max_new_tokens, -p.shared, p.prefix, -len(p.ids), p.key)):
            own = prompt.shared, len(prompt.ids) - prompt.shared, prompt.max_new_tokens
            wider = tuple(map(max, room, own))
            if batch and (sum(wider) * (len(batch) + 1) > self.batch_tokens or len(batch) == self.batch_rows):
                yield batch
                batch, wider = [], own
            batch.append(prompt)
            room = wider
        if batch:
            yield batch

    def _decoded(self, subject: Subject, altered: Altered, pasts: Pasts, batch: list[DecodingPrompt]) -> list[Decoded]:
        renderer = self.network.renderer
        with self._as(subject), self._altered(subject, altered):
            before = pasts.of(prompt.prefix for prompt in batch)
            return decode(self.network, batch, renderer.end_ids, renderer.pad_id, before)

    def _shared(self, prompts: abc.Sequence[Ids]) -> list[int]:
        """How much of each prompt is a prefix; nothing where this model cannot go on from one, which is tried once."""
        lengths = prefixes.plan(prompts)
        if any(lengths) and self._goes_on is None:
            some = min((i for i, n in enumerate(lengths) if n), key=lambda i: len(prompts[i]))
            try:
                cache.check(self.network, prompts[some], lengths[some])
                self._goes_on = True
            except UserError:
                self._goes_on = False
        return lengths if self._goes_on else [0] * len(prompts)

    def _drafts(self, requests: abc.Sequence[Request]) -> dict[str, tuple[Ids, ...]]:
        """The ids of requests' drafts by key; none where this model's rows cannot go on apart, which is tried once."""
        found = {r.key: ids for r in requests if r.drafts and (ids := self._draft_ids(r))}
        if found and self._goes_apart is None:
            try:
                ragged.check(self.network, next(iter(found.values()))[0])
                self._goes_apart = True
            except UserError:
                self._goes_apart = False
        return found if self._goes_apart else {}

    def _draft_ids(self, request: Request) -> tuple[Ids, ...]:
        renderer = self.network.renderer
        begun = renderer.begun_ids(request.turns)  # others' answers hold it, too
        drafts = map(renderer.continuation_ids, request.drafts)
        return tuple(filter(None, (ids[len(begun) :] for ids in drafts if ids[: len(begun)] == begun)))

    def _by_prefix(self, rows: abc.Sequence[list[Sequence]], layout: Layout) -> dict[Ids, list[int]]:
        """Which rows go on from which prefix, or from none."""
        prompts = [row[0].prompt_ids for row in rows]
        lengths = self._shared(prompts) if layout == "shared" else [0] * len(prompts)
        groups: dict[Ids, list[int]] = {}
        for i, (prompt, n) in enumerate(zip(prompts, lengths, strict=True)):
            groups.setdefault(prompt[:n], []).append(i)
        return groups

    def _sequences(self, request: Request) -> list[Sequence]:
        renderer = self.network.renderer
        prompt = renderer.asked_ids(request.turns)
        sequences = []
        for text in request.continuations:
            ids = renderer.continuation_ids(text)
            if not ids:
                raise UserError(f"the continuation {text!r} holds no token and cannot be scored")
            sequences.append(Sequence(prompt + ids, len(prompt), Segment(request.key, "chosen", request.turns, text)))
        return sequences

    def _way(self, subject: Subject, rows: list[list[Sequence]]) -> tuple[head.HeadKind, Layout]:
        """The fast head and layout where they are right for this model, else plain ones; tried once, on a few."""
        with self._as(subject):
            adapted = not self._plain_head()
            if adapted not in self._scoring:
                some = [s for row in sorted(rows, key=lambda row: len(row[0].ids))[:2] for s in row[:2]]
                batch = arrange(some, "shared", self.network.renderer.pad_id, self.network.device)
                try:
                    head.check_reading(self.network, batch)
                    self._scoring[adapted] = "frozen", "shared"
                except UserError:
                    # Slower, and right for any architecture. An adapter on the head is tried apart: its head is no
                    # frozen one.
                    self._scoring[adapted] = "full", "padded"
        return self._scoring[adapted]

    def _plain_head(self) -> bool:
        """Whether no adapter that is in the network, on or off, is one on the head."""
        layers = {} if self.network.trained is None else self.network.trained.layers
        return all(layer is not self.network.model.get_output_embeddings() for layer in layers.values())

    @torch.no_grad()
    def _logps(
        self,
        subject: Subject,
        pasts: Pasts,
        prefix: Ids,
        kind: head.HeadKind,
        layout: Layout,
        rows: list[list[Sequence]],
    ) -> list[tuple[float, ...]]:
        """Summed log-prob of each response of each row; the rows' sequences go on from the prefix."""
        sequences = [s for row in rows for s in row]
        batch = arrange(sequences, layout, self.network.renderer.pad_id, self.network.device)
        source_U, place_N = batch.source_N.unique(return_inverse=True)
        with self._as(subject):
            (past,) = pasts.of([prefix])
            hidden_BLD = self._hidden(past, batch)
            logp_N = head.read_logps(self.network, hidden_BLD.flatten(0, 1)[source_U], place_N, batch.target_N, kind)
        summed = iter(logp_N.new_zeros(len(sequences)).index_add(0, batch.segment_N, logp_N).tolist())
        return [tuple(next(summed) for _ in row) for row in rows]

    def _hidden(self, past: Past | None, batch: Batch) -> Tensor:
        if past:
            return cache.hidden_after(self.network, past, batch)
        return self.network.body(batch.ids_BL, batch.positions_BL, batch.attention_BQK)


def _by_subject(requests: abc.Iterable[Request]) -> dict[Subject, list[Request]]:
    """In order of first appearance: an adapter is loaded once."""
    groups: dict[Subject, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.subject, []).append(request)
    return groups


class Altered(NamedTuple):
    """How a subject is altered while it answers: without a direction, or with embeddings in its prompt."""

    without: Direction | None = None
    soft: SoftPrompt | None = None


def _apart(requests: abc.Iterable[Request]) -> Iterator[tuple[Subject, Altered, list[Request]]]:
    """Those of a subject together, and of these those that are asked of it as it is, or altered in one way."""
    for subject, group in _by_subject(requests).items():
        by: dict[str, tuple[Altered, list[Request]]] = {"": (Altered(), [])}
        for r in group:
            how = r.without or r.soft
            by.setdefault(how.digest if how else "", (Altered(r.without, r.soft), []))[1].append(r)
        yield from ((subject, altered, some) for altered, some in by.values() if some)
