"""One way of asking a language model, wherever it is: the study's base, another local model, or an endpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from holdfast.config.study import ModelSpec
from holdfast.data.renderer import Renderer
from holdfast.evals.judges.endpoint import Endpoint, EndpointSpec, Reply
from holdfast.evals.judges.judge import Judge, JudgeCost, JudgeModel, JudgeResources
from holdfast.store.digest import digest
from holdfast.store.model_files import model_digest
from holdfast.store.sources import model_folder
from holdfast.types import Request, Sampling, Turn, UserError

LocalModel = ModelSpec | Literal["base"]


def local_model_of(model: LocalModel) -> JudgeModel:
    return JudgeModel(None if model == "base" else model)  # type: ignore[arg-type]


def local_identity(model: LocalModel) -> Any:
    """What a local model is: its weights and how it is spoken to, wherever it lies. The base needs no more said: a
    judgement's subject has it in its id."""
    if isinstance(model, str):
        return model
    weights = model_digest(model_folder(model.path, model.revision), model.quantization)
    backend = {} if model.backend == "in_process" else {"backend": model.backend}
    return {"weights": weights, "template": Renderer.of(model).digest} | backend


@dataclass(frozen=True, kw_only=True)
class Asks:
    """What puts questions to a language model and reads what it writes: a judge, or an attacker.

    ``model``: ``base``, the base model of the subject that it is about, or a model of one's own ({name, path, template,
    …}, as a study's models). ``endpoint``: an OpenAI-compatible server in its place (``endpoint.EndpointSpec``).
    ``max_new_tokens``, ``temperature``: of the model's answer; 0 is greedy.
    """

    name: ClassVar[str]
    model: LocalModel = "base"
    endpoint: EndpointSpec | None = None
    max_new_tokens: int = 512
    temperature: float = 0.0

    def __post_init__(self) -> None:
        if self.endpoint and self.model != "base":
            raise UserError(f"{self.name} has both a model and an endpoint; leave one of them out")

    @property
    def wants(self) -> JudgeModel | None:
        return None if self.endpoint else local_model_of(self.model)

    @cached_property
    def model_identity(self) -> Any:
        """The model by its content, never by its path; an endpoint by the name of the model and what is sent to it."""
        return {"endpoint": self.endpoint.identity} if self.endpoint else local_identity(self.model)

    @property
    def sampling(self) -> Sampling:
        return Sampling(self.max_new_tokens, self.temperature)

    def client(self, resources: JudgeResources) -> Endpoint:
        """Of what has an endpoint. Raises UserError where there is no folder for its answers."""
        assert self.endpoint is not None
        if resources.cache is None:
            raise UserError(f"{self.name} pays for its answers: give it judge resources with a cache folder")
        return Endpoint(self.endpoint, resources.cache, self.sampling)

    def price(self, conversations: Iterable[tuple[Turn, ...]], resources: JudgeResources) -> JudgeCost | None:
        return self.client(resources).cost(conversations) if self.endpoint else None

    def replies(self, conversations: Sequence[tuple[Turn, ...]], resources: JudgeResources) -> list[Reply]:
        """An answer to each, in their order. Equal conversations are asked once."""
        if not conversations:
            return []
        if self.endpoint:
            return self.client(resources).ask(conversations)
        backend, speaker = resources.asked(self)
        requests = [
            Request(digest({"judge": speaker.id, "turns": turns, "sampling": self.sampling}), speaker, turns, (), how)
            for turns, how in ((turns, self.sampling) for turns in conversations)
        ]
        said = {r.key: r for r in backend.generate(list({r.key: r for r in requests}.values()))}
        return [Reply(said[r.key].text, "overlong" if said[r.key].finish == "overlong" else None) for r in requests]


@dataclass(frozen=True, kw_only=True)
class AsksModel(Asks, Judge):
    """A judge that asks a language model."""

    def identity(self) -> dict[str, Any]:
        plain = super().identity()
        rest = {k: v for k, v in plain["params"].items() if k not in ("model", "endpoint")}
        return plain | {"params": rest | {"model": self.model_identity}}
