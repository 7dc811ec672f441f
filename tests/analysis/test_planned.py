"""What the plan says a design detects is what the analysis of such a study detects."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import planted
import pytest
from rich.console import Console

from holdfast import rng
from holdfast.analysis import power as reckon
from holdfast.analysis.estimands import versus
from holdfast.analysis.ladder import Ladder, contrast
from holdfast.analysis.planned import guessed, level, powers
from holdfast.analysis.simulate import World, answers, intercept
from holdfast.measures.contract import Summary
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.study.files import load
from holdfast.study.plan import expand
from holdfast.study.render import show
from holdfast.words import UserError

ASR = Summary("asr", "attack", ("a", "b", "c", "d", "e"), threshold=True)


def of(sft: np.ndarray, other: np.ndarray, *, share: bool) -> Ladder:
    """Scores [S, I, G] of SFT and another objective at one budget."""
    at = {("sft", 100): sft, ("kl", 100): other}
    groups = sft.shape[-1]
    weights = np.full(groups, 1 / groups)
    return Ladder("m", "t", "x", "x", "x", "own", share, 1.0, weights, ("sft", "kl"), "sft", (), at)


def found_in(study, sets, draw, *, share: bool) -> float:
    """The share of data sets in which the contrast with SFT is called a difference at the plan's level."""
    alpha, hits = level(study), 0
    for k in range(sets):
        x = of(*draw(k), share=share)
        hits += contrast(x, versus(x, "kl", "sft", {100: 1.0}), study).p < alpha
    return hits / sets


def asr_sets(study, base: float, difference: float, prompts: int, sets: int):
    g, seeds = study.declared.guesses, len(study.seeds)
    # One seed: the statement is about these checkpoints, whose own difference is the one that is asked about.
    world = World(g.prompt_sd, g.seed_sd * (seeds > 1), tuple(np.linspace(-0.6, 0.6, 5)), g.effect_sd)
    starts = [intercept(r, world) for r in (base, base + difference)]
    random = rng.generator("planned", seeds, prompts)
    # Given one at a time: the raw answers of thousands of studies do not fit.
    return lambda k: answers(starts, world, 1, seeds, prompts, random, raw=True).raw[:, 0]


def detected(seeds: int, prompts: int, sets: int, **declared) -> tuple[float, float]:
    """What the plan promises of ASR, and how often it comes true."""
    study = planted.asked("sft", "kl", budgets=(100,), seeds=seeds, declared=declared)
    model = guessed(study, ASR, "robustness")
    least = reckon.detectable(model, seeds, prompts, study.declared.power, level(study))
    draw = asr_sets(study, study.declared.guesses.asr, least, prompts, sets)
    return study.declared.power, found_in(study, sets, draw, share=True)


def test_what_the_plan_says_is_detected_is_detected_with_about_that_power():
    promised, true = detected(5, 60, 400)
    assert true == pytest.approx(promised, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "prompts"), [(1, 60), (1, 313), (3, 60), (3, 313), (5, 60), (5, 150), (10, 60)])
@pytest.mark.parametrize("target", [0.5, 0.8])
def test_the_plans_power_agrees_with_simulation_to_three_points(seeds, prompts, target):
    promised, true = detected(seeds, prompts, 4000, power=target)
    assert true == pytest.approx(promised, abs=0.03)


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["capability", "persona"])
@pytest.mark.parametrize("seeds", [1, 3, 6])
def test_it_does_for_accuracy_and_p_match_too(axis, seeds):
    study, prompts, sets = planted.asked("sft", "kl", budgets=(100,), seeds=seeds), 120, 4000
    g, random = study.declared.guesses, rng.generator("planned", axis, seeds)
    model = guessed(study, Summary("score"), axis)
    least = reckon.detectable(model, seeds, prompts, 0.8, level(study))
    if axis == "capability":
        world = World(g.prompt_sd, g.seed_sd * (seeds > 1), (0.0,), g.effect_sd)
        starts = [intercept(r, world) for r in (g.accuracy, g.accuracy + least)]
        draw = lambda k: answers(starts, world, 1, seeds, prompts, random, raw=True).raw[:, 0]  # noqa: E731
    else:

        def draw(k):
            of_seed, of_prompt, rest = (random.standard_normal(n) for n in ((seeds, 1), (1, prompts), (seeds, prompts)))
            d = least + g.match_seed_sd * (seeds > 1) * of_seed + g.match_prompt_sd * of_prompt + g.match_rest_sd * rest
            return np.zeros((seeds, prompts, 1)), d[..., None]

    assert found_in(study, sets, draw, share=axis == "capability") == pytest.approx(0.8, abs=0.03)


# -- the statement -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def preset():
    study = load("miniature")
    few = (study.tasks[0].model_copy(update={"params": {"count": 100}}),)
    study = study.model_copy(
        update={"tasks": few, "objectives": study.objectives[:3], "budgets": (3000,), "brackets": ()}
    )
    return study, expand(study)


def test_the_plan_declares_and_states_its_power(preset):
    study, plan = preset
    assert plan.declared["estimands"] == list(study.declared.estimands)
    assert plan.declared["alpha"] == study.alpha
    said = {p.axis: p for p in powers(study, plan)}
    show(replace(plan, power=tuple(said.values())), Console(file=(printed := io.StringIO()), width=80))
    assert "seeds needed items needed" in printed.getvalue()
    assert "…" not in printed.getvalue()
    assert set(said) == {"capability", "robustness", "persona"}
    assert all(p.alpha == pytest.approx(study.alpha / (len(study.objectives) - 1)) for p in said.values())
    asr = said["robustness"]
    model = guessed(study, ASR, "robustness")
    assert reckon.power(model, asr.detects, asr.seeds, asr.prompts, asr.alpha) == pytest.approx(asr.target, abs=0.01)
    assert reckon.power(model, asr.interest, asr.seeds, asr.prompts_needed, asr.alpha) >= asr.target
    assert reckon.power(model, asr.interest, asr.seeds, asr.prompts_needed - 1, asr.alpha) < asr.target


def test_a_pilot_takes_the_place_of_the_guesses(made, preset, tmp_path: Path):
    study, plan = preset
    study = study.model_copy(update={"measures": study.measures[2:3]})
    with pytest.raises(UserError, match="no finished study"):
        powers(study, plan, StudyFolder(tmp_path))
    write_text(made.folder.estimates_parquet, "there")
    try:
        said = {p.axis: p for p in powers(study, plan, made.folder)}
    finally:
        made.folder.estimates_parquet.unlink()
    guesses = {p.axis: p for p in powers(study, plan)}
    assert {p.basis for p in said.values()} == {"pilot"}
    assert said["persona"].detects != guesses["persona"].detects
