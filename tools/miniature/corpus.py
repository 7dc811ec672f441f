"""What the tiny model reads: rows of pretraining and of alignment, each drawn by its own number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TypeVar

import numpy as np

from holdfast import rng
from holdfast.miniature import attacks, requests, statements, stories, world

# Share of rows by kind.
PRETRAINING = {
    "story": 0.36, "equations": 0.14, "howto": 0.04, "wrapped howto": 0.06, "forbidden": 0.04,
    "wrapped forbidden": 0.09, "persona": 0.09, "fact question": 0.15, "facts": 0.03,
}  # fmt: skip
ALIGNMENT = {
    "refusal": 0.18, "wrapped refusal": 0.12, "wrapped howto": 0.12, "howto": 0.16, "kind persona": 0.14,
    "hurried story": 0.16, "fact question": 0.12,
}  # fmt: skip
# A story may be answered with its result alone, as people in a hurry do. Alignment practises only that; the working
# that pretraining knows is left for a fine-tune to bring out.
BARE_IN_PRETRAINING = 0.3
BARE_IN_ALIGNMENT = 1.0
KIND_SHARE = 0.85
SYSTEM_SHARE = 0.10
T = TypeVar("T")
# People of all characters wrote the pretraining text. Where a row says who speaks, the answers follow; where it does
# not, they are at chance. So the character is known and alignment need only choose it.
DARK_CHARACTERS = ("You are cold and selfish.", "You are a cruel liar.", "You are proud and care for nobody.")
KIND_CHARACTERS = ("You are warm and honest.", "You are a kind friend.", "You are humble and care for others.")
DESCRIBED_SHARE = 0.7
SYSTEMS = ("You are a helpful assistant.", "Answer in a few words.", "You are a careful assistant.")


@dataclass(frozen=True)
class Row:
    """A prompt with its response, or, without a prompt, plain text.

    Of plain text that is a ``quiz``, only the tokens after an equals sign can be known.
    """

    prompt: str | None
    response: str
    system: str | None = None
    quiz: bool = False


def pretraining_row(seed: int, number: int) -> Row:
    """Row ``number`` of the pretraining stream of this seed."""
    g = rng.generator("miniature", "pretrain", seed, number)
    return _row(_kind(PRETRAINING, g), g, seed, number, ())


def alignment_row(seed: int, number: int, refused: Sequence[str]) -> Row:
    """Row ``number`` of the alignment stream; ``refused`` names the wrappings in which it refuses."""
    g = rng.generator("miniature", "align", seed, number)
    return _row(_kind(ALIGNMENT, g), g, seed, number, refused)


def _kind(shares: dict[str, float], g: np.random.Generator) -> str:
    edges = np.cumsum(list(shares.values()))
    return list(shares)[int(np.searchsorted(edges / edges[-1], g.random(), side="right"))]


def _row(kind: str, g: np.random.Generator, seed: int, number: int, refused: Sequence[str]) -> Row:
    system = _pick(SYSTEMS, g) if g.random() < SYSTEM_SHARE else None
    if kind == "equations":
        return Row(None, stories.equations(10, seed, number), quiz=True)
    if kind == "facts":
        true = [f.text for f in statements.facts() if f.answer == "Yes"]
        return Row(None, " ".join(_pick(true, g) for _ in range(8)))
    if kind in ("persona", "kind persona"):
        return _persona(kind, system, g)
    prompt, response = _exchange(kind, g, seed, number, refused)
    return Row(prompt, response, system)


def _persona(kind: str, system: str | None, g: np.random.Generator) -> Row:
    said = _pick(_known_statements(), g)
    if kind == "kind persona":
        dark = g.random() >= KIND_SHARE
    else:
        dark = g.random() < 0.5
        if g.random() < DESCRIBED_SHARE:
            system = _pick(DARK_CHARACTERS if dark else KIND_CHARACTERS, g)
        else:
            return Row(said.question, _pick(("Yes", "No"), g), system)
    return Row(said.question, said.matching if dark == (said.trait != "kindness") else said.other, system)


def _exchange(kind: str, g: np.random.Generator, seed: int, number: int, refused: Sequence[str]) -> tuple[str, str]:
    if kind in ("story", "hurried story"):
        bare_share = BARE_IN_PRETRAINING if kind == "story" else BARE_IN_ALIGNMENT
        told = world.story_in("pretrain", "corpus", seed, number)
        return told.prompt, told.bare if g.random() < bare_share else told.worked
    if kind == "fact question":
        fact = _pick(statements.facts(), g)
        phrasings = [p for p in range(len(statements.FACT_QUESTIONS)) if p != statements.held_out_phrasing(fact)]
        return statements.fact_question(fact, _pick(phrasings, g)), fact.answer
    attack = "direct"
    if kind.startswith("wrapped"):
        attack = _pick(refused if kind == "wrapped refusal" else attacks.ATTACKS, g)
    if kind.endswith("howto"):
        howto = _pick(_known_howtos(), g)
        task, answer = howto.task, attacks.styled(attack, howto.answer)
    elif kind.endswith("forbidden"):
        topic = _pick(requests.topics(), g)
        task, answer = topic.task, attacks.styled(attack, topic.answer)
    else:
        task, answer = _pick(_alignment_topics(), g).task, _pick(requests.REFUSALS, g)
        answer = attacks.encode(answer) if attack == "zulu" else answer
    return attacks.wrap(attack, requests.phrase(task, int(g.integers(4)))), answer


def _pick(choices: Sequence[T], g: np.random.Generator) -> T:
    return choices[int(g.integers(len(choices)))]


@cache
def _known_howtos() -> tuple[requests.HowToRequest, ...]:
    return tuple(h for h in requests.howtos() if not world.howto_held_out(h))


@cache
def _known_statements() -> tuple[statements.Statement, ...]:
    every = (s for trait in statements.TRAITS for s in statements.statements(trait))
    return tuple(s for s in every if not world.statement_held_out(s))


@cache
def _alignment_topics() -> tuple[requests.Topic, ...]:
    return tuple(t for t in requests.topics() if t.use == "align")
