"""What a measure is: items, the ways they are put to a model, and how an answer becomes a score.

A measure knows nothing of how a subject was trained and sees no network: its asks go out as turns and come back as
text or log-probs. Inherit from ``Measure``, as a frozen dataclass of parameters, and override what differs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from holdfast.evals.measures.cards import card
from holdfast.types import Axis, Item, Judgement, Prompt, Record, Turn

# Metadata of a parameter that says where data lie. What they hold is digested as items or attack texts, so that a
# moved file is the same measure.
WHERE: Mapping[str, Any] = {"identity": False}


Better = Literal["higher", "lower", ""]
_ROUND = "round "


@dataclass(frozen=True, slots=True)
class MetricInfo:
    """What a metric is, for whatever names, formats or judges it. Nothing of it is in an id: it may be reworded.

    ``short`` stands over a column; ``words`` in a sentence ("": the measure's name stands there); ``title`` over a
    chart ("": the measure's name and ``short``; one that names its measure is used under the measure's own name alone).
    ``estimated`` completes "Estimated: …". ``better``: which way is good, "" where neither is, so that a move is a move
    and no more; ``apart`` has the conditions for which that is another, and ``whole`` is ``short`` where all conditions
    stand side by side.
    ``low`` and ``high``: the range, None for no bound. ``kind``: a ``share`` of rows has intervals of a share, all
    others those of a mean.
    """

    short: str
    better: Better
    title: str = ""
    words: str = ""
    estimated: str = ""
    unit: str = ""
    kind: Literal["share", "mean", "probability", "score"] = "share"
    low: float | None = 0.0
    high: float | None = 1.0
    apart: Mapping[str, Better] = field(default_factory=dict)
    whole: str = ""

    def __post_init__(self) -> None:
        for way in (self.better, *self.apart.values()):
            if way not in ("higher", "lower", ""):
                raise ValueError(f"better must be higher, lower or empty, not {way!r}")
        if self.kind not in ("share", "mean", "probability", "score"):
            raise ValueError(f"kind must be share, mean, probability or score, not {self.kind!r}")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"the range of {self.short!r} must begin below its end: {self.low} to {self.high}")


@dataclass(frozen=True, slots=True)
class Summary:
    """How judgements of a measure become its numbers.

    ``by`` groups rows: ``"attack"`` or a field of the item, ``""`` for none. ``macro_over`` names the groups whose
    plain mean is the headline (None: all rows together). With ``threshold`` the number is the share of scores at
    or above the study's threshold, and the mean score stands beside it. ``secondary`` names details that are averaged
    over the rows that hold them. ``metrics`` says what they are, by name (a thresholded rate is ``asr``, its mean score
    ``harm``); one that is not named has the direction that its axis suggests if it is the headline, else none.
    """

    metric: str
    by: str = ""
    macro_over: tuple[str, ...] | None = None
    threshold: bool = False
    secondary: tuple[str, ...] = ()
    metrics: Mapping[str, MetricInfo] = field(default_factory=dict)


class Measure(Protocol):
    """A named, versioned instrument on one axis. Registered under the entry-point group ``holdfast.measures``.

    ``display``: the name as its authors write it; "" where ``name`` with blanks for its underscores will do.
    ``version`` changes whenever the same parameters and data would give other requests or another score.
    ``per_task``: one instance for each task of a study, made by ``bind``.
    ``alternatives``: the continuations of an ask are rival beginnings of one response, so that their probabilities
    may be added; responding then leaves out those that another one's tokens already contain.
    ``strata``: fields of the item over which a limit on items is spread evenly.
    """

    name: ClassVar[str]
    display: ClassVar[str] = ""
    version: ClassVar[int]
    axis: ClassVar[Axis]
    judges: ClassVar[tuple[str, ...]] = ("own",)
    per_task: ClassVar[bool] = False
    alternatives: ClassVar[bool] = False
    strata: ClassVar[tuple[str, ...]] = ()

    def items(self) -> list[Item]:
        """All items, with ids made of their content. Raises UserError where the data are missing or not as expected."""
        ...

    @property
    def summary(self) -> Summary: ...

    def prompts_for(self, item: Item) -> list[Prompt]:
        """Every way the item is put. An ask without turns cannot be put, and becomes an unscored row."""
        return [Prompt(item.id, item.prompt)]

    def conversation(
        self, item: Item, attack: str, answers: Sequence[str], next: Any = None
    ) -> tuple[Turn, ...] | None:
        """What is asked after these answers of the subject's own, as many as rounds went before (``Prompt.round``);
        None where there is nothing to ask. ``next``: what says the user's turns (``attacks.Next``); None: the attack.
        """
        assert not answers, f"{self.name} asks everything in one round"
        return item.prompt

    def plain(self, attack: str, response: str) -> str | None:
        """The response as a judge reads it; None where it cannot be decoded."""
        return response

    def score(self, item: Item, record: Record) -> Judgement:
        """The measure's own rule; called only where ``judges`` has ``"own"``."""
        raise NotImplementedError(f"{self.name} has no rule of its own")

    def bind(self, task: Any, prepared: Any) -> Measure:
        """The measure of one task (``per_task``)."""
        raise NotImplementedError(f"{self.name} is not a measure of a task")

    def attack_table(self) -> dict[str, dict[str, Any]]:
        """Version and text hash of each attack in use, by the name that records carry."""
        return {}

    def identity(self) -> dict[str, Any]:
        """What determines requests and scores beside the items: for digests."""
        params: dict[str, Any] = {}
        if dataclasses.is_dataclass(self):
            kept = [f for f in dataclasses.fields(self) if f.metadata.get("identity", True)]
            params = {f.name: getattr(self, f.name) for f in kept}
        return {"name": self.name, "version": self.version, "params": params, "attacks": self.attack_table()}

    @property
    def card(self) -> Mapping[str, Any]:
        """Source, licence, what the score means and what broke comparability."""
        return card(self.name)


def way(format: str) -> str:
    """The measure's own part of a record's format: an objective's condition is joined to it by a plus sign."""
    return format.partition("+")[0]


def before_last(round: int) -> str:
    """The format of a round before an attack's last, which is ``default``."""
    return f"{_ROUND}{round}"


def round_of(format: str) -> int:
    """Which round before an attack's last a format is of; 0 for none."""
    return int(way(format).removeprefix(_ROUND)) if way(format).startswith(_ROUND) else 0


def unscored(record: Record, judge: str, reason: str) -> Judgement:
    """A row that has no score, and why. It is counted, and never read as zero."""
    return Judgement(record.id, judge, None, "unscored", reason)
