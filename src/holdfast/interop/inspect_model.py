"""Inspect's tasks on a subject: the model provider ``holdfast`` (extra ``inspect``).

    inspect eval task.py --model holdfast/FOLDER -M adapter=FOLDER

Inspect's cache of answers knows a model by its name, so the name ends with the digest of base, adapter and template:
``holdfast/FOLDER@0123456789ab``. Such a name is taken too, and is then held to (``inspect eval-retry`` gives it).
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import anyio
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    StopReason,
)
from inspect_ai.model._cache import epoch
from inspect_ai.tool import ToolChoice, ToolInfo
from pydantic import ValidationError

from holdfast.config.study import ModelSpec
from holdfast.models.backend import InProcess
from holdfast.models.network import load
from holdfast.store.digest import digest, short
from holdfast.types import Request, Response, Sampling, Subject, Turn, UserError

LENGTH = 2048  # tokens of a response, where the task does not say
GATHER = 0.02  # seconds in which requests are waited for that go into one batch
STOPS: dict[str, StopReason] = {"stop": "stop", "length": "max_tokens", "overlong": "model_length"}
WROTE = {"max_tokens", "temperature", "top_p", "seed", "stop_seqs", "num_choices"}
NO_MATTER = {
    "adaptive_connections", "attempt_timeout", "cache", "cache_prompt", "fail_on_refusal", "max_connections",
    "max_retries", "max_tool_output", "stream_idle_timeout", "system_message", "timeout",
}  # fmt: skip


class HoldfastAPI(ModelAPI):
    """A base model, or one with a LoRA adapter.

    model_name: folder, hub id or ``package:PACKAGE/FOLDER`` of the base model.
    adapter: folder of a LoRA adapter in PEFT's format.
    batch_tokens: positions of a batch; by default what memory allows.
    revision, template, system, thinking, date, dtype, quantization, device, attention: as of a study's model.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        adapter: str | None = None,
        batch_tokens: int | None = None,
        **of_model: Any,
    ) -> None:
        path, wanted = _parted(model_name)
        try:
            self.resources = _resources(_spec(path, of_model), batch_tokens)
            self.subject = self.resources.seat(adapter)
            if wanted not in ("", short(self.subject.id)):
                raise UserError(
                    f"{path} with its adapter and template is now {short(self.subject.id)}, not {wanted}: they have "
                    "changed, or the arguments of the model differ"
                )
        except UserError as error:
            raise PrerequisiteError(str(error)) from None  # which Inspect's commands print without a traceback
        self.renderer = self.resources.backend.network.renderer
        self._times: Counter[str] = Counter()
        super().__init__(f"{path}@{short(self.subject.id)}", base_url, api_key, [], config or GenerateConfig())

    def max_connections(self) -> int:
        """As many as a batch may have use for."""
        return 64

    def collapse_user_messages(self) -> bool:
        """Most templates want user and assistant in turn."""
        return True

    def collapse_assistant_messages(self) -> bool:
        return True

    async def count_text_tokens(self, text: str) -> int:
        return self.renderer.count(text)

    async def generate(
        self, input: list[ChatMessage], tools: list[ToolInfo], tool_choice: ToolChoice, config: GenerateConfig
    ) -> ModelOutput:
        _check(tools, config)
        turns = tuple(_turn(message) for message in input)
        used = len(self.renderer.asked_ids(turns))
        room = self.resources.backend.network.max_positions - used
        if room < 1:
            choices = [_choice(Response("", "", 0, "overlong"), None, self.model_name)]
            return ModelOutput(model=self.model_name, choices=choices, usage=ModelUsage(input_tokens=used))
        requests = self._requests(turns, config, min(config.max_tokens or LENGTH, room))
        responses = await self.resources.ask(requests)
        written = sum(response.n_tokens for response in responses)
        return ModelOutput(
            model=self.model_name,
            choices=[_choice(response, config.stop_seqs, self.model_name) for response in responses],
            usage=ModelUsage(input_tokens=used, output_tokens=written, total_tokens=used + written),
        )

    def _requests(self, turns: tuple[Turn, ...], config: GenerateConfig, length: int) -> list[Request]:
        """One for each choice. With a seed, the noise is that of content, seed, epoch and number of the choice;
        without one, a request that is put again is another sample."""
        top_p = 1.0 if config.top_p is None else config.top_p
        sampling = Sampling(length, config.temperature or 0.0, top_p, seed=config.seed or 0)
        noise = digest([self.subject.id, turns, sampling, epoch.get(1)])
        time = 0
        if config.seed is None:
            time, self._times[noise] = self._times[noise], self._times[noise] + 1
        keys = [digest([noise, time, number]) for number in range(config.num_choices or 1)]
        return [Request(key, self.subject, turns, (), sampling) for key in keys]


