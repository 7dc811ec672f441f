"""Where some runs end at a target, what is compared are the same seeds everywhere: as far as every run came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from planted import asked, configs, frame

from holdfast.analysis import estimands
from holdfast.analysis.findings import finished
from holdfast.analysis.ladder import ladders
from holdfast.analysis.load import common_budgets
from holdfast.analysis.pareto import fronts
from holdfast.analysis.records import records
from holdfast.analysis.stability import ways
from holdfast.stats import curves

BUDGETS = (1000, 2000, 4000)
STEPS = {"sft": (0.5, 1.0, 1.5), "orpo": (0.2, 0.4, 0.6)}
ASKED = ("accurate", "robust")


def study(stop: bool, **more):
    goal = {"target": 0.1, "measure": "accurate", "stop": stop}
    return asked("sft", "orpo", budgets=BUDGETS, seeds=3, matched=goal, **more)


@pytest.fixture(scope="module")
def answers():
    """Seed 0 of SFT ended at the second budget."""
    whole = frame(dict.fromkeys(ASKED, STEPS), np.random.default_rng(0), budgets=BUDGETS, seeds=3, prompts=12)
    whole["subject"] = whole["label"] + whole["seed"].astype(str) + "-" + whole["budget"].astype(str)
    return whole[~((whole["label"] == "sft") & (whole["seed"] == 0) & (whole["budget"] > 2000))].reset_index(drop=True)


def test_findings_go_as_far_as_every_run_came_and_are_of_all_seeds(answers):
    found = finished(estimands.findings(ladders(answers, configs(*ASKED), study(True)), study(True)), study(True))
    last = found[found["estimand"] == "last"]
    assert set(last["budget"]) == {2000}
    assert set(found["n_seeds"]) == {3}
    free = finished(estimands.findings(ladders(answers, configs(*ASKED), study(False)), study(False)), study(False))
    assert 4000 in set(free["budget"])
    assert 2 in set(free["n_seeds"])


def test_fronts_and_the_grid_of_choices_go_as_far_as_every_run_came(answers):
    some = records(answers)
    (front,) = fronts(some, configs(*ASKED), study(True), 50)
    assert front.points["budget"].max() == 2000
    assert set(front.points["label"]) == {"base", "sft", "orpo"}
    assert set(ways({"shared": some}, configs(*ASKED), study(True))["n_seeds"]) == {3}


def test_a_run_that_ended_before_the_first_budget_leaves_no_budget_to_compare_at(answers):
    quick = (answers["label"] == "sft") & (answers["seed"] == 0)
    early = answers[~quick | (answers["budget"] == 1000)]
    early = early.assign(budget=early["budget"].mask(quick, 500)).reset_index(drop=True)
    assert common_budgets(study(True), early).budgets == ()
    assert not estimands.findings(ladders(early, configs(*ASKED), study(True)), study(True))
    assert fronts(records(early), configs(*ASKED), study(True), 50) == []
    assert ways({"shared": records(early)}, configs(*ASKED), study(True)).empty


@given(st.lists(st.integers(0, 20), min_size=2, max_size=8), st.integers(0, 20))
def test_what_a_later_checkpoint_says_does_not_move_the_first_that_reached(scores, more):
    """So a run that ends where its smoothed capability first is at the target is matched there, too."""
    before, after = (curves.smooth(np.array([s], dtype=float))[0] for s in (scores, [*scores, more]))
    assert (after[:-1] <= before + 1e-9).all()
