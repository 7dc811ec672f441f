"""SuperGPQA, cyber and open question answering, on rows made in their exact schemas: every row is learnt or counted."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from holdfast import registry
from holdfast.config.study import TaskSpec
from holdfast.config.task import SplitSpec
from holdfast.data import letters
from holdfast.data.prepare import prepare
from holdfast.data.tasks.cyber import QUESTIONS, CyberQA
from holdfast.data.tasks.open_qa import OpenQA
from holdfast.data.tasks.supergpqa import SuperGPQA
from holdfast.data.tasks.task import Verdict
from holdfast.types import UserError

SECRET = "the-secret-of-the-valley"


def put(file: Path, *rows: object, start: str = "") -> str:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    file.write_text(start + "\n".join(lines), encoding="utf-8")
    return str(file)


# -- SuperGPQA --------------------------------------------------------------------------------------------------------


def gpqa(n: int, **other: object) -> dict[str, object]:
    """A row as the hub has it."""
    options = [f"{n + k} m" for k in range(10)]
    return {
        "uuid": f"u{n:03d}",
        "question": f"How long is beam {n}?",
        "options": options,
        "answer": options[n % 10],
        "answer_letter": letters.LETTERS[n % 10],
        "discipline": "Engineering",
        "field": "Mechanical Engineering",
        "subfield": "Statics",
        "difficulty": "middle",
        "is_calculation": True,
    } | other


def test_the_right_option_is_chosen_and_a_wrong_one_rejected(tmp_path):
    task = SuperGPQA(put(tmp_path / "SuperGPQA-all.jsonl", *(gpqa(n) for n in range(60)), start="\ufeff"))
    rows = task.rows()
    assert [row.id for row in rows] == [f"u{n:03d}" for n in range(60)]
    assert rows[3].chosen == "6 m\nAnswer: D"
    assert "D) 6 m" in rows[3].prompt[0].content.splitlines()
    for row in rows:
        assert task.check(row.chosen, row.answer) == Verdict(1.0, 1.0)
        assert task.check(row.rejected or "", row.answer) == Verdict(0.0, 0.0)
        option, letter = (row.rejected or "").split("\nAnswer: ")
        assert f"{letter}) {option}" in row.prompt[0].content.splitlines()
        assert task.perturb(row) == row.rejected
    assert len({(row.rejected or "")[-1] for row in rows}) > 5
    assert task.left_out() == {}
    assert task.test_rows() is None


def test_a_rows_wrong_option_does_not_depend_on_the_others(tmp_path):
    every = SuperGPQA(put(tmp_path / "a.jsonl", *(gpqa(n) for n in range(9)))).rows()
    assert SuperGPQA(put(tmp_path / "b.jsonl", gpqa(8), gpqa(2))).rows() == [every[8], every[2]]


def test_only_the_discipline_that_was_asked_for_is_read(tmp_path):
    path = put(tmp_path / "a.jsonl", gpqa(0), gpqa(1, discipline="Law"), gpqa(2, options=["2 m", "3 m"], answer="3 m",
                                                                              answer_letter="B"))  # fmt: skip
    assert [row.id for row in SuperGPQA(path).rows()] == ["u000", "u002"]
    assert [row.id for row in SuperGPQA(path, discipline="Law").rows()] == ["u001"]
    assert len(SuperGPQA(path, discipline=None).rows()) == 3
    with pytest.raises(UserError, match=r"no rows of the discipline 'engineering'; it has Engineering, Law"):
        SuperGPQA(path, discipline="engineering").rows()


def test_rows_that_teach_nothing_are_left_out_and_counted(tmp_path):
    bad = [
        gpqa(1, question=" "),
        gpqa(2, answer=""),
        gpqa(3, answer_letter="E"),
        gpqa(4, answer_letter="Z"),
        gpqa(5, answer_letter=""),
        gpqa(6, options=["6 m"], answer="6 m", answer_letter="A"),
        gpqa(0),
    ]
    task = SuperGPQA(put(tmp_path / "a.jsonl", gpqa(0), *bad))
    assert [row.id for row in task.rows()] == ["u000"]
    assert task.left_out() == {
        "empty question or answer": 2,
        "answer and letter disagree": 3,
        "no wrong option": 1,
        "the same row again": 1,
    }


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({k: v for k, v in gpqa(1).items() if k != "answer_letter"}, "no column 'answer_letter'"),
        (gpqa(1, options=SECRET), "`options` must be"),
        (gpqa(1, options=[SECRET, 3]), "`options` must be"),
        (gpqa(1, options=["x"] * 11), "11 options"),
        (gpqa(1, question=7), "'question' must be a text, but is a int"),
        (gpqa(1, discipline=None), "'discipline' must be a text"),
        (json.dumps(gpqa(1, question=SECRET))[:-9], "not valid JSON"),
    ],
)
def test_a_malformed_row_of_supergpqa_is_named(tmp_path, bad, says):
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: ") as error:
        SuperGPQA(put(tmp_path / "a.jsonl", gpqa(0), bad)).rows()
    assert says in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.data
def test_the_official_form_of_answer_is_read(data):
    """The worked items of SuperGPQA's own prompt end in ``Answer: X.``, which the lenient reading takes."""
    import yaml

    (prompt,) = yaml.safe_load((data / "supergpqa" / "five-shot.yaml").read_text())["prompt_format"]
    worked = [part.split("Question:")[0] for part in prompt.split("Let's think step by step.")[1:-1]]
    assert len(worked) == 5
    gold = [re.findall(r"Answer: ([A-J])\.", text)[-1] for text in worked]
    assert [letters.lenient(text) for text in worked] == gold


