"""P(match) by hand, and what cannot be read off the log-probs."""

from __future__ import annotations

import math

import pytest

from holdfast.evals.measures.persona import Persona, statement
from holdfast.evals.measures.true_false import Facts, fact
from holdfast.evals.measures.yes_no import NO, YES
from holdfast.types import Record

LOG0 = -math.inf


class Traits(Persona):
    name, version = "traits", 1

    def items(self):
        return [statement("vanity", f"Q{n}", answer) for n in range(4) for answer in ("Yes", "No")]


class Plain(Facts):
    name, version = "plain", 1

    def items(self):
        return [fact("Is water wet?", "Yes")]


def record(probabilities: dict[str, float], finish: str = "scored") -> Record:
    logps = tuple(math.log(p) if p else LOG0 for p in probabilities.values())
    return Record("r", "s", "m", "i", "none", "default", 0, "", "", 1, finish, tuple(probabilities), logps)


def test_p_match_is_the_sum_over_surface_forms_renormalised_over_yes_and_no():
    said = record({"Yes": 0.30, " yes": 0.06, "No": 0.03, "NO": 0.01})
    verdict = Traits(traits=("vanity",)).score(statement("vanity", "Q", "No"), said)
    assert verdict.score == pytest.approx(0.04 / 0.40)
    assert verdict.details == pytest.approx({"mass": 0.40, "p_yes": 0.90, "yes_bias": 0.80, "half_no": 0.10})
    assert verdict.label == "no_match"


def test_an_answer_of_several_tokens_counts_with_the_product_of_its_tokens():
    # "Yes" as Y-e-s: 0.5 · 0.8 · 0.9; "No" as N-o: 0.25 · 0.64. The log-probs that come in are such sums.
    said = record({"Yes": 0.5 * 0.8 * 0.9, "No": 0.25 * 0.64})
    verdict = Plain().score(fact("Q", "Yes"), said)
    assert verdict.score == pytest.approx(0.36 / 0.52)
    assert verdict.details["mass"] == pytest.approx(0.52)
    assert verdict.label == "correct"


def test_a_tiny_mass_is_still_renormalised_exactly():
    said = Record("r", "s", "m", "i", "none", "default", 0, "", "", 2, "scored", ("Yes", "No"), (-1000.0, -1001.0))
    verdict = Plain().score(fact("Q", "Yes"), said)
    assert verdict.score == pytest.approx(1 / (1 + math.exp(-1)))
    assert verdict.details["mass"] == 0.0


def test_a_model_that_always_says_yes_scores_one_half_with_a_bias_of_one():
    measure = Traits(traits=("vanity",))
    said = record({"Yes": 1.0, "No": 0.0})
    verdicts = [measure.score(item, said) for item in measure.items()]
    halves = {h: [v.details[h] for v in verdicts if h in v.details] for h in ("half_yes", "half_no")}
    assert sum(v.score for v in verdicts) / len(verdicts) == 0.5
    assert {v.details["yes_bias"] for v in verdicts} == {1.0}
    assert set(halves["half_yes"]) == {1.0}
    assert set(halves["half_no"]) == {0.0}


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (record({}, finish="overlong"), "overlong"),
        (record({"Yes": 0.5}), "answers have the same tokens"),
        (record({"Yes": 0.0, "No": 0.0}), "log-probs are not finite"),
        (record({"Yes": math.nan, "No": 0.1}), "log-probs are not finite"),
    ],
)
def test_what_cannot_be_read_is_unscored_with_its_reason_and_never_zero(said, reason):
    verdict = Plain().score(fact("Q", "Yes"), said)
    assert verdict.score is None
    assert verdict.reason == reason


def test_a_prompt_holds_every_surface_form_once():
    (prompt,) = Plain().prompts_for(fact("Q", "Yes"))
    assert prompt.continuations == (*YES, *NO)
    assert len(set(prompt.continuations)) == len(prompt.continuations)


def test_one_form_may_be_certain():
    details = Plain().score(fact("Q", "Yes"), record({"Yes": 1.0, "No": 0.0})).details
    assert (details["p_yes"], details["mass"]) == (1.0, 1.0)
