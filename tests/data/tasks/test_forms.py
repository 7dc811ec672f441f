"""Rows in the field's forms: read the same whatever the form, and never without what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from holdfast.data import row_forms
from holdfast.data.tasks.jsonl import Jsonl
from holdfast.types import Turn, UserError

SYSTEM = Turn("system", "Be brief.")
ONE, YES, TWO = Turn("user", "One?"), Turn("assistant", "Yes."), Turn("user", "Two?")


def said(*turns: Turn) -> list[dict]:
    return [{"role": t.role, "content": t.content} for t in turns]


def shared(*turns: Turn) -> list[dict]:
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    return [{"from": names[t.role], "value": t.content} for t in turns]


ANSWER = Turn("assistant", "No.")
NULLS = {"tool_calls": None, "name": "", "images": []}


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"messages": said(ONE, ANSWER)}, (ONE,)),
        ({"messages": said(SYSTEM, ONE, YES, TWO, ANSWER)}, (SYSTEM, ONE, YES, TWO)),
        ({"prompt": "One?", "messages": said(ONE, ANSWER)}, (ONE,)),  # UltraChat
        ({"messages": [{**turn, **NULLS} for turn in said(ONE, ANSWER)]}, (ONE,)),
        (
            {"messages": [{"role": t.role, "content": [{"type": "text", "text": t.content}]} for t in (ONE, ANSWER)]},
            (ONE,),
        ),
        ({"prompt": "One?", "completion": "No."}, (ONE,)),
        ({"prompt": said(SYSTEM, ONE), "completion": said(ANSWER)}, (SYSTEM, ONE)),
        ({"prompt": "One?", "completion": "No.", "label": True}, (ONE,)),
        ({"conversations": shared(ONE, YES, TWO, ANSWER)}, (ONE, YES, TWO)),
        ({"conversations": shared(SYSTEM, ONE, ANSWER)}, (SYSTEM, ONE)),
        ({"system": "Be brief.", "conversations": shared(ONE, ANSWER)}, (SYSTEM, ONE)),
        ({"conversations": said(ONE, ANSWER)}, (ONE,)),
        ({"instruction": "One?", "output": "No."}, (ONE,)),
        ({"instruction": "One?", "input": "", "output": "No."}, (ONE,)),
        ({"instruction": "Add.", "input": "1, 2", "output": "No."}, (Turn("user", "Add.\n1, 2"),)),
        (
            {"instruction": "Two?", "output": "No.", "system": "Be brief.", "history": [["One?", "Yes."]]},
            (SYSTEM, ONE, YES, TWO),
        ),
    ],
)
def test_forms_of_one_response(row, prompt):
    assert row_forms.read(row) == (prompt, "No.", None)


@pytest.mark.parametrize(
    ("row", "prompt"),
    [
        ({"prompt": "One?", "chosen": "Yes.", "rejected": "No."}, (ONE,)),
        ({"prompt": said(SYSTEM, ONE), "chosen": said(YES), "rejected": said(ANSWER)}, (SYSTEM, ONE)),
        ({"chosen": said(ONE, YES), "rejected": said(ONE, ANSWER)}, (ONE,)),
        ({"prompt": "One?", "chosen": said(ONE, YES), "rejected": said(ONE, ANSWER)}, (ONE,)),  # UltraFeedback
        ({"prompt": said(ONE), "chosen": said(ONE, YES), "rejected": said(ONE, ANSWER)}, (ONE,)),
        ({"prompt": "One?", "chosen": said(SYSTEM, ONE, YES), "rejected": said(SYSTEM, ONE, ANSWER)}, (SYSTEM, ONE)),
        ({"prompt": "One?", "chosen": "Yes.", "rejected": "No.", "messages": said(ONE, YES)}, (ONE,)),
        ({"conversations": [], "chosen": shared(ONE, YES), "rejected": shared(ONE, ANSWER)}, (ONE,)),
        ({"system": "Be brief.", "prompt": "One?", "chosen": "Yes.", "rejected": "No."}, (SYSTEM, ONE)),
    ],
)
def test_forms_of_a_pair(row, prompt):
    assert row_forms.read(row) == (prompt, "Yes.", "No.")


CALL = {"type": "function", "function": {"name": "oven", "arguments": {}}}


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"messages": [*said(ONE), {"role": "assistant", "content": "", "tool_calls": [CALL]}]}, "`tool_calls`"),
        ({"messages": [*said(ONE), {"role": "assistant", "content": None, "tool_calls": [CALL]}]}, "`tool_calls`"),
        ({"prompt": "One?", "chosen": [{**said(YES)[0], "reasoning_content": "Hm."}]}, "`reasoning_content`"),
        ({"prompt": [{**said(ONE)[0], "name": "Ann"}], "chosen": "Yes."}, "`name`"),
        ({"messages": [*said(ONE), {**said(YES)[0], "weight": 0}]}, "`weight`"),
        ({"messages": [*said(ONE), {"role": "tool", "content": "7"}, *said(YES)]}, "`role` of system, user, assistant"),
        ({"conversations": [*shared(ONE), {"from": "function_call", "value": "{}"}]}, "`from` of"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}, *said(YES)]}, "no text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a", "more": 1}]}, *said(YES)]}, "`more`"),
        ({"messages": [{"role": "user", "content": {"text": "a"}}, *said(YES)]}, "a text as `content`"),
        ({"tools": [CALL], "messages": said(ONE, YES)}, "`tools`"),
        ({"images": ["a.png"], "prompt": "One?", "chosen": "Yes."}, "`images`"),
        ({"chat_template_kwargs": {"enable_thinking": True}, "messages": said(ONE, YES)}, "`chat_template_kwargs`"),
        ({"prompt": "One?", "completion": "No.", "label": False}, "`label`"),
        ({"prompt": "One?", "completion": "No.", "label": 0}, "`label`"),
        ({"prompt": "One?", "completion": "No.", "label": "False"}, "`label`"),
        ({"prompt": "One?", "completion": "No.", "messages": said(ONE, YES)}, "`completion` and `messages`"),
        ({"prompt": "One?", "completion": "No.", "rejected": "x"}, "`rejected`"),
        ({"messages": said(ONE)}, "last turn"),
        ({"messages": said(ONE, YES, TWO)}, "last turn"),
        ({"messages": "One?"}, "list of turns"),
        ({"conversations": []}, "list of turns"),
        ({"prompt": "One?"}, "no `chosen`"),
        ({"instruction": "One?"}, "no `chosen`"),
        ({"instruction": 1, "output": "x"}, "`instruction`"),
        ({"instruction": "", "output": "x", "history": "a"}, "`history`"),
        ({"instruction": "", "output": "x", "history": 3}, "`history`"),
        ({"system": "A.", "messages": said(SYSTEM, ONE, YES)}, "`system`"),
        ({"prompt": "One?", "chosen": said(TWO, YES)}, "does not go on"),
    ],
)
def test_what_would_be_lost_is_refused_with_file_and_line(tmp_path, row, says):
    file = tmp_path / "rows.jsonl"
    file.write_text(json.dumps({"prompt": "a", "chosen": "b"}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(UserError, match=r"rows\.jsonl, line 2: ") as error:
        Jsonl(str(file)).rows()
    assert says in str(error.value)


def test_a_task_says_where_a_row_stands(tmp_path):
    path: Path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps({"prompt": f"{n}?", "chosen": "b"}) + "\n" for n in range(3)))
    task = Jsonl(str(path))
    assert task.where(task.rows()[2].id) == f"{path}, line 3"
    assert task.where("nobody's") == ""
