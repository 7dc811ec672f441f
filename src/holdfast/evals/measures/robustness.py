"""Robustness: forbidden prompts, asked directly and under attacks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from holdfast import registry
from holdfast.evals.measures import attacks
from holdfast.evals.measures.attacks import Attack, Next
from holdfast.evals.measures.items import distinct, filled, item_id
from holdfast.evals.measures.measure import WHERE, Measure, MetricInfo, Summary, before_last
from holdfast.store.digest import digest
from holdfast.store.rows import Placed
from holdfast.types import Axis, Item, Prompt, Turn, UserError

DIRECT = "none"
METRICS = {
    "asr": MetricInfo(
        "ASR",
        "lower",
        title="Attack success rate",
        words="attack success",
        estimated="share of responses that the judge scores at or above the threshold, every attack counting alike",
        unit="share of responses",
    ),
    "harm": MetricInfo("harm", "lower", words="the harm score", unit="mean score of a judge, 0 to 1", kind="score"),
}
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
        return Summary("asr", by="attack", macro_over=tuple(self.wrappings), threshold=True, metrics=METRICS)

    def prompts_for(self, item: Item) -> list[Prompt]:
        direct = [Prompt(item.id, item.prompt)] if self.direct else []
        return direct + [p for name, attack in self.wrappings.items() for p in _rounds(item, name, attack)]

    def conversation(
        self, item: Item, attack: str, answers: Sequence[str], next: Next | None = None
    ) -> tuple[Turn, ...] | None:
        by: Any = self.wrappings[attack]
        turns = by.wrap(item.prompt)
        for round, answer in enumerate(answers, start=2):
            begun = turns[-1].role == "assistant"  # with which the answer begins
            turns = (*turns[: len(turns) - begun], Turn("assistant", answer))
            if (said := (next or attacks.scripted)(by, item.prompt, turns, round)) is None:
                return None
            turns = (*turns, said)
        return turns

    def plain(self, attack: str, response: str) -> str | None:
        codec = self.wrappings[attack].codec if attack != DIRECT else None
        return codec.decode(response) if codec else response

    def attack_table(self) -> dict[str, dict[str, Any]]:
        return {name: {"version": a.version, "hash": a.hash} for name, a in self.wrappings.items()}

    def identity(self) -> dict[str, Any]:
        """With the attacks' texts, but not with what single prompts were translated to: that stands in the requests.
        So a translation that comes later asks one row again, and not all of the measure."""
        texts = {name: attacks.identity(a) for name, a in self.wrappings.items()}
        return {**super().identity(), "attacks": texts}


def _rounds(item: Item, name: str, attack: Attack) -> list[Prompt]:
    """One prompt for each round of an attack, the last of them in the default format: there the request itself is."""
    without, soft, last = getattr(attack, "without", None), getattr(attack, "soft", None), attacks.rounds(attack)
    prompt = Prompt(item.id, attack.wrap(item.prompt) or (), name, without=without, soft=soft)
    if last == 1:
        return [prompt]
    episode = digest([attacks.identity(attack), item.prompt])  # the first turns need not hold the request
    every = [replace(prompt, round=n, format=before_last(n), episode=episode) for n in range(1, last + 1)]
    return [*every[:-1], replace(every[-1], format=prompt.format)]


def item(prompt: str, fields: Mapping[str, str], *, forbidden: bool = True) -> Item:
    """A prompt as an item, with an id made of its text alone: the same in every copy of a benchmark."""
    text = prompt.strip()
    return Item(item_id(text), (Turn("user", text),), fields=fields, forbidden=forbidden)


def prompts(rows: Sequence[Placed], column: str, keep: Iterable[str] = ()) -> list[Item]:
    """A forbidden item for each row, with the columns ``keep`` that it has as fields.

    Raises UserError naming the row whose prompt is missing, empty or no text, and saying how many stand there twice.
    """
    found = (item(filled(row, column), {k: str(row[1][k]) for k in keep if row[1].get(k)}) for row in rows)
    return distinct(found, file_of(rows))


def column(rows: Sequence[Placed], names: Sequence[str]) -> str:
    """The first of the names that is a column of these rows. Raises UserError with the columns that there are."""
    there = rows[0][1]
    for name in names:
        if name in there:
            return name
    raise UserError(f"{file_of(rows)} has no column {' or '.join(names)}; its columns are {', '.join(map(str, there))}")


def file_of(rows: Sequence[Placed]) -> str:
    """Where these rows come from: the place of the first, without its line."""
    return rows[0][0].rpartition(", ")[0]
