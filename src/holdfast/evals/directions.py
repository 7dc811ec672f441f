"""Directions in hidden states, found between two sets of conversations: which sets, and which way along them is good.

The base model's states are read in ``models.directions``. A subclass of ``Contrasted`` is a frozen dataclass with a
name; it overrides ``sets``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, NamedTuple

from holdfast import registry, rng
from holdfast.evals.measures import persona
from holdfast.evals.measures.measure import WHERE, Better
from holdfast.evals.measures.robustness import column, prompts
from holdfast.store.digest import digest
from holdfast.store.rows import Source
from holdfast.types import Axis, Contrast, Item, Turn, UserError

STARTER = "package:holdfast.evals.measures/starter"


class Said(NamedTuple):
    """A prompt and what is answered to it; "": nothing yet."""

    turns: tuple[Turn, ...]
    response: str = ""


@dataclass(frozen=True, kw_only=True)
class Contrasted:
    """``sides``: what the two sets are called, the one without what the direction is of, and the one with it.
    ``headline``: the sides whose mean is the measure's number.

    examples: conversations of each set that the direction is found on, at most (Arditi et al. 2024, section 2.3, take
    128), and as many again that are held out.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    axis: ClassVar[Axis]
    sides: ClassVar[tuple[str, str]]
    headline: ClassVar[tuple[str, ...]]
    forbidden: ClassVar[bool] = False  # whether the conversations with it must be masked
    examples: int = 128

    def __post_init__(self) -> None:
        if self.examples < 2:
            raise ValueError("a direction needs 2 examples of each set or more")

    def sets(self) -> tuple[Mapping[str, Said], Mapping[str, Said]]:
        """Conversations without what the direction is of, and with it, by id. Two that differ in nothing else have one
        id, and fall into one share."""
        raise NotImplementedError

    @property
    def better(self) -> Mapping[str, Better]:
        """By side, and "" for the headline: which way along the direction is good; "" where neither is."""
        return {}

    @property
    def of(self) -> str:
        """The trait that self-report on it is of; "" for none."""
        return ""

    def contrasts(self) -> tuple[Contrast, ...]:
        """Both sets alike in number, in an order by hash: the first half, at most ``examples``, to find the direction
        on, and the rest, at most as many, held out. Raises UserError where there are too few."""
        return self._contrasts

    @cached_property
    def _contrasts(self) -> tuple[Contrast, ...]:
        both = self.sets()
        several = min(map(len, both))
        train = min(self.examples, several // 2)
        if train < 2:
            raise UserError(
                f"the direction {self.name} has {several} conversations of one set, and needs 4 of each: two to be "
                "found on, and two that are held out"
            )
        return tuple(
            Contrast(said[i].turns, bool(there), n >= train, said[i].response)
            for there, said in enumerate(both)
            for n, i in enumerate(rng.order(said, "direction")[: min(2 * train, several)])
        )

    @cached_property
    def digest(self) -> str:
        return digest({"direction": self.name, "version": self.version, "contrasts": self.contrasts()})


@dataclass(frozen=True, kw_only=True)
class Refusal(Contrasted):
    """The refusal direction (Arditi et al. 2024, arXiv 2406.11717): forbidden requests against harmless ones, read at
    the last token of the prompt, where the model is about to refuse or to answer.

    ``measure``, ``params``: whose forbidden items; by default petty misdeeds that come with this package.
    ``harmless``: a file with the column ``prompt``.
    """

    name: ClassVar[str] = "refusal"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "normative"  # robustness is attack success, wherever it is compared or spoken of
    sides: ClassVar[tuple[str, str]] = ("harmless", "forbidden")
    headline: ClassVar[tuple[str, ...]] = ("forbidden",)
    forbidden: ClassVar[bool] = True
    measure: str = "forbidden"
    params: dict[str, Any] = field(default_factory=lambda: {"path": f"{STARTER}/requests.jsonl"}, metadata=WHERE)
    harmless: str = field(default=f"{STARTER}/harmless.jsonl", metadata=WHERE)

    @property
    def better(self) -> Mapping[str, Better]:
        return {"": "higher", "harmless": "lower"}

    def sets(self) -> tuple[Mapping[str, Said], Mapping[str, Said]]:
        asked = registry.build("measures", self.measure, self.params).items()
        rows = Source(self.harmless).rows()
        harmless = prompts(rows, column(rows, ("prompt",)))
        return _bare(harmless), _bare([item for item in asked if item.forbidden])


@dataclass(frozen=True, kw_only=True)
class Persona(Contrasted):
    """A trait's direction (after the persona vectors of Chen et al. 2025, arXiv 2507.21509): statements answered as one
    with the trait would, against the same ones answered the other way, read as the mean over the answer's tokens.

    Every statement stands in both sets with either answer, so that neither what is asked nor the word that is said is
    part of the direction. Chen et al. contrast free answers under two system prompts.

    ``trait``: as the measure calls it. ``measure``, ``params``: whose statements, of those that ask for P(match).
    ``better``: as that measure's parameter.
    """

    name: ClassVar[str] = "persona"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "persona"
    sides: ClassVar[tuple[str, str]] = ("no match", "match")
    headline: ClassVar[tuple[str, ...]] = ("no match", "match")
    trait: str
    measure: str = "dark_triad"
    params: dict[str, Any] = field(default_factory=dict, metadata=WHERE)

    @property
    def of(self) -> str:
        return self.trait

    @property
    def better(self) -> Mapping[str, Better]:
        own: Mapping[str, Better] = self.params.get("better", {})
        return {"": {**persona.BETTER, **own}.get(self.trait, "")}

    def sets(self) -> tuple[Mapping[str, Said], Mapping[str, Said]]:
        measure = registry.build("measures", self.measure, self.params)
        if not isinstance(measure, persona.Persona):
            raise UserError(f"the direction persona needs a measure of statements, and {self.measure} is none")
        mine = [item for item in measure.items() if item.fields["trait"] == self.trait]
        if not mine:
            raise UserError(f"the measure {self.measure} has no statements of {self.trait!r}: mend `trait` or `params`")
        other = {"Yes": "No", "No": "Yes"}
        # As many that Yes matches as No: else the word itself would be part of the direction.
        by = {word: [item for item in mine if item.reference == word] for word in other}
        kept = [i for some in by.values() for i in _first(some, min(map(len, by.values())))]
        return (
            {i.id: Said(i.prompt, other[i.reference]) for i in kept},
            {i.id: Said(i.prompt, i.reference) for i in kept},
        )


def _bare(items: list[Item]) -> Mapping[str, Said]:
    return {item.id: Said(item.prompt) for item in items}


def _first(items: list[Item], n: int) -> list[Item]:
    table = {item.id: item for item in items}
    return [table[i] for i in rng.order(table, "direction")[:n]]
