"""A perturbed answer is always wrong, is the same every time, and carries its slip on."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.data import answers, perturb

EGGS = "She has 16 - 3 - 4 = <<16-3-4=9>>9 eggs.\nShe makes 9 * 2 = $<<9*2=18>>18.\n#### 18"


def holds(equation: str) -> bool:
    left, right = equation.split("=")
    return Fraction(eval(left)) == Fraction(right)


def test_a_slip_is_carried_on_through_later_equations_and_their_mentions():
    seen = set()
    for n in range(30):
        wrong = perturb.worked(EGGS, "18", n)
        marks = re.findall(r"<<(.*?)>>(\d+)", wrong)
        assert sum(not holds(equation) for equation, _ in marks) == 1
        assert all(equation.endswith(f"={mention}") for equation, mention in marks)
        assert wrong.endswith(f"#### {marks[-1][1]}")
        assert f"makes {marks[0][1]} * 2" in wrong
        seen.add(wrong)
    assert len(seen) > 5


def test_the_same_names_give_the_same_slip():
    assert perturb.worked(EGGS, "18", "a") == perturb.worked(EGGS, "18", "a")
    assert len({perturb.worked(EGGS, "18", name) for name in "abcdefgh"}) > 1


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("No equation leads there.\nIt is $1,000.\n#### 1000", "1000"),
        ("#### 3", "3"),
        ("10/4=2.5. #### 2.5", "2.5"),
        ("The price is 40%*50=20 now", "20"),
        ("2-5=-3. #### -3", "-3"),
        ("5-5=0. #### 0", "0"),
        ("0*7=0. 0+3=3. #### 3", "3"),
        ("12,000 x 2 = 24,000. #### 24,000", "24000"),
        ("(1+2)*3=9 and 9÷3=3. #### 3", "3"),
    ],
)
def test_whatever_the_form_the_result_is_wrong(text, answer):
    for n in range(10):
        wrong = perturb.worked(text, answer, n)
        assert wrong is not None
        assert answers.numeric(wrong, answer) == answers.Verdict(0.0, 0.0)
        assert ("####" in wrong) == ("####" in text)


def test_thousands_stay_separated():
    assert re.search(r"#### \d\d,\d{3}$", perturb.worked("12,000 x 2 = 24,000. #### 24,000", "24000", 0) or "")


@pytest.mark.parametrize(("text", "answer"), [("#### 4", "5"), ("no number", "5"), ("", "5"), ("#### 5", "five")])
def test_an_answer_that_does_not_arrive_is_left_alone(text, answer):
    assert perturb.worked(text, answer, 0) is None


@given(st.integers(1, 500), st.lists(st.tuples(st.sampled_from("+-*"), st.integers(1, 40)), min_size=1, max_size=4))
def test_a_perturbed_chain_is_wrong_and_consistent(start, steps):
    value, parts = start, []
    for op, n in steps:
        left, value = value, eval(f"{value}{op}{n}")
        parts.append(f"{left}{op}{n}={value}.")
        if value < 0:
            return
    wrong = perturb.worked(" ".join(parts) + f" #### {value}", str(value), start)
    assert wrong is not None
    assert answers.numeric(wrong, str(value)) == answers.Verdict(0.0, 0.0)
    assert answers.strict(wrong) == answers.lenient(wrong)


@pytest.mark.data
def test_answers_of_gsm8k_are_made_wrong(data):
    from holdfast.data.tasks.gsm8k import GSM8K

    task = GSM8K(str(data / "gsm8k"))
    rows = task.rows()[:400]
    wrong = [task.perturb(row) for row in rows]
    assert sum(text is None for text in wrong) <= 2
    for row, text in zip(rows, wrong, strict=True):
        if text is not None:
            assert task.check(text, row.answer) == answers.Verdict(0.0, 0.0)
            assert "<<" not in text
