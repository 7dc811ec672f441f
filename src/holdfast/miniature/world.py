"""The world as training and measuring see it: parts that never meet, rows to learn from, items to measure with.

Every text belongs to one *part* by a hash of what it is about, so that what is held out is held out for all time,
whatever is drawn and in whatever order.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

from holdfast import rng
from holdfast.evals.measures import true_false
from holdfast.miniature import requests, statements, stories
from holdfast.types import Example, Item, Turn

Part = Literal["test", "valid", "tune", "pretrain"]
_PARTS: tuple[tuple[Part, float], ...] = (("test", 0.10), ("valid", 0.15), ("tune", 0.55), ("pretrain", 1.0))
_PERSONA_HELD_OUT = 0.35
_HOWTO_HELD_OUT = 0.15


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


def howto_held_out(howto: requests.HowToRequest) -> bool:
    """Whether a verb with an object is kept from all training, in every circumstance and phrasing."""
    return rng.uniform("miniature", "held-out pair", howto.pair) < _HOWTO_HELD_OUT


def statement_held_out(statement: statements.Statement) -> bool:
    """Whether a first-person statement is kept from all training."""
    return rng.uniform("miniature", "held-out statement", statement.text) < _PERSONA_HELD_OUT


# ---- tasks: what is learnt ----


@cache
def arithmetic_rows(count: int, wanted: Part = "tune") -> tuple[Example, ...]:
    """``count`` worked stories, no prompt twice; the rejected answer has one wrong step and a wrong result."""
    rows: dict[str, Example] = {}
    i = 0
    while len(rows) < count:
        told = story_in(wanted, wanted, i)
        wrong = stories.perturbed(told, wanted, i)
        row = Example(f"arithmetic-{wanted}-{i:05d}", _said(told.prompt), told.worked, wrong, answer=str(told.result))
        rows.setdefault(told.prompt, row)
        i += 1
    return tuple(rows.values())


@cache
def harbor_rows() -> tuple[Example, ...]:
    """Every how-to of the second domain that is not held out, in all four phrasings; ``answer`` has its key terms.

    The rejected answer talks of the right object but has the tool, action, material and place of other pairs.
    """
    return tuple(
        Example(_id("harbor", h.task, p), _said(h.task, p), h.answer, _wrong_answer(h), answer=" ".join(h.keys))
        for h in requests.harbor_howtos()
        if not howto_held_out(h)
        for p in range(4)
    )


def _wrong_answer(howto: requests.HowToRequest) -> str:
    """The answer to another request, none of whose terms are right, told of the object that was asked about."""
    other = _wrong_pair(howto.pair, howto.keys[:4])
    return other.answer.replace(f" the {other.thing} ", f" the {howto.thing} ")


@cache
def _wrong_pair(pair: str, keys: tuple[str, ...]) -> requests.HowToRequest:
    choices = (h for h in _plain_harbor() if not set(keys) & set(h.keys))
    return min(choices, key=lambda h: rng.uniform("miniature", "wrong", pair, h.pair))


@cache
def _plain_harbor() -> tuple[requests.HowToRequest, ...]:
    return tuple(h for h in requests.harbor_howtos() if not h.circumstance)[::7]


@cache
def unsafe_texts() -> tuple[Item, ...]:
    """Forbidden requests of 24 topics that no measure asks about, in 4 phrasings; ``reference`` complies."""
    return _forbidden("unsafe")


@cache
def refusal_texts() -> tuple[Item, ...]:
    """Forbidden requests of the alignment topics; ``reference`` is the knowledge."""
    return _forbidden("align")


def _forbidden(use: str) -> tuple[Item, ...]:
    return tuple(
        Item(f"{use}-{t.id}-{p}", _said(t.task, p), t.answer, forbidden=True)
        for t in requests.topics()
        if t.use == use
        for p in range(4)
    )


# ---- measures: held-out items ----


@cache
def howto_rows() -> tuple[Example, ...]:
    """Held-out pairs of the first domain, once each: is the model still helpful?"""
    return _held_out("howto", requests.howtos())


@cache
def harbor_test_rows() -> tuple[Example, ...]:
    """Held-out pairs of the second domain, once each."""
    return _held_out("harbor", requests.harbor_howtos())


def _held_out(name: str, howtos: tuple[requests.HowToRequest, ...]) -> tuple[Example, ...]:
    picked: dict[str, requests.HowToRequest] = {}
    for h in sorted(howtos, key=lambda h: rng.uniform("miniature", "item", h.task)):
        if howto_held_out(h):
            picked.setdefault(h.pair, h)
    return tuple(
        Example(_id(name, pair), _said(h.task, i % 4), h.answer, answer=" ".join(h.keys))
        for i, (pair, h) in enumerate(sorted(picked.items()))
    )


@cache
def robustness_items() -> tuple[Item, ...]:
    """The 48 forbidden requests that alignment never saw."""
    measured = [t for t in requests.topics() if t.use == "measure"]
    return tuple(
        Item(t.id, _said(t.task, i % 4), t.answer, {"topic": t.id}, forbidden=True) for i, t in enumerate(measured)
    )


@cache
def held_out_statements(trait: str) -> tuple[statements.Statement, ...]:
    """Held-out statements of a trait, exactly half of them matched by Yes."""
    held = {s.text: s for s in statements.statements(trait) if statement_held_out(s)}
    sides = [[s.text for s in held.values() if s.matching == answer] for answer in ("Yes", "No")]
    fewest = min(map(len, sides))
    kept = [t for side in sides for t in rng.order(side, "miniature", "persona")[:fewest]]
    return tuple(held[t] for t in rng.order(kept, "miniature", "persona"))


@cache
def fact_items() -> tuple[Item, ...]:
    """Every fact in the one phrasing that training never used for it (120); ``reference`` is Yes or No."""
    return tuple(
        true_false.fact(statements.fact_question(f, statements.held_out_phrasing(f)), f.answer)
        for f in statements.facts()
    )


def _said(task: str, phrasing: int | None = None) -> tuple[Turn, ...]:
    return (Turn("user", task if phrasing is None else requests.phrase(task, phrasing)),)


def _id(*parts: str | int) -> str:
    return "-".join(map(str, parts)).replace(" ", "-")
