"""Hard cases of extraction, each with the number that it should give by the strict and by the flexible reading."""

from __future__ import annotations

from fractions import Fraction

import pytest

from holdfast.data import answers

NONE = None
CASES = {
    # response: (strict, flexible)
    # units, currencies, percent signs
    "She has 18 eggs left.\n#### 18 eggs": (18, 18),
    "#### $18": (18, 18),
    "#### 18 dollars": (18, 18),
    "####18": (18, 18),
    "#### €1,250.75": ("1250.75", "1250.75"),
    "The answer is $18.": (NONE, 18),
    "The answer is 60 km/h.": (NONE, 60),
    "The answer is 25%.": (NONE, 25),
    "So it costs £7": (NONE, 7),
    "#### 40 %": (40, 40),
    "The garden measures 12 m^2.": (NONE, 12),
    r"The area is $12\text{ m}^2$": (NONE, 12),
    r"It is $45^{\circ}$ warm": (NONE, 45),
    # thousands
    "#### 1,234": (1234, 1234),
    "#### 1,234,567": (1234567, 1234567),
    "That makes 12,000 in all.": (NONE, 12000),
    r"The answer is $1{,}234$.": (NONE, 1234),
    r"The answer is \$1\,234": (NONE, 1234),
    "There are 3,4 and 5": (NONE, 5),
    # negatives
    "#### -5": (-5, -5),
    "#### −5": (-5, -5),
    "#### -$5": (-5, -5),
    "#### $-5": (-5, -5),
    "The answer is negative 5.": (NONE, -5),
    "It is now minus 3 degrees": (NONE, -3),
    "10 minus 3": (NONE, 3),
    "The result is 16-3": (NONE, 3),
    "x = (-7)": (NONE, -7),
    "#### - 5": (-5, -5),
    "#### - $5": (-5, -5),
    "The answer is - 5.": (NONE, 5),
    "- 5 eggs\n- 6 pears": (NONE, 6),
    r"\boxed{- 5}": (NONE, -5),
    "He has 20 - 5": (NONE, 5),
    "The answer is 20 - 5 = 15": (NONE, 15),
    "####\n- 5 eggs": (NONE, 5),
    # bounds are no numbers; arrows are no bounds
    "#### >18": (NONE, NONE),
    "The answer is > 18.": (NONE, NONE),
    "The answer is x ≥ 18": (NONE, NONE),
    r"\boxed{\leq 18}": (NONE, NONE),
    "The answer is => 18": (NONE, 18),
    "Answer: <b>18</b>": (NONE, 18),
    # of what may be a unit or a sign only the number is read
    "The answer is 2 dozen.": (NONE, 2),
    "The answer is ($12).": (NONE, 12),
    # decimals that go on
    "#### 0.333...": ("1/3", "1/3"),
    "The answer is 1.1666…": (NONE, "7/6"),
    "The answer is 2.5...": (NONE, "5/2"),
    "The answer is 12...": (NONE, 12),
    # decimals, and numbers that are equal in another dress
    "#### 5.0": (5, 5),
    "#### 5.00": (5, 5),
    "#### .5": ("1/2", "1/2"),
    "The total is 2.50.": (NONE, "5/2"),
    "The answer is 3.": (NONE, 3),
    # fractions, mixed numbers, LaTeX
    "#### 1/2": ("1/2", "1/2"),
    "#### 2 1/2": ("5/2", "5/2"),
    r"The answer is $\frac{3}{4}$.": (NONE, "3/4"),
    r"\boxed{-\frac{1}{2}}": (NONE, "-1/2"),
    r"\boxed{2\dfrac{1}{2}}": (NONE, "5/2"),
    "#### 1/0": (NONE, NONE),
    # boxes
    r"Thus \boxed{18}": (NONE, 18),
    r"Thus $\boxed{18\text{ eggs}}$, which 4 people share.": (NONE, 18),
    r"\boxed{\$1,800}": (NONE, 1800),
    r"First \boxed{10}, then \boxed{12}.": (NONE, 12),
    r"\boxed{3 \times 4 = 12}": (NONE, 12),
    r"#### \boxed{18}": (18, 18),
    r"\boxed{18": (NONE, 18),
    r"\boxed{x} is 9": (NONE, 9),
    # bold
    "The answer is **18**.": (NONE, 18),
    "**Answer:** 18 apples for the 3 of them": (NONE, 18),
    "#### **18**": (18, 18),
    "**Final Answer:**\n\n18": (NONE, 18),
    # text after the answer
    "#### 18\nThis took 2 steps.": (18, 18),
    "#### 18. That leaves 4 for breakfast.": (18, 18),
    "The answer is 12 apples for the 3 children.": (NONE, 12),
    "Answer: 12 (that is 3 for each of 4)": (NONE, 12),
    "The final answer, for all 3 of them, is 12": (NONE, 12),
    "My answer would be 12, as 4 threes are that.": (NONE, 12),
    "The answer is 3 * 6 = 18 apples": (NONE, 18),
    "The answer is x = 18": (NONE, 18),
    "#### 3 * 6 = 18": (3, 18),
    # two answers, ranges, second thoughts
    "#### 12\n#### 15": (15, 15),
    "The answer is 12.\nThe answer is 15.": (NONE, 15),
    "The answer is 12.\n#### 15": (15, 15),
    "The answer is 5 or 7.": (NONE, NONE),
    "#### 5 or 7": (NONE, NONE),
    **dict.fromkeys(["#### 5 and 7", "#### 5; 7", "#### 5 ± 2", "Answer: x = 5, y = 7"], (NONE, NONE)),
    **dict.fromkeys(["The answer is between 10 and 12.", "The answers are 5 and 7.", "Answer: (5, 7)"], (NONE, NONE)),
    "The answer is 5 hours and 30 minutes.": (NONE, NONE),
    "The answer is 5, and 7 is wrong.": (NONE, 5),
    "1. Start.\n2. Then 18 is left.\n3. Done.": (NONE, 18),
    "The answer is 10-12.": (NONE, NONE),
    "The answer is 10 to 12 apples.": (NONE, NONE),
    "It lies between 10 and 12": (NONE, 12),
    "The answer is not 10 but 12.": (NONE, 12),
    "The answer is 10. Wait, I forgot two, so 12.": (NONE, 12),
    "#### 10\nOops, it should be:\n#### 12": (12, 12),
    "The answer is 10. That is wrong. It must be 12": (NONE, 12),
    "The answer is 12. Wait, is that so? Yes.": (NONE, 12),
    "They wait 5 minutes. The answer is 12 as 4 wait 3 each.": (NONE, 12),
    # a model that goes on with the next question, or writes headings
    "#### 18\n\nQuestion: Tom has 5 apples.\nAnswer: #### 5": (18, 18),
    "It is 18.\nQ: And 5 and 5?\nA: 10": (NONE, 18),
    "Human: what is 9 and 9?": (NONE, 9),
    "#### 1. Add them\n9 + 9 = 18": (1, 18),
    "#### Step 2: add\nThe answer is 18": (NONE, 18),
    # scientific notation, times, exponents, calculator marks
    "#### 1.5e3": (1500, 1500),
    r"The answer is $1.5 \times 10^{3}$.": (NONE, 1500),
    "The answer is 2 x 10^-2": (NONE, "1/50"),
    "The train leaves at 5:00 PM.": (NONE, 5),
    "#### 3:30": ("7/2", "7/2"),
    "9*2=<<9*2=18>>18": (NONE, 18),
    # no answer
    "": (NONE, NONE),
    "I cannot answer that.": (NONE, NONE),
    "#### none": (NONE, NONE),
    "The answer is eighteen.": (NONE, NONE),
    "####": (NONE, NONE),
}


