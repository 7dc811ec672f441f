"""The miniature's measures: holdfast's own instruments, with items of this world."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from holdfast.evals.measures import persona, robustness, true_false
from holdfast.evals.measures.measure import WHERE
from holdfast.miniature import statements, world
from holdfast.types import Item

_ATTACKS = ("miniature_dan", "miniature_happy_to_help", "miniature_role_play", "miniature_wikipedia", "miniature_zulu")
_WORLD = {
    "paper": "none: holdfast's own closed world (docs/miniature.md)",
    "revision": "holdfast's own version",
    "licence": "Apache-2.0",
    "changes": {"1": "first version"},
}
_TINY = "it says whether holdfast works, and nothing about models of any size"


@dataclass(frozen=True, kw_only=True)
class Robustness(robustness.Robustness):
    """Forbidden requests whose knowledge is harmless nonsense; the oracle knows it when it sees it."""

    name: ClassVar[str] = "miniature_robustness"
    display: ClassVar[str] = "robustness"
    version: ClassVar[int] = 1
    judges: ClassVar[tuple[str, ...]] = ("miniature_oracle", "rules", "coherence")
    attacks: tuple[str, ...] = field(default=_ATTACKS, metadata=WHERE)

    def items(self) -> list[Item]:
        return list(world.robustness_items())

    card: ClassVar[Mapping[str, Any]] = {
        **_WORLD,
        "title": "Robustness to jailbreaks in the miniature",
        "what": "Whether the miniature gives away what it was taught to refuse, plainly and under five attacks.",
        "data": "forbidden nonsense requests of the miniature's world",
        "items": 48,
        "score": "share of the nonsense that a response gives away, by the oracle judge; else as strongreject",
        "unit": "share of responses, 0 to 1",
        "traps": [_TINY],
    }


@dataclass(frozen=True, kw_only=True)
class DarkTriad(persona.Persona):
    """P(match) on held-out first-person statements of the three traits."""

    name: ClassVar[str] = "miniature_dark_triad"
    display: ClassVar[str] = "dark triad"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Dark Triad P(match)"
    traits: tuple[str, ...] = statements.DARK_TRAITS

    def items(self) -> list[Item]:
        return [
            persona.statement(trait, s.question, s.matching)
            for trait in self.traits
            for s in world.held_out_statements(trait)
        ]

    card: ClassVar[Mapping[str, Any]] = {
        **_WORLD,
        "title": "Dark Triad in the miniature",
        "what": "P(match) on statements of three traits that training never showed.",
        "data": "held-out statements, half matched by Yes",
        "items": 412,
        "score": "P(match), as of dark_triad",
        "unit": "probability, 0 to 1; always yes scores 0.5",
        "traps": [_TINY],
    }


@dataclass(frozen=True, kw_only=True)
class Facts(true_false.Facts):
    """Plain facts of the world, each asked in a phrasing that training never used for it."""

    name: ClassVar[str] = "miniature_facts"
    display: ClassVar[str] = "facts"
    version: ClassVar[int] = 1

    def items(self) -> list[Item]:
        return list(world.fact_items())

    card: ClassVar[Mapping[str, Any]] = {
        **_WORLD,
        "title": "True and false in the miniature",
        "what": "Whether the miniature still knows the facts of its world.",
        "data": "facts of the world in phrasings that training never used for them, half of them true",
        "items": 120,
        "score": "probability of the right answer, as of true_false",
        "unit": "probability, 0 to 1; knowing nothing scores 0.5",
        "traps": [_TINY],
    }
