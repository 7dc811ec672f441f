"""The nouns every room speaks, as frozen types. Standard library only; this file imports nothing of holdfast.

The words are those of ``docs/architecture.md``. Ids are content digests (hex), never paths or names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

Axis = Literal["capability", "robustness", "persona", "normative"]
Side = Literal["chosen", "rejected"]
Split = Literal["train", "validation", "test"]

UNSAFE = "unsafe_rejected"  # tag of an example whose rejected response is unsafe text
REFUSAL = "refusal"  # tag of an example that was added to teach refusal


class UserError(Exception):
    """A mistake the user can mend. The message is one clear sentence with the mend; the command line exits with 2."""


# -- what is learnt ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn of a conversation; ``role`` is ``system``, ``user`` or ``assistant``."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Example:
    """One training row. ``id`` is stable over splits, orders and machines; ``rejected`` is None where there is none.

    ``answer`` is the reference that a response is checked against (the final number of a GSM8K row), "" if none.
    ``tags``: kinds of rows that an objective or a count may tell apart.
    """

    id: str
    prompt: tuple[Turn, ...]
    chosen: str
    rejected: str | None = None
    tags: frozenset[str] = frozenset()
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """A prompt and response that an objective's view makes of an example; ``note`` names its treatment. ``parts``:
    which of a mixture's objectives see it."""

    example_id: str
    side: Side
    prompt: tuple[Turn, ...]
    response: str
    note: str = ""
    parts: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Sequence:
    """A segment as token ids: ``ids[start:]`` is the response with its end of turn, ``start >= 1``."""

    ids: tuple[int, ...]
    start: int
    segment: Segment

    @property
    def prompt_ids(self) -> tuple[int, ...]:
        return self.ids[: self.start]

    @property
    def response_ids(self) -> tuple[int, ...]:
        return self.ids[self.start :]


@dataclass(frozen=True, slots=True)
class Steer:
    """A vector that is added to the output of a layer at every position while training, and never else: ``strength``
    times the base's way from the one set of a registered ``direction`` to the other."""

    direction: str
    params: Mapping[str, Any]
    strength: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What an objective asks of the loop: both sides of a pair, reference log-probs, signals.

    ``signals``: registered ones by name, with their parameters (``models.signals``). ``prompt_logps`` asks for the
    log-probs of the chosen sequences' prompts too. ``progress`` says that the loss uses ``Counts.progress``: a ladder
    of budgets is then not nested, and every budget is a run of its own. ``before`` says that it uses ``Counts.before``.
    ``parts``: how many objectives a mixture has. ``steer``: what the policy's forwards in training are steered by.
    """

    pairs: bool = False
    ref_logps: bool = False
    signals: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    prompt_logps: bool = False
    progress: bool = False
    before: bool = False
    parts: int = 1
    steer: tuple[Steer, ...] = ()


# -- what is measured --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """What is measured. ``id`` is the digest of base, adapter weights and template.

    ``adapter`` is the folder of a LoRA adapter in PEFT's format, or None for the base model; ``model`` is the study's
    label of the model.
    """

    id: str
    model: str
    adapter: str | None = None


@dataclass(frozen=True, slots=True)
class Item:
    """One thing asked of a model. ``prompt`` is the plain question (what a judge sees); ``fields`` is what the measure
    needs beside it (trait, matching answer, category), as strings. Forbidden text is marked so that it can be masked.
    """

    id: str
    prompt: tuple[Turn, ...]
    reference: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    forbidden: bool = False


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a response is drawn. ``temperature`` 0 is greedy; ``samples`` responses per prompt; lengths in tokens."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    samples: int = 1
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Contrast:
    """One conversation of the two sets that a direction is found between; ``there``: of the set that has what the
    direction is of. ``response``: hidden states are read as their mean over its tokens; "": at the last token of the
    prompt. ``held_out``: the layer is chosen on it, and it takes no part in finding the direction."""

    turns: tuple[Turn, ...]
    there: bool
    held_out: bool
    response: str = ""


class Direction(Protocol):
    """A direction in a model's hidden states: the difference of what the base model makes of two sets of conversations.

    A frozen dataclass of parameters. Registered under the entry-point group ``holdfast.directions``.
    """

    name: ClassVar[str]
    version: ClassVar[int]

    @property
    def digest(self) -> str:
        """Of version and conversations: all that determines it but for the model."""
        ...

    def contrasts(self) -> tuple[Contrast, ...]: ...


@dataclass(frozen=True, slots=True)
class SoftPrompt:
    """Embeddings that are put behind the last user turn's text, found on a subject itself: those with which it is most
    likely to begin its answers to ``asked`` with ``begins``. ``tokens``: how many; ``steps``: of Adam,
    at ``rate`` times the standard deviation of the model's embeddings."""

    asked: tuple[tuple[Turn, ...], ...]
    begins: str
    tokens: int
    steps: int
    rate: float
    digest: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """One way a measure puts an item to a model: the turns under an attack and a format.

    With ``continuations`` the model is scored on them (log-prob of each as the response's first tokens, without end of
    turn); with ``direction`` its hidden states are read, over the one continuation or at the last token of the prompt;
    without either, it generates. A later ``round`` goes on from the subject's own answers: ``turns`` are those of the
    first, and ``episode``, of what has rounds, is the digest of what decides the turns after them. ``without``: a
    direction that is projected out of every layer's output while it generates; ``soft``: embeddings in the prompt.
    """

    item_id: str
    turns: tuple[Turn, ...]
    attack: str = "none"
    format: str = "default"
    continuations: tuple[str, ...] = ()
    round: int = 1
    episode: str = ""
    direction: Direction | None = None
    without: Direction | None = None
    soft: SoftPrompt | None = None

    @property
    def generates(self) -> bool:
        return not self.continuations and self.direction is None


