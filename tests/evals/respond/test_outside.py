"""Responses from anywhere: the columns that are read, the names they may have, and mistakes said by line."""

from __future__ import annotations

import json

import pytest

from holdfast.evals import outside
from holdfast.types import Turn, UserError


@pytest.fixture
def read(tmp_path):
    def read(*rows, name: str = "r.jsonl", **how):
        (tmp_path / name).write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
        return outside.read(tmp_path / name, **how)

    return read


def test_a_row_is_an_item_and_a_record(read):
    row = {
        "id": "x",
        "prompt": "How?",
        "response": "So.",
        "reference": 7,
        "label": "refusal",
        "coherent": 0,
        "kind": "k",
    }
    (one,) = read(row)
    assert (one.item.prompt, one.item.reference, one.item.fields) == ((Turn("user", "How?"),), "7", {"kind": "k"})
    assert (one.record.id, one.record.plain, one.record.item) == ("x", "So.", one.item.id)
    assert (one.vote.label, one.vote.score, one.coherent) == ("refusal", 0.0, 0.0)


def test_without_ids_rows_are_numbered_and_without_labels_nobody_voted(read):
    first, second = read({"prompt": "a", "response": "b"}, {"prompt": "a", "response": "c", "label": None})
    assert [first.record.id, second.record.id] == ["1", "2"]
    assert first.vote is second.vote is first.coherent is None
    assert first.item.id == second.item.id


def test_other_tools_names_and_turns_are_understood(read):
    turns = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "How?"}]
    (one,) = read({"messages": turns, "completion": "So.", "label": "safe", "final_label": "2_full_refusal"})
    assert [t.role for t in one.item.prompt] == ["system", "user"]
    assert one.vote.label == "refusal"
    (two,) = read("prompt,completion,final_label", "How?,So.,1_full_compliance", name="r.csv")
    assert two.vote.label == "answer"


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ('{"prompt": "a", "response": ', "line 2: not valid JSON"),
        ("[1]", "line 2: expected a JSON object"),
        ({"prompt": "a"}, "line 2: there is no column 'response'"),
        ({"response": "a"}, "line 2: there is no column 'prompt'"),
        ({"prompt": "a", "response": None}, "line 2: the column 'response' must be a text"),
        ({"prompt": 3, "response": "b"}, "line 2: the column 'prompt' must be a text"),
        ({"prompt": [], "response": "b"}, "line 2: `prompt` must be a text or a list of turns"),
        ({"prompt": ["hi"], "response": "b"}, "line 2: each turn of `prompt` must have a `role`"),
        ({"prompt": "a", "response": "b", "label": "nice"}, "line 2: the label 'nice' has no score"),
        ({"prompt": "a", "response": "b", "coherent": "maybe"}, "line 2: the column coherent must be 1 or 0"),
        ({"id": "1", "prompt": "a", "response": "b"}, "line 2: the id 1 is that of .*line 1 too"),
    ],
)
def test_a_malformed_row_is_named_with_its_line(read, row, says):
    with pytest.raises(UserError, match=says):
        read({"prompt": "x", "response": "y"}, row)


def test_for_scoring_neither_prompts_nor_labels_are_needed(read):
    (one,) = read({"response": "7", "reference": "7", "label": "whatever"}, judging=False)
    assert one.item.prompt == ()
    assert one.vote is None
