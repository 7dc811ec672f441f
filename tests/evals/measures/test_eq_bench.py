"""EQ-Bench: the scoring formula by hand, and answers in every form a model gives them."""

from __future__ import annotations

import json
import math

import pytest

from holdfast.evals.measures.eq_bench import EQBench, read, scaled
from holdfast.types import Record, UserError

QUESTION = """Rate the dialogue.

[Start dialogue]
Ann: The soup was cold. Critique it!
[End dialogue]

At the end Ann would feel...
Glad
Sad
Hungry
Calm

Give each a score from 0-10 for intensity. Then critique your answer, please. Finally, give your revised scores.

Use this format:

First pass scores:
Glad: <score>

Critique: <your critique>

Revised scores:
Glad: <revised score>

[End of answer]

Zero is a score."""
REFERENCE = {"Glad": 0.0, "Sad": 4.0, "Hungry": 7.0, "Calm": 10.0}


def row(**changes):
    fullscale = {f"emotion{n}": e for n, e in enumerate(REFERENCE, 1)}
    fullscale |= {"emotion1_score": 0, "emotion2_score": "4", "emotion3_score": "7", "emotion4_score": 10}
    return {"prompt": QUESTION, "reference_answer": {}, "reference_answer_fullscale": fullscale | changes}


def written(tmp_path, found):
    path = tmp_path / "questions.json"
    path.write_text(json.dumps(found, indent=1), encoding="utf-8-sig")
    return EQBench(path=str(path))


def said(text):
    return Record("r", "s", "eq_bench", "i", "none", "default", 0, text, text, 9, "stop")


@pytest.mark.parametrize(
    ("answer", "by_hand"),
    [
        ("Glad: 0\nSad: 4\nHungry: 7\nCalm: 10", 1.0),
        # d = 0, 1, 5, 10: 0, 6.5 / (1 + e^3.6), 6.5 / (1 + e^-1.2), 10
        (
            "Glad: 0\nSad: 5\nHungry: 2\nCalm: 0",
            1 - 0.07477 * (6.5 / (1 + math.exp(3.6)) + 6.5 / (1 + math.exp(-1.2)) + 10),
        ),
        ("**Glad:** 0\n- SAD = 4.0 (a little)\nhungry: 7\nCalm: 10\nOther: 3", 1.0),
    ],
)
def test_the_score_is_the_formula(tmp_path, answer, by_hand):
    measure = written(tmp_path, {"1": row()})
    verdict = measure.score(measure.items()[0], said(answer))
    assert verdict.score == pytest.approx(by_hand, abs=1e-12)
    assert verdict.details == {"parseable": 1.0, "with_zeros": verdict.score}


def test_the_scale_has_the_published_steps():
    assert [round(scaled(d), 3) for d in (0, 1, 4, 5, 6, 10)] == [0, 0.173, 3.25, 4.995, 6, 10]


@pytest.mark.parametrize(
    "answer", ["", "I would rather not.", "Glad: 1\nSad: 2\nHungry: 3", "Glad: 1\nSad: 2\nHungry: 3\nCalm: 11",
               "Glad: 1\nSad: 2\nHungry: 3\nCalm: -1"],
)  # fmt: skip
def test_an_answer_that_cannot_be_read_is_unscored_and_counted(tmp_path, answer):
    measure = written(tmp_path, {"1": row()})
    verdict = measure.score(measure.items()[0], said(answer))
    assert (verdict.score, verdict.reason) == (None, "unparseable")
    assert verdict.details == {"parseable": 0.0, "with_zeros": 0.0}


def test_revised_scores_count_if_all_four_are_there():
    first = "First pass scores:\nGlad: 1\nSad: 1\nHungry: 1\nCalm: 1\n\nCritique: Sad: 9?\n\nRevised scores:\n"
    whole = read(first + "Glad: 2\nSad: 3\nHungry: 4\nCalm: 5", REFERENCE)
    assert whole == {"Glad": 2, "Sad": 3, "Hungry": 4, "Calm": 5}
    assert read("Glad: 1\nSad: 1\nHungry: 1\nCalm: 1\nRevised scores:\nGlad: 2", REFERENCE)["Sad"] == 1


def test_instructions_for_a_revision_are_taken_out_and_nothing_else(tmp_path):
    short = written(tmp_path, {"1": row()}).items()[0].prompt[0].content
    assert "Critique it!" in short
    asked = short.partition("[End dialogue]")[2]
    for word in ("critique", "Critique", "evised", "First pass"):
        assert word not in asked
    assert "for intensity.\n" in asked
    assert "Glad: <score>" in asked
    assert asked.endswith("Zero is a score.")
    path = tmp_path / "questions.json"
    long = EQBench(path=str(path), revise=True).items()[0].prompt[0].content
    assert long == QUESTION
    assert EQBench(path=str(path), revise=True).identity() != EQBench(path=str(path)).identity()


def test_the_hub_s_layout_gives_the_same_items(tmp_path):
    theirs = row() | {"reference_answer_fullscale": str(row()["reference_answer_fullscale"])}
    path = tmp_path / "validation.jsonl"
    path.write_text(json.dumps(theirs) + "\n")
    assert EQBench(path=str(path)).items() == written(tmp_path, {"1": row()}).items()


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"1": {"prompt": "x"}}, "row 1: reference_answer_fullscale must name four emotions"),
        ({"1": row(emotion2_score="some")}, "score from 0 to 10"),
        ({"1": row(emotion2_score=11)}, "score from 0 to 10"),
        ({"1": row(emotion2="Glad")}, "four emotions"),
        ({"1": row() | {"prompt": 3}}, "row 1: the column 'prompt' must be a text"),
        ({"1": row(), "2": row()}, "holds 1 rows twice"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, found, words):
    with pytest.raises(UserError, match=words):
        written(tmp_path, found).items()
