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
from holdfast.analysis.comparisons import About
from holdfast.analysis.estimands import contrast_weights
from holdfast.analysis.findings import Finding, finished
from holdfast.analysis.ladder import Ladder, contrast
from holdfast.analysis.needed import guessed
from holdfast.cli.plan_tables import show
from holdfast.config.loading import load
from holdfast.evals.measures.measure import Summary
from holdfast.runs.plan import expand
from holdfast.runs.planned_power import level, powers
from holdfast.stats import power as reckon
from holdfast.stats.effects import Effects, intercept
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError
from tools.calibration.answers import answers

ASR = Summary("asr", "attack", ("a", "b", "c", "d", "e"), threshold=True)


LABELS = ("kl", "ip", "dpo", "orpo", "cft")
FAMILY = 44  # of three measures more: SFT and five objectives against the base, these against SFT


def found_in(study, sets: int, draw, *, share: bool) -> float:
    """The share of data sets in which the answer's own rule calls the contrast of ``kl`` with SFT a difference, among
    four objectives like SFT and as many comparisons as a study of four measures has. ``draw``: scores [S, I, G] of SFT
    and of each label."""
    parts = []
    for k in range(sets):
        at = dict(zip(((x, 100) for x in ("sft", *LABELS)), draw(k), strict=True))
        groups = at["sft", 100].shape[-1]
        x = Ladder(
            About(str(k), "t", "robustness", "x", "x", "x", "lower"), share, 1.0, np.full(groups, 1 / groups),
            ("sft", *LABELS), "sft", (), at,
        )  # fmt: skip
        for label in LABELS:
            one = contrast(x, contrast_weights(label, "sft", {100: 1.0}), study)
            parts.append(
                Finding(x.about, "last", one, label=label, against="sft", budget=100, interest=1e-6, pools=True)
            )
        even = replace(parts[-1].estimate, p=0.5)
        about = replace(x.about, measure="others")
        other = replace(parts[-1], about=about, estimate=even, label="other", pools=False, within=0.5, worse=0.5)
        parts += [other] * (FAMILY - len(LABELS))
    table = finished(parts, study)
    assert table.groupby("family").size().eq(FAMILY).all()
    assert table["verdict"].isin(["better", "worse", "inconclusive", "one seed"]).all()
    mine = table[table["label"] == "kl"]
    return float(((mine["p_adjusted"] < study.alpha) & ((mine["low_all"] > 0) | (mine["high_all"] < 0))).mean())


def judged(study) -> reckon.Level:
    return reckon.Level(study.alpha / FAMILY, study.alpha, len(LABELS))


def asr_sets(study, base: float, difference: float, prompts: int):
    g, seeds = study.declared.guesses, len(study.seeds)
    # One seed: the statement is about these checkpoints, whose own difference is the one that is asked about.
    effects = Effects(g.prompt_sd, g.seed_sd * (seeds > 1), tuple(np.linspace(-0.6, 0.6, 5)), g.effect_sd)
    starts = [intercept(r, effects) for r in (base, base + difference, *[base] * (len(LABELS) - 1))]
    random = rng.generator("planned", seeds, prompts)
    # Given one at a time: the raw answers of thousands of studies do not fit.
    return lambda k: answers(starts, effects, 1, seeds, prompts, random, raw=True).raw[:, 0]


def detected(seeds: int, prompts: int, sets: int, **declared) -> tuple[float, float]:
    """What the plan promises of ASR, and how often it comes true."""
    study = planted.asked("sft", *LABELS, budgets=(100,), seeds=seeds, declared=declared)
    model = guessed(study, len(ASR.macro_over or ()) or 1, "robustness")
    least = reckon.detectable(model, seeds, prompts, study.declared.power, judged(study))
    draw = asr_sets(study, study.declared.guesses.asr, least, prompts)
    return study.declared.power, found_in(study, sets, draw, share=True)


