"""The forms that numbers have elsewhere: each is read whole, with all its separators, or not at all."""

from __future__ import annotations

from fractions import Fraction

import pytest

from holdfast.data import answers
from holdfast.evals.measures.gsm8k import marked
from holdfast.types import Record

NONE = None
FORMS = {  # what the flexible reading gives
    "The answer is 1 200.": 1200,
    "The answer is 1\xa0200.": 1200,
    "The answer is 1\u202f200.": 1200,
    "The answer is 1'200.": 1200,
    "The answer is 1’200.": 1200,
    "#### 1,20,000": 120000,
    "The answer is 1.200,50 Euro": "2401/2",
    "\\boxed{1\\ 200}": 1200,
    "\\boxed{\\frac12}": "1/2",
    "\\boxed{\\tfrac 1 2}": "1/2",
    "The answer is 2½.": "5/2",
    "½": "1/2",
    "#### 12,50": "25/2",
    "The answer is 1 234 567,89": "123456789/100",
    "It is –5": -5,
    "The answer is −5": -5,
    "The answer is — 5": 5,
    "#### 10^3": 1000,
    "The answer is 10³.": 1000,
    "The answer is 2^{10}": 1024,
    "\\boxed{\\sqrt{16}}": 4,
    "The answer is √16": 4,
    "The answer is \\sqrt{2}": NONE,
    "The answer is 2\\sqrt{3}": NONE,
    "The answer is 2π": NONE,
    "<answer>72</answer>": 72,
    "It is <b>72</b> not 3? <answer> 72 </answer> ok 5": 72,
    "The answer is 3 1/2": "7/2",
    "The answer is 3 and 1/2": "7/2",
    "The answer is 3⅓": "10/3",
    "The answer is 1⁄2": "1/2",
    "The answer is １２": 12,
    "The answer is ١٢": 12,
    "The answer is 1e3": 1000,
    "The answer is 1E+3": 1000,
    "The answer is 1.5 · 10^3": 1500,
    "#### 1.2.3": NONE,
    "#### 1,23,4": NONE,
    "The answer is 12,34,5": NONE,
    "#### 1.234.567": 1234567,
    "#### 1_000": 1000,
    "The answer is USD 1,200": 1200,
    "The answer is 1,200 USD": 1200,
    "The answer is ₹1,00,000": 100000,
    "The answer is -€5": -5,
    "The answer is 0,5": "1/2",
    "The answer is 0,125": "1/8",
    "The answer is 10–12.": NONE,
    "\\boxed 72": 72,
    "$$72$$": 72,
    "\\(72\\)": 72,
    "The answer is 72\\%": 72,
    "#### \\frac{3}{4}": "3/4",
    "The answer is -\\frac34": "-3/4",
    "The answer is -2\\frac12": "-5/2",
    "The answer is 16^{1/2}": NONE,
    "The answer is 10<sup>3</sup>": 1000,
    "The answer is 3.": 3,
    "The answer is 1,234.": 1234,
    "The answer is 12,": 12,
    "The answer is (1 200)": 1200,
    "In 2020 5 people; the answer is 7": 7,
    "#### 1\\,234": 1234,
    "#### 1{,}234{,}567": 1234567,
    "The answer is 6·7=42": 42,
    "The answer is \\text{72}": 72,
    "The answer is 1.200": "6/5",
    "The answer is \\dfrac{1{,}000}{2}": 500,
    "3²": 9,
    "The area is 12 m²": 12,
    "The answer is 2**5": 32,
    "The answer is 1.8*10**1": 18,
    "The answer is 1٬800": 1800,
    "The answer is ١٬٨٠٠٫٥": "3601/2",
    "The answer is {1 \\over 2}": "1/2",
    "The answer is 18 / 2": 9,
    "The answer is €1.500,-": 1500,
    "The answer is 5,-": 5,
    "The answer is 12 m**3": 12,
    "The answer is 5!": 5,
    "The answer is 18...": 18,
    "The answer is 9 x 2 = 18": 18,
    "The answer is 3:30 PM": "7/2",
    "The answer is ∛27": NONE,
    "The answer is \\sqrt[3]{27}": NONE,
    "The answer is 3 squared": NONE,
    "The answer is 2^3^2": NONE,
    "The answer is roughly $1.5k": NONE,
    "The answer is 3M": NONE,
    "The answer is 0x12": NONE,
    "The answer is 0.\\overline{3}": NONE,
    "The answer is 0.(3)": NONE,
    "The answer is 1/2/3": NONE,
    "The answer is 18/01/2020": NONE,
    "The answer is 1:30:00": NONE,
    "The answer is 2h 30min": NONE,
    "The answer is 2 hours 30 minutes": NONE,
    "The answer is 5 ft 6 in": NONE,
    "The answer is 10..12": NONE,
    "The answer is 18 +/- 1": NONE,
    "The answer is 3 : 2": NONE,
    "The answer is 2×9": NONE,
    "The answer is 9+9": NONE,
}
ILLEGIBLE = [
    "#### 1.2.3",
    "#### 1,23,4",
    "The answer is 12,34,5",
    "The answer is 2\\sqrt{3}",
    "The answer is 2π",
    "The answer is 1.5k",
]
REFERENCES = {
    "72": 72,
    "48+24=72\n#### 72": 72,
    "So the answer is 42.": 42,
    "She sold 72 clips.": 72,
    "The answer is \\boxed{42}": 42,
    "First 3, then 4": NONE,
    "many": NONE,
}


def said(text: str) -> Record:
    return Record("r", "s", "m", "i", "none", "default", 0, text, text, 1, "stop")


@pytest.mark.parametrize(("text", "value"), FORMS.items())
def test_a_number_is_read_whole_or_not_at_all(text, value):
    assert answers.lenient(text) == (None if value is None else Fraction(value))


@pytest.mark.parametrize("text", ILLEGIBLE)
def test_a_number_whose_signs_have_no_reading_is_unscored_and_not_cut(text):
    verdict = marked(said(text), "1")
    assert (verdict.score, verdict.reason) == (None, "the number cannot be read")
    assert answers.numeric(text, "1").lenient is None


@pytest.mark.parametrize("text", ["no idea", "The answer is 5 or 7.", "It is 7."])
def test_a_response_without_a_number_or_with_two_is_wrong_and_not_illegible(text):
    assert not answers.illegible(text)
    assert marked(said(text), "1").score == 0.0


@pytest.mark.parametrize(("text", "value"), REFERENCES.items())
def test_a_worked_reference_is_its_one_final_number(text, value):
    assert answers.final(text) == value
    verdict = marked(said("#### 72"), text)
    assert verdict.score == (None if value is None else float(value == 72))


@pytest.mark.parametrize("text", ["1 000 " * 4000, "1,20," * 4000, "2^" * 9000, "√" * 9000, "9^99999", "1'" * 9000])
def test_forms_repeated_without_end_are_read_in_time(text):
    assert answers.lenient(text) is None or answers.lenient(text) >= 0
