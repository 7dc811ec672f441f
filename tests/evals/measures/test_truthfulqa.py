"""TruthfulQA: MC1 and MC2 by hand, ROUGE-1 by hand, both layouts of the files, malformed rows."""

from __future__ import annotations

import json
import math

import pytest

from holdfast.evals.measures.truthfulqa import MC1, MC2, Generation, rouge1
from holdfast.types import Record, UserError

ROW = {
    "question": "Do kettles sing at night?",
    "mc1_targets": {"No, they do not": 1, "Yes, loudly": 0, "Only on Mondays": 0},
    "mc2_targets": {"Yes, loudly": 0, "No, they do not": 1, "They whistle": 1},
}
CSV = (
    "\ufeffType,Category,Question,Best Answer,Correct Answers,Incorrect Answers,Source\n"
    'x,Kettles,"Do kettles, when cold, sing?","No, they do not","No, they do not; Kettles whistle",Yes they sing.; '
    "They hum,nowhere\n"
)


def measure(tmp_path, kind, rows=(ROW,), **params):
    path = tmp_path / "mc_task.json"
    path.write_text(json.dumps(list(rows)))
    return kind(path=str(path), **params)


def scored(logps, continuations=()):
    return Record("r", "s", "m", "i", "none", "default", 0, "", "", 9, "scored", tuple(continuations), tuple(logps))


def test_mc1_is_right_if_no_wrong_answer_is_more_probable(tmp_path):
    m = measure(tmp_path, MC1)
    (item,) = m.items()
    assert m.prompts_for(item)[0].continuations == ("No, they do not", "Yes, loudly", "Only on Mondays")
    assert [m.score(item, scored(x)).score for x in ([-2, -3, -4], [-3, -2.9, -4], [-3, -3, -4])] == [1.0, 0.0, 1.0]


def test_mc2_is_the_right_answers_share_of_probability(tmp_path):
    m = measure(tmp_path, MC2)
    (item,) = m.items()
    assert m.prompts_for(item)[0].continuations == ("No, they do not", "They whistle", "Yes, loudly")
    p = [0.2, 0.1, 0.5]
    assert m.score(item, scored(map(math.log, p))).score == pytest.approx(0.3 / 0.8)
    assert m.score(item, scored([-5000, -5001, -5000])).score == pytest.approx((1 + math.e**-1) / (2 + math.e**-1))


@pytest.mark.parametrize("kind", [MC1, MC2])
def test_rows_without_log_probs_are_unscored(tmp_path, kind):
    m = measure(tmp_path, kind)
    assert m.score(m.items()[0], scored([-1, -math.inf, -2])).reason == "log-probs are not finite"
    assert m.score(m.items()[0], scored([])).reason == "no log-probs"


def test_primer_question_and_answer_are_forms(tmp_path):
    primer = tmp_path / "primer.txt"
    primer.write_text("Q: One and one?\nA: Two.\n\n")
    forms = {"question": "Q: {question}\nA:", "answer": " {answer}"}
    m = measure(tmp_path, MC1, primer=str(primer), **forms)
    (item,) = m.items()
    assert item.prompt[0].content == "Q: One and one?\nA: Two.\n\nQ: Do kettles sing at night?\nA:"
    assert m.prompts_for(item)[0].continuations[0] == " No, they do not"
    assert item.id != measure(tmp_path, MC1, **forms).items()[0].id
    with pytest.raises(UserError, match="exactly once"):
        measure(tmp_path, MC1, question="no place").items()


def test_the_hub_s_layout_gives_the_same_items(tmp_path):
    def hub(targets):
        return {"choices": list(targets), "labels": list(targets.values())}

    theirs = ROW | {name: hub(ROW[name]) for name in ("mc1_targets", "mc2_targets")}
    for kind in (MC1, MC2):
        assert measure(tmp_path, kind, [theirs]).items() == measure(tmp_path, kind).items()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"mc1_targets": {"a": 1, "b": 1, "c": 0}}, "row 1: mc1_targets must mark exactly one"),
        ({"mc1_targets": {"a": 1}}, "right answers and wrong ones"),
        ({"mc1_targets": {"a": "1", "b": 0}}, "the number 0 or 1"),
        ({"mc1_targets": {"a": 1, " ": 0}}, "not empty"),
        ({"mc1_targets": {"choices": ["a", "b"], "labels": [1]}}, "the number 0 or 1"),
        ({"mc1_targets": None}, "right answers and wrong ones"),
        ({"question": None}, "the column 'question' must be a text"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, changes, words):
    with pytest.raises(UserError, match=words):
        measure(tmp_path, MC1, [ROW | changes]).items()


def test_rouge1_by_hand():
    assert rouge1("The cat sat.", "the CAT ran") == pytest.approx(2 * 2 / 6)
    assert rouge1("a a b", "a a a a") == pytest.approx(2 * 2 / 7)
    assert rouge1("x", "") == 0


@pytest.fixture
def generation(tmp_path):
    path = tmp_path / "TruthfulQA.csv"
    path.write_text(CSV, encoding="utf-8")
    return Generation(path=str(tmp_path))


def said(text):
    return Record("r", "s", "m", "i", "none", "default", 0, text, text, 9, "stop")


def test_a_response_is_compared_with_right_and_wrong_references(generation):
    (item,) = generation.items()
    assert item.reference == "No, they do not"
    assert item.fields["correct_answers"] == "No, they do not.\nKettles whistle.\nI have no comment."
    assert item.fields["incorrect_answers"] == "Yes they sing.\nThey hum."
    right = generation.score(item, said("They do not"))
    assert right.score == 1
    assert right.details == pytest.approx({"rouge1_max": 6 / 7, "rouge1_diff": 6 / 7 - 2 / 5})
    assert generation.score(item, said("Yes, they sing!")).score == 0
    assert generation.score(item, said(" \n")).reason == "empty"


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("Yes they sing.; They hum", " ; ", "line 2: the column 'Incorrect Answers' is empty"),
        ('"No, they do not",', ",", "best answer is empty"),
        ("Best Answer", "Best", "line 2: there is no column 'Best Answer'"),
        (",nowhere", "", "line 2: it has 6 cells"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, old, new, words):
    path = tmp_path / "TruthfulQA.csv"
    path.write_text(CSV.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=words):
        Generation(path=str(path)).items()
