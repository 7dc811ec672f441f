import time

import numpy as np
import pytest
from rows import config_of, frame_of, study

from holdfast.analysis.cube import headline_cube
from holdfast.analysis.estimates import estimates
from holdfast.analysis.estimates_file import headlines
from holdfast.stats.linear import linearise
from holdfast.stats.methods import Design, estimated, rare_prompts
from holdfast.store import tables

RNG = np.random.default_rng(11)
A5 = ("a", "b", "c", "d", "e")


def one(table, **want):
    for column, value in want.items():
        table = table[table[column] == value]
    assert len(table) == 1, table
    return table.iloc[0]


def test_levels_and_differences_by_hand():
    base = [[0, 0], [0, 1], [0, 0], [1, 0]]
    sft = [[1, 1], [0, 1], [1, 0], [1, 0]]
    frame = frame_of({("base", -1): base, ("sft", 0): sft}, ("none", "a"))
    table = estimates(frame, config_of(("a",)), study())
    assert one(table, against="", label="sft", condition="none", metric="score").value == 0.75
    level = one(table, against="", label="sft", condition="macro", metric="score")
    assert (level.value, level.n_prompts, level.n_records, level.n_seeds, level.unit) == (0.5, 4, 4, 1, "prompt")
    assert np.isnan(level.p)
    assert level.family == ""
    moved = one(table, against="base", condition="none", metric="score")
    assert (moved.value, moved.p, moved.n_records) == (0.5, 0.5, 8)
    assert table[table["against"] == "sft"].empty


def test_macro_is_the_mean_over_the_named_attacks_with_the_direct_request_apart():
    y = np.zeros((10, 6))
    y[:, 1], y[:5, 2] = 1, 1
    frame = frame_of({("base", -1): np.zeros((10, 6)), ("sft", 0): y}, ("none", *A5))
    configs = config_of(A5, threshold=True)
    table = estimates(frame, configs, study())
    rows = table[(table["against"] == "") & (table["label"] == "sft") & (table["metric"] == "asr")]
    by = rows.set_index("condition")["value"]
    assert by["none"] == 0
    assert by["macro"] == pytest.approx(np.mean([1, 0.5, 0, 0, 0]))
    assert one(rows, condition="macro").n_prompts == 10
    assert one(rows, condition="macro").n_records == 50
    lead = one(headlines(table, configs), against="", label="sft")
    assert (lead.metric, lead.condition) == ("asr", "macro")


def test_the_threshold_makes_asr_of_scores_and_harm_stands_beside():
    frame = frame_of({("sft", 0): [[0.25], [0.5], [0.75], [1.0]]})
    table = estimates(frame, config_of(threshold=True), study(threshold=0.6))
    assert one(table, metric="asr").value == 0.5
    assert one(table, metric="harm").value == pytest.approx(0.625)


def test_unscored_records_are_left_out_and_counted():
    y = [[1.0], [0.0], [np.nan], [1.0]]
    frame = frame_of({("base", -1): [[0.0]] * 4, ("sft", 0): y})
    table = estimates(frame, config_of(), study())
    level = one(table, against="", label="sft", metric="score")
    assert level.value == pytest.approx(2 / 3)
    assert (level.n_prompts, level.n_records, level.n_unscored) == (3, 4, 1)
    assert one(table, against="", label="sft", metric="unscored").value == 0.25
    assert one(table, against="base", metric="score").value == pytest.approx(2 / 3)


def test_a_wholly_unscored_attack_is_named():
    y = np.array([[1.0, np.nan], [0.0, np.nan]])
    table = estimates(frame_of({("sft", 0): y}, ("a", "zulu")), config_of(("a", "zulu")), study())
    macro = one(table, metric="score", condition="macro")
    assert macro.value == 0.5
    assert macro.note == "without zulu: nothing scored"
    assert one(table, metric="score", condition="zulu").note == "nothing scored"


def test_samples_of_a_prompt_are_one_cluster():
    y = (RNG.random((30, 1)) < 0.5).astype(float)
    once = estimates(frame_of({("sft", 0): y}), config_of(), study())
    often = estimates(frame_of({("sft", 0): np.repeat(y[:, :, None], 4, axis=2)}), config_of(), study())
    a, b = one(once, metric="score"), one(often, metric="score")
    assert b.n_records == 4 * a.n_records
    assert b.effective_n <= 31
    assert (b.low, b.high) == pytest.approx((a.low, a.high), abs=0.02)


