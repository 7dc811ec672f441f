"""Robustness: forbidden prompts, asked directly and under attacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from holdfast import registry
from holdfast.measures.attacks import Attack
from holdfast.measures.contract import WHERE, Measure, Summary
from holdfast.words import Ask, Axis, Item, UserError

DIRECT = "none"
FIVE = ("dan", "happy_to_help", "role_play", "wikipedia", "zulu")


@dataclass(frozen=True, kw_only=True)
class Robustness(Measure):
    """Items × (the direct request and every attack). The headline is the mean over the attacks; the direct request is
    apart, since a model that refuses it may still give way to an attack.

    ``attacks``: registered names. ``attack_params``: parameters by attack, ``{zulu: {translations: zulu.json}}``.
    ``direct``: also put the bare prompt. A subclass has a name and overrides ``items``.
    """

    axis: ClassVar[Axis] = "robustness"
    judges: ClassVar[tuple[str, ...]] = ("rules", "coherence")
    attacks: tuple[str, ...] = field(default=FIVE, metadata=WHERE)  # the texts' hashes are in the identity
    attack_params: dict[str, dict[str, Any]] = field(default_factory=dict, metadata=WHERE)
    direct: bool = True

    @cached_property
    def wrappings(self) -> Mapping[str, Attack]:
        """The attacks in use, by the name that records carry."""
        unused = set(self.attack_params) - set(self.attacks)
        if unused:
            raise UserError(f"attack_params names {', '.join(sorted(unused))}, which attacks does not list")
        built = [registry.build("attacks", name, self.attack_params.get(name)) for name in self.attacks]
        table = {attack.name: attack for attack in built}
        if len(table) < len(built) or DIRECT in table:
            raise UserError(f"the attacks {', '.join(self.attacks)} do not have names of their own in the records")
        return table

    @property
    def summary(self) -> Summary:
        return Summary("asr", by="attack", macro_over=tuple(self.wrappings), threshold=True)

    def asks(self, item: Item) -> list[Ask]:
        direct = [Ask(item.id, item.prompt)] if self.direct else []
        return direct + [Ask(item.id, a.wrap(item.prompt) or (), name) for name, a in self.wrappings.items()]

    def plain(self, attack: str, response: str) -> str | None:
        codec = self.wrappings[attack].codec if attack != DIRECT else None
        return codec.decode(response) if codec else response

    def attack_table(self) -> dict[str, dict[str, Any]]:
        return {name: {"version": a.version, "hash": a.hash} for name, a in self.wrappings.items()}
