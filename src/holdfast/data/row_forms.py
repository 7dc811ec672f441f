"""The forms in which the field writes rows: TRL's, ShareGPT's and Alpaca's. Each row is a prompt and its responses.

What a row says is read or refused, never left out: a turn is a role and a text, and whatever else it holds (tool calls,
thoughts apart from the text, images) would change what the model reads. Columns beside those of the form are not used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.types import Turn

Prompt = tuple[Turn, ...]
ROLES = ("system", "user", "assistant")
FROM = {"human": "user", "user": "user", "gpt": "assistant", "assistant": "assistant", "system": "system"}  # ShareGPT
CHANGING = ("tools", "functions", "images", "image", "videos", "audio", "audios", "documents", "chat_template_kwargs")
UNWANTED = ("false", "0", "0.0")  # as KTO's labels are written in JSON and in tables
EMPTY: tuple[object, ...] = (None, "", [], {})


def read(row: Mapping[str, Any]) -> tuple[Prompt, str, str | None]:
    """The turns before the response, the response, and the rejected one, None where there is none.

    ``prompt`` with ``chosen`` and ``rejected`` (whose lists continue the prompt, or are the whole conversation),
    ``prompt`` with ``completion``, ``messages``, ``conversations``, or ``instruction``, ``input`` and ``output``. Of a
    conversation the last turn is the response. A text under ``system`` comes first.
    Raises ``ValueError`` saying what is wrong with the row.
    """
    for name in CHANGING:
        if row.get(name) not in EMPTY:
            raise ValueError(f"`{name}` cannot be shown to the model here; take the column out, or the row")
    if "chosen" in row:
        prompt, chosen, rejected = _pair(row)
    else:
        prompt, chosen = _single(row)
        rejected = None
    prompt = _with_system(prompt, row.get("system"))
    if not prompt or prompt[-1].role != "user":
        raise ValueError("the turn before the response must be a user's; give a `prompt` that ends with one")
    return prompt, chosen, rejected


def turns(value: Any, column: str) -> Prompt:
    """A conversation, written as a list of ``{"role": …, "content": …}`` or, as ShareGPT has it, of ``{"from": …,
    "value": …}``. Raises ``ValueError`` where it is none, and where a turn holds more."""
    if not isinstance(value, list) or not value:
        raise ValueError(f"`{column}` must be a text or a list of turns")
    return tuple(_turn(turn, column) for turn in value)


def _pair(row: Mapping[str, Any]) -> tuple[Prompt, str, str | None]:
    prompt, chosen = _continued(row.get("prompt"), row["chosen"], "chosen")
    if row.get("rejected") in EMPTY[:2]:  # an empty cell of a table is none
        return prompt, chosen, None
    other, rejected = _continued(row.get("prompt"), row["rejected"], "rejected")
    if other != prompt:
        raise ValueError("`chosen` and `rejected` do not answer the same turns")
    return prompt, chosen, rejected


def _single(row: Mapping[str, Any]) -> tuple[Prompt, str]:
    """One response: a form without a rejected one."""
    forms = [name for name in ("completion", "messages", "conversations") if row.get(name) is not None]
    if row.get("instruction") is not None and row.get("output") is not None:
        forms.append("output")
    if len(forms) > 1:
        raise ValueError(f"the row has {' and '.join(f'`{name}`' for name in forms)}; keep one of them")
    if not forms:
        raise ValueError(
            "there is no `chosen`, `completion`, `messages`, `conversations` or `output` beside an `instruction`, only "
            f"{', '.join(f'`{name}`' for name in sorted(row)) or 'nothing'}; call what is to be learnt `completion`"
        )
    if row.get("rejected") not in EMPTY[:2]:
        raise ValueError(f"there is a `rejected` beside `{forms[0]}`; call the response that is preferred `chosen`")
    if forms == ["completion"]:
        if str(row.get("label")).strip().casefold() in UNWANTED:
            raise ValueError("its `label` says that the `completion` is not wanted; leave such rows out")
        return _continued(row.get("prompt"), row["completion"], "completion")
    if forms == ["output"]:
        return _alpaca(row)
    if not isinstance(row[forms[0]], list):
        raise ValueError(f"`{forms[0]}` must be a list of turns")
    return _continued(None, row[forms[0]], forms[0])


def _alpaca(row: Mapping[str, Any]) -> tuple[Prompt, str]:
    """The input stands on the line after the instruction; a ``history`` of [said, answered] comes before."""
    asked = "\n".join(_text(row[name], name) for name in ("instruction", "input") if row.get(name) not in EMPTY[:2])
    before: list[Turn] = []
    history = row.get("history") or []
    for pair in history if isinstance(history, list) else [None]:
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError("each entry of `history` must be a list of what was said and what was answered")
        said, answered = (_text(text, "history") for text in pair)
        before += [Turn("user", said), Turn("assistant", answered)]
    return (*before, Turn("user", asked)), _text(row["output"], "output")


def _continued(prompt: Any, response: Any, column: str) -> tuple[Prompt, str]:
    """The turns before the response, and the response."""
    before = (Turn("user", prompt),) if isinstance(prompt, str) else () if prompt is None else turns(prompt, "prompt")
    if isinstance(response, str):
        if prompt is None:
            raise ValueError("there is no `prompt`")
        return before, response
    *rest, last = turns(response, column)
    if last.role != "assistant":
        raise ValueError(f"the last turn of `{column}` must be the assistant's")
    if before and rest:
        if tuple(rest[-len(before) :]) == before:  # the whole conversation, and its prompt once more
            return tuple(rest), last.content
        if before[-1].role == rest[0].role or rest[0].role == "system":
            raise ValueError(f"`{column}` does not go on from `prompt`; give the whole conversation in one of them")
    return (*before, *rest), last.content


def _turn(value: Any, column: str) -> Turn:
    needed = f"each turn of `{column}` must have a `role` of {', '.join(ROLES)} and a text as `content`"
    if not isinstance(value, dict):
        raise ValueError(needed)
    by, text = ("from", "value") if "from" in value and "role" not in value else ("role", "content")
    for name, more in value.items():
        if name not in (by, text) and more not in EMPTY:
            raise ValueError(
                f"a turn of `{column}` has `{name}`, which is not read; write what the model reads or says into "
                f"`{text}`, as it does, or leave the row out"
            )
    role, content = value.get(by), _parts(value.get(text), column)
    role = FROM.get(role) if by == "from" and isinstance(role, str) else role
    if role not in ROLES or not isinstance(content, str):
        known = f"`from` of {', '.join(FROM)} and a text as `value`"
        raise ValueError(needed if by == "role" else f"each turn of `{column}` must have a {known}")
    return Turn(role, content)


def _parts(content: Any, column: str) -> Any:
    """The text of a content that is a list of text parts, as templates that take parts write it: one after another."""
    if not isinstance(content, list) or not content:
        return content
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            raise ValueError(f"a turn of `{column}` has a part that is no text; leave the row out")
        if more := [name for name, value in part.items() if name not in ("type", "text") and value not in EMPTY]:
            raise ValueError(f"a part of `{column}` has `{more[0]}`, which is not read; take it out")
    return "".join(part["text"] for part in content)


def _with_system(prompt: Prompt, system: Any) -> Prompt:
    if system in EMPTY[:2]:
        return prompt
    turn = Turn("system", _text(system, "system"))
    if any(t.role == "system" for t in prompt):
        if prompt[0] == turn:
            return prompt
        raise ValueError("there is a `system` beside a system turn of the conversation; keep one of them")
    return (turn, *prompt)


def _text(value: Any, column: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"`{column}` must be a text")
    return value
