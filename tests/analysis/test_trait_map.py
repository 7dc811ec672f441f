"""Many traits: all of them are corrected together, and those that move alike stand together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from fabricate import study_of
from statsmodels.stats.multitest import multipletests

from holdfast.analysis import trait_map as maps
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.trait_map import trait_map
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Summary

KINDS = {"warm": ("kind", "caring", "open", "gentle"), "dark": ("cruel", "vain", "sly")}
TRAITS = [*KINDS["warm"], *KINDS["dark"], "quiet"]
LABELS, BUDGETS, SEEDS = ("SFT", "DPO", "KL"), (1000, 2000), (0, 1)


@pytest.fixture
def study() -> Study:
    objectives = [{"label": x, "objective": x.lower()} for x in LABELS]
    return study_of(objectives=objectives, budgets=BUDGETS, seeds=SEEDS)


def config(traits: list[str]) -> dict[str, ConfigInfo]:
    summary = Summary("p_match", by="trait", macro_over=tuple(traits))
    return {"c": ConfigInfo("c", "persona", "persona", summary=summary, judges=("own",))}


def estimates(traits: list[str], seed: int = 0) -> pd.DataFrame:
    """Differences from the base: each kind of trait has moves of its own, a quiet one none."""
    stream = np.random.default_rng(seed)
    rows, k, sign = [], 0, (-1, 1)  # in turn, and two by two: of no correlation
    for label in LABELS:
        for budget in BUDGETS:
            for s in (-1, *SEEDS):
                kinds = {"warm": 0.1 * sign[k % 2], "dark": 0.1 * sign[k // 2 % 2]}
                k += s != -1
                for trait in [*traits, "macro"]:
                    own = [kinds[kind] for kind, some in KINDS.items() if trait in some]
                    value = own[0] + stream.normal(0, 0.01) if own else 0.0
                    p = stream.uniform() ** 4
                    rows.append((label, budget, s, trait, value, value - 0.05, value + 0.05, p))
    e = pd.DataFrame(rows, columns=["label", "budget", "seed", "condition", "value", "low", "high", "p"])
    about = {"model": "m", "task": "t", "measure": "persona", "metric": "p_match", "judge": "own", "bracket": ""}
    return e.assign(**about, format="default", against="base")


def test_all_traits_and_objectives_are_one_family(study):
    e = estimates(TRAITS)
    found = trait_map(e, config(TRAITS), study)
    assert len(found) == len(TRAITS) * len(LABELS)
    assert set(found["budget"]) == {BUDGETS[-1]}
    assert "macro" not in set(found["trait"])
    expected = multipletests(found["p"], method="holm")[1]
    assert found["p_holm"].to_numpy() == pytest.approx(expected)
    last = e[(e["seed"] == -1) & (e["budget"] == BUDGETS[-1])].set_index(["label", "condition"])
    for r in found.itertuples():
        assert r.value == last.loc[(r.label, r.trait), "value"]


@pytest.mark.parametrize("seed", range(5))
def test_traits_that_move_alike_are_neighbours_of_one_group(study, seed):
    found = trait_map(estimates(TRAITS, seed), config(TRAITS), study)
    groups = found.drop_duplicates("trait").set_index("trait")["group"]
    for some in KINDS.values():
        assert groups[list(some)].nunique() == 1
    assert groups.nunique() == 3  # one that never moves is like no other
    assert list(groups) == sorted(groups)


def test_few_traits_have_no_map(study):
    few = TRAITS[: maps.FEWEST - 1]
    assert trait_map(estimates(few), config(few), study).empty


def test_few_checkpoints_tell_no_groups(study):
    e = estimates(TRAITS)
    e = e[(e["budget"] == BUDGETS[-1]) & (e["seed"] == -1)]
    found = trait_map(e, config(TRAITS), study)
    assert set(found["group"]) == {0}
    assert list(found["trait"].drop_duplicates()) == TRAITS
