"""The base model's own answers as chosen or rejected responses: whom to ask, and which answers to take.

Self-generated chosen responses keep the text in the model's own words (self-distillation, Yang et al. 2024, arXiv
2402.13669). The asking and judging is done elsewhere, and its result is kept in the study's folder.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from holdfast import rng
from holdfast.config.study import TaskSpec
from holdfast.config.task import ChosenSpec, RejectedSpec, SideSpec
from holdfast.data.blank import is_blank
from holdfast.data.tasks.task import Task
from holdfast.data.thinking import split
from holdfast.types import Example, Prompt, Response, Sampling, Side

Candidate = tuple[Example, str]  # a row, and an answer to it that came to its end


@dataclass(frozen=True)
class Sampled:
    """The texts that were taken, by row id; a row whose answers all failed has none. ``counts``: of all rows together,
    the answers ``drawn``, those ``cut_off`` and those ``unscored`` by the judge."""

    chosen: Mapping[str, str] = field(default_factory=dict)
    rejected: Mapping[str, str] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)


def sides(spec: TaskSpec) -> dict[Side, SideSpec]:
    """The sides of a task that the base model writes."""
    both: dict[Side, SideSpec] = {"chosen": spec.chosen, "rejected": spec.rejected}
    return {side: how for side, how in both.items() if how.source == "sample"}


def prompts_for(rows: Iterable[Example], how: SideSpec) -> list[Prompt]:
    """A prompt per row whose answers can be scored; ``item_id`` is the row's id. The task's check needs a reference."""
    return [Prompt(row.id, row.prompt) for row in rows if row.answer or how.judge]


def sampling(how: SideSpec) -> Sampling:
    """How those answers are drawn."""
    return Sampling(max_new_tokens=how.max_new_tokens, temperature=how.temperature, samples=how.samples)


def candidates(rows: Iterable[Example], drawn: Mapping[str, Sequence[Response]]) -> list[Candidate]:
    """The distinct answers to each row that may be taken.

    One that was cut off may not: to prefer it would be to learn to ramble, to reject it to learn to be brief.
    """
    return [
        (row, text)
        for row in rows
        for text in sorted({r.text for r in drawn.get(row.id, ()) if r.finish == "stop" and _says(r.text)})
    ]


def checked(task: Task, found: Sequence[Candidate]) -> list[float | None]:
    """How good each answer is by the task's own check, in [0, 1]."""
    return [task.check(split(text).answer, row.answer).lenient for row, text in found]


def take(how: SideSpec, found: Sequence[Candidate], scores: Sequence[float | None]) -> dict[str, str]:
    """A text per row id: of those that score high enough for the chosen side, or low enough for the rejected one, a
    hash of the row's id decides. What has no score is taken for neither."""
    fit: dict[str, list[str]] = {}
    for (row, text), score in zip(found, scores, strict=True):
        if score is not None and _fits(how, score):
            fit.setdefault(row.id, []).append(text)
    # By hash and not by score: of the answers that pass none is preferred.
    return {i: rng.order(texts, "sampled", i)[0] for i, texts in fit.items()}


def _says(text: str) -> bool:
    """Whether there is an answer, and not only a thought."""
    thought = split(text)
    return thought.closed and not is_blank(thought.answer)


def _fits(how: SideSpec, score: float) -> bool:
    if isinstance(how, ChosenSpec):
        return score >= how.at_least
    assert isinstance(how, RejectedSpec)
    return score < how.below
