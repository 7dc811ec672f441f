"""Planted variance is found where it was planted; ranges and flips are counted by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from holdfast.analysis import repeats
from holdfast.stats.components import components


def rows(y: np.ndarray, factors: list[str], attack: str = "dan") -> pd.DataFrame:
    """A row a place of ``y`` [a level of each factor …, prompts]."""
    at = np.indices(y.shape).reshape(y.ndim, -1)
    table = pd.DataFrame({f: at[k].astype(str) for k, f in enumerate([*factors, "item"])})
    value = y.ravel()
    return table.assign(value=value, verdict=np.where(np.isnan(value), np.nan, value >= 0.5), attack=attack, sample=0)


def planted(sd: dict[str, float], shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    """Seed × format × prompt with these standard deviations; "rest" in every place."""
    r = np.random.default_rng(seed)
    s, f, p = shape
    parts = {"seed": (s, 1, 1), "format": (1, f, 1), "prompt": (1, 1, p), "format × prompt": (1, f, p), "rest": shape}
    return sum(sd.get(name, 0.0) * r.normal(size=of) for name, of in parts.items())


def test_planted_components_are_recovered():
    sd = {"seed": 0.3, "format": 0.5, "prompt": 1.0, "rest": 0.4}
    tables = [
        repeats.variance(planted(sd, (8, 8, 60), k), ["seed", "format"]).set_index("effect")["variance"]
        for k in range(40)
    ]
    found = sum(tables) / len(tables)
    for name, s in sd.items():
        assert found[name] == pytest.approx(s**2, rel=0.25)
    assert abs(found["format × prompt"]) < 0.01


def test_of_a_score_the_prompts_part_is_divided_by_their_number():
    y = planted({"format": 0.5, "prompt": 1.0, "rest": 0.5}, (3, 6, 50))
    table = repeats.variance(y, ["seed", "format"]).set_index("effect")
    score = table["variance"] / np.where(table.index.str.contains("prompt|rest"), 50, 1)
    positive = np.maximum(score, 0)
    assert table["score_share"].to_numpy() == pytest.approx((positive / positive.sum()).to_numpy())
    assert table.loc["format", "score_share"] > 0.8 > table.loc["format", "share"]
    assert table.loc["format", "score_low"] <= table.loc["format", "score_share"] <= table.loc["format", "score_high"]


def test_prompts_with_a_gap_are_left_out_and_a_missing_combination_is_no_array():
    y = planted({"prompt": 1.0}, (2, 3, 10))
    y[0, 1, 4] = np.nan
    table = rows(y, ["seed", "format"])
    assert repeats.array(table, ["seed", "format"]).shape == (2, 3, 9)
    assert repeats.array(table[(table["seed"] == "0") | (table["format"] == "0")], ["seed", "format"]) is None


def test_a_mixed_model_agrees_where_there_are_no_gaps_and_stands_in_where_there_are():
    y = planted({"seed": 0.4, "format": 0.6, "prompt": 1.0, "rest": 0.3}, (4, 5, 12), 3)
    table = rows(y, ["seed", "format"])
    balanced = repeats.variance(y, ["seed", "format"]).set_index("effect")
    reml = repeats.with_gaps(table, ["seed", "format"]).set_index("effect")
    for name in ("seed", "format", "prompt"):
        assert reml.loc[name, "variance"] == pytest.approx(balanced.loc[name, "variance"], rel=0.1, abs=0.01)
    gaps = repeats.with_gaps(table.sample(frac=0.7, random_state=1), ["seed", "format"]).set_index("effect")
    assert gaps.loc["format", "score_share"] == pytest.approx(reml.loc["format", "score_share"], abs=0.2)
    assert gaps["method"].unique() == [repeats.MIXED]


def test_ranges_and_flips_by_hand():
    y = np.array([[1.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]])  # three seeds, four prompts
    table = rows(y, ["seed"])
    assert repeats.spread(table, ["seed"]) == {"runs": 3, "low": 0.25, "high": 0.5}
    found = repeats.flips(table, ["seed"])
    assert (found["runs"], found["flipped"], found["n_prompts"]) == (3, 0.5, 4)
    assert 0 <= found["low"] <= 0.5 <= found["high"] <= 1
    none = repeats.flips(rows(y[:1].repeat(3, axis=0), ["seed"]), ["seed"])
    assert none["flipped"] == none["low"] == 0
    assert none["high"] == pytest.approx(0.49, abs=0.005)  # Wilson, 0 of 4


def test_flips_are_within_a_group_and_without_what_is_unscored():
    y = np.array([[[1.0, 0.0, 1.0], [1.0, 0.0, 0.0]], [[0.0, 1.0, np.nan], [0.0, 1.0, 1.0]]])  # seed × format × prompt
    table = rows(y, ["seed", "format"])
    # Seeds differ throughout, formats only on prompt 2 of seed 0; prompt 2 of seed 1 was not scored in one format.
    found = repeats.flips(table, ["format"], ["seed"])
    assert (found["flipped"], found["n_prompts"]) == (pytest.approx(1 / 3), 3)
    assert repeats.flips(table[table["seed"] == "0"], ["seed"])["runs"] == 1


def test_one_sample_against_most():
    table = pd.DataFrame(
        {
            "item": ["a"] * 4 + ["b"] * 4 + ["c"] * 2,
            "attack": "dan",
            "verdict": [1, 1, 1, 0, 0, 0, 0, 0, 1, 0],  # 3 of 4, 4 of 4, a tie
        }
    )
    assert repeats.one_sample(table) == pytest.approx((0.75 + 1.0) / 2)


def test_reml_of_statsmodels_gives_the_same_where_nothing_is_missing():
    r = np.random.default_rng(3)
    y = r.normal(size=(5, 1)) * 2 + r.normal(size=(1, 12)) * 1.5 + r.normal(size=(5, 12))
    mine = components(y, ["seed", "prompt"]).variance
    table = rows(y, ["seed"])
    effects = {"seed": ["seed"], "prompt": ["item"]}
    theirs = repeats.mixed(table, "value", effects).set_index("effect")
    assert theirs["variance"].to_numpy() == pytest.approx(mine, rel=2e-3)
    gaps = repeats.mixed(table.assign(value=table["value"].where(table.index % 9 > 0)), "value", effects)
    assert gaps["variance"].to_numpy() == pytest.approx(mine, rel=0.35)
    assert gaps["share"].sum() == pytest.approx(1)