def test_one_seed_is_a_row_over_seeds_and_several_are_rows_of_their_own_too():
    y = {("base", -1): RNG.random((20, 1)), ("sft", 0): RNG.random((20, 1)), ("sft", 1): RNG.random((20, 1))}
    table = estimates(frame_of(y), config_of(), study())
    rows = table[(table["metric"] == "score") & (table["label"] == "sft") & (table["against"] == "")]
    assert sorted(rows["seed"]) == [-1, 0, 1]
    over = one(rows, seed=-1)
    assert over.value == pytest.approx(rows[rows["seed"] >= 0]["value"].mean())
    assert (over.n_seeds, over.unit) == (2, "seed and prompt")
    assert one(table, metric="score", label="base").n_seeds == 0
    single = estimates(frame_of({("sft", 3): RNG.random((20, 1))}), config_of(), study())
    assert single[single["metric"] == "score"]["seed"].tolist() == [-1]


def test_sft_is_compared_at_the_same_seed_and_the_first_variant_stands_for_it():
    y = {(label, s): RNG.random((12, 1)) for label in ("sft", "sft-b", "dpo") for s in (0, 1)}
    table = estimates(frame_of(y), config_of(), study("sft", "sft-b", "dpo"))
    table = table[(table["metric"] == "score") & (table["against"] == "sft")]
    assert set(table["label"]) == {"sft-b", "dpo"}
    assert one(table, label="dpo", seed=1).value == pytest.approx(np.mean(y["dpo", 1] - y["sft", 1]))


def test_an_own_format_is_compared_with_the_default_one():
    import pandas as pd

    y = {("base", -1): RNG.random((12, 1)), ("cft", 0): RNG.random((12, 1))}
    safe = RNG.random((12, 1))
    frame = pd.concat([frame_of(y), frame_of({("cft", 0): safe}, format="safe")])
    table = estimates(frame, config_of(), study("cft"))
    row = one(table, metric="score", against="base", format="safe")
    assert row.value == pytest.approx(np.mean(safe - y["base", -1]))
    assert "default format" in row.note
    assert row.family.startswith("exploratory")


def test_a_planted_effect_is_found_and_a_null_is_not():
    prompt = RNG.normal(size=(60, 1)) * 1.5

    def answers(shift):
        return (RNG.random((60, 5)) < 1 / (1 + np.exp(-(prompt - 1 + shift)))).astype(float)

    y = {("base", -1): answers(0), ("sft", 0): answers(2.0), ("dpo", 0): answers(0)}
    table = estimates(frame_of(y, A5), config_of(A5), study("sft", "dpo"))
    table = table[(table["metric"] == "score") & (table["condition"] == "macro") & (table["against"] == "base")]
    assert one(table, label="sft").p_adjusted < 0.01
    assert one(table, label="dpo").p_adjusted > 0.05
    assert one(table, label="sft").low > 0


def test_the_headline_family_is_all_objectives_and_budgets_of_one_metric():
    import pandas as pd

    y = {("base", -1): RNG.random((12, 1)), ("sft", 0): RNG.random((12, 1)), ("dpo", 0): RNG.random((12, 1))}
    later = {k: RNG.random((12, 1)) for k in y if k[0] != "base"}
    table = estimates(pd.concat([frame_of(y), frame_of(later, budget=200)]), config_of(), study("sft", "dpo"))
    rows = table[table["family"].str.startswith("headline: vs_base, robust score (macro)")]
    assert len(rows) == 4
    assert rows["family"].nunique() == 1
    assert (rows["p_adjusted"] >= rows["p"]).all()
    assert rows["p_adjusted"].min() == pytest.approx(min(1, 4 * rows["p"].min()))


def test_unmeasured_and_undefined_estimates_make_no_rows_and_no_warnings(recwarn):
    frame = frame_of({("base", -1): [[np.nan]] * 3, ("sft", 0): [[np.nan]] * 3})
    table = estimates(frame, config_of(), study())
    assert table[table["metric"] == "score"]["value"].isna().all()
    assert table[table["metric"] == "score"]["p"].isna().all()
    assert estimates(frame.iloc[:0], config_of(), study()).empty
    assert not recwarn.list


