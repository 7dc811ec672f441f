"""Numbers are read as people write them; strict asks for the mark, lenient for any form of answer."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data import answers


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("18", 18),
        (" 1,234,567 ", 1234567),
        ("$1,234.50", Fraction("1234.5")),
        ("2.00", 2),
        (".5", Fraction(1, 2)),
        ("-7", -7),
        ("−7", -7),
        ("-$7", -7),
        ("$-7", -7),
        ("3/4", Fraction(3, 4)),
        ("-1/2", Fraction(-1, 2)),
        ("25%", 25),
        ("18 apples", 18),
        ("12 square feet.", 12),
        ("60km", 60),
        ("1/0", None),
        ("none", None),
        ("3 or 4", None),
        ("", None),
    ],
)
def test_a_number_is_read_whatever_units_or_markup_surround_it(text, value):
    assert answers.number(text) == value


@pytest.mark.parametrize(
    ("response", "strict", "lenient"),
    [
        ("9*2=18. #### 18", 1, 1),
        ("#### $18.00", 1, 1),
        ("#### 18 eggs", 1, 1),
        ("It is 18.", 0, 1),
        ("It is 16-3=18", 0, 1),
        ("#### 18\nNext: 5 eggs", 1, 1),
        ("#### 17", 0, 0),
        ("18 it is, and not 17", 0, 0),
        ("no idea", 0, 0),
        ("", 0, 0),
    ],
)
def test_strict_wants_the_mark_and_lenient_any_form_of_answer(response, strict, lenient):
    verdict = answers.numeric(response, "18")
    assert (verdict.strict, verdict.lenient) == (strict, lenient)


def test_a_minus_between_two_numbers_is_no_sign():
    assert answers.lenient("16-3") == 3
    assert answers.lenient("16 - 3") == 3
    assert answers.lenient("it is -3") == -3


@given(
    st.integers(-(10**9), 10**9), st.sampled_from(["{}", "{:,}", "{:.2f}", "#### {}", "so it is {}.", "= {:,} dollars"])
)
def test_every_integer_is_found_however_it_is_written(n, form):
    assert answers.lenient(form.format(n)) == n


@given(st.text())
def test_no_text_breaks_the_reading(text):
    answers.numeric(text, "1")
    answers.number(text)
    answers.short_text(text, "a")
    assert 0 <= (answers.coverage(text, "some reference words").lenient or 0) <= 1


def test_short_texts_match_but_for_case_and_signs():
    assert answers.short_text(" The Hague. ", "the hague") == answers.Verdict(1.0, 1.0)
    assert answers.short_text("I think it is The Hague!", "The Hague") == answers.Verdict(0.0, 1.0)
    assert answers.short_text("The plague", "Hague") == answers.Verdict(0.0, 0.0)


def test_coverage_is_the_share_of_the_references_content_words():
    assert answers.coverage("Warm the kettle, twice.", "Warm the blue kettle at 7").lenient == 0.5
    assert answers.coverage("", "Warm").lenient == 0
    assert answers.coverage("x", "x").lenient == 1


@pytest.mark.data
def test_every_reference_of_gsm8k_is_extracted_as_gold(data):
    from holdfast.data.tasks.gsm8k import GSM8K

    rows = GSM8K(str(data / "gsm8k")).test_rows()
    assert len(rows) == 1319
    for row in rows:
        assert answers.strict(row.chosen) == answers.lenient(row.chosen) == answers.number(row.answer)
        assert Fraction(row.answer) == answers.number(row.answer)
