"""Sentences: what is filled in is neither read as a template nor changed, and nothing can be left unfilled."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from jinja2 import UndefinedError

from holdfast.report import words
from holdfast.report.phrases import phrase, phrases


def test_a_name_is_not_read_as_a_template() -> None:
    assert phrase("control-runs.note") == "Differences from the base in percentage points."
    assert "{{ 7 * 7 }} and {% if %}" in phrase("declared.asked", there=["{{ 7 * 7 }}", "{% if %}"], sides=[], gone=[])


def test_what_a_sentence_needs_must_be_given() -> None:
    with pytest.raises(UndefinedError, match="seeds"):
        phrase("matched.against", sft="SFT")


def test_where_nothing_is_trained_our_words_say_subjects_and_names_stay() -> None:
    stands = SimpleNamespace(early=["objectives.An objective"])
    with words.of(SimpleNamespace(trains=False)):
        said = phrase("answer.undeclared.whole", who=["objective"])
        assert said == "Those with objective were not declared beforehand: exploratory."
        assert "One path per subject" in phrase("charts.frontier", **dict.fromkeys(("x", "y"), SERIES), **REST)
        assert words.own("An objective may look safe") == "A subject may look safe"
        assert phrases("declared", {"early": True}, stands=stands) == [
            "Added before the first analysis: objectives.An objective."
        ]
    assert "One path per objective" in phrase("charts.frontier", **dict.fromkeys(("x", "y"), SERIES), **REST)


SERIES = SimpleNamespace(title="Title", good="lower is better")
REST = {"budgets": [1000], "level": "95%", "evidence": ""}