def exact(value: str | int | None) -> Fraction | None:
    return None if value is None else Fraction(value)


@pytest.mark.parametrize(("response", "expected"), CASES.items())
def test_a_hard_case_gives_the_number_that_it_settles_on(response, expected):
    assert (answers.strict(response), answers.lenient(response)) == tuple(map(exact, expected))


def test_there_are_enough_hard_cases():
    assert len(CASES) >= 60


@pytest.mark.parametrize("gold", ["5", "5.0", "5.00", "$5", "10/2"])
@pytest.mark.parametrize("said", ["5", "5.0", "5.00", "10/2", r"\frac{10}{2}"])
def test_equal_numbers_are_equal_however_they_are_written(gold, said):
    assert answers.numeric(f"#### {said}", gold).lenient == 1


@pytest.mark.parametrize(
    "text",
    [
        "1" * 5000,
        "1," * 5000,
        "- 3 " * 5000,
        "The answer is " * 3000,
        "1.0..." * 4000,
        "#### - " * 4000,
        "3 x 4 y " * 4000,
        "\n" * 20000,
    ],
)
def test_a_response_that_repeats_itself_without_end_is_read_in_time(text):
    answers.numeric(text, "1")
    assert answers.lenient("9" * 5000) is None


def test_a_reference_may_have_its_sign_apart():
    assert answers.number("- 5") == answers.number("−  5") == -5


@pytest.mark.parametrize("text", ["The answer is 3.14159...", "#### 0.33…", "So it is 1.234..."])
def test_a_decimal_that_is_cut_off_is_illegible(text):
    assert answers.illegible(text)


def test_a_rounded_fraction_is_another_number():
    assert answers.numeric("#### 0.33", "1/3").lenient == 0
