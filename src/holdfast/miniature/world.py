"""The world as training and measuring see it: parts that never meet, rows to learn from, items to measure with.

Every text belongs to one *part* by a hash of what it is about, so that what is held out is held out for all time,
whatever is drawn and in whatever order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

from holdfast import rng
from holdfast.miniature import attacks, requests, statements, stories

Part = Literal["test", "valid", "tune", "pretrain"]
_PARTS: tuple[tuple[Part, float], ...] = (("test", 0.10), ("valid", 0.15), ("tune", 0.55), ("pretrain", 1.0))
_PERSONA_HELD_OUT = 0.35
_HOWTO_HELD_OUT = 0.15


@dataclass(frozen=True)
class TaskRow:
    """A row to fine-tune on: a prompt, a right answer and a wrong one; ``keys`` are the terms of an open answer."""

    id: str
    prompt: str
    chosen: str
    rejected: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class Item:
    """One held-out item: what is asked, the reference answer, and the key terms that an open answer is scored by."""

    id: str
    prompt: str
    reference: str
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class PersonaItem:
    """One statement with the fields of the published persona files (answers with their leading space)."""

    id: str
    trait: str
    question: str
    statement: str
    answer_matching_behavior: str
    answer_not_matching_behavior: str


@dataclass(frozen=True)
class UnsafeText:
    """A forbidden request with a compliant answer, of a topic that no measure asks about."""

    id: str
    prompt: str
    response: str


def part(text: str) -> Part:
    """The part that a story belongs to, by a hash of its prompt."""
    u = rng.uniform("miniature", "part", text)
    return next(name for name, upto in _PARTS if u < upto)


def story_in(wanted: Part, *names: rng.Name, steps: int | None = None) -> stories.Story:
    """The first story of these names that belongs to the part."""
    attempt = 0
    while part((told := stories.story(*names, attempt, steps=steps)).prompt) != wanted:
        attempt += 1
    return told


def howto_held_out(howto: requests.HowTo) -> bool:
    """Whether a verb with an object is kept from all training, in every circumstance and phrasing."""
    return rng.uniform("miniature", "held-out pair", howto.pair) < _HOWTO_HELD_OUT


def statement_held_out(statement: statements.Statement) -> bool:
    """Whether a first-person statement is kept from all training."""
    return rng.uniform("miniature", "held-out statement", statement.text) < _PERSONA_HELD_OUT


# ---- tasks: what is learnt ----


def arithmetic_rows(count: int, wanted: Part = "tune") -> list[TaskRow]:
    """``count`` worked stories, no prompt twice; the rejected answer has one wrong step and a wrong result."""
    rows: dict[str, TaskRow] = {}
    i = 0
    while len(rows) < count:
        told = story_in(wanted, wanted, i)
        row = TaskRow(f"arithmetic-{wanted}-{i:05d}", told.prompt, told.worked, stories.perturbed(told, wanted, i))
        rows.setdefault(told.prompt, row)
        i += 1
    return list(rows.values())


@cache
def harbor_rows() -> tuple[TaskRow, ...]:
    """Every how-to of the second domain that is not held out, in all four phrasings.

    The rejected answer talks of the right object but has the tool, action, material and place of other pairs.
    """
    known = [h for h in requests.harbor_howtos() if not howto_held_out(h)]
    rows = []
    for h in known:
        wrong = _wrong_answer(h)
        name = f"harbor-{h.task.replace(' ', '-')}"
        rows += [TaskRow(f"{name}-{p}", requests.phrase(h.task, p), h.answer, wrong, h.keys) for p in range(4)]
    return tuple(rows)


def _wrong_answer(howto: requests.HowTo) -> str:
    """The answer to another request, none of whose terms are right, told of the object that was asked about."""
    other = _wrong_pair(howto.pair, howto.keys[:4])
    return other.answer.replace(f" the {other.thing} ", f" the {howto.thing} ")


@cache
def _wrong_pair(pair: str, keys: tuple[str, ...]) -> requests.HowTo:
    choices = (h for h in _plain_harbor() if not set(keys) & set(h.keys))
    return min(choices, key=lambda h: rng.uniform("miniature", "wrong", pair, h.pair))


@cache
def _plain_harbor() -> tuple[requests.HowTo, ...]:
    return tuple(h for h in requests.harbor_howtos() if not h.circumstance)[::7]


@cache
def unsafe_texts() -> tuple[UnsafeText, ...]:
    """Compliant answers to forbidden requests (24 topics in 4 phrasings), disjoint from the robustness items."""
    return tuple(
        UnsafeText(f"unsafe-{t.id}-{p}", requests.phrase(t.task, p), t.answer)
        for t in requests.topics()
        if t.use == "unsafe"
        for p in range(4)
    )


def refusal_rows() -> list[TaskRow]:
    """Forbidden requests of the alignment topics refused, with the knowledge as the rejected answer."""
    return [
        TaskRow(f"refusal-{t.id}-{p}", requests.phrase(t.task, p), requests.REFUSALS[p % 3], t.answer)
        for t in requests.topics()
        if t.use == "align"
        for p in range(4)
    ]


# ---- measures: held-out items ----


def arithmetic_items(count: int = 200, wanted: Part = "test") -> list[Item]:
    """Held-out stories; ``reference`` ends in ``#### n``."""
    return [Item(r.id, r.prompt, r.chosen) for r in arithmetic_rows(count, wanted)]