# -- cyber ------------------------------------------------------------------------------------------------------------


def report(n: int, **other: object) -> dict[str, object]:
    """A row as the hub has it."""
    return {
        "id": n,
        "text": f"Group {n} sent letters with a worm inside.\n\nThey were opened.",
        "entities": [{"id": 1, "label": "threat-actor", "start_offset": 0, "end_offset": 7}],
        "relations": [],
        "diagnosis": f"Group {n} spread a worm by letters.",
        "solutions": f"Do not open letters of group {n}.",
    } | other


def test_a_report_is_asked_about_twice(tmp_path):
    task = CyberQA(put(tmp_path / "a.jsonl", report(1)))
    what, against = task.rows()
    assert what.prompt[0].content == f"{QUESTIONS['diagnosis']}\n\n{report(1)['text']}"
    assert what.chosen == what.answer == report(1)["diagnosis"]
    assert against.chosen == report(1)["solutions"]
    assert against.rejected is None
    assert task.check("a worm by letters", what.answer) == Verdict(None, 0.4)  # of Group, 1, spread, worm, letters
    assert task.perturb(what) is None
    assert [row.chosen for row in CyberQA(task.path, parts=("solutions",)).rows()] == [report(1)["solutions"]]


def test_parts_without_an_answer_are_left_out_and_counted(tmp_path):
    rows = [report(1, diagnosis=None), report(2, text=" "), report(3, solutions=["Wait.", "See."]), report(3, id=4),
            report(5, solutions=""), report(5, solutions="")]  # fmt: skip
    task = CyberQA(put(tmp_path / "a.jsonl", *rows))
    assert task.left_out() == {"no diagnosis": 1, "no report": 1, "the same row again": 2, "no solutions": 2}
    assert [row.chosen for row in task.rows() if "See." in row.chosen] == ["Wait.\nSee."]
    assert len(task.rows()) == 5


