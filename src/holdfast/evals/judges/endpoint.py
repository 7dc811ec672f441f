"""An OpenAI-compatible endpoint: questions out, answers back, each paid for once.

What is sent is the smallest common part of the protocol: ``model``, ``messages``, ``max_tokens``, ``temperature``. What
servers silently ignore (``logprobs``, ``response_format``) is never asked for. Answers are kept one by one, in files
named by a digest of all that was sent; a run that is killed asks for nothing twice, nor do two workers.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tenacity
from pydantic import Field, model_validator

from holdfast.config.study import Spec
from holdfast.evals.judges.judge import JudgeCost
from holdfast.evals.judges.ledger import Ledger, tokens
from holdfast.evals.judges.transport import Passing, Wire, sendable
from holdfast.store.digest import digest
from holdfast.store.files import read_json, write_first
from holdfast.store.locks import lock
from holdfast.types import Sampling, Turn, UserError

UNANSWERED = "unanswered"
ANSWER = Sampling(512)
GIVE_UP = 8  # questions in a row that got no answer: the rest are not sent

_log = logging.getLogger(__name__)


class EndpointSpec(Spec):
    """Where an OpenAI-compatible server is, how it is asked and what may be spent on it."""

    url: str = Field(description="base URL, as a rule ending in /v1")
    model: str = Field(description="name of the model there")
    key_env: str = Field(default="HOLDFAST_JUDGE_KEY", description="environment variable that holds the key, if any")
    extra: dict[str, Any] = Field(
        default_factory=dict, description="more of the request's body; null takes a field out (`max_tokens: null`)"
    )
    concurrency: int = Field(default=4, ge=1, le=256, description="questions under way at once, in each worker")
    timeout: float = Field(default=120.0, gt=0, description="seconds without a sign of life")
    deadline: float = Field(default=600.0, gt=0, description="seconds that a whole call may take")
    attempts: int = Field(default=6, ge=1, description="times that a question is sent before it counts as unanswered")
    wait: float = Field(
        default=1.0, ge=0, description="seconds before the second attempt; doubled for each further one"
    )
    max_wait: float = Field(default=60.0, ge=0, description="seconds; also the longest Retry-After that is honoured")
    price_in: float = Field(default=0.0, ge=0, description="US dollars for a million tokens of prompt")
    price_out: float = Field(default=0.0, ge=0, description="US dollars for a million tokens of answer")
    budget_usd: float | None = Field(default=None, ge=0, description="most that a study spends on this model")
    max_calls: int | None = Field(default=None, ge=0, description="most calls that a study makes to this model")

    @model_validator(mode="after")
    def _sound(self) -> EndpointSpec:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.username:
            raise ValueError("url must be a base URL alone, http(s)://host/v1; the key goes into the environment")
        if self.budget_usd is not None and not (self.price_in or self.price_out):
            raise ValueError("budget_usd needs price_in and price_out")
        return self

    def usd(self, tokens_in: int, tokens_out: int) -> float:
        return (tokens_in * self.price_in + tokens_out * self.price_out) / 1e6

    @property
    def identity(self) -> dict[str, Any]:
        """What determines an answer beside conversation and sampling. Not the URL: it says who serves the model."""
        return {"model": self.model, "extra": self.extra}


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, or the ``reason`` why there is none: ``unanswered`` (ask again later), ``overlong``, ``filtered``,
    ``refused by the judge``, ``cut off``, ``empty answer``."""

    text: str
    reason: str | None = None


@dataclass(frozen=True)
class _Question:
    key: str
    body: dict[str, Any]
    usd: float  # at most


