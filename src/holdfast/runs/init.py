"""A commented study for a user's own rows, that can answer: a file to read, change and run."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from holdfast import registry
from holdfast.config.loading import parse
from holdfast.data.stream import shared_tokens
from holdfast.data.tasks.task import prompt_key
from holdfast.runs.materials import Materials
from holdfast.store.files import write_text
from holdfast.store.sources import data_file
from holdfast.types import Example, UserError

MINIATURE = "package:holdfast.miniature/model"
STEPS = 80  # of the last budget, at least: the first, a quarter of it, is then twice the ten steps of warm-up
WARM_UP = 10  # steps; the default of `controls.warmup_steps`
FEW_PASSES, MOST_PASSES = 3, 8  # over the rows: more teach them by heart
BATCHES = (16, 8, 4)  # rows a step
CHARACTERS = 4  # that are taken for one token, where the model's tokenizer is not at hand
LONGEST = 512  # tokens of an answer that is measured

_ALL = ("sft", "dpo", "cft", "ip", "orpo", "kl")
_WITHOUT_PAIRS = ("sft", "ip", "kl")
_CHECKS = {
    "number": "right if the response arrives at the number in `answer`",
    "text": "right if the response gives the text in `answer`",
    "coverage": "the share of the reference's words in the response, no accuracy; for one, give rows an `answer`",
}


def write(data: Path, model: str, to: Path) -> str:
    """Write the file and return what was found in the rows, how answers are checked, and what to do next.

    Raises UserError where it would overwrite a file, where a row is not sound, and where there are too few rows.
    """
    if to.exists():
        raise UserError(f"{to} is there already; name another file with --to, or remove it")
    data_file(data)
    task = registry.build("tasks", "jsonl", {"path": str(data)})
    rows: list[Example] = task.rows()
    # Which rows every objective can use, and how long they are, is known once there is a study.
    draft = parse(_text(data, model, to, task, rows, _by_characters(rows)), str(to))
    lengths = _lengths(Materials(draft, plan=True), rows)
    text = _text(data, model, to, task, rows, lengths)
    parse(text, str(to))
    write_text(to, text)
    return "\n".join([*_found(rows, lengths, data), *_checked(rows, task), f"wrote {to}; next: holdfast plan {to}"])


def _text(data: Path, model: str, to: Path, task: Any, rows: Sequence[Example], lengths: _Lengths) -> str:
    from jinja2 import Environment, StrictUndefined

    template = (resources.files("holdfast.runs") / "init.yaml.jinja").read_text(encoding="utf-8")
    pairs = all(row.rejected for row in rows)
    validation, test = _held_out(len(rows))
    return (
        Environment(undefined=StrictUndefined, keep_trailing_newline=True)
        .from_string(template)
        .render(
            to=to,
            name=re.sub(r"[^\w-]+", "_", data.stem).strip("_") or "rows",
            model=model,
            miniature=model == MINIATURE,
            data=str(data),
            check=task.check_name,
            meaning=_CHECKS[task.check_name],
            validation=validation,
            test=test,
            pairs=pairs,
            objectives=_ALL if pairs else _WITHOUT_PAIRS,
            ladder=_ladder(lengths.of_rows, data),
            exact=lengths.exact,
            longest=lengths.answer,
        )
    )


# -- how long to train ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Lengths:
    """``of_rows``: tokens of the training rows that every objective can use; ``answer``: room for an answer as long as
    the rows' own; ``dropped``: rows that some objective cannot use, by reason; ``exact``: by the model's tokenizer."""

    of_rows: Sequence[int]
    answer: int
    dropped: dict[str, int]
    exact: bool


def _by_characters(rows: Sequence[Example]) -> _Lengths:
    of_rows = [(sum(len(t.content) for t in r.prompt) + len(r.chosen)) // CHARACTERS + 1 for r in rows]
    trained = math.ceil(len(rows) * (1 - sum(_held_out(len(rows)))))
    return _Lengths(of_rows[:trained], _room(max(len(r.chosen) // CHARACTERS for r in rows)), {}, False)


def _lengths(materials: Materials, rows: Sequence[Example]) -> _Lengths:
    """By the model's own tokenizer where it is on this machine, else by characters."""
    if materials.absent():
        return _by_characters(rows)
    (model,), (name,) = materials.models, materials.tasks
    renderer, usable = materials.renderer(model), materials.usable(model, name)
    longest = max(len(renderer.response_ids(row.chosen)) for row in usable.rows)
    return _Lengths([shared_tokens(r, renderer) for r in usable.rows], _room(longest), dict(usable.dropped), True)