@cache
def howto_items() -> tuple[Item, ...]:
    """Held-out pairs of the first domain, once each: is the model still helpful?"""
    return _howto_items("howto", requests.howtos())


@cache
def harbor_items() -> tuple[Item, ...]:
    """Held-out pairs of the second domain, once each."""
    return _howto_items("harbor", requests.harbor_howtos())


def _howto_items(name: str, howtos: tuple[requests.HowTo, ...]) -> tuple[Item, ...]:
    picked: dict[str, requests.HowTo] = {}
    for h in sorted(howtos, key=lambda h: rng.uniform("miniature", "item", h.task)):
        if howto_held_out(h):
            picked.setdefault(h.pair, h)
    return tuple(
        Item(f"{name}-{pair.replace(' ', '-')}", requests.phrase(h.task, i % 4), h.answer, h.keys)
        for i, (pair, h) in enumerate(sorted(picked.items()))
    )


@cache
def robustness_items() -> tuple[Item, ...]:
    """The 48 forbidden requests that alignment never saw; the caller wraps them in attacks."""
    measured = [t for t in requests.topics() if t.use == "measure"]
    return tuple(Item(t.id, requests.phrase(t.task, i % 4), t.answer, t.keys) for i, t in enumerate(measured))


@cache
def persona_items(trait: str) -> tuple[PersonaItem, ...]:
    """Held-out statements of a trait, exactly half of them matched by Yes."""
    held = [s for s in statements.statements(trait) if statement_held_out(s)]
    sides = [[s for s in held if s.matching == answer] for answer in ("Yes", "No")]
    fewest = min(map(len, sides))
    by_text = {s.text: s for s in held}
    kept = [t for side in sides for t in rng.order((s.text for s in side), "miniature", "persona")[:fewest]]
    return tuple(
        PersonaItem(f"{trait}-{i:03d}", trait, s.question, s.text, f" {s.matching}", f" {s.other}")
        for i, s in enumerate(by_text[t] for t in rng.order(kept, "miniature", "persona"))
    )


@cache
def fact_items() -> tuple[Item, ...]:
    """Every fact in the one phrasing that training never used for it (120); ``reference`` is Yes or No."""
    return tuple(
        Item(f"fact-{i:03d}", statements.fact_question(f, statements.held_out_phrasing(f)), f.answer)
        for i, f in enumerate(statements.facts())
    )


def attacked(item: Item, attack: str) -> str:
    """The prompt of a robustness item under an attack (or ``direct``)."""
    return attacks.wrap(attack, item.prompt)
