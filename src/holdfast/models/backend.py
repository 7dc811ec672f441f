"""Who answers: requests to responses and log-probs. The protocol, and the backend in this process.

The base is held once; adapters are switched, requests grouped by subject. Responses come in any order, by key.
"""

from __future__ import annotations

import collections.abc as abc
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

import torch

from holdfast.models import adapters, head
from holdfast.models.decoding import Prompt, decode
from holdfast.models.identity import subject_id
from holdfast.models.layouts import arrange, micro_batches
from holdfast.models.network import Network
from holdfast.words import Request, Response, Scored, Segment, Sequence, Subject, Turn, UserError


class Backend(Protocol):
    """Generates and scores for subjects. ``identity`` is what a subject's id must be."""

    def identity(self, subject: Subject) -> str: ...

    def generate(self, requests: abc.Iterable[Request]) -> Iterator[Response]:
        """One response for each request, in any order."""
        ...

    def score(self, requests: abc.Iterable[Request]) -> Iterator[Scored]:
        """Log-probs of each request's continuations, in any order of requests."""
        ...


class NotLive(RuntimeError):
    """An adapter that changes nothing: what would be measured is the base."""


class InProcess:
    """transformers and PEFT in this process, over one base model.

    ``batch_tokens`` bounds the positions of a batch, prompts and room for responses together, and ``batch_rows`` its
    rows: a bound on memory that changes no answer but by rounding.
    """

    def __init__(self, network: Network, *, batch_tokens: int = 32768, batch_rows: int = 256):
        self.network, self.batch_tokens, self.batch_rows = network, batch_tokens, batch_rows
        self._loaded: str | None = None  # the digest of the adapter in the network
        self._scoring: tuple[head.HeadKind, str] | None = None

    def identity(self, subject: Subject) -> str:
        """The digest of base, adapter weights and template, from the files as they are now."""
        return subject_id(self.network.digest, self.network.renderer.digest, subject.adapter)

    def generate(self, requests: abc.Iterable[Request]) -> Iterator[Response]:
        renderer = self.network.renderer
        for subject, group in _by_subject(requests).items():
            prompts = []
            for r in group:
                s = r.sampling
                prompt = Prompt(r.key, renderer.prompt_ids(r.turns), s.max_new_tokens, s.temperature, s.top_p)
                if len(prompt.ids) + s.max_new_tokens > self.network.max_positions:
                    yield Response(r.key, "", 0, "overlong")
                else:
                    prompts.append(prompt)
            for batch in self._batches(prompts):
                with self._as(subject):
                    answers = decode(self.network, batch, renderer.end_ids, renderer.pad_id)
                for prompt, answer in zip(batch, answers, strict=True):
                    yield Response(prompt.key, renderer.decode(answer.ids), len(answer.ids), answer.finish)

    def score(self, requests: abc.Iterable[Request]) -> Iterator[Scored]:
        """The prompt is run once for all its continuations."""
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
            kind, layout = self._way(rows)
            for part in micro_batches(rows, layout, self.batch_tokens):  # type: ignore[arg-type]
                with self._as(subject), torch.no_grad():
                    logps = self._logps([s for i in part for s in rows[i]], kind, layout)
                at = 0
                for i in part:
                    n = len(rows[i])
                    yield Scored(asked[i].key, tuple(logps[at : at + n]), tuple(len(s.response_ids) for s in rows[i]))
                    at += n

    @torch.no_grad()
    def assert_live(self, subject: Subject, turns: tuple[Turn, ...], *, may_equal_base: bool = False) -> None:
        """Raises ``NotLive`` where the adapter's logits are the base's; ``may_equal_base`` is for a no-op run."""
        if subject.adapter is None or may_equal_base:
            return
        ids = self.network.renderer.prompt_ids(turns)
        ids_1L = torch.tensor([ids], device=self.network.device)
        positions_1L = torch.arange(len(ids), device=self.network.device).unsqueeze(0)
        with self._as(subject):
            own = self.network.body(ids_1L, positions_1L)
            with adapters.off(self.network):
                base = self.network.body(ids_1L, positions_1L)
        if torch.equal(own, base):
            raise NotLive(f"the adapter at {subject.adapter} is not live: its hidden states equal the base model's")

    def _as(self, subject: Subject) -> AbstractContextManager[None]:
        """Within it the network is that subject."""
        if subject.adapter is None:
            return adapters.off(self.network)
        wanted = adapters.digest(subject.adapter)
        if self._loaded != wanted:
            self._loaded = None
            adapters.load(self.network, subject.adapter)
            self._loaded = wanted
        return nullcontext()

    def _batches(self, prompts: abc.Sequence[Prompt]) -> Iterator[list[Prompt]]:
        """Sorted by length, so that little is padding; the longest first, so that memory too small shows at once."""
        batch: list[Prompt] = []
        room = 0
        for prompt in sorted(prompts, key=lambda p: (-p.max_new_tokens, -len(p.ids), p.key)):
            need = max(room, len(prompt.ids) + prompt.max_new_tokens)
            if batch and (need * (len(batch) + 1) > self.batch_tokens or len(batch) == self.batch_rows):
                yield batch
                batch, need = [], len(prompt.ids) + prompt.max_new_tokens
            batch.append(prompt)
            room = need
        if batch:
            yield batch

    def _sequences(self, request: Request) -> list[Sequence]:
        renderer = self.network.renderer
        prompt = renderer.prompt_ids(request.turns)
        sequences = []
        for text in request.continuations:
            ids = renderer.continuation_ids(text)
            if not ids:
                raise UserError(f"the continuation {text!r} holds no token and cannot be scored")
            sequences.append(Sequence(prompt + ids, len(prompt), Segment(request.key, "chosen", request.turns, text)))
        return sequences

    def _way(self, rows: list[list[Sequence]]) -> tuple[head.HeadKind, str]:
        """The fast head and layout where they are right for this model, else plain ones; tried once."""
        if self._scoring is None:
            some = [s for row in sorted(rows, key=lambda row: len(row[0].ids))[:2] for s in row]
            try:
                head.check(self.network, arrange(some, "shared", self.network.renderer.pad_id, self.network.device))
                self._scoring = "frozen", "shared"
            except UserError:
                self._scoring = "full", "padded"
        assert self._scoring is not None
        return self._scoring

    def _logps(self, sequences: list[Sequence], kind: head.HeadKind, layout: str) -> list[float]:
        """Summed log-prob of each sequence's response."""
        pad_id, device = self.network.renderer.pad_id, self.network.device
        batch = arrange(sequences, layout, pad_id, device)  # type: ignore[arg-type]
        logp_N = head.token_logps(self.network, head.hidden_ND(self.network, batch), batch.target_N, kind)
        return logp_N.new_zeros(len(sequences)).index_add(0, batch.segment_N, logp_N).tolist()


def _by_subject(requests: abc.Iterable[Request]) -> dict[Subject, list[Request]]:
    """In order of first appearance: an adapter is loaded once."""
    groups: dict[Subject, list[Request]] = {}
    for request in requests:
        groups.setdefault(request.subject, []).append(request)
    return groups
