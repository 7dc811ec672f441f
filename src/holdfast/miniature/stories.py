"""Arithmetic stories of one to four steps, with worked answers that end in ``#### n``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from holdfast import rng

NAMES = ("Ada", "Ben", "Cora", "Dan", "Ella", "Finn", "Gus", "Hana", "Ivo", "Jill", "Kai", "Lena")
ITEMS = (
    "apples", "shells", "coins", "cards", "stones", "beads", "books", "boxes", "cups", "eggs", "keys", "nuts", "pens",
    "plums", "seeds", "stamps",
)  # fmt: skip
GAINS = ("{name} finds {n} more.", "{name} buys {n} more.", "{name} gets {n} more.")
LOSSES = ("{name} loses {n}.", "{name} sells {n}.", "{name} gives away {n}.")
TIMES = ("Then {name} has {n} times as many.",)
QUESTION = "How many {items} does {name} have now?"
STEP_SHARES = (0.3, 0.3, 0.25, 0.15)
LARGEST = 24


@dataclass(frozen=True)
class Operation:
    """``left op right = value`` with op one of ``+ - *``."""

    left: int
    op: str
    right: int

    @property
    def value(self) -> int:
        return {"+": self.left + self.right, "-": self.left - self.right, "*": self.left * self.right}[self.op]


@dataclass(frozen=True)
class Story:
    prompt: str
    start: int
    steps: tuple[Operation, ...]

    @property
    def result(self) -> int:
        return self.steps[-1].value

    @property
    def worked(self) -> str:
        """E.g. ``3+4=7. 7*2=14. #### 14``."""
        return " ".join(f"{s.left}{s.op}{s.right}={s.value}." for s in self.steps) + f" {self.bare}"

    @property
    def bare(self) -> str:
        """The result without its working, as people in a hurry give it."""
        return f"#### {self.result}"


def story(*names: rng.Name, steps: int | None = None) -> Story:
    """The story with these names; the same names give the same story."""
    g = rng.generator("miniature", "story", *names)
    count = steps or int(g.choice(4, p=STEP_SHARES)) + 1
    name, items = _one_of(NAMES, g), _one_of(ITEMS, g)
    start = value = int(g.integers(2, 13))
    made: list[Operation] = []
    sentences = [f"{name} has {start} {items}."]
    for _ in range(count):
        step = _step(value, g)
        forms = {"+": GAINS, "-": LOSSES, "*": TIMES}[step.op]
        sentences.append(_one_of(forms, g).format(name=name, n=step.right))
        made.append(step)
        value = step.value
    sentences.append(QUESTION.format(items=items, name=name))
    return Story(" ".join(sentences), start, tuple(made))


def equations(count: int, *names: rng.Name) -> str:
    """Bare steps such as ``3+4=7. 21-8=13.``, of the same kinds and sizes as the stories'."""
    g = rng.generator("miniature", "equations", *names)
    steps = [_step(int(g.integers(1, LARGEST + 1)), g) for _ in range(count)]
    return " ".join(f"{s.left}{s.op}{s.right}={s.value}." for s in steps)


def perturbed(told: Story, *names: rng.Name) -> str:
    """A worked answer with one wrong step, carried on to a wrong result."""
    g = rng.generator("miniature", "perturbed", *names)
    wrong, slip = int(g.integers(len(told.steps))), int(g.integers(1, 10))
    value, parts = told.start, []
    for i, step in enumerate(told.steps):
        left, value = value, Operation(value, step.op, step.right).value
        # Upwards only: every later step keeps a larger number larger, so the result is wrong and never negative.
        value += slip * (i == wrong)
        parts.append(f"{left}{step.op}{step.right}={value}.")
    return " ".join(parts) + f" #### {value}"


def final(text: str) -> str | None:
    """What stands after the last ``####``, if anything does."""
    return text.rpartition("####")[2].strip() if "####" in text else None


def _step(value: int, g: np.random.Generator) -> Operation:
    """A step from this value that stays within 1 to ``LARGEST``."""
    room = {"+": LARGEST - value, "-": value - 1, "*": LARGEST // value}
    least = {"+": 1, "-": 1, "*": 2}
    op = _one_of([k for k in room if room[k] >= least[k]], g)
    most = {"+": 9, "-": 9, "*": 3}[op]
    return Operation(value, op, int(g.integers(least[op], min(most, room[op]) + 1)))


def _one_of(options: Sequence[str], g: np.random.Generator) -> str:
    """What ``g.choice(options)`` draws, without making an array of them (in which NumPy loses a Ctrl-C)."""
    return options[int(g.integers(len(options)))]