class Endpoint:
    """A client. ``cache``: the folder in which answers and the ledger are kept; processes may share it."""

    def __init__(self, spec: EndpointSpec, cache: Path, sampling: Sampling = ANSWER) -> None:
        self.spec, self.sampling = spec, sampling
        self._answers = cache / "answers"
        self._ledger = Ledger(cache, spec.model, spec.max_calls, spec.budget_usd)
        self._stop, self._guard = threading.Event(), threading.Lock()
        self._answered, self._failed = 0, 0  # since the start; in a row

    def cost(self, conversations: Iterable[tuple[Turn, ...]]) -> JudgeCost:
        """What it costs at most to ask these, beyond what is answered already. A second asking is not in it."""
        left = [q for q in self._questions(conversations).values() if self._kept(q.key) is None]
        return self._cost(left)

    def ask(self, conversations: Sequence[tuple[Turn, ...]]) -> list[Reply]:
        """An answer to each, in their order; equal conversations are asked once.

        Raises UserError, in a sentence without key or text, where the server refuses the request (4xx), where nobody
        is there, and where the cap would be passed; what is answered by then is kept.
        """
        questions = self._questions(conversations)
        replies = {key: kept for key in questions if (kept := self._kept(key)) is not None}
        missing = [q for key, q in questions.items() if key not in replies]
        if missing:
            self._check(missing)
            _log.info("%s", self._cost(missing))
            replies |= self._all(missing)
        return [replies[digest(self._body(turns))] for turns in conversations]

    # -- what is sent ----------------------------------------------------------------------------------------------

    def _body(self, turns: tuple[Turn, ...]) -> dict[str, Any]:
        how = self.sampling
        body: dict[str, Any] = {
            "model": self.spec.model,
            "messages": [{"role": t.role, "content": sendable(t.content)} for t in turns],
            "max_tokens": how.max_new_tokens,
            "temperature": how.temperature,
        }
        if how.top_p < 1:
            body["top_p"] = how.top_p
        if how.temperature > 0:
            body["seed"] = how.seed
        return {k: v for k, v in (body | self.spec.extra).items() if v is not None}

    def _questions(self, conversations: Iterable[tuple[Turn, ...]]) -> dict[str, _Question]:
        found = {}
        for turns in conversations:
            body = self._body(turns)
            longest = body.get("max_tokens") or body.get("max_completion_tokens") or self.sampling.max_new_tokens
            key = digest(body)
            found[key] = _Question(key, body, self.spec.usd(tokens(body["messages"]), longest))
        return found

    def _cost(self, questions: Sequence[_Question]) -> JudgeCost:
        return self._ledger.cost(len(questions), sum(q.usd for q in questions))

    def _check(self, missing: Sequence[_Question]) -> None:
        """Raises UserError where these cost more than is left. Another worker's call for one of them is entered before
        its answer is kept, and would count twice; so they are counted again while nobody asks for any."""
        try:
            self._cost(missing).check()
        except UserError:
            with ExitStack() as held:
                for folder in sorted({self._file(q.key).parent for q in missing}):
                    held.enter_context(lock(folder, wait=True))
                self._cost([q for q in missing if self._kept(q.key) is None]).check()

    # -- what is kept ----------------------------------------------------------------------------------------------

    def _file(self, key: str) -> Path:
        return self._answers / key[:2] / f"{key}.json"

    def _kept(self, key: str) -> Reply | None:
        path = self._file(key)
        if not path.exists():
            return None
        kept = read_json(path, "text", "reason")
        return Reply(kept["text"], kept["reason"])

    # -- asking ----------------------------------------------------------------------------------------------------

    def _all(self, questions: Sequence[_Question]) -> dict[str, Reply]:
        self._stop.clear()
        self._failed = 0
        replies = {}
        with self._wire() as wire, ThreadPoolExecutor(self.spec.concurrency) as pool:
            waiting = {pool.submit(self._one, wire, q): q.key for q in questions}
            try:
                for future in as_completed(waiting):
                    replies[waiting[future]] = future.result()
            except BaseException:
                self._stop.set()
                wire.hang_up()
                pool.shutdown(wait=True, cancel_futures=True)  # what is under way is still paid for: let it be kept
                raise
        return replies

    def _wire(self) -> Wire:
        spec = self.spec
        return Wire(spec.url, spec.key_env, timeout=spec.timeout, deadline=spec.deadline, most=spec.concurrency)

    def _one(self, wire: Wire, q: _Question) -> Reply:
        with lock(self._file(q.key).parent, wait=True, unless=self._stop.is_set):
            if (kept := self._kept(q.key)) is not None:  # another worker asked the same meanwhile
                return kept
            if self._failed >= GIVE_UP or self._stop.is_set():
                return Reply("", UNANSWERED)
            try:
                reply = self._insistently(wire, q)
            except Passing as fault:
                return self._unanswered(fault)
            with self._guard:
                self._answered, self._failed = self._answered + 1, 0
            return reply

    def _unanswered(self, fault: Passing) -> Reply:
        with self._guard:
            self._failed += 1
            never = not self._answered
        if fault.unreachable and never and not self._stop.is_set():
            raise UserError(f"nobody answers at {self.spec.url} ({fault}); check `url`, or start the server") from None
        _log.warning("%s left a question unanswered: %s", self.spec.model, fault)
        return Reply("", UNANSWERED)

    def _insistently(self, wire: Wire, q: _Question) -> Reply:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(Passing),
            stop=tenacity.stop_after_attempt(self.spec.attempts) | tenacity.stop_when_event_set(self._stop),
            wait=self._pause,
            sleep=tenacity.sleep_using_event(self._stop),
            reraise=True,
        )
        return retrying(self._once, wire, q)

    def _pause(self, state: tenacity.RetryCallState) -> float:
        """Seconds to wait: what the server asked for, else longer each time, with jitter so that workers spread out."""
        fault = state.outcome.exception() if state.outcome else None
        grown = tenacity.wait_exponential(multiplier=self.spec.wait, max=self.spec.max_wait)(state)
        jitter = tenacity.wait_random(0, max(grown, self.spec.wait) / 2)(state)
        asked = fault.after if isinstance(fault, Passing) and fault.after is not None else grown
        return min(asked, self.spec.max_wait) + jitter

    def _once(self, wire: Wire, q: _Question) -> Reply:
        """One call, entered in the ledger. An answer is on the disk before it is returned."""
        self._ledger.reserve(q.usd)
        try:
            said = wire.post(q.body)
        except Exception as fault:
            if not (isinstance(fault, Passing) and fault.charged):
                self._ledger.release(q.usd)
            raise
        if not said.charged:
            self._ledger.release(q.usd)
            return Reply("", said.reason)
        # Of two answers to one question, asked twice where a lock did not hold, all go by the first.
        kept = write_first(self._file(q.key), {"model": self.spec.model, **asdict(said)})
        self._ledger.settle(q.usd, self.spec.usd(*said.tokens) if said.tokens else q.usd)
        return Reply(kept["text"], kept["reason"])
