"""The ordered stream of rows that every objective trains on, and its budgets.

One budget: it counts the tokens of the shared view, prompt + chosen as SFT sees them. Rows that any objective could
not use are dropped for all of them before ordering, and counted.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from holdfast import rng
from holdfast.config.study import Controls
from holdfast.data.prepare import Prepared
from holdfast.store.digest import digest
from holdfast.types import Example, Segment, Turn, UserError

if TYPE_CHECKING:
    from holdfast.data.renderer import Renderer

View = Callable[[Example], tuple[Segment, ...]]

NO_REJECTED = "no rejected response"
EQUAL = "rejected equals chosen"
EMPTY = "empty response"
OVERLONG = "over-long"


def shared_segment(example: Example) -> Segment:
    """The one view that a budget is counted in."""
    return Segment(example.id, "chosen", example.prompt, example.chosen)


def shared_tokens(example: Example, renderer: Renderer) -> int:
    """Tokens of the shared view, the end of the turn included."""
    return len(renderer.prompt_ids(example.prompt)) + len(renderer.response_ids(example.chosen))


# -- which rows -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Usable:
    """The training rows that every objective of the study can use, and how many were dropped for which reason, those
    that the task itself left out among them."""

    rows: tuple[Example, ...]
    dropped: Mapping[str, int]


def usable(
    prepared: Prepared,
    views: Mapping[str, View],
    renderer: Renderer,
    controls: Controls,
    pairs: bool,
    place: Callable[[str], str] = "the row {}".format,
) -> Usable:
    """The training rows that are fit for every view; ``pairs`` says that some objective needs both sides.

    A row is dropped for the first reason that holds: it has no rejected response though one is needed, its rejected
    response is the chosen one, a view has an empty response, or a view is longer than ``controls.max_tokens``.
    Raises UserError where the model's template does not take a row; ``place`` says where one stands, by its id.
    """
    kept: list[Example] = []
    dropped = Counter(prepared.left_out)
    for example in prepared.train:
        try:
            reason = _unfit(example, views, renderer, controls.max_tokens, pairs)
        except UserError as error:
            raise UserError(f"{place(example.id)}: {error}") from None
        if reason is None:
            kept.append(example)
        else:
            dropped[reason] += 1
    return Usable(tuple(kept), dict(sorted(dropped.items())))


def _unfit(example: Example, views: Mapping[str, View], renderer: Renderer, max_tokens: int, pairs: bool) -> str | None:
    if pairs and example.rejected is None:
        return NO_REJECTED
    if pairs and example.rejected is not None and example.rejected.strip() == example.chosen.strip():
        return EQUAL
    # Of every objective's view, whoever is trained: a row that one of them dropped alone would change its data.
    segments = [shared_segment(example), *(segment for view in views.values() for segment in view(example))]
    if not all(segment.response.strip() for segment in segments):
        return EMPTY

    # Views share most of their prompts and responses.
    @cache
    def prompt_tokens(prompt: tuple[Turn, ...]) -> int:
        return len(renderer.prompt_ids(prompt))

    @cache
    def response_tokens(response: str) -> int:
        return len(renderer.response_ids(response))

    if any(prompt_tokens(s.prompt) + response_tokens(s.response) > max_tokens for s in segments):
        return OVERLONG
    return None


# -- in which order -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stream:
    """Whole optimiser steps in order. A smaller budget's steps are a prefix of a larger one's.

    ``tokens_after[k]`` are the shared tokens read when step ``k`` ends; ``pass_of_step[k]`` is the pass over the split,
    from 0, that its first row belongs to; ``split_rows`` are the rows of one pass; ``digest`` is of the order of ids.
    """

    steps: tuple[tuple[Example, ...], ...]
    tokens_after: tuple[int, ...]
    pass_of_step: tuple[int, ...]
    split_rows: int
    digest: str

    def step_at(self, budget: int) -> int:
        """How many whole steps a budget (shared tokens) takes: the last is the first that ends at or past it."""
        assert budget <= (self.tokens_after or (0,))[-1], "the stream was built for a smaller budget"
        return bisect_left(self.tokens_after, budget) + 1

    def passes_at(self, budget: int) -> float:
        """Passes over the split at a budget, e.g. 0.4 or 2.5."""
        return self.rows_at(budget) / self.split_rows

    def rows_at(self, budget: int) -> int:
        """Rows read at a budget, those of another pass again: every step has as many."""
        return self.step_at(budget) * len(self.steps[0])


def stream(
    usable: Usable,
    renderer: Renderer,
    *,
    seed: int,
    budget: int,
    batch_rows: int,
    passes: int = 1,
    named: str = "order",
) -> Stream:
    """Steps of exactly ``batch_rows`` rows, up to the first that ends at or past ``budget`` (shared tokens).

    The order depends on the seed, the pass and the rows' ids alone, and on which random stream is ``named``. The tail
    of a pass flows into the next one.
    Raises ``UserError`` where ``passes`` over the rows hold fewer tokens than the budget.
    """
    tokens: dict[str, int] = {}
    steps: list[tuple[Example, ...]] = []
    tokens_after: list[int] = []
    pass_of_step: list[int] = []
    step: list[Example] = []
    read = 0
    for pass_, example in _ordered(usable.rows, named, seed, passes):
        if not step:
            pass_of_step.append(pass_)
        step.append(example)
        if example.id not in tokens:
            tokens[example.id] = shared_tokens(example, renderer)
        # Tokens of the shared view, whatever else an objective reads of the row: DPO's rejected responses cost no
        # budget.
        read += tokens[example.id]
        # Whole steps only. A smaller last step would have another denominator, and the ladder would not be nested.
        if len(step) == batch_rows:
            steps.append(tuple(step))
            tokens_after.append(read)
            step = []
            if read >= budget:
                break
    else:
        available = tokens_after[-1] if tokens_after else 0
        raise UserError(
            f"the budget of {budget} tokens is more than the data allow: {passes} pass(es) over {len(usable.rows)} "
            f"usable training rows hold {available} tokens in whole steps of {batch_rows} rows; lower the budget, "
            "raise `passes` or bring more rows"
        )
    order = [[example.id for example in step] for step in steps]
    return Stream(tuple(steps), tuple(tokens_after), tuple(pass_of_step), len(usable.rows), digest(order))


def _ordered(rows: tuple[Example, ...], named: str, seed: int, passes: int) -> Iterator[tuple[int, Example]]:
    by_id = {example.id: example for example in rows}
    assert len(by_id) == len(rows), "row ids are not unique"
    for pass_ in range(passes):
        # Sorted by a hash of pass and id: a row that is added or dropped moves none of the others past one another.
        for i in rng.order(by_id, named, seed, pass_):
            yield pass_, by_id[i]
