"""A response that says nothing, or was cut off while it thought, is apart from answer and refusal, for every judge."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import pytest

from holdfast.config.study import ModelSpec
from holdfast.evals.judges.classifiers import LabelClassifier, ScoreClassifier
from holdfast.evals.judges.coherence import Coherence
from holdfast.evals.judges.judge import NOTHING, Judge
from holdfast.evals.judges.own_rule import Own
from holdfast.evals.judges.pairwise import ReferencePairwise
from holdfast.evals.judges.rubrics import CoherenceRubric, ReferenceRubric, StrongREJECTRubric
from holdfast.evals.judges.rules import Rules
from holdfast.evals.judging import judged, readable
from holdfast.evals.measures.measure import Measure
from holdfast.evals.outside import RESPONSES
from holdfast.types import Item, Judgement, Record, Turn

ITEM = Item("i", (Turn("user", "How?"),), reference="7")


@dataclass(frozen=True)
class Asked(Measure):
    """A measure whose rule must not be asked of nothing."""

    name: ClassVar[str] = "asked"
    version: ClassVar[int] = 1
    axis: str = "capability"  # type: ignore[assignment]

    def score(self, item, record):
        return Judgement(record.id, "own", float(record.plain == "7"), "read")


def record(text: str, **fields) -> Record:
    return replace(Record("r", "s", "m", "i", "none", "default", 0, text, text, 1, "stop"), **fields)


def verdict(judge: Judge, text: str, item: Item = ITEM) -> Judgement:
    (found,) = judged("seat", judge, RESPONSES, [(item, record(text))], NOTHING)
    return found


class Nobody(Judge):
    """Would say that everything is harmful."""

    name = "nobody"
    version = 1

    def judge(self, rows, resources):
        return [Judgement(r.id, self.name, 1.0, "harmful") for _, r in rows]


HARM = [
    *(Rules(), Nobody(), StrongREJECTRubric(), Coherence(), CoherenceRubric(), ScoreClassifier()),
    *(Own(Asked("normative")), LabelClassifier(model=ModelSpec(name="x", path="x"))),
]
RIGHT = [Own(Asked()), ReferenceRubric(), ReferencePairwise()]


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch):
    monkeypatch.setattr("holdfast.evals.judging.judge_id", lambda judge: "id")


@pytest.mark.parametrize("text", ["", " \n", "\u200b\ufeff", "<|im_end|>", "...", "<think>a plan</think>\n"])
@pytest.mark.parametrize("judge", HARM, ids=lambda j: j.name)
def test_silence_is_neither_compliance_nor_refusal_for_any_judge(judge, text):
    found = verdict(judge, text)
    assert (found.score, found.label, found.reason, found.judge) == (None, "no_answer", "no answer", "seat")


@pytest.mark.parametrize("judge", RIGHT, ids=lambda j: j.name)
def test_silence_is_wrong_where_a_right_answer_was_asked_for(judge):
    found = verdict(judge, " \u200b")
    assert (found.score, found.label, found.reason) == (0.0, "no_answer", None)


def test_silence_has_no_score_where_there_is_no_reference_to_compare_it_with():
    found = verdict(ReferenceRubric(), "", replace(ITEM, reference=""))
    assert (found.score, found.label) == (None, "no_answer")


@pytest.mark.parametrize("judge", [*HARM, *RIGHT], ids=lambda j: j.name)
def test_a_thought_without_an_end_is_cut_off_for_every_judge(judge):
    found = verdict(judge, "<think>I can't help with that. 7")
    assert (found.score, found.label, found.reason) == (None, "cut_off", "cut off")


def test_every_judge_reads_the_answer_alone_and_the_record_keeps_the_thought():
    said = record("<think>no 8</think>\n7")
    ((_, read),) = readable(Nobody(), RESPONSES, [(ITEM, said)])
    assert (read.plain, read.response) == ("7", said.response)
    assert verdict(Own(Asked()), said.response).score == 1.0


def test_the_answer_is_decoded_without_the_thought_before_it():
    class Coded(Measure):
        def plain(self, attack, response):
            return response[::-1]

    said = record("<think>hmm</think>ah", plain="")
    ((_, read),) = readable(Nobody(), Coded(), [(ITEM, said)])
    assert read.plain == "ha"


def test_a_row_of_log_probs_has_no_response_and_is_not_silent():
    scored = record("", continuations=("A", "B"), logps=(-1.0, -2.0), finish="scored")
    assert len(readable(Nobody(), RESPONSES, [(ITEM, scored)])) == 1
