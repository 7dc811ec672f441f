"""Labels by people: read from a file, several raters to a response, and what is wrong with a file said by its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.evals.judges.humans import Humans, Vote, settled
from holdfast.types import Item, Record, Turn, UserError

ITEM = Item("i", (Turn("user", "?"),))


def record(id: str) -> tuple[Item, Record]:
    return ITEM, Record(id, "s", "m", "i", "none", "default", 0, "text", "text", 1, "stop")


@pytest.fixture
def judged(tmp_path):
    def judge(text: str, *ids: str, name: str = "labels.csv", key: str = ""):
        (tmp_path / name).write_text(text)
        if key:
            (tmp_path / "labels.key.csv").write_text(key)
        return Humans(str(tmp_path / name)).judge([record(i) for i in ids])

    return judge


def test_a_label_is_a_judgement_and_a_response_without_one_is_unscored(judged):
    a, b, c, d = judged("id,label\na,refusal\nb,1_full_compliance\nc,\n", "a", "b", "c", "d")
    assert [(x.record, x.score, x.label) for x in (a, b)] == [("a", 0.0, "refusal"), ("b", 1.0, "answer")]
    assert [(x.score, x.label, x.reason) for x in (c, d)] == [(None, "unscored", "not labelled")] * 2


def test_the_majority_of_raters_decides_and_a_tie_is_unscored(judged):
    rows = "id,label,rater\na,refusal,x\na,answer,y\na,answer,z\nb,refusal,x\nb,answer,y\n"
    a, b = judged(rows, "a", "b")
    assert (a.score, a.label, a.details["raters"]) == (1.0, "answer", 3.0)
    assert a.details["agreement"] == pytest.approx(2 / 3)
    assert (b.score, b.reason) == (None, "raters are divided")


def test_scores_stand_for_themselves_in_json_lines(judged):
    rows = "\n".join(
        json.dumps(r) for r in [{"record": "a", "score": 0.75}, {"record": "b", "label": "odd", "score": 0}]
    )
    a, b = judged(rows, "a", "b", name="labels.jsonl")
    assert (a.score, a.label) == (0.75, "1")
    assert (b.score, b.label) == (0.0, "odd")


def test_weights_are_read_from_the_key_beside_the_sheet(judged):
    (a,) = judged("id,label\na,refusal\n", "a", key="id,weight,stratum\na,12.5,x\n")
    assert a.details["weight"] == 12.5


def test_other_labels_are_another_judge_and_another_place_is_not(tmp_path):
    for name, label in (("one.csv", "refusal"), ("two.csv", "refusal"), ("three.csv", "answer")):
        (tmp_path / name).write_text(f"id,label\na,{label}\n")
    one, two, three = (Humans(str(tmp_path / f"{n}.csv")).identity() for n in ("one", "two", "three"))
    assert one == two != three


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,label\na,maybe\n", "line 2: the label 'maybe' has no score"),
        ("id,label\n,refusal\n", "line 2: the column id is empty"),
        ("id,label\na,refusal\na,answer\n", "line 3: a is labelled a second time by nobody named"),
        ("id,label,rater\na,refusal,x\na,answer,x\n", "line 3: a is labelled a second time by the rater x"),
        ("id,score\na,2\n", "line 2: the score must lie between 0 and 1"),
        ("id,score\na,good\n", "line 2: the column 'score' must be a number"),
        ("id,score\na,nan\n", "line 2: the column 'score' must be a finite number"),
        ("id,label,weight\na,answer,-1\n", "line 2: the weight must be above 0"),
        ("name,label\na,refusal\n", "labels need the column id"),
        ("id,note\na,refusal\n", "and label or score"),
        ("id,label\na,refusal,x\n", "line 2: it has 3 cells"),
        ("", "is empty"),
    ],
)
def test_a_malformed_file_is_named_with_its_line(judged, text, says):
    with pytest.raises(UserError, match=says):
        judged(text, "a")


def test_a_missing_file_says_how_to_make_one(tmp_path):
    with pytest.raises(UserError, match="judge sample"):
        Humans(str(tmp_path / "none.csv")).judge([record("a")])


@given(st.lists(st.sampled_from([("refusal", 0.0), ("answer", 1.0)]), min_size=1, max_size=9), st.randoms())
def test_raters_have_no_order(said, random):
    votes = [Vote(label, score, str(k)) for k, (label, score) in enumerate(said)]
    one, other = settled("a", votes), settled("a", random.sample(votes, len(votes)))
    assert (one.score, one.label, one.reason) == (other.score, other.label, other.reason)
