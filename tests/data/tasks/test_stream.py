"""The one budget: nested, whole steps, in an order of the rows' own; what one objective cannot use none reads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.study import Controls, TaskSpec
from holdfast.config.task import SplitSpec
from holdfast.data.prepare import Prepared, prepare
from holdfast.data.stream import Usable, shared_segment, shared_tokens, stream, usable
from holdfast.types import Example, Segment, Turn, UserError

from .conftest import Toy, Words, row

ROWS = tuple(row(n, words=n % 7) for n in range(1, 61))
ALL = Usable(ROWS, {})
TOTAL = sum(shared_tokens(r, Words()) for r in ROWS)


def made(rows=ALL, seed=0, budget=300, batch_rows=4, passes=1):
    return stream(rows, Words(), seed=seed, budget=budget, batch_rows=batch_rows, passes=passes)


def ids(found):
    return [[example.id for example in step] for step in found.steps]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 5), st.integers(1, 900), st.integers(1, 900), st.integers(0, 3))
def test_a_smaller_budget_is_a_prefix_of_whole_steps(batch_rows, one, other, seed):
    small, large = sorted((one, other))
    a, b = (
        made(budget=small, batch_rows=batch_rows, seed=seed, passes=3),
        made(budget=large, batch_rows=batch_rows, seed=seed, passes=3),
    )
    assert ids(b)[: len(a.steps)] == ids(a)
    assert a.step_at(small) == b.step_at(small) == len(a.steps)
    assert all(len(step) == batch_rows for step in b.steps)


def test_a_checkpoint_is_at_the_first_whole_step_at_or_past_the_budget():
    found = made(budget=300)
    read = 0
    for n, step in enumerate(found.steps, start=1):
        before, read = read, read + sum(shared_tokens(example, Words()) for example in step)
        assert found.tokens_after[n - 1] == read
        assert found.step_at(before + 1) == found.step_at(read) == n
    assert found.tokens_after[-2] < 300 <= found.tokens_after[-1]


def test_the_order_is_of_the_rows_not_of_the_file():
    assert ids(made(Usable(ROWS[::-1], {}))) == ids(made())
    assert made(Usable(ROWS[::-1], {})).digest == made().digest


def test_another_seed_is_another_order():
    assert len({made(seed=s).digest for s in range(5)}) == 5


def test_a_pass_reads_every_row_once_and_the_next_in_another_order():
    found = made(budget=2 * TOTAL - 60, passes=2, batch_rows=7)
    read = [example.id for step in found.steps for example in step]
    assert set(read[:60]) == {r.id for r in ROWS}
    assert len(set(read[60:])) == len(read[60:])
    assert read[:40] != read[60:100]
    assert all(len(step) == 7 for step in found.steps)
    assert found.pass_of_step[0] == 0
    assert found.pass_of_step[-1] == 1
    assert found.passes_at(1) == pytest.approx(7 / 60)


def test_a_budget_beyond_the_data_is_refused_with_what_there_is():
    with pytest.raises(UserError, match=rf"{TOTAL} tokens.*passes") as error:
        made(budget=TOTAL + 1)
    assert "60 usable" in str(error.value)
    assert made(budget=TOTAL).tokens_after[-1] == TOTAL
    with pytest.raises(UserError, match="hold 0 tokens"):
        made(Usable((), {}))


# -- usable -----------------------------------------------------------------------------------------------------------


def both(example: Example) -> tuple[Segment, ...]:
    return (shared_segment(example), Segment(example.id, "rejected", example.prompt, example.rejected or ""))


def shouted(example: Example) -> tuple[Segment, ...]:
    return (replace(shared_segment(example), prompt=(Turn("user", "very " * 90), *example.prompt)),)


def prepared(*rows: Example) -> Prepared:
    return Prepared(rows, (), (), "", {})


BAD = [
    replace(ROWS[0], id="none", rejected=None),
    replace(ROWS[0], id="equal", rejected=ROWS[0].chosen + " "),
    replace(ROWS[0], id="empty chosen", chosen=" "),
    replace(ROWS[0], id="empty rejected", rejected=""),
    replace(ROWS[0], id="long", rejected="so " * 101),
]


def test_rows_that_one_objective_cannot_use_are_dropped_for_all_and_counted():
    views = {"sft": lambda e: (shared_segment(e),), "dpo": both}
    found = usable(prepared(*ROWS, *BAD), views, Words(), Controls(max_tokens=100), pairs=True)
    assert found.rows == ROWS
    assert found.dropped == {
        "no rejected response": 1,
        "rejected equals chosen": 1,
        "empty response": 2,
        "over-long": 1,
    }


def test_without_pairs_only_the_chosen_side_matters():
    views = {"sft": lambda e: (shared_segment(e),)}
    found = usable(prepared(*ROWS, *BAD), views, Words(), Controls(max_tokens=100), pairs=False)
    assert [e.id for e in found.rows[60:]] == ["none", "equal", "empty rejected", "long"]
    assert found.dropped == {"empty response": 1}


def test_one_views_longer_prompt_drops_the_row_for_all():
    views = {"sft": lambda e: (shared_segment(e),), "shouted": shouted}
    assert len(usable(prepared(*ROWS), views, Words(), Controls(max_tokens=100), pairs=False).rows) < 60
    assert usable(prepared(*ROWS), {}, Words(), Controls(max_tokens=100), pairs=False).rows == ROWS


def test_a_dropped_row_leaves_the_order_of_the_others():
    fewer = Usable(ROWS[1:], {})
    order = [i for step in ids(made(budget=TOTAL, batch_rows=1)) for i in step if i != ROWS[0].id]
    assert [i for step in ids(made(fewer, budget=TOTAL - 20, batch_rows=1)) for i in step] == order[
        : len(made(fewer, budget=TOTAL - 20, batch_rows=1).steps)
    ]


def test_the_whole_way_depends_on_no_order_of_the_source():
    spec = TaskSpec(name="t", task="toy", split=SplitSpec(validation=0.1, test=0.1))
    one, other = prepare(Toy(ROWS), spec), prepare(Toy(ROWS[::-1]), spec)
    assert one == other