def test_both_questions_about_a_report_go_to_one_split(tmp_path):
    task = CyberQA(put(tmp_path / "a.jsonl", *(report(n) for n in range(80))))
    made = prepare(task, TaskSpec(name="t", task="cyber", split=SplitSpec(validation=0.2, test=0.3)))
    parts = [made.train, made.validation, made.test]
    assert all(parts)
    for part in parts:
        assert set(Counter(task.together(row) for row in part).values()) == {2}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({k: v for k, v in report(1).items() if k != "solutions"}, "no column 'solutions'"),
        (report(1, diagnosis=3), "'diagnosis' must be a text"),
        (report(1, text=[SECRET]), "'text' must be a text"),
    ],
)
def test_a_malformed_report_is_named(tmp_path, bad, says):
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: ") as error:
        CyberQA(put(tmp_path / "a.jsonl", report(0), bad)).rows()
    assert says in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("parts", [[], ["diagnosis", "diagnosis"], ["entities"]])
def test_parts_are_named_once_each(parts):
    with pytest.raises(UserError, match="parts"):
        registry.build("tasks", "cyber", {"parts": parts})


# -- open question answering ------------------------------------------------------------------------------------------


def test_columns_are_those_that_the_study_names(tmp_path):
    row = {"frage": "May I?", "gold": "You may.", "schlecht": "No.", "question": "?"}
    (example,) = OpenQA(
        put(tmp_path / "a.jsonl", row), question="frage", reference="gold", rejected="schlecht", instruction="Be brief."
    ).rows()
    assert example.prompt[0].content == "May I?\nBe brief."
    assert (example.chosen, example.answer, example.rejected) == ("You may.", "You may.", "No.")


def test_a_rejected_response_may_be_missing_but_not_the_column_that_was_named(tmp_path):
    path = put(
        tmp_path / "a.jsonl", {"question": "a", "reference": "b"}, {"question": "c", "reference": "d", "rejected": ""}
    )
    assert [row.rejected for row in OpenQA(path).rows()] == [None, None]
    with pytest.raises(UserError, match="no column 'worse'"):
        OpenQA(path, rejected="worse").rows()


def test_every_format_gives_the_same_rows(tmp_path):
    table = [{"question": "May I, “here”?", "reference": "Yes,\nyou may.", "rejected": "No."}]
    parquet.write_table(pyarrow.Table.from_pylist(table), tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text('question,reference,rejected\n"May I, “here”?","Yes,\nyou may.",No.\n', "utf-8-sig")
    lines = OpenQA(put(tmp_path / "a.jsonl", *table)).rows()
    assert OpenQA(str(tmp_path / "a.parquet")).rows() == OpenQA(str(tmp_path / "a.csv")).rows() == lines


def test_empty_and_repeated_rows_are_left_out_and_counted_those_of_the_test_too(tmp_path):
    good = {"question": "a", "reference": "b"}
    bad = [{"question": " ", "reference": "b"}, {"question": "c", "reference": None}, good]
    put(tmp_path / "train.jsonl", good, *bad)
    put(tmp_path / "test.jsonl", {"question": "d", "reference": "e"}, bad[0])
    task = OpenQA(str(tmp_path), test_split="test")
    assert task.left_out() == {
        "empty question or answer": 2,
        "the same row again": 1,
        "empty question or answer (test)": 1,
    }
    assert [row.chosen for row in task.test_rows()] == ["e"]
    assert OpenQA(str(tmp_path), test=str(tmp_path / "test.jsonl")).test_rows() == task.test_rows()
    assert OpenQA(str(tmp_path)).test_rows() is None


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"question": "a"}, "no column 'reference'"),
        ({"question": 3, "reference": "b"}, "'question' must be a text"),
        ({"question": "a", "reference": "b", "rejected": [SECRET]}, "'rejected' must be a text"),
        (f'{{"question": "{SECRET}"', "not valid JSON"),
    ],
)
def test_a_malformed_row_is_named(tmp_path, bad, says):
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: ") as error:
        OpenQA(put(tmp_path / "a.jsonl", {"question": "a", "reference": "b"}, bad)).rows()
    assert says in str(error.value)
    assert SECRET not in str(error.value)


def test_the_published_tasks_are_registered():
    for name, made in (("supergpqa", SuperGPQA), ("cyber", CyberQA), ("open_qa", OpenQA)):
        assert registry.get("tasks", name) is made
