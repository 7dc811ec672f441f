"""A second round of fine-tuning in a plan: what it goes on from is part of its identity, and nothing else moves."""

from __future__ import annotations

import pytest

from holdfast.config.role import Role
from holdfast.config.study_runs import variations
from holdfast.runs.materials import Materials
from holdfast.runs.plan import expand
from holdfast.types import UserError

OTHER = {"name": "benign", "task": "jsonl", "params": {"path": "other.jsonl"}}


def section(**training):
    return {"training": {"second_round": {"again": "rows", "benign": OTHER}} | training}


@pytest.fixture
def study(make, make_rows, tmp_path):
    make_rows(tmp_path / "other.jsonl", salt="!", rejected=False)
    return lambda section, **more: make(seeds=[0, 1], consistency=section, **more)


def by_label(study):
    return {(t.label, t.seed): t for t in expand(study).runs}


def test_a_second_round_is_a_run_at_the_last_budget_that_names_its_first_run(study):
    runs = by_label(study(section()))
    second, first = runs["SFT~second_round=again", 0], runs["SFT", 0]
    assert second.parent == first.id != second.id
    assert (second.budgets, second.role, second.overrides) == ((1000,), Role.VARIATION, {"second_round": "again"})
    assert second.checkpoints[0].tokens >= 1000
    assert second.order != first.order  # a second reading is not the same order again
    assert runs["SFT~second_round=benign", 0].parent == first.id
    assert not any(t.parent for (label, _), t in runs.items() if "~" not in label)


def test_a_second_rounds_id_follows_from_the_first_run_and_changes_no_other_id(study):
    plain, more = by_label(study(None)), by_label(study(section()))
    assert {k: t.id for k, t in more.items() if k in plain} == {k: t.id for k, t in plain.items()}
    longer = by_label(study(section(), budgets=[500, 1500]))  # the first run has the same id, and ends elsewhere
    assert longer["SFT", 0].id == more["SFT", 0].id
    assert longer["SFT~second_round=again", 0].id != more["SFT~second_round=again", 0].id


def test_a_crossed_second_round_goes_on_from_the_run_with_the_same_other_choices(study):
    runs = by_label(study(section(rank=[4], frame={"q": "Q: {prompt}"}) | {"cross": "full"}))
    second = runs["SFT~rank=4,frame=q,second_round=benign", 0]
    assert second.parent == runs["SFT~rank=4,frame=q", 0].id
    materials = Materials(study(section(rank=[4], frame={"q": "Q: {prompt}"}) | {"cross": "full"}))
    rows = materials.prepared("tiny", materials.rows_of(second.label, "rows")).train
    assert rows[0].prompt[-1].content.startswith("Q: question")
    assert rows[0].prompt[-1].content.endswith("!")


def test_rows_of_a_task_of_its_own_are_those_that_its_objectives_can_use(study):
    spec = study(section() | {"objectives": ["SFT"]})
    assert Materials(spec).usable("tiny", "benign").rows
    with pytest.raises(UserError, match="no row of the task 'benign'"):  # DPO needs pairs, which these rows are not
        expand(study(section() | {"objectives": ["SFT", "DPO"]}))


def test_order_and_beginning_are_declared_and_nothing_else(study):
    (x,) = [x for x in variations(study(section())) if x.overrides == {"second_round": "again"}]
    assert all(x.declares(k) for k in ("order.1000", "response_ids.1000", "lora_init"))
    assert not any(x.declares(k) for k in ("lora.rank", "optimiser.clip", "base"))


@pytest.mark.parametrize(
    ("level", "says"),
    [
        ("row", "second_round.x names no task of the study: did you mean rows"),
        (OTHER | {"name": "rows"}, "has the name 'rows' of a different task"),
        (OTHER | {"task": "jsonk"}, "there is no task named 'jsonk'"),
    ],
)
def test_mistakes_of_a_second_round_are_one_sentence(study, level, says):
    with pytest.raises(UserError, match=says):
        expand(study(section(second_round={"x": level})))
