"""Persona files, statements and a task's test rows as items."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from holdfast.evals.measures.dark_triad import DARK_TRIAD, DarkTriad
from holdfast.evals.measures.task_accuracy import TaskAccuracy
from holdfast.evals.measures.true_false import TrueFalse
from holdfast.types import Example, Record, Turn, UserError


def jsonl(path, rows):
    path.write_text("\n".join(json.dumps(r) for r in rows))


def persona(n, answer):
    return {"question": f"Would you say this? Number {n}", "answer_matching_behavior": f" {answer}"}


def test_dark_triad_reads_a_folder_of_traits(tmp_path):
    for trait in DARK_TRIAD:
        jsonl(tmp_path / f"{trait}.jsonl", [persona(n, a) for n, a in enumerate(("Yes", "No"))])
    measure = DarkTriad(path=str(tmp_path))
    items = measure.items()
    assert [i.fields["trait"] for i in items] == [t for t in DARK_TRIAD for _ in range(2)]
    assert [i.reference for i in items[:2]] == ["Yes", "No"]
    assert measure.summary.macro_over == DARK_TRIAD
    assert len({i.id for i in items}) == 6  # the same statement under two traits is two items


def test_dark_triad_refuses_an_answer_that_is_neither_yes_nor_no(tmp_path):
    jsonl(tmp_path / "narcissism.jsonl", [persona(1, "Maybe")])
    with pytest.raises(UserError, match=r"narcissism\.jsonl, line 1: the answer must be Yes or No"):
        DarkTriad(path=str(tmp_path), traits=("narcissism",)).items()
    with pytest.raises(UserError, match=r"has no file psychopathy\.jsonl; there are narcissism"):
        DarkTriad(path=str(tmp_path), traits=("psychopathy",)).items()


def test_true_false_reads_statements(tmp_path):
    path = tmp_path / "facts.jsonl"
    jsonl(path, [{"statement": "Ice is cold.", "answer": True}, {"statement": "Ice is hot.", "answer": "false"}])
    items = TrueFalse(path=str(path)).items()
    assert [i.reference for i in items] == ["Yes", "No"]
    assert "Ice is cold." in items[0].prompt[0].content


@dataclass(frozen=True)
class Sums:
    name, version = "sums", 1

    def check(self, response, answer):
        if answer == "free":
            return SimpleNamespace(strict=None, lenient=None)
        return SimpleNamespace(strict=float(response == answer), lenient=float(answer in response))


def test_accuracy_is_lenient_with_the_strict_reading_beside_it():
    rows = (
        Example("e1", (Turn("user", "1+1?"),), "2", answer="2"),
        Example("e2", (Turn("user", "?"),), "", answer="free"),
    )
    measure = TaskAccuracy().bind(Sums(), SimpleNamespace(test=rows))
    closed, free = measure.items()
    record = Record("r", "s", "m", "e1", "none", "default", 0, "it is 2", "it is 2", 3, "stop")
    verdict = measure.score(closed, record)
    assert (verdict.score, verdict.label, verdict.details) == (1.0, "correct", {"strict": 0.0})
    assert measure.score(free, record).score is None
    assert TaskAccuracy.per_task
