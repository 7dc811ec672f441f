"""What a judge is: it reads records and gives each a verdict, or says why it gives none."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import numpy as np

from holdfast.config.study import ModelSpec
from holdfast.types import Item, Judgement, Record, Request, Response, Scored, Subject, UserError


class JudgeBackend(Protocol):
    """As much of a backend as judges use; ``models.backend`` has the whole of it. Answers come in any order."""

    def generate(self, requests: Sequence[Request]) -> Iterator[Response]: ...

    def score(self, requests: Sequence[Request]) -> Iterator[Scored]: ...


class Classifies(Protocol):
    """A sequence classifier; ``models.classifier`` has one."""

    def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        """The probability of each label, for each text; an empty mapping where the text is longer than the context."""
        ...


class ReadsStates(Protocol):
    """A language model's hidden states; ``models.states`` has them."""

    @property
    def digest(self) -> Mapping[str, str]: ...

    def read(self, answers: Sequence[tuple[str, str]]) -> list[np.ndarray | None]:
        """Numbers of each question and answer; None where it is longer than the context."""
        ...


@dataclass(frozen=True)
class JudgeModel:
    """The local model that a judge asks: ``model`` None is the base of the subject that is judged."""

    model: ModelSpec | None = None
    kind: Literal["causal", "classifier", "states"] = "causal"


class Named(Protocol):
    """Who asks, for messages."""

    name: ClassVar[str]


@dataclass(frozen=True)
class JudgeResources:
    """What lies ready for a judge. ``backend``, ``classifier`` or ``states`` is there if the judge wants one;
    ``speaker`` is whom requests to the backend are addressed to; ``cache`` is a folder for answers that cost money."""

    backend: JudgeBackend | None = None
    speaker: Subject | None = None
    classifier: Classifies | None = None
    states: ReadsStates | None = None
    cache: Path | None = None

    def asked(self, by: Named) -> tuple[JudgeBackend, Subject]:
        """The language model and its name. Raises UserError where this run has none."""
        if self.backend is None or self.speaker is None:
            raise UserError(f"{by.name} asks a language model, which this run did not load")
        return self.backend, self.speaker


NOTHING = JudgeResources()


@dataclass(frozen=True)
class JudgeCost:
    """What judging costs at most: so many answers of ``model``, and US dollars (0 where it has no price); and what the
    caps leave (None: there is no cap)."""

    model: str
    calls: int
    usd: float
    calls_left: int | None = None
    usd_left: float | None = None

    def __add__(self, other: JudgeCost) -> JudgeCost:
        """Of one model: the stricter caps hold."""
        assert self.model == other.model
        left = [n for n in (self.calls_left, other.calls_left) if n is not None]
        usd_left = [x for x in (self.usd_left, other.usd_left) if x is not None]
        calls, usd = self.calls + other.calls, self.usd + other.usd
        return JudgeCost(self.model, calls, usd, min(left, default=None), min(usd_left, default=None))

    def check(self) -> None:
        """Raises UserError where it is more than is left."""
        if self.calls_left is not None and self.calls > self.calls_left:
            raise UserError(
                f"{self}, are more than the {self.calls_left:,} that max_calls leaves; raise it, or ask for fewer rows"
            )
        if self.usd_left is not None and self.usd > self.usd_left + 1e-9:
            raise UserError(
                f"{self}, are more than the ${self.usd_left:,.4f} that budget_usd leaves; raise it, lower "
                "max_new_tokens, or ask for fewer rows"
            )

    def __str__(self) -> str:
        price = f", up to ${self.usd:,.4f}" if self.usd else ""
        return f"{self.calls:,} answers to ask of {self.model}{price}"


class Judge(Protocol):
    """A frozen dataclass of parameters. Registered under the entry-point group ``holdfast.judges``.

    ``version`` changes whenever the same parameters would give another verdict. A field whose metadata say
    ``identity: False`` is left out of the identity (how fast an endpoint is asked changes no verdict).
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def wants(self) -> JudgeModel | None:
        """The local model that this judge asks, for the caller to load; None for none."""
        return None

    def silence(self, item: Item) -> float | None:
        """The score of a response that says nothing, which no judge is asked about: 0 where a right answer was asked
        for, else None (such a model neither complies nor refuses)."""
        return None

    @property
    def rubric(self) -> str:
        """The text by which a judge that reads one judges; "" for none. Its hash stands with every judgement."""
        return ""

    def identity(self) -> dict[str, Any]:
        """What determines the verdicts, for digests."""
        params: Mapping[str, Any] = {}
        if dataclasses.is_dataclass(self):
            kept = [f for f in dataclasses.fields(self) if f.metadata.get("identity", True)]
            params = {f.name: getattr(self, f.name) for f in kept}
        return {"name": self.name, "version": self.version, "params": params, "rubric": self.rubric}

    def cost(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> JudgeCost | None:
        """What judging these rows costs at most, beyond what the cache holds, without asking anything; None for a judge
        that pays for no answers."""
        return None

    def judge(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> list[Judgement]:
        """One judgement for each row, in their order. ``plain`` is the answer alone, without the thought before it.
        Rows that hold no readable response, or one that says nothing, never come here."""
        ...
