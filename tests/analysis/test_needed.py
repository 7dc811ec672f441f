"""What it takes to tell a difference: as many seeds or prompts as give the declared power, by the spread found."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import planted
import pytest

from holdfast.analysis.answer import takes
from holdfast.analysis.comparisons import About
from holdfast.analysis.ladder import AT_BASE, Ladder
from holdfast.analysis.needed import mean, needed, spreads
from holdfast.analysis.regimes import SHARED
from holdfast.evals.measures.measure import Summary
from holdfast.stats import power as reckon

TESTS = 12  # of the answer's family


def study(seeds: int):
    return planted.asked("sft", "kl", budgets=(100,), seeds=seeds)


def ladder(seeds: int, prompts: int, spread: float) -> Ladder:
    """Accuracies of one answer a prompt; ``spread``: of the seeds."""
    random = np.random.default_rng(seeds)

    def scores(of: int) -> np.ndarray:
        rates = np.clip(0.5 + spread * random.standard_normal((of, 1)), 0, 1)
        return (random.random((of, prompts)) < rates).astype(float)[..., None]

    values = {("sft", 100): scores(seeds), ("kl", 100): scores(seeds), AT_BASE: np.repeat(scores(1), seeds, axis=0)}
    return Ladder(
        About("m", "t", "capability", "task_accuracy", "accuracy", "own"), share=True, width=1.0, weights=np.ones(1),
        labels=("sft", "kl"), sft="sft", seeds=tuple(range(seeds)), values=values,
    )  # fmt: skip


def rows(one: Ladder, seeds: int) -> dict[str, dict]:
    found = pd.DataFrame({"model": "m", "task": "t", "estimand": "last", "family": ["answer"] * TESTS})
    configs = {"c": SimpleNamespace(measure="task_accuracy", summary=Summary("accuracy"))}
    table = needed([one], configs, study(seeds), found.assign(regime=SHARED))
    return {r["against"]: r for r in table.to_dict("records")}


@pytest.mark.parametrize("against", ["sft", "base"])
def test_so_many_have_the_power_and_fewer_have_not(against: str):
    one, made = ladder(8, 4_000, 0.0), study(8)
    row = rows(one, 8)[against]
    assert (row["seeds"], row["prompts"]) == (8, 4_000)
    noise, _ = mean(spreads(one, made, against))
    judged = reckon.Level(made.alpha / TESTS, made.alpha, 2 - (against == "sft"))

    def power(seeds: int, prompts: int) -> float:
        return reckon.power(lambda difference, n: noise, row["interest"], seeds, prompts, judged)

    n, m = int(row["seeds_needed"]), int(row["prompts_needed"])
    assert power(n, 4_000) >= made.declared.power > power(n - 1, 4_000)
    assert power(8, m) >= made.declared.power > power(8, m - 1)
    assert takes(row) == f"{n:,} seeds or {m:,} prompts"


def test_where_seeds_scatter_widely_no_number_of_prompts_would_do():
    row = rows(ladder(3, 60, 0.3), 3)["sft"]
    assert np.isnan(row["prompts_needed"])
    assert takes(row | {"seeds_needed": np.nan}) == "out of reach"


def test_one_seed_says_how_many_seeds_and_of_prompts_nothing():
    row = rows(ladder(1, 8_000, 0.0), 1)["sft"]
    assert np.isnan(row["prompts_needed"])
    assert row["seeds_needed"] > 1
    assert row["basis"].endswith("says nothing of others")
