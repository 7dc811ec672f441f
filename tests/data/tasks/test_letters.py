"""A letter is read wherever a response settles on one; two letters, or a mere word, are none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data import letters
from holdfast.data.tasks.task import Verdict


@pytest.mark.parametrize(
    ("response", "strict", "lenient"),
    [
        ("40 m\nAnswer: H", "H", "H"),
        ("Answer: H", "H", "H"),
        ("  Answer:  H \n", "H", "H"),
        ("It is plain.\n\nAnswer: J\n", "J", "J"),
        ("Answer: H.", None, "H"),
        ("Answer: (H)", None, "H"),
        ("answer: H", None, "H"),
        ("**Answer:** H", None, "H"),
        ("**Answer: H**", None, "H"),
        ("Answer: $H$", None, "H"),
        (r"Answer: \boxed{H}", None, "H"),
        (r"So \boxed{\text{H}} it is.", None, "H"),
        (r"$\boxed{(H)}$", None, "H"),
        ("Answer: H\nBecause it is.", None, "H"),
        ("Answer: A\nNo, wait.\nAnswer: B", "B", "B"),
        ("The answer is H because A is too small.", None, "H"),
        ("The correct option is (H).", None, "H"),
        ("The right choice would be H", None, "H"),
        ("The answer is option H", None, "H"),
        ("The answer is: **H) 4**", None, "H"),
        ("H", None, "H"),
        ("(H)", None, "H"),
        ("H) 4", None, "H"),
        ("H. It is 4", None, "H"),
        ("**H**", None, "H"),
        ("H\nBecause.", None, "H"),
        ("H is right.", None, "H"),
        ("I pick (H), of course", None, "H"),
        ("First (A) is too small, so (H)", None, "H"),
        ("Answer: B, I think", None, "B"),
        ("Answer: A or B", None, None),
        ("Answer: A, B", None, None),
        ("Answer: (A) and (B)", None, None),
        ("A or B", None, None),
        ("A or B is correct.", None, None),
        ("(A) and (B) are right", None, None),
        ("I think option A or option B is the right one.", None, None),
        ("Not A or C, B is correct.", None, "B"),
        ("A and C look right, but B is correct.", None, "B"),
        ("Answer: K", None, None),
        ("Answer: Heat", None, None),
        ("Answer: I'm not sure", None, None),
        ("A good question.", None, None),
        ("I do not know.", None, None),
        ("4", None, None),
        ("", None, None),
        ("Answer:", None, None),
    ],
)
def test_strict_wants_the_last_line_and_lenient_any_clear_sign(response, strict, lenient):
    assert letters.strict(response) == strict
    assert letters.lenient(response) == lenient


@given(st.text())
def test_no_text_breaks_the_reading(text):
    verdict = letters.verdict(text, "A")
    assert verdict.strict in (0.0, 1.0)
    assert verdict.lenient in (0.0, 1.0)


@given(st.sampled_from(letters.LETTERS), st.sampled_from(letters.LETTERS), st.text("xyz .\n", min_size=1))
def test_our_own_form_is_always_read(letter, right, option):
    expected = float(letter == right)
    assert letters.verdict(letters.answer(letter, option), right) == Verdict(expected, expected)


def test_a_question_lists_its_options_by_letter():
    text = letters.question("Which?", [str(n) for n in range(10)])
    lines = text.splitlines()
    assert lines[0] == "Which?"
    assert lines[2] == "A) 0"
    assert lines[11] == "J) 9"
    assert "Answer: " in lines[-1]


FORMS = {
    **dict.fromkeys(["B.", "Option B", "option b", "b", "b)", "(b)", "B because it is", "The answer is b.", "Ⓑ"], "B"),
    **dict.fromkeys(
        ["<answer>B</answer>", "#### B", "Answer：B", r"\boxed{\textbf{(B)}}", "I choose B", 'Answer: "B"'], "B"
    ),
    **dict.fromkeys(["I think it is hot.\n\nB", "Option B is correct, since option A fails."], "B"),
    "I would go with option C.": "C",
    "Ans: D": "D",
    "Answer: A. B is wrong.": "A",
    "Answer: A.\nNo: B": "A",  # only the first is named as the answer
    "a": "A",
    **dict.fromkeys(
        ["Therefore, C is the correct answer.", "Only C is correct", "A is incorrect. So C.", "It's C"], "C"
    ),
    **dict.fromkeys(["答案：C", "答案是C", "Die Antwort ist C.", "La respuesta es C", "Réponse : C"], "C"),
    **dict.fromkeys(["### Answer\n\nC) four", "Answer: 'C'", "Answer: `C`", '{"answer": "C"}', "```\nC\n```"], "C"),
    **dict.fromkeys(["> C", "- C", "# C", "`C`", "__C__", "C!", "Answer - C", "Answer → C"], "C"),
    **dict.fromkeys(
        ["The answer is most likely C", "The correct answer to this is: **C**", "Answer: not A, it is C"], "C"
    ),
    **dict.fromkeys(["B-cells make it.", "Answer: C++", "Answer: E = mc²", "It is 25 C", "The answer is I think B"]),
    "The answer is a large number": None,
    "The answer is not B": None,
    "Option A is wrong.": None,
}


@pytest.mark.parametrize(("response", "letter"), FORMS.items())
def test_the_forms_that_models_use_are_read(response, letter):
    assert letters.lenient(response) == letter


def test_the_text_of_an_option_alone_is_its_letter():
    options = ["The red one", "The blue one", "The blue one"]
    assert letters.lenient("the red one.", options) == "A"
    assert letters.lenient("The blue one", options) is None  # it stands there twice
    assert letters.lenient("The red one, or so", options) is None
    assert letters.lenient("It is hard. The answer is: **the red one**.", options) == "A"
    assert letters.offered(letters.question("Which?", options)) == options
