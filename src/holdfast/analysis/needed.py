"""What it would take to tell a difference that matters: so many seeds, or so many prompts, by the spread that a study
itself has found. Power is that of the rule that judges the answer (``stats.power``, ``findings.finished``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.estimands import contrast_weights
from holdfast.analysis.findings import ANSWERED
from holdfast.analysis.ladder import Ladder, contrast
from holdfast.analysis.regimes import SHARED
from holdfast.config.study import Study
from holdfast.stats import power as reckon

MOST_SEEDS, MOST_PROMPTS = 200, 20_000  # beyond which a design is called out of reach
GUESSED = ("capability", "robustness", "persona")  # axes of which ``declared.guesses`` says something
COLUMNS = ["model", "task", "measure", "against", "interest", "target", "seeds", "prompts", "seeds_needed"]
COLUMNS += ["prompts_needed", "basis"]


class SeenNoise(NamedTuple):
    """Of a difference, and over how many seeds it was seen."""

    noise: reckon.Noise
    seeds: int


def needed(ladders: Sequence[Ladder], configs: Configs, study: Study, found: pd.DataFrame) -> pd.DataFrame:
    """A row per model, task, measure and reference that the answer compares with: how many seeds (with as many prompts)
    and how many prompts (with as many seeds) would tell a difference of interest with the study's power.

    ``found``: the comparisons. NaN: out of reach (``MOST_SEEDS``, ``MOST_PROMPTS``), as it is of prompts
    where there is one seed, for no verdict rests on one. What was trained elsewhere has no seeds to be had: no rows.
    """
    rows = [row for ladder in ladders for row in _of(ladder, configs, study, found)]
    return pd.DataFrame(rows if study.trains else [], columns=COLUMNS)


def _of(ladder: Ladder, configs: Configs, study: Study, found: pd.DataFrame) -> list[dict[str, Any]]:
    about, found = ladder.about, found[found["regime"] == SHARED]
    mine = found[(found["model"] == about.model) & (found["task"] == about.task) & found["estimand"].isin(ANSWERED)]
    tests, least, rows = int((mine["family"] != "").sum()), study.declared.interest.of(about.axis), []
    for against in ("sft", "base"):
        some = spreads(ladder, study, against)
        if not some or not tests:
            continue
        noise, seeds = mean(some)
        prompts, basis = int(ladder.prompts), "this study"
        if seeds == 1:
            config = next(c for c in configs.values() if c.measure == about.measure)
            model = guessed(study, len(config.summary.macro_over or ()) or 1, about.axis)
            there = model(least, 2) if about.axis in GUESSED else None
            if there is None:
                continue
            noise, basis = noise._replace(seed=there.seed), "this study; its one seed says nothing of others"
        judged = reckon.Level(study.alpha / tests, study.alpha, len(ladder.labels) - (against == "sft"))
        fewest = [reckon.seeds_for(_alike(noise), least, prompts, study.declared.power, judged, MOST_SEEDS)]
        enough = reckon.prompts_for(_alike(noise), least, seeds, study.declared.power, judged, MOST_PROMPTS)
        fewest += [enough if seeds > 1 else None]
        facts = (about.model, about.task, about.measure, against, least, study.declared.power, seeds, prompts)
        rows.append(dict(zip(COLUMNS, (*facts, *(np.nan if n is None else n for n in fewest), basis), strict=True)))
    return rows


def _alike(noise: reckon.Noise) -> reckon.Model:
    return lambda difference, seeds: noise


# -- the spread of a difference ---------------------------------------------------------------------------------------


def spreads(ladder: Ladder, study: Study, against: str = "sft") -> list[SeenNoise]:
    """Of each objective's difference from a reference at the last budget that both have."""
    found = []
    for label, _, reference in (x for x in ladder.pairs() if x[1] == against):
        budgets = ladder.common(label, reference)
        made = contrast(ladder, contrast_weights(label, reference, {budgets[-1]: 1.0}), study) if budgets else None
        if made is None or made.linear is None or made.n_prompts < 2:
            continue
        d = made.linear.pseudo[:, made.linear.present]
        noise = reckon.pilot(d, len(ladder.weights) if ladder.share else 0)(0.0, len(d))
        if noise is not None:
            found.append(SeenNoise(noise, len(d)))
    return found


def mean(some: Sequence[SeenNoise]) -> SeenNoise:
    """Over objectives, and the fewest seeds of any."""
    first = some[0][0]
    parts: dict[str, Any] = {
        c: float(np.mean([getattr(n, c) for n, _ in some])) for c in ("prompt", "seed", "rest", "differ")
    }
    return SeenNoise(first._replace(**parts), min(s for _, s in some))


def guessed(study: Study, attacks: int, axis: str) -> reckon.Model:
    """By the guesses of the study file. ASR: a share over as many attacks as the measure averages; capability: a share;
    persona: a mean."""
    g = study.declared.guesses
    if axis == "persona":
        return reckon.means(g.match_prompt_sd, g.match_seed_sd, g.match_rest_sd)
    shared = {"prompt_sd": g.prompt_sd, "seed_sd": g.seed_sd, "effect_sd": g.effect_sd}
    if axis == "robustness":
        return reckon.shares(g.asr, attacks=tuple(np.linspace(-0.6, 0.6, attacks)) if attacks > 1 else (0.0,), **shared)
    return reckon.shares(g.accuracy, attacks=(0.0,), **shared)
