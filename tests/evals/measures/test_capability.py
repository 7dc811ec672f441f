"""GSM8K, SuperGPQA and open answers: what is asked, scores by hand, and rows that are not as they should be."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from holdfast import registry
from holdfast.evals.eval_config import limited
from holdfast.evals.measures.gsm8k import GSM8K
from holdfast.evals.measures.open_qa import OpenQA
from holdfast.evals.measures.supergpqa import SuperGPQA
from holdfast.store.digest import digest
from holdfast.types import Record, Turn, UserError


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(r) if isinstance(r, dict) else r for r in rows), encoding="utf-8")
    return str(path)


def said(text, finish="stop"):
    return Record("r", "s", "m", "i", "none", "default", 0, text, text, 3, finish)


def scored(probabilities):
    logps = tuple(math.log(p) for p in probabilities.values())
    return Record("r", "s", "m", "i", "none", "default", 0, "", "", 1, "scored", tuple(probabilities), logps)


# -- GSM8K --------------------------------------------------------------------------------------------------------


def sums(start, n):
    return [
        {"question": f"What is {k} and {k}?", "answer": f"{k} and {k} is <<{k}+{k}={2 * k}>>{2 * k}.\n#### {2 * k}"}
        for k in range(start, start + n)
    ]


@pytest.fixture
def gsm8k(tmp_path):
    jsonl(tmp_path / "train.jsonl", sums(100, 20))
    jsonl(tmp_path / "test.jsonl", sums(0, 10))
    return str(tmp_path)


def test_gsm8k_is_asked_bare_or_after_solved_examples(gsm8k):
    bare = GSM8K(path=gsm8k)
    item = next(i for i in bare.items() if i.prompt[0].content == "What is 7 and 7?")
    assert (item.reference, bare.prompts_for(item)[0].turns) == ("14", item.prompt)
    turns = GSM8K(path=gsm8k, shots=2, instruction="Think.").prompts_for(item)[0].turns
    assert [t.role for t in turns] == ["user", "assistant"] * 2 + ["user"]
    assert turns[-1] == Turn("user", "What is 7 and 7?\nThink.")
    assert turns[0].content.endswith("\nThink.")
    assert turns[1].content.split("####")[0].count("<<") == 0
    (text,) = GSM8K(path=gsm8k, shots=2, shots_as="text").prompts_for(item)[0].turns
    assert text.content.startswith("Question: What is 1")
    assert text.content.endswith("\n\nQuestion: What is 7 and 7?\nAnswer:")
    assert text.content.count("Question:") == 3


def test_more_examples_begin_with_the_same_ones_and_make_another_identity(gsm8k):
    item = GSM8K(path=gsm8k).items()[0]
    two, five = (GSM8K(path=gsm8k, shots=n).prompts_for(item)[0].turns for n in (2, 5))
    assert five[:4] == two[:4]
    before = digest(GSM8K(path=gsm8k, shots=2).identity())
    jsonl(Path(gsm8k) / "train.jsonl", sums(200, 20))
    assert digest(GSM8K(path=gsm8k, shots=2).identity()) != before


def test_gsm8k_by_hand(gsm8k):
    item = next(i for i in GSM8K(path=gsm8k).items() if i.reference == "14")
    flexible, strict = GSM8K(path=gsm8k), GSM8K(path=gsm8k, reading="strict")
    cases = {
        # response: score, label and detail of the flexible reading; of the strict one
        "7 and 7 is 14.\n#### 14": ((1, "correct", 1), (1, "correct", 1)),
        "The answer is 14.": ((1, "correct", 0), (0, "no number", 1)),
        "#### 15": ((0, "wrong", 0), (0, "wrong", 0)),
        "I do not know.": ((0, "no number", 0), (0, "no number", 0)),
        "": ((0, "no number", 0), (0, "no number", 0)),
    }
    for text, expected in cases.items():
        for measure, other, (score, label, detail) in zip(
            (flexible, strict), ("strict", "flexible"), expected, strict=True
        ):
            verdict = measure.score(item, said(text))
            assert (verdict.score, verdict.label, verdict.details[other]) == (score, label, detail), text
            assert verdict.details["parsed"] == (label != "no number")
    assert flexible.score(item, said("#### 1", "length")).details["cut"] == 1
    assert flexible.summary.secondary == ("strict", "parsed", "cut")
    assert strict.summary.secondary == ("flexible", "parsed", "cut")


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (['{"question": "a"}'], "line 1: there is no column 'answer'"),
        ([*sums(0, 1), '{"question": "a", "answer": '], "line 2: not valid JSON"),
        (['{"question": "a", "answer": "no number"}'], "line 1: the answer does not end in `#### n`"),
        (['{"question": 5, "answer": "#### 5"}'], "line 1: the column 'question' must be a text"),
        (['{"question": "a", "answer": ""}'], "line 1: the answer does not end"),
        ([], "is empty"),
    ],
)
def test_a_malformed_row_of_gsm8k_is_named(tmp_path, rows, words):
    jsonl(tmp_path / "test.jsonl", rows)
    with pytest.raises(UserError, match=words):
        GSM8K(path=str(tmp_path)).items()


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "test.jsonl").write_text(json.dumps(sums(1, 1)[0]), encoding="utf-8-sig")
    assert GSM8K(path=str(tmp_path)).items()[0].reference == "2"


def test_examples_need_training_rows(gsm8k, tmp_path):
    with pytest.raises(UserError, match="is one file: give the folder"):
        GSM8K(path=f"{gsm8k}/test.jsonl", shots=1).identity()
    with pytest.raises(UserError, match="30 examples, but"):
        GSM8K(path=gsm8k, shots=30).identity()
    with pytest.raises(UserError, match="0 or more"):
        registry.build("measures", "gsm8k", {"shots": -1})


# -- SuperGPQA ----------------------------------------------------------------------------------------------------


def question(n, count=10, letter="C", **more):
    listed = [f"thing {n}.{k}" for k in range(count)]
    return {
        "uuid": f"u{n}",
        "question": f"Which thing is number {n}?",
        "options": listed,
        "answer": listed["ABCDEFGHIJ".index(letter)],
        "answer_letter": letter,
        "discipline": "Engineering" if n % 3 else "Law",
        "field": "f",
        "subfield": "s",
        "difficulty": "hard",
        "is_calculation": False,
        **more,
    }


@pytest.fixture
def supergpqa(tmp_path):
    return jsonl(tmp_path / "rows.jsonl", [question(n, count=10 if n % 2 else 4) for n in range(30)])


def test_supergpqa_is_asked_by_discipline_with_its_options(supergpqa):
    measure = SuperGPQA(path=supergpqa)
    items = measure.items()
    assert len(items) == 20
    assert len(SuperGPQA(path=supergpqa, discipline=None).items()) == 30
    item = items[0]
    assert measure.prompts_for(item)[0].turns == item.prompt
    assert item.prompt[0].content.startswith("Which thing is number 1?\n\nA) thing 1.0\n")
    assert "\nJ) thing 1.9\n" in item.prompt[0].content
    with pytest.raises(UserError, match="it has Engineering, Law"):
        SuperGPQA(path=supergpqa, discipline="Cooking").items()


def test_supergpqa_by_letter_by_hand(supergpqa):
    measure = SuperGPQA(path=supergpqa)
    item = measure.items()[0]
    cases = {
        "thing 1.2\nAnswer: C": (1, "correct", 1),
        "I think the answer is (C).": (1, "correct", 0),
        "Answer: D": (0, "wrong", 0),
        "A tricky thing.": (0, "no letter", 0),
        "": (0, "no letter", 0),
    }
    for text, (score, label, strict) in cases.items():
        verdict = measure.score(item, said(text))
        assert (verdict.score, verdict.label, verdict.details["strict"]) == (score, label, strict), text
        assert verdict.details["parsed"] == (label != "no letter")


def test_supergpqa_by_logprob_by_hand(supergpqa):
    measure = SuperGPQA(path=supergpqa, by="logprob")
    four = measure.items()[1]
    (prompt,) = measure.prompts_for(four)
    assert prompt.continuations == ("A", " A", "B", " B", "C", " C", "D", " D")
    assert "letter" in prompt.turns[0].content
    assert "last line" not in prompt.turns[0].content
    won = measure.score(four, scored({"A": 0.2, "B": 0.1, "C": 0.15, " C": 0.15, "D": 0.2}))
    assert (won.score, won.label) == (1, "correct")
    assert won.details == pytest.approx({"p_right": 0.3 / 0.8, "mass": 0.8})
    lost = measure.score(four, scored({"A": 0.5, "B": 0.1, "C": 0.3, "D": 0.1}))
    assert (lost.score, lost.label) == (0, "wrong")
    tied = measure.score(four, scored({"A": 0.25, "B": 0.25, "C": 0.25, "D": 0.25}))
    assert tied.score == 0
    assert measure.score(four, scored({"A": 0.5, "C": 0.5})).reason == "answers have the same tokens"
    assert len(measure.prompts_for(measure.items()[0])[0].continuations) == 20


def test_the_authors_wording_comes_from_their_file_and_is_in_the_identity(supergpqa, tmp_path):
    mine = tmp_path / "few.yaml"
    mine.write_text("prompt_format:\n  - |\n    Solved: ${{x}}$. Now:\n    {}\n    Think.\n")
    measure = SuperGPQA(path=supergpqa, prompts=str(mine))
    asked = measure.prompts_for(measure.items()[0])[0].turns[0].content
    assert asked.startswith("Solved: ${x}$. Now:\nWhich thing is number 1?\n\nA) thing 1.0")
    assert asked.endswith("J) thing 1.9\nThink.\n")
    assert digest(measure.identity()) != digest(SuperGPQA(path=supergpqa).identity())
    for text in (
        "prompt_format: [no place]",
        "prompt_format: ['{} and {}']",
        "prompt_format: ['{a}']",
        "x: 1",
        "1",
    ):
        mine.write_text(text)
        with pytest.raises(UserError, match="no prompt file"):
            SuperGPQA(path=supergpqa, prompts=str(mine)).identity()
    with pytest.raises(UserError, match="leave them out"):
        registry.build("measures", "supergpqa", {"path": supergpqa, "prompts": "x.yaml", "by": "logprob"})


@pytest.mark.data
def test_the_authors_own_files_are_read(supergpqa, data):
    for name, worked in (("zero-shot.yaml", 0), ("five-shot.yaml", 5)):
        measure = SuperGPQA(path=supergpqa, prompts=str(data / "supergpqa" / name))
        text = measure.prompts_for(measure.items()[0])[0].turns[0].content
        assert "thing 1.9" in text
        assert text.count("\nQuestion:") == (worked + 1 if worked else 0)
        assert "{{" not in text


def test_a_broken_row_of_supergpqa_is_unscored_or_named(tmp_path):
    rows = [
        question(1),
        question(2, answer="something else"),
        question(4, answer_letter="K"),
        question(5, question="  "),
        question(7, options=["same"] * 2, answer="same", answer_letter="A"),
    ]
    measure = SuperGPQA(path=jsonl(tmp_path / "rows.jsonl", rows))
    items = measure.items()
    reasons = [measure.score(item, said("Answer: C")).reason for item in items]
    assert reasons[0] is None
    assert reasons[1:] == ["answer and letter disagree"] * 2 + ["empty question or answer", "no wrong option"]
    for bad, words in (
        ({k: v for k, v in question(1).items() if k != "options"}, "line 1: `options` must be there"),
        (question(1, options=["a", 5]), "line 1: `options` must be there, as a list of texts"),
        (question(1, options=list("abcdefghijk")), "line 1: it has 11 options"),
        (question(1, question=None), "line 1: the column 'question' must be a text"),
        ('{"uuid": ', "line 1: not valid JSON"),
    ):
        with pytest.raises(UserError, match=words):
            SuperGPQA(path=jsonl(tmp_path / "bad.jsonl", [bad])).items()


def test_the_same_row_twice_is_two_items(tmp_path):
    items = SuperGPQA(path=jsonl(tmp_path / "rows.jsonl", [question(1), question(1), question(2)])).items()
    assert len({i.id for i in items}) == 3


# -- open answers ---------------------------------------------------------------------------------------------------

LEGAL = [
    {"question": "May a tenant keep a goat?", "reference": "Only if the lease says so.", "rejected": "Always."},
    {"question": "Who pays for the roof?", "reference": ""},
]


def test_open_questions_carry_their_reference_to_the_judge(tmp_path):
    path = jsonl(tmp_path / "legal.jsonl", LEGAL)
    measure = OpenQA(path=path, instruction="Be brief.")
    goat, roof = measure.items()
    assert (goat.reference, goat.prompt) == (LEGAL[0]["reference"], (Turn("user", LEGAL[0]["question"]),))
    assert roof.reference == ""  # the judges leave it unscored
    assert measure.prompts_for(goat)[0].turns == (Turn("user", "May a tenant keep a goat?\nBe brief."),)
    assert measure.judges == ("reference_rubric",)
    with pytest.raises(UserError, match="line 1: there is no column 'prompt'"):
        OpenQA(path=path, question="prompt").items()
    with pytest.raises(UserError, match="line 1: the column 'question' is empty"):
        OpenQA(path=jsonl(tmp_path / "bad.jsonl", [{"question": " ", "reference": "x"}])).items()
    csv = tmp_path / "legal.csv"
    csv.write_text("q,a\nWho?,Me.\n", encoding="utf-8-sig")
    assert OpenQA(path=str(csv), question="q", reference="a").items()[0].reference == "Me."


def test_threat_reports_become_questions_as_the_task_makes_them(tmp_path):
    row = {"id": 1, "text": "A worm knits socks.", "entities": [], "relations": []}
    row |= {"diagnosis": "A knitting worm.", "solutions": "Hide the wool."}
    items = OpenQA(path=jsonl(tmp_path / "cyber.jsonl", [row]), task="cyber").items()
    assert {i.reference for i in items} == {"A knitting worm.", "Hide the wool."}
    assert all(i.prompt[0].content.endswith("A worm knits socks.") for i in items)


# -- all of them ----------------------------------------------------------------------------------------------------


def test_a_limit_takes_items_by_hash_whatever_their_order(gsm8k, supergpqa, tmp_path):
    legal = [{"question": f"Q{n}?", "reference": "x"} for n in range(20)]
    for make in (
        lambda rows: GSM8K(path=gsm8k),
        lambda rows: SuperGPQA(path=supergpqa),
        lambda rows: OpenQA(path=jsonl(tmp_path / "legal.jsonl", rows)),
    ):
        items = make(legal).items()
        few = [i.id for i in limited(items, 4)]
        assert few == [i.id for i in limited(items[::-1], 9)][:4]
        assert few == [i.id for i in limited(make(legal[::-1]).items(), 4)]