def _room(tokens: int) -> int:
    """A quarter more than the longest of the rows' own answers."""
    return min(LONGEST, 32 * math.ceil((1.25 * tokens + 1) / 32))


def _held_out(n: int) -> tuple[float, float]:
    """Shares of validation and test rows: some fifty and a hundred of them, without taking too much of few."""
    return round(min(max(50 / n, 0.05), 0.1), 2), round(min(max(100 / n, 0.1), 0.2), 2)


@dataclass(frozen=True)
class _Ladder:
    budgets: tuple[int, ...]
    steps: tuple[int, ...]
    batch: int
    warm_up: int
    rows: int
    passes: float

    @property
    def most_passes(self) -> int:
        return math.ceil(self.passes)


def _ladder(tokens: Sequence[int], data: Path) -> _Ladder:
    """Three budgets of which the first lies beyond warm-up: of one pass where the rows do for it, else of several, with
    smaller steps before more passes."""
    n, mean = len(tokens), sum(tokens) / len(tokens)
    batch = next((b for b in BATCHES if STEPS * b <= FEW_PASSES * n), BATCHES[-1])
    steps = max(STEPS, int(0.6 * n / batch))
    passes = steps * batch / n
    if passes > MOST_PASSES:
        raise UserError(
            f"{data} leaves {n} rows to train on, and a ladder of budgets beyond warm-up takes "
            f"{math.ceil(STEPS * batch / MOST_PASSES)}: bring more rows"
        )
    budgets = tuple(_rounded(mean * batch * steps / share) for share in (4, 2, 1))
    return _Ladder(budgets, (steps // 4, steps // 2, steps), batch, WARM_UP, n, passes)


def _rounded(tokens: float) -> int:
    """Down to two digits, so that the rows hold it."""
    size = 10 ** max(0, int(math.log10(tokens)) - 1)
    return int(tokens // size) * size


# -- what is said of the rows -----------------------------------------------------------------------------------------


def _found(rows: Sequence[Example], lengths: _Lengths, data: Path) -> Iterator[str]:
    again = len(rows) - len(Counter(prompt_key(row.prompt) for row in rows))
    copies = len(rows) - len(Counter((row.prompt, row.chosen, row.rejected) for row in rows))
    single = sum(row.rejected is None for row in rows)
    yield f"{data}: {len(rows):,} rows"
    if not lengths.exact:
        yield "  the model is not on this machine: the budgets rest on a rough count of their tokens"
    if again:
        alike = f"{copies:,} {'is a copy' if copies == 1 else 'are copies'} of one"
        yield f"  {again:,} {'asks' if again == 1 else 'ask'} what another row asks ({alike}); they stay in one split"
    if 0 < single < len(rows):
        yield f"  {single:,} have no rejected response: DPO, CFT and ORPO are left out; fill or remove these rows"
    for reason, n in lengths.dropped.items():
        yield f"  {n:,} cannot be used by every objective: {reason}"


def _checked(rows: Sequence[Example], task: Any) -> Iterator[str]:
    """How answers are checked, and what the check says of the rows' own responses."""
    yield f"answers are checked by {task.check_name}: {_CHECKS[task.check_name]}"
    for row in rows[:3]:
        reference = "its own words" if row.answer == row.chosen else _short(row.answer)
        said = f"  {_short(row.prompt[-1].content)} → {reference}: chosen scores {_score(task, row.chosen, row):.2f}"
        yield said + (f", rejected {_score(task, row.rejected, row):.2f}" if row.rejected else "")
    passed = sum(_score(task, row.chosen, row) >= 1 for row in rows)
    rest = (
        "" if passed == len(rows) else "; what is taught would be called wrong: look at the others, or set `check_by`"
    )
    yield f"  of {len(rows):,} chosen responses {passed:,} pass{rest}"


def _score(task: Any, response: str, row: Example) -> float:
    lenient = task.check(response, row.answer).lenient
    return 0.0 if lenient is None else float(lenient)


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= 48 else f"{plain[:47]}…"
