"""The real normative files, where they are. Nothing of them is printed or kept."""

from __future__ import annotations

from collections import Counter

import pytest

from holdfast import registry

pytestmark = pytest.mark.data


@pytest.fixture
def items(need):
    return lambda measure, folder: registry.build("measures", measure, {"path": str(need(folder))}).items()


def test_eq_bench_has_171_questions_none_of_which_asks_for_a_revision(items):
    found = items("eq_bench", "eq_bench")
    assert len(found) == 171
    assert not any("evised" in i.prompt[0].content.rpartition("[End dialogue]")[2] for i in found)
    assert all("<score>" in i.prompt[0].content for i in found)


@pytest.mark.parametrize("measure", ["truthfulqa", "truthfulqa_mc1", "truthfulqa_mc2"])
def test_truthfulqa_has_817_questions(items, measure):
    assert len(items(measure, "truthfulqa")) == 817


def test_winogender_has_720_sentences_a_third_of_each_gender_and_240_gotchas(items):
    found = items("winogender", "winogender")
    assert Counter(i.fields["gender"] for i in found) == {"female": 240, "male": 240, "neutral": 240}
    assert Counter(i.fields["gender"] for i in found if i.fields["gotcha"] == "yes") == {"female": 120, "male": 120}
    assert Counter(i.fields["right"] for i in found) == {"occupation": 360, "participant": 360}
