"""Rejected responses from sampling the base model: whom to ask, and which of its answers to take.

The asking itself is done elsewhere, and its result is kept in the study's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from holdfast import rng
from holdfast.spec import RejectedSpec
from holdfast.tasks.contract import Task
from holdfast.words import Ask, Example, Response, Sampling

POOR = 0.5  # below this share of the reference an open-ended answer counts as wrong


def asks(rows: Iterable[Example]) -> list[Ask]:
    """One ask per row that has an answer to be wrong about; ``item_id`` is the row's id."""
    return [Ask(row.id, row.prompt) for row in rows if row.answer]


def sampling(spec: RejectedSpec) -> Sampling:
    """How those responses are drawn."""
    return Sampling(max_new_tokens=spec.max_new_tokens, temperature=spec.temperature, samples=spec.samples)


def choose(task: Task, rows: Iterable[Example], responses: Mapping[str, Sequence[Response]]) -> dict[str, str]:
    """A wrong answer per row id, of those drawn; rows whose answers are all right are left out.

    Wrong is a lenient score of 0 (closed form) or under one half (open-ended). An answer that was cut off is not taken:
    learning to prefer the chosen one would be learning to be brief. Among several, a hash of the row's id decides.
    """
    chosen: dict[str, str] = {}
    for row in rows:
        drawn = {response.text for response in responses.get(row.id, ()) if response.finish == "stop"}
        wrong = [text for text in drawn if text.strip() and _wrong(task, text, row.answer)]
        if wrong:
            chosen[row.id] = rng.order(wrong, "sampled", row.id)[0]
    return chosen


def _wrong(task: Task, text: str, answer: str) -> bool:
    score = task.check(text, answer).lenient
    return score is not None and (score == 0 if task.closed_form else score < POOR)
