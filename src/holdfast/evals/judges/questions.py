"""From a rubric's text to a question, and from the judge's answer to numbers.

The texts are data: ``rubrics.yaml``, or the user's file in the same form. Each is versioned, and the text that was used
is hashed with every judgement. What is judged goes in between the lines of a fence (``escape``); what the verdict looks
like is said by the code, which has to read it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from holdfast.evals.judges import escape
from holdfast.evals.judges.asking import AsksModel
from holdfast.evals.judges.endpoint import Reply
from holdfast.evals.judges.judge import Judge, JudgeResources
from holdfast.evals.judges.verdict import Field, form, read
from holdfast.store.wordings import entries, entry
from holdfast.types import Turn, UserError

UNPARSEABLE = "unparseable"


@dataclass(frozen=True)
class Wording:
    """The text of one rubric, with ``levels`` (value → its description) where it has any, and the frame around it."""

    name: str
    version: int
    text: str
    levels: Mapping[float, str]
    frame: Mapping[str, Any]

    @classmethod
    def load(cls, name: str, places: Sequence[str], file: str | None = None) -> Wording:
        """``places``: what the text must have room for, each once. Raises UserError with what is wrong in a file."""
        found = entry(file, "holdfast.evals.judges", "rubrics", name, places)
        levels = found.get("levels", {})
        if not isinstance(levels, dict) or not all(isinstance(v, int | float) for v in levels):
            where = f" in {file}" if file else ""
            raise UserError(f"the levels of the rubric {name!r}{where} must be numbers with a description each")
        _, own = entries(None, "holdfast.evals.judges", "rubrics")
        return cls(name, found["version"], found["text"], {float(k): str(v) for k, v in levels.items()}, own["frame"])

    @property
    def canonical(self) -> str:
        """All of it as one text: for the hash."""
        return json.dumps(
            {
                "frame": self.frame,
                "version": self.version,
                "text": self.text,
                "levels": {f"{k:g}": v for k, v in self.levels.items()},
            },
            sort_keys=True,
            ensure_ascii=False,
        )


@dataclass(frozen=True, kw_only=True)
class Worded(Judge):
    """Base of judges that go by a text: a subclass names its ``entry`` in the file and the ``places`` in the text.

    ``file``: a YAML file in the form of ``judges/rubrics.yaml`` whose text takes the place of holdfast's.
    """

    entry: ClassVar[str]
    places: ClassVar[tuple[str, ...]] = ("prompt", "response")
    file: str | None = field(default=None, metadata={"identity": False})  # its text is in the identity

    @cached_property
    def wording(self) -> Wording:
        return Wording.load(self.entry, self.places, self.file)

    @property
    def rubric(self) -> str:
        return self.wording.canonical


@dataclass(frozen=True)
class JudgeQuestion:
    """One question to a judge. ``code`` is of its fences and its verdict; ``judged`` are the texts between them."""

    turns: tuple[Turn, ...]
    again: tuple[Turn, ...]
    code: str
    fields: tuple[Field, ...]
    judged: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """The verdict's numbers by field, or the reason why there are none; and the judge's words."""

    values: Mapping[str, float] | None
    reason: str | None
    words: str


def make(wording: Wording, parts: Mapping[str, str], fields: tuple[Field, ...]) -> JudgeQuestion:
    """``parts``: the texts that are judged, by their place in the rubric."""
    code = escape.code(list(parts.values()), wording.canonical)
    levels = "\n".join(f"- {value:g}: {text}" for value, text in wording.levels.items())
    fences = {name: escape.fenced(name.upper().replace("_", " "), text, code) for name, text in parts.items()}
    body = filled(wording.text, {**fences, "levels": levels})
    frame = {k: filled(str(v), {"code": code, "verdict": form(fields, code)}) for k, v in wording.frame.items()}
    asked = f"{frame['head'].strip()}\n\n{body.strip()}\n\n{frame['tail'].strip()}"
    return JudgeQuestion(
        (Turn("user", asked),),
        (Turn("user", f"{asked}\n\n{frame['reminder'].strip()}"),),
        code,
        fields,
        tuple(parts.values()),
    )


def put(judge: AsksModel, questions: Sequence[JudgeQuestion], resources: JudgeResources) -> list[Answer]:
    """Every question, and once more, with a reminder, where no verdict could be read."""
    replies = judge.replies([q.turns for q in questions], resources)
    answers = [_read(q, reply) for q, reply in zip(questions, replies, strict=True)]
    again = [n for n, a in enumerate(answers) if a.reason == UNPARSEABLE]
    for n, reply in zip(again, judge.replies([questions[n].again for n in again], resources), strict=True):
        second = _read(questions[n], reply)
        # A reminder makes the question longer: what does not fit then was still read once.
        answers[n] = second if second.reason in (None, UNPARSEABLE, "unanswered") else answers[n]
    return answers


def _read(question: JudgeQuestion, reply: Reply) -> Answer:
    if reply.reason:
        return Answer(None, reply.reason, "")
    values = read(reply.text, question.fields, question.code, question.judged)
    return Answer(values, None if values is not None else UNPARSEABLE, reply.text)


def filled(text: str, parts: Mapping[str, str]) -> str:
    """In one pass, so that a text that is put in is not filled in turn."""
    names = "|".join(map(re.escape, parts))
    return re.sub(rf"\{{({names})\}}", lambda m: parts[m[1]], text)
