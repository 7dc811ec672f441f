"""Two studies: what was held equal is told from what was not, and differences are paired where they can be."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from fabricate import Truth, fabricate, study_of
from hypothesis import given
from hypothesis import strategies as st

from holdfast.analysis.compare import Comparison, compare, independent
from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import configs, load_records
from holdfast.store import tables
from holdfast.store.files import write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


def made(root: Path, *, accuracy: float = 1.6, prompts: int = 20, **more) -> Path:
    """One objective at one budget, and the proof of control that training leaves."""
    study = study_of(budgets=(20_000,), objectives=[{"label": "sft", "objective": "sft"}], control_runs=[], **more)
    truth = Truth(accuracy={"sft": accuracy}, harm={"sft": 0.5}, trait={"sft": 0.2})
    fabricate(root, study=study, prompts=prompts, truth=truth)
    folder = StudyFolder(root)
    for part in (
        folder.records,
        folder.judgements,
    ):  # as a run names the eval config of a measure that belongs to a task
        (own,) = part.glob("task_accuracy-*")
        own.rename(own.with_name(own.name.replace("-", "-arithmetic-")))
    tables.write(folder.estimates_parquet, "estimates", estimates(load_records(folder), configs(folder), study))
    controlled = {"base": "b" * 64, "optimiser": {"learning_rate": study.controls.learning_rate}}
    runs = [{"label": "sft", "seed": s, "controlled": controlled, "bracket": ""} for s in study.seeds]
    write_json(folder.controls_json, {"trajectories": runs})
    return root


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> tuple[Path, Path]:
    """The second trained far better, at another rate."""
    at = tmp_path_factory.mktemp("pair")
    b = made(at / "b", accuracy=6.0, controls={"learning_rate": 1e-3}, threshold=0.6)
    made(at / "a")
    # Subjects are digests of names here, so that another study needs another name for what it trained.
    rename(b, "sft's other weights")
    return at / "a", b


@pytest.fixture(scope="module")
def compared(pair) -> Comparison:
    return compare(*pair)


def rename(root: Path, by: str) -> None:
    folder = StudyFolder(root)
    subjects = tables.read(folder.subjects, "subjects")
    trained = subjects["label"] != "base"
    subjects.loc[trained, "subject"] = [by + s for s in subjects.loc[trained, "subject"]]
    tables.write(folder.subjects, "subjects", subjects)
    for shard in folder.record_shards():
        rows = tables.read(shard, "records")
        if rows["subject"].iloc[0] not in set(subjects["subject"]):
            tables.write(shard, "records", rows.assign(subject=by + rows["subject"]))


def test_what_was_not_held_equal_is_named_and_the_rest_is_equal(compared) -> None:
    held = compared.held
    unlike = {(r.part, r.what) for r in held[~held["equal"]].itertuples()}
    assert unlike == {("training", "optimiser.learning_rate"), ("study", "threshold")}
    rate = held[held["what"] == "optimiser.learning_rate"].iloc[0]
    assert (rate["a"], rate["b"]) == ("0.0002", "0.001")
    assert ("training", "base") in {(r.part, r.what) for r in held[held["equal"]].itertuples()}


def test_a_planted_difference_is_found_paired_and_nothing_else(compared) -> None:
    found = compared.estimates.set_index(["measure", "against", "label"])
    accuracy = found.loc[("task_accuracy", "", "sft")]
    assert accuracy["how"] == "paired by prompt"
    assert accuracy["differs"]
    assert accuracy["value"] == pytest.approx(accuracy["b"] - accuracy["a"])
    assert 0 < accuracy["low"] < accuracy["value"] < accuracy["high"]
    assert not found.loc[("miniature_dark_triad", "", "sft"), "differs"]
    # Both have the same base: the difference of differences is the difference of levels.
    from_base = found.loc[("task_accuracy", "base", "sft")]
    assert from_base[["value", "low", "high"]].tolist() == accuracy[["value", "low", "high"]].tolist()


def test_the_same_subject_under_the_same_eval_config_gave_the_very_same_answers(pair, compared, tmp_path) -> None:
    a = pair[0]
    base = compared.estimates.set_index(["measure", "against", "label"]).loc[("task_accuracy", "", "base")]
    assert base["how"] == "the very same answers"
    assert (base["value"], base["low"], base["high"]) == (0, 0, 0)
    shutil.copytree(a, tmp_path / "copy")
    again = compare(a, tmp_path / "copy")
    assert again.held["equal"].all()
    assert set(again.estimates["how"]) == {"the very same answers"}
    assert not again.estimates["differs"].any()
    assert np.isnan(again.estimates["p"]).all()


def test_other_prompts_are_taken_as_independent(pair, tmp_path) -> None:
    other = made(tmp_path / "fewer", prompts=8)
    rename(other, "x")
    found = compare(pair[0], other).estimates
    mine = found[(found["label"] == "sft") & (found["against"] == "")]
    assert set(mine["how"]) == {"independent: other prompts"}
    row = mine.iloc[0]
    gap = independent(*((row[s], row[f"{s}_low"], row[f"{s}_high"]) for s in "ab"))
    assert (row["low"], row["high"], row["p"]) == pytest.approx((gap.low, gap.high, gap.p))


@pytest.mark.parametrize("part", ["records", "judgements"])
def test_a_file_that_is_damaged_is_named_though_the_estimates_are_whole(pair, tmp_path, part) -> None:
    shutil.copytree(pair[0], tmp_path / "x")
    shard = next((tmp_path / "x" / part).rglob("0*.parquet"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=rf"{part}/.*{shard.name} is damaged"):
        compare(pair[0], tmp_path / "x")


def test_folders_that_are_no_finished_studies_are_refused(pair, tmp_path) -> None:
    with pytest.raises(UserError, match="is no study's folder"):
        compare(tmp_path, pair[0])
    (tmp_path / "study.yaml").write_text("name: x")
    with pytest.raises(UserError, match="has no estimates yet"):
        compare(pair[0], tmp_path)


unit = st.floats(0, 1)


@given(st.tuples(unit, unit, unit).map(sorted), st.tuples(unit, unit, unit).map(sorted), st.floats(0.01, 0.2))
def test_independent_p_and_interval_say_the_same(a, b, alpha) -> None:
    gap = independent((a[1], a[0], a[2]), (b[1], b[0], b[2]), alpha)
    back = independent((b[1], b[0], b[2]), (a[1], a[0], a[2]), alpha)
    assert gap.low <= gap.value <= gap.high
    assert (gap.value, gap.low, gap.high) == pytest.approx((-back.value, -back.high, -back.low))
    assert gap.p == pytest.approx(back.p)
    if min(abs(gap.low), abs(gap.high)) > 1e-9:
        assert (gap.p < alpha) == (not gap.low < 0 < gap.high)


def test_the_independent_difference_equals_that_by_hand() -> None:
    gap = independent((0.10, 0.07, 0.14), (0.20, 0.16, 0.23))
    assert gap.value == pytest.approx(0.10)
    assert gap.low == pytest.approx(0.10 - (0.04**2 + 0.04**2) ** 0.5)
    assert gap.high == pytest.approx(0.10 + (0.03**2 + 0.03**2) ** 0.5)