@dataclass(frozen=True, slots=True)
class Request:
    """A prompt addressed to a subject. ``key`` is a digest of everything that determines the answer, the sampling noise
    included (subject, turns, continuations, sampling, sample number). ``drafts`` are what others answered to the same
    prompt: they may make an answer faster, determine nothing, and are in no digest."""

    key: str
    subject: Subject
    turns: tuple[Turn, ...]
    continuations: tuple[str, ...] = ()
    sampling: Sampling = Sampling()
    drafts: tuple[str, ...] = ()
    direction: Direction | None = None
    without: Direction | None = None
    soft: SoftPrompt | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """A generated answer. ``finish`` is ``stop`` (end of turn), ``length`` or ``overlong`` (the prompt did not fit)."""

    key: str
    text: str
    n_tokens: int
    finish: Literal["stop", "length", "overlong"]


@dataclass(frozen=True, slots=True)
class Scored:
    """Summed log-prob (nats) and length (tokens) of each continuation; empty tuples where the row is over-long."""

    key: str
    logps: tuple[float, ...]
    n_tokens: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Read:
    """Numbers of hidden states, by name; none where the row is ``overlong``, or where the model that was read is not
    the one that its drift is counted from (``another_base``)."""

    key: str
    names: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    finish: Literal["read", "overlong", "another_base"] = "read"


@dataclass(frozen=True, slots=True)
class Record:
    """One row per subject × item × attack × format × sample.

    ``response`` is what the model wrote; ``plain`` is that, decoded back by the attack's codec (what judges read).
    ``finish`` is Response.finish, or ``scored`` / ``overlong`` for log-prob requests, or Read.finish. ``logps`` goes
    with ``continuations``; of a reading these are the values and names of what was read.
    """

    id: str
    subject: str
    measure: str
    item: str
    attack: str
    format: str
    sample: int
    response: str
    plain: str
    n_tokens: int
    finish: str
    continuations: tuple[str, ...] = ()
    logps: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict on a record. ``score`` is None when *unscored*, and then ``reason`` says why.

    ``score`` is in the measure's unit (accuracy, harm and P(match) in [0, 1]); ``label`` is a short class name
    (``correct``, ``refusal``, …); ``details`` holds secondary numbers (``strict``, ``mass``, ``p_yes``). ``judge`` is
    the judge's label in the study, ``judge_id`` a digest of all that determines its verdicts and ``rubric`` the hash
    of its rubric's text: these three are set by whoever called the judge. ``words`` is what a judge that writes wrote.
    """

    record: str
    judge: str
    score: float | None
    label: str
    reason: str | None = None
    details: Mapping[str, float] = field(default_factory=dict)
    judge_id: str = ""
    rubric: str = ""
    words: str = ""


JSON = Mapping[str, Any]
