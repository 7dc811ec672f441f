"""A user's JSONL in all its forms, GSM8K, and clear errors that name file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.data.tasks.gsm8k import GSM8K
from holdfast.data.tasks.jsonl import Jsonl
from holdfast.types import Turn, UserError


def write(path: Path, *rows: object, start: str = "") -> str:
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text(start + "\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def user(text: str) -> dict:
    return {"role": "user", "content": text}


def assistant(text: str) -> dict:
    return {"role": "assistant", "content": text}


PLAIN = {"prompt": "One?", "chosen": "Yes.", "rejected": "No."}
CONTINUED = {"prompt": [user("One?")], "chosen": [assistant("Yes.")], "rejected": [assistant("No.")]}
IMPLICIT = {"chosen": [user("One?"), assistant("Yes.")], "rejected": [user("One?"), assistant("No.")]}


# -- forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("tags", "found"), [("easy", {"easy"}), (["easy", "short"], {"easy", "short"}), ([], set())])
def test_tags_tell_rows_apart_and_are_no_part_of_an_id(tmp_path, tags, found):
    (example,) = Jsonl(write(tmp_path / "tagged.jsonl", PLAIN | {"tags": tags})).rows()
    (plain,) = Jsonl(write(tmp_path / "plain.jsonl", PLAIN)).rows()
    assert example.tags == found
    assert example.id == plain.id
    with pytest.raises(UserError, match=r"line 1: `tags` must be a text or a list of texts"):
        Jsonl(write(tmp_path / "odd.jsonl", PLAIN | {"tags": {"a": 1}})).rows()


def test_plain_continued_and_implicit_rows_are_the_same_example(tmp_path):
    made = [Jsonl(write(tmp_path / f"{n}.jsonl", row)).rows() for n, row in enumerate([PLAIN, CONTINUED, IMPLICIT])]
    assert made[0] == made[1] == made[2]
    (example,) = made[0]
    assert example.prompt == (Turn("user", "One?"),)
    assert (example.chosen, example.rejected) == ("Yes.", "No.")


def test_system_and_earlier_turns_are_kept(tmp_path):
    system = {"role": "system", "content": "Be brief."}
    turns = [system, user("One?"), assistant("Yes."), user("Two?")]
    (example,) = Jsonl(write(tmp_path / "a.jsonl", {"prompt": turns, "chosen": "Ja."})).rows()
    assert [turn.role for turn in example.prompt] == ["system", "user", "assistant", "user"]
    assert example.rejected is None


def test_ids_are_of_the_content_or_the_users_own(tmp_path):
    a = Jsonl(write(tmp_path / "a.jsonl", PLAIN, {**PLAIN, "prompt": "Two?"})).rows()
    b = Jsonl(write(tmp_path / "b.jsonl", {**PLAIN, "prompt": "Two?"}, PLAIN)).rows()
    assert {row.id for row in a} == {row.id for row in b}
    assert a[0].id != a[1].id
    (own,) = Jsonl(write(tmp_path / "c.jsonl", {**PLAIN, "id": 7})).rows()
    assert own.id == "7"


def test_rows_that_are_the_same_to_the_letter_have_ids_of_their_own(tmp_path):
    rows = Jsonl(write(tmp_path / "a.jsonl", PLAIN, PLAIN, PLAIN)).rows()
    assert len({row.id for row in rows}) == 3


def test_a_byte_order_mark_empty_lines_and_odd_separators_are_passed_over(tmp_path):
    odd = {**PLAIN, "chosen": "a\u2028b\x85c"}
    path = write(tmp_path / "a.jsonl", PLAIN, "", odd, "   ", start="\ufeff")
    assert [row.chosen for row in Jsonl(path).rows()] == ["Yes.", "a\u2028b\x85c"]


def test_a_json_list_is_read_too(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([PLAIN]))
    assert len(Jsonl(str(path)).rows()) == 1


def test_a_changed_file_is_read_anew(tmp_path):
    path = tmp_path / "a.jsonl"
    assert len(Jsonl(write(path, PLAIN)).rows()) == 1
    assert len(Jsonl(write(path, PLAIN, {**PLAIN, "prompt": "Two?"})).rows()) == 2


# -- answers ----------------------------------------------------------------------------------------------------------


def test_answers_say_how_responses_are_checked(tmp_path):
    number = Jsonl(write(tmp_path / "n.jsonl", {**PLAIN, "answer": 7}, {**PLAIN, "prompt": "b", "answer": "1,000"}))
    assert number.check("#### 7", "7").strict == 1
    text = Jsonl(write(tmp_path / "t.jsonl", {**PLAIN, "answer": "The Hague"}))
    assert text.check("In The Hague.", "The Hague").lenient == 1
    open_ended = Jsonl(write(tmp_path / "o.jsonl", {**PLAIN, "chosen": "Warm the kettle"}))
    assert open_ended.rows()[0].answer == "Warm the kettle"
    assert open_ended.check("warm", "Warm the kettle").lenient == 0.5


def test_only_numbers_are_perturbed(tmp_path):
    number = Jsonl(write(tmp_path / "n.jsonl", {**PLAIN, "chosen": "3+4=7. #### 7", "answer": 7}))
    wrong = number.perturb(number.rows()[0])
    assert number.check(wrong, "7").lenient == 0
    text = Jsonl(write(tmp_path / "t.jsonl", PLAIN))
    assert text.perturb(text.rows()[0]) is None


def test_a_row_without_the_answer_that_others_have_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r"a\.jsonl, line 2: .*answer"):
        Jsonl(write(tmp_path / "a.jsonl", {**PLAIN, "answer": 7}, {**PLAIN, "prompt": "b"})).rows()
    with pytest.raises(UserError, match=r"line 1: .*number"):
        Jsonl(write(tmp_path / "b.jsonl", {**PLAIN, "answer": "seven"}), check_by="number").rows()


def test_own_test_rows(tmp_path):
    task = Jsonl(write(tmp_path / "a.jsonl", PLAIN), test=write(tmp_path / "b.jsonl", {**PLAIN, "prompt": "Two?"}))
    assert [row.prompt[0].content for row in task.test_rows()] == ["Two?"]
    assert Jsonl(task.path).test_rows() is None


# -- mistakes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ('{"prompt": ', "not valid JSON"),
        ("[1]", "JSON object"),
        ({"chosen": "x"}, "no `prompt`"),
        ({"prompt": "x"}, "no `chosen`"),
        ({**PLAIN, "prompt": 3}, "`prompt` must be"),
        ({**PLAIN, "chosen": []}, "`chosen` must be"),
        ({**PLAIN, "rejected": [user("no")]}, "assistant"),
        ({**PLAIN, "prompt": [{"role": "robot", "content": "x"}]}, "`role`"),
        ({**PLAIN, "prompt": [{"role": "user", "content": None}]}, "`content`"),
        ({**PLAIN, "prompt": [user("a"), assistant("b")]}, "user"),
        ({"chosen": [assistant("b")]}, "user"),
        ({"chosen": [user("a"), assistant("b")], "rejected": [user("c"), assistant("b")]}, "same turns"),
        ({**PLAIN, "id": None}, "`id`"),
        ({**PLAIN, "id": ["x"]}, "`id`"),
        ({**PLAIN, "answer": True}, "`answer`"),
    ],
)
def test_a_malformed_line_is_named(tmp_path, bad, says):
    with pytest.raises(UserError, match=r"rows\.jsonl, line 3: ") as error:
        Jsonl(write(tmp_path / "rows.jsonl", PLAIN, "", bad)).rows()
    assert says in str(error.value)


def test_two_rows_with_one_id_are_both_named(tmp_path):
    rows = [{**PLAIN, "id": "a"}, {**PLAIN, "id": "b"}, {**PLAIN, "id": "a"}]
    with pytest.raises(UserError, match=r"line 3: .*line 1"):
        Jsonl(write(tmp_path / "a.jsonl", *rows)).rows()


@pytest.mark.parametrize("content", [b"", b"\n \n", b"[]", b"\xef\xbb\xbf"])
def test_an_empty_file_is_named(tmp_path, content):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"rows\.jsonl is empty"):
        Jsonl(str(path)).rows()


def test_a_missing_file_and_one_that_is_no_text_are_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.jsonl"):
        Jsonl(str(tmp_path / "absent.jsonl")).rows()
    (tmp_path / "rows.jsonl").write_bytes(b'{"prompt": "\xff"}')
    with pytest.raises(UserError, match=r"rows\.jsonl is not UTF-8"):
        Jsonl(str(tmp_path / "rows.jsonl")).rows()


# -- GSM8K ------------------------------------------------------------------------------------------------------------


ROW = {"question": "How many?", "answer": "It is 3+4=<<3+4=7>>7 and 1,000*7=<<1000*7=7000>>7,000.\n#### 7,000"}


def gsm8k(folder: Path, *rows: object) -> Path:
    write(folder / "train.jsonl", *rows)
    write(folder / "test.jsonl", *rows[:1])
    return folder


def test_gsm8k_strips_its_marks_or_keeps_them(tmp_path):
    folder = str(gsm8k(tmp_path, ROW))
    (bare,) = GSM8K(folder).rows()
    (marked,) = GSM8K(folder, keep_marks=True, instruction="End with a number.").rows()
    assert bare.chosen == "It is 3+4=7 and 1,000*7=7,000.\n#### 7,000"
    assert bare.answer == "7000"
    assert marked.chosen == ROW["answer"]
    assert marked.prompt[0].content == "How many?\nEnd with a number."
    assert bare.id == marked.id
    assert GSM8K(folder).test_rows() == [bare]


def test_gsm8k_answers_are_made_wrong_by_their_marks(tmp_path):
    row = {"question": "?", "answer": "16 eggs - 3 eggs = <<16-3=13>>13 eggs\n#### 13"}
    task = GSM8K(str(gsm8k(tmp_path, row)))
    wrong = task.perturb(task.rows()[0])
    assert wrong.startswith("16 eggs - 3 eggs = ")
    assert "13" not in wrong
    assert "<<" not in wrong
    assert "<<" in GSM8K(str(tmp_path), keep_marks=True).perturb(task.rows()[0])


@pytest.mark.parametrize(
    "bad", [{"question": "x"}, {"question": "x", "answer": "none"}, {"q": "x", "answer": "#### 1"}]
)
def test_gsm8k_columns_are_verified(tmp_path, bad):
    with pytest.raises(UserError, match=r"train\.jsonl, line 2"):
        GSM8K(str(gsm8k(tmp_path, ROW, bad))).rows()


def test_gsm8k_that_is_not_there_is_a_users_error(tmp_path):
    with pytest.raises(UserError, match="no file"):
        GSM8K(str(tmp_path / "absent")).rows()
    with pytest.raises(UserError, match="no file of the split train"):
        GSM8K(str(tmp_path)).rows()


def test_gsm8k_offline_says_what_to_do(monkeypatch):
    import datasets

    def offline(*args, **kwargs):
        raise ConnectionError("Couldn't reach the hub\nlong story")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(UserError, match=r"Couldn't reach the hub\): give a local file or folder"):
        GSM8K("nobody/gsm8k-offline").rows()


def test_gsm8k_of_the_hub_is_read_by_its_columns(monkeypatch):
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda path, name, split, revision: [ROW])
    assert GSM8K("nobody/gsm8k-online").rows()[0].answer == "7000"


@pytest.mark.data
def test_all_of_gsm8k_is_read(data):
    task = GSM8K(str(data / "gsm8k"))
    rows, held_out = task.rows(), task.test_rows()
    assert (len(rows), len(held_out)) == (7473, 1319)
    assert len({row.id for row in (*rows, *held_out)}) == 7473 + 1319
