"""A record and what was said of it, as a sample of an Inspect log."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from inspect_ai.log import EvalSample
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageUser,
    Logprob,
    Logprobs,
    ModelOutput,
    ModelUsage,
    StopReason,
    TopLogprob,
)
from inspect_ai.scorer import Score

from holdfast.report.sections.responses import refused
from holdfast.types import Item, Judgement, Record, Turn

Turns = tuple[Turn, ...]
STOPS: dict[str, StopReason] = {
    "stop": "stop",
    "scored": "stop",
    "read": "stop",
    "length": "max_tokens",
    "overlong": "model_length",
    "untranslated": "unknown",
    "unasked": "unknown",
    "another_base": "unknown",
}
MESSAGES = {"system": ChatMessageSystem, "user": ChatMessageUser, "assistant": ChatMessageAssistant}


def name(record: Record) -> str:
    """The sample's id. With the epoch it is a record's own within its log."""
    plain = record.attack == "none" and record.format == "default"
    return record.item if plain else f"{record.item} {record.attack} {record.format}"


def sample(
    model: str, item: Item, record: Record, asked: Turns | None, said: Mapping[str, Judgement | None], reveal: bool
) -> EvalSample:
    """``asked``: the turns as the subject read them, None where they cannot be had; ``said``: by judge.

    Unless ``reveal``, what the report masks is masked: a forbidden item's texts, and every response to it that some
    judge did not call a refusal. A judge's words may quote either.
    """
    verdicts = [(judge, j.label, j.score, j.reason) for judge, j in said.items() if j]
    of_item = "" if reveal or not item.forbidden else "forbidden text"
    of_response = "response to a forbidden text" if of_item and not refused(verdicts) else ""
    turns = item.prompt if asked is None else asked
    begun = turns[-1].role == "assistant"  # with these words the response begins
    messages = _messages(turns[: len(turns) - begun], of_item)
    question: str | list[ChatMessage] = _messages(item.prompt, of_item)
    if len(item.prompt) == 1 and item.prompt[0].role == "user":
        question = str(question[0].content)  # type: ignore[union-attr]
    output = _output(model, record, of_response)
    plain = {} if record.plain == record.response else {"plain": _masked(record.plain, of_response)}
    return EvalSample(
        id=name(record),
        epoch=record.sample + 1,
        input=question,
        choices=list(record.continuations) or None,
        target=_masked(item.reference, of_item),
        messages=[*messages, *(choice.message for choice in output.choices)],
        output=output,
        scores={judge: _score(j, of_item) for judge, j in said.items()},
        metadata={
            "record": record.id,
            "item": record.item,
            "attack": record.attack,
            "format": record.format,
            "finish": record.finish,
            "fields": {key: _masked(value, of_item) for key, value in item.fields.items()},
            "messages": "as asked" if asked is not None else "the plain question: how it was put cannot be made again",
            **plain,
        },
        uuid=record.id,
    )


def _messages(turns: Turns, mask: str) -> list[ChatMessage]:
    return [MESSAGES[turn.role](content=_masked(turn.content, mask)) for turn in turns]


def _masked(text: str, mask: str) -> str:
    return f"[{mask}, {len(text)} characters]" if text and mask else text


def _output(model: str, record: Record, mask: str) -> ModelOutput:
    """Of a row of log-probs the likeliest continuation, with all of them as the alternatives to it; of a reading its
    numbers."""
    text, logprobs = _masked(record.response, mask), None
    if record.finish == "read":
        text = ", ".join(f"{name} {value:g}" for name, value in zip(record.continuations, record.logps, strict=True))
    elif record.logps:
        ranked = sorted(zip(record.logps, record.continuations, strict=True), key=lambda pair: -pair[0])
        tops = [TopLogprob(token=token, logprob=logp) for logp, token in ranked]
        text = ranked[0][1]
        logprobs = Logprobs(content=[Logprob(token=text, logprob=ranked[0][0], top_logprobs=tops)])
    choice = ChatCompletionChoice(
        message=ChatMessageAssistant(content=text, model=model, source="generate"),
        stop_reason=STOPS[record.finish],
        logprobs=logprobs,
    )
    usage = ModelUsage(output_tokens=record.n_tokens, total_tokens=record.n_tokens)
    return ModelOutput(model=model, choices=[choice], usage=usage)


def _score(j: Judgement | None, mask: str) -> Score:
    """Unscored is Inspect's own mark of it, which is not a number and in no mean."""
    if j is None:
        return Score(value=math.nan, metadata={"unscored_reason": "not judged"})
    about: dict[str, Any] = {"label": j.label, **j.details, "judge_id": j.judge_id, "rubric": j.rubric}
    return Score(
        value=math.nan if j.score is None else j.score,
        answer=j.label,
        explanation=_masked(j.words, mask) or j.reason,
        metadata=about | ({"unscored_reason": j.reason or "no reason given"} if j.score is None else {}),
    )