def test_one_prompt_and_one_subject_are_fine():
    row = one(estimates(frame_of({("sft", 0): [[1.0]]}), config_of(), study()), metric="score")
    assert row.high - row.low > 0.7
    assert row.note == "one prompt: says nothing of others"


def test_a_fabricated_study_gives_the_schema_s_columns_in_a_fixed_order(made, tmp_path):
    tables.write(tmp_path / "e.parquet", "estimates", made.estimates)
    (config,) = [id for id, c in made.configs.items() if c.measure == "miniature_robustness"]
    shuffled = made.frame[made.frame["cell"] == config].sample(frac=1, random_state=0)
    again = estimates(shuffled, {config: made.configs[config]}, made.study)
    own = made.estimates[made.estimates["measure"] == "miniature_robustness"].reset_index(drop=True)
    assert again[["label", "metric", "condition", "seed"]].equals(own[["label", "metric", "condition", "seed"]])
    assert np.allclose(again["value"], own["value"], equal_nan=True)
    inside = made.estimates.dropna(subset=["value"])
    assert (inside["low"] <= inside["value"] + 1e-9).all()
    assert (inside["high"] >= inside["value"] - 1e-9).all()
    persona = made.estimates[made.estimates["measure"] == "miniature_dark_triad"]
    assert {"p_match", "mass", "yes_bias", "half_yes", "half_no", "p_yes", "unscored"} <= set(persona["metric"])
    assert (persona[persona["metric"] == "half_yes"]["n_unscored"] == 0).all()
    accuracy = made.estimates[made.estimates["measure"] == "task_accuracy"]
    assert set(accuracy["task"]) == {"arithmetic"}
    assert "coherent" in set(accuracy["metric"])


def test_another_task_s_measure_is_named_as_such():
    import pandas as pd

    frame = frame_of({("base", -1): RNG.random((6, 1)), ("sft", 0): RNG.random((6, 1))})
    frame = pd.concat([frame, frame_of({("sft", 0): RNG.random((6, 1))}).assign(task="u")])
    configs = config_of()
    configs["c"] = configs["c"].but(task="t")
    table = estimates(frame, configs, study())
    assert set(table[table["task"] == "u"]["measure"]) == {"robust on t"}
    assert set(table[table["label"] == "base"]["task"]) == {"t"}


def test_twenty_subjects_of_a_thousand_records_take_under_two_seconds():
    prompt = RNG.random((160, 1))
    names = ("sft", "dpo", "cft", "ip", "orpo", "kl")
    y = {(n, s): (RNG.random((160, 6)) < prompt).astype(float) for n in names for s in (0, 1, 2)}
    frame = frame_of({("base", -1): (RNG.random((160, 6)) < prompt).astype(float), **y}, ("none", *A5))
    start = time.process_time()
    estimates(frame, config_of(A5, threshold=True), study(*names))
    assert time.process_time() - start < 2


def test_the_default_of_a_level_is_the_interval_of_the_estimates_table(made):
    """With gaps too: the same numbers reach the page by either way, save where the seeds' means make it wider."""
    table = made.estimates
    rows = table[(table["metric"] == "asr") & (table["against"] == "") & (table["condition"] == "macro")]
    rows = rows[(rows["format"] == "default") & (rows["label"] == "sft") & (rows["seed"] == -1)]
    config = next(c for c in made.configs.values() if c.measure == rows["measure"].iloc[0])
    rows = rows[rows["judge"] == next(iter(config.judges))]
    assert len(rows)
    judge = rows["judge"].iloc[0]
    part = made.frame[(made.frame["cell"] == config.id) & (made.frame["judge"] == judge)].reset_index(drop=True)
    _, scores = headline_cube(part, config, made.study.threshold)
    weights, sub = scores.weights, scores.who
    for row in rows.to_dict("records"):
        who = (sub["label"] == "sft") & (sub["budget"] == row["budget"]) & (sub["format"] == "default")
        y = scores.values[np.flatnonzero(who)[0]][..., weights > 0]
        level = linearise(y, weights[weights > 0])
        assert float(level.value) == pytest.approx(row["value"])
        design = Design("level", True, *y.shape[-3:-1])
        found = estimated(level, design, n=(~np.isnan(y)).sum(), rare=rare_prompts(y))
        assert (float(found.low), float(found.high)) == pytest.approx((row["low"], row["high"]))