def test_what_the_plan_says_is_detected_is_detected_with_about_that_power():
    promised, true = detected(5, 60, 300)
    assert true == pytest.approx(promised, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "prompts"), [(1, 60), (1, 313), (3, 60), (3, 313), (5, 60), (5, 150), (10, 60)])
@pytest.mark.parametrize("target", [0.5, 0.8])
def test_the_plans_power_agrees_with_simulation_to_six_points(seeds, prompts, target):
    promised, true = detected(seeds, prompts, 1500, power=target)
    assert true == pytest.approx(promised, abs=0.06)


@pytest.mark.slow
@pytest.mark.parametrize("axis", ["capability", "persona"])
@pytest.mark.parametrize("seeds", [1, 5, 10])  # three seeds show no accuracy to be another
def test_the_plans_power_agrees_with_simulation_for_accuracy_and_p_match(axis, seeds):
    study, prompts, sets = planted.asked("sft", *LABELS, budgets=(100,), seeds=seeds), 120, 1500
    g, random = study.declared.guesses, rng.generator("planned", axis, seeds)
    model = guessed(study, 1, axis)
    least = reckon.detectable(model, seeds, prompts, 0.8, judged(study))
    if axis == "capability":
        effects = Effects(g.prompt_sd, g.seed_sd * (seeds > 1), (0.0,), g.effect_sd)
        starts = [intercept(r, effects) for r in (g.accuracy, g.accuracy + least, *[g.accuracy] * (len(LABELS) - 1))]
        draw = lambda k: answers(starts, effects, 1, seeds, prompts, random, raw=True).raw[:, 0]  # noqa: E731
    else:
        # Halves of the variance of a difference are each side's own.
        sds = [x / np.sqrt(2) for x in (g.match_seed_sd * (seeds > 1), g.match_prompt_sd, g.match_rest_sd)]

        def draw(k):
            sizes = ((seeds, 1), (1, prompts), (seeds, prompts))
            made = [
                sum(sd * random.standard_normal(n) for sd, n in zip(sds, sizes, strict=True))
                for _ in range(1 + len(LABELS))
            ]
            return [(x + least * (i == 1))[..., None] for i, x in enumerate(made)]

    assert found_in(study, sets, draw, share=axis == "capability") == pytest.approx(0.8, abs=0.05)


# -- the statement -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def preset():
    study = load("miniature")
    few = (study.tasks[0].model_copy(update={"params": {"count": 100}}),)
    study = study.model_copy(
        update={"tasks": few, "objectives": study.objectives[:3], "budgets": (3000,), "control_runs": ()}
    )
    return study, expand(study)


def _answered(study, plan) -> int:
    """All measures of every objective against the base, and of all but SFT against SFT."""
    return len({c.measure for c in plan.configs if not c.of}) * (2 * len(study.objectives) - 1)


def test_the_plan_declares_and_states_its_power(preset):
    study, plan = preset
    assert plan.declared["estimands"] == list(study.declared.estimands)
    assert plan.declared["alpha"] == study.alpha
    said = {p.axis: p for p in powers(study, plan)}
    show(replace(plan, power=tuple(said.values())), Console(file=(printed := io.StringIO()), width=80))
    assert "seeds needed items needed" in printed.getvalue()
    assert "…" not in printed.getvalue()
    assert set(said) == {"capability", "robustness", "persona"}
    judged = level(study, plan)
    assert judged == (study.alpha / _answered(study, plan), study.alpha, len(study.objectives) - 1)
    assert {p.alpha for p in said.values()} == {judged.each}
    asr = said["robustness"]
    model = guessed(study, len(ASR.macro_over or ()) or 1, "robustness")
    assert reckon.power(model, asr.detects, asr.seeds, asr.prompts, judged) == pytest.approx(asr.target, abs=0.01)
    assert reckon.power(model, asr.interest, asr.seeds, asr.prompts_needed, judged) >= asr.target
    assert reckon.power(model, asr.interest, asr.seeds, asr.prompts_needed - 1, judged) < asr.target


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
