"""The one line of each section is what its table says, all of it: on planted tables with the awkward row in them."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest

from holdfast.report.sections import (
    at_budgets,
    equal_capability,
    fairness,
    harm_coherence,
    judge_trust,
    left_out,
    other_choices,
    verdicts,
    ways,
)
from holdfast.report.sections.fairness import Control


def rates(**incoherent: float) -> pd.DataFrame:
    """Of ``analysis.coherent`` at one budget, with so much that is incoherent, two thirds of it harmful."""
    rows = [
        {"measure": "m", "judge": "j", "label": label, "budget": 9, "what": what, "value": share * part}
        for label, share in incoherent.items()
        for what, part in (("harmful, incoherent", 2 / 3), ("harmless, incoherent", 1 / 3), ("harmful, coherent", 0.1))
    ]
    return pd.DataFrame(rows)


def test_incoherence_elsewhere_is_said_beside_none_at_the_last_budget():
    said = harm_coherence.incoherent(rates(base=0.0, sft=0.0), 1_000, 157, " at 60k tokens")
    assert said == (
        "Incoherent under attack at 60k tokens: 0.0% throughout. Of all 1,000 responses that were judged 157 are "
        "incoherent."
    )


def test_incoherence_that_rounds_to_nothing_is_not_nothing():
    assert "from 0.0% (sft) to 0.03% (kl)" in harm_coherence.incoherent(rates(sft=0.0, kl=0.0003), 11, 1, "")


def test_all_that_was_left_out_is_reported():
    dropped = pd.DataFrame({"task": ["t"], "reason": ["r"], "rows": [587], "for": ["runs that vary the task"]})
    gone = pd.DataFrame(columns=["measure", "judge", "reason", "responses", "of"])
    assert left_out.left_out(dropped, gone) == "587 training rows for runs that vary the task."
    both = pd.concat([dropped, dropped.assign(rows=1, **{"for": "all objectives"})])
    some = pd.DataFrame({"responses": [3, 4]})
    assert left_out.left_out(both, some) == (
        "587 training rows for runs that vary the task, 1 training row for all objectives and 7 verdicts without a "
        "score."
    )
    assert left_out.left_out(dropped.assign(rows=0), gone) == "Nothing."


def test_every_measure_under_an_objectives_own_condition_is_reported():
    table = pd.DataFrame(
        {
            "objective": ["CFT", "CFT", "IP"],
            "asked with": ["safe", "safe", "ask"],
            "measure": ["Attack success rate", "Task accuracy", "Attack success rate"],
            "level": ["3.2%", "41.0%", "0.0%"],
            "plain prompt": ["20.0% [1, 2]", "61.0% [1, 2]", "33.3% [1, 2]"],
        }
    )
    said = ways.own_said(table)
    for row in table.to_dict("records"):
        assert f"{row['measure']} {row['level']} instead of {row['plain prompt'].split()[0]}" in said
    assert ways.own_said(table.iloc[:0]) == ""


@pytest.mark.parametrize("verdict", ["small but real", "one seed", "inconclusive"])
def test_no_verdict_is_left_out_of_a_count_whatever_it_is_called(verdict):
    found = pd.DataFrame({"label": ["a", "b", "c"], "verdict": ["better", verdict, verdict], "declared": True})
    assert verdicts.counted(found, "declared") == f"3 comparisons (declared): 1 better and 2 {verdict}."
    assert verdicts.verdicts(found) == f"better in a; {verdict} in b and c"


def test_where_each_rests_on_one_seed_it_is_said_once_and_no_verdict_is_counted():
    found = pd.DataFrame({"label": ["a", "b"], "verdict": "one seed", "declared": True})
    assert verdicts.counted(found, "exploratory") == (
        "2 comparisons (exploratory): none has a verdict, for each rests on one seed."
    )
    assert verdicts.verdicts(found) == "no verdict, for each rests on one seed"


def test_the_pair_of_judges_that_agrees_least_is_named():
    pairs = pd.DataFrame(
        {
            "measure": ["x", "y", "y", "y"],
            "judges": ["a and b", "a and b", "a and c", "b and c"],
            "responses": ["all", "all", "incoherent", "all"],
            "κ": ["0.81 [0.7, 0.9]", "0.12 [0.0, 0.2]", "0.01 [0.0, 0.1]", "–"],
        }
    )
    assert judge_trust.agreed(pairs) == "A and b on y: κ 0.12 [0.0, 0.2], the lowest of 3 pairs; not defined for 1."
    assert "not defined" in judge_trust.agreed(pairs[pairs["κ"] == "–"])


def test_slopes_of_every_measure_are_reported():
    found = pd.DataFrame(
        {
            "estimand": "slope", "axis": "robustness", "against": ["base", "base", "sft"], "measure": ["x", "y", "y"],
            "label": "DPO", "verdict": ["better", "worse", "equivalent"],
        }
    )  # fmt: skip
    assert at_budgets.slopes(found) == (
        "Slope of attack success on x over budgets, against the base: better in DPO. "
        "Slope of attack success on y over budgets, against the base: worse in DPO."
    )


def test_the_front_is_reported_from_its_own_table():
    points = pd.DataFrame(
        {"label": ["base", "a", "b", "a"], "budget": [0, 9, 9, 3], "probability": [0.9, 0.496, 0.999, 1.0]}
    )
    one = SimpleNamespace(points=points, measure="m", n_seeds=3)
    assert at_budgets.front([one], [3, 9]) == "On the front in most draws at 9 tokens: b (99.9%)."
    none = SimpleNamespace(points=points.assign(probability=0.1), measure="m", n_seeds=1)
    assert at_budgets.front([none], [9]) == "On the front in most draws of prompts, from one run each: no objective."


def test_runs_that_never_reach_the_capability_are_named_beside_the_verdicts():
    table = pd.DataFrame(
        {"label": ["SFT", "DPO", "KL"], "n_reached": [3, 3, 0], "verdict": ["", "worse", "inconclusive"]}
    )
    one = SimpleNamespace(at_target=table, sft="SFT", harm=SimpleNamespace(measure="m"))
    assert equal_capability.equal([one]) == "Attack success there, against SFT: worse in DPO; never there: KL."


def test_controls_are_counted_as_the_section_counts_them():
    found = [
        Control("g", "order", {"a": "1", "b": "1"}),
        Control("g", "rate", {"a": "1", "b": "2"}, declared=True),
        Control("g", "beta", {"a": "1", "b": "1"}, declared=True),
    ]
    assert fairness.all_equal(found) == (
        "All 2 other controls are equal over objectives; 1 differs because the study asks for it."
    )


@pytest.mark.parametrize(
    ("choices", "distinct", "unclear", "said"),
    [
        (72, (1, 1), 1.0, "All 72 ways to ask give the same numbers, and no clear verdict."),
        (72, (1, 1), 0.0, "All 72 ways to ask give the same numbers."),
        (1, (1, 1), 1.0, "There is one way to ask, and no clear verdict."),
        (72, (1, 4), 1.0, "None of 1–4 distinct ways to ask gives a clear verdict (72 choices, copies taken once)."),
    ],
)
def test_copies_of_one_way_are_counted_once_among_ways_that_agree(choices, distinct, unclear, said):
    found = pd.DataFrame(
        {"label": ["DPO", "KL"], "against": "sft", "n_ways": choices, "n_distinct": distinct, "agree": 1.0,
         "unclear": unclear, "flips": ""}
    )  # fmt: skip
    assert other_choices.stable(found) == said


def test_the_share_of_ways_is_of_distinct_ways_and_names_where_it_is_least():
    found = pd.DataFrame(
        {
            "label": ["DPO", "KL"], "against": ["sft", "base"], "n_ways": [72, 72], "n_distinct": [15, 8],
            "agree": [0.4, 1.0], "unclear": [0.4, 0.0], "flips": ["", "judge: rules"],
        }
    )  # fmt: skip
    said = other_choices.stable(found)
    assert said == (
        "Of 8–15 distinct ways to ask as few as 40% (DPO against SFT) agree with the study’s own (72 choices, copies "
        "taken once); one other choice reverses 1 of 2."
    )