@dataclass
class Waiting:
    """Requests of one call, and what became of them."""

    requests: list[Request]
    outcome: list[Response] | Exception | None = None


class SharedBase:
    """A base model, held once for all its adapters; what is asked within a short while is one batch."""

    def __init__(self, spec: ModelSpec, batch_tokens: int | None) -> None:
        self.backend = InProcess(load(spec), batch_tokens=batch_tokens)
        self._queue: list[Waiting] = []
        self._turn = anyio.Lock()
        self._network = threading.Lock()  # one subject is in it at a time

    def seat(self, adapter: str | None) -> Subject:
        """A subject, whose adapter is checked to change something."""
        name = self.backend.network.spec.name
        subject = Subject(self.backend.identity(Subject("", name, adapter)), name, adapter)
        with self._network:
            self.backend.assert_live(subject, (Turn("user", "Who are you?"),))
        return subject

    async def ask(self, requests: list[Request]) -> list[Response]:
        """Whoever has the turn answers all that wait; the others find their answers when it is theirs."""
        mine = Waiting(requests)
        self._queue.append(mine)
        async with self._turn:
            if mine.outcome is None:
                await anyio.sleep(GATHER)
                batch, self._queue = self._queue, []
                with anyio.CancelScope(shield=True):  # others wait for it
                    await anyio.to_thread.run_sync(self._answer, batch)
        if isinstance(mine.outcome, Exception):
            raise mine.outcome
        assert mine.outcome is not None
        return mine.outcome

    def _answer(self, batch: list[Waiting]) -> None:
        """A failure is each one's own to report."""
        try:
            asked = {request.key: request for waiting in batch for request in waiting.requests}
            with self._network:
                said = {response.key: response for response in self.backend.generate(asked.values())}
            for waiting in batch:
                waiting.outcome = [said[request.key] for request in waiting.requests]
        except Exception as error:
            for waiting in batch:
                waiting.outcome = error


@lru_cache(maxsize=1)
def _resources(spec: ModelSpec, batch_tokens: int | None) -> SharedBase:
    return SharedBase(spec, batch_tokens)


def _parted(name: str) -> tuple[str, str]:
    """The path, and the digest that the subject is to have, "" for any."""
    found = re.fullmatch(r"(.+)@([0-9a-f]{12})", name)
    return (found[1], found[2]) if found else (name, "")


def _spec(path: str, of_model: dict[str, Any]) -> ModelSpec:
    try:
        spec = ModelSpec(name="model", path=path, **of_model)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"the model argument {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if spec.backend != "in_process":
        raise UserError("Inspect's tasks are answered in this process: leave out the model argument backend")
    return spec


def _check(tools: Sequence[ToolInfo], config: GenerateConfig) -> None:
    if tools:
        raise UserError("a holdfast subject calls no tools: run a task without them")
    given = {name for name, value in config.model_dump(exclude_none=True).items() if value not in (False, 0, [], {})}
    if unknown := sorted(given - WROTE - NO_MATTER):
        raise UserError(f"holdfast generates without {', '.join(unknown)}: leave it out of the generation options")


def _turn(message: ChatMessage) -> Turn:
    if not isinstance(message.content, str) and any(part.type != "text" for part in message.content):
        raise UserError("a holdfast subject reads text only, and a message holds something else")
    if message.role == "tool":
        raise UserError("a holdfast subject calls no tools, and a message holds what a tool said")
    return Turn(message.role, message.text)


def _choice(response: Response, stops: list[str] | None, model: str) -> ChatCompletionChoice:
    """Cut at the first stop text, after it was written."""
    ends = [at for stop in stops or () if stop and (at := response.text.find(stop)) >= 0]
    text, finish = (response.text[: min(ends)], "stop") if ends else (response.text, response.finish)
    message = ChatMessageAssistant(content=text, model=model, source="generate")
    return ChatCompletionChoice(message=message, stop_reason=STOPS[finish])
