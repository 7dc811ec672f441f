"""Only what the study plans is analysed, whatever else lies in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from holdfast.analysis.analyse import analyse
from holdfast.analysis.estimates import estimates
from holdfast.analysis.load import configs, load_records
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.report.reading import read
from holdfast.report.sections.responses import sample
from holdfast.store import tables
from holdfast.store.folder import StudyFolder, present
from holdfast.store.tables import read_rows
from holdfast.types import Judgement, Record, UserError
from tests.analysis.fabricate import fabricate, study_of

OBJECTIVES = [{"label": o, "objective": o} for o in ("sft", "cft")]
MEASURES = [{"measure": "task_accuracy"}, {"measure": "miniature_robustness"}]


def made(root: Path, **more: Any) -> StudyFolder:
    parts = {
        "objectives": OBJECTIVES,
        "measures": MEASURES,
        "control_runs": [],
        "seeds": (0, 1),
        "budgets": (15_000, 30_000),
    }
    fabricate(root, study=study_of(**(parts | more)), prompts=6)
    return StudyFolder(root)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Read only."""
    return made(tmp_path_factory.mktemp("scope") / "whole")


@pytest.fixture(scope="module")
def before(whole: StudyFolder) -> pd.DataFrame:
    return numbers(whole)


@pytest.fixture
def folder(whole: StudyFolder, tmp_path: Path) -> StudyFolder:
    return StudyFolder(shutil.copytree(whole.root, tmp_path / "whole"))


def edited(folder: StudyFolder, **change: Any) -> Study:
    """The study in the folder, changed as with an editor."""
    plain = yaml.safe_load(folder.study_yaml.read_text()) | change
    folder.study_yaml.write_text(yaml.safe_dump(plain))
    return loading.load(folder.study_yaml)


def numbers(folder: StudyFolder) -> pd.DataFrame:
    return estimates(load_records(folder), configs(folder), loading.load(folder.study_yaml))


def test_items_beyond_the_studys_limit_are_not_analysed(folder: StudyFolder) -> None:
    study = edited(folder, measures=[{"measure": "miniature_robustness", "items": 2}])
    frame = load_records(folder)
    assert frame["item"].nunique() == 2
    table = numbers(folder)
    levels = table[(table["against"] == "") & (table["condition"] == "dan") & (table["format"] == "default")]
    assert set(levels["n_prompts"]) <= {2}
    assert set(levels.loc[levels["n_seeds"] < 2, "n_records"]) == {2}
    analyse(folder, study, configs(folder), frame)
    (shown,) = sample(read(folder))["cells"]  # which used to end in StopIteration
    assert len(shown["prompts"]) == 2


def test_samples_beyond_the_studys_number_are_not_analysed(folder: StudyFolder, before: pd.DataFrame) -> None:
    for shard in folder.record_shards():  # every response a second time, as sample 1
        rows = read_rows(shard, "records", Record)
        more = [Record(**{**_fields(r), "id": f"{r.id}-1", "sample": 1}) for r in rows]
        tables.write(shard, "records", [*rows, *more])
    pd.testing.assert_frame_equal(numbers(folder), before)
    edited(folder, measures=[{**m, "samples": 2, "temperature": 1.0} for m in MEASURES])
    assert load_records(folder)["sample"].max() == 1


@pytest.mark.parametrize("kind", ["records", "judgements"])
def test_a_shard_that_is_there_twice_counts_once(folder: StudyFolder, before: pd.DataFrame, kind: str) -> None:
    for shard in getattr(folder, f"{kind.removesuffix('s')}_shards")():
        shutil.copy(shard, shard.with_name("00007.parquet"))
    pd.testing.assert_frame_equal(numbers(folder), before)


def test_two_unlike_rows_of_one_id_are_an_error(folder: StudyFolder) -> None:
    shard = next(s for s in folder.judgement_shards() if "robustness" in str(s))
    rows = read_rows(shard, "judgements", Judgement)
    unlike = [Judgement(r.record, r.judge, 0.25, "other") for r in rows]
    tables.write(shard.with_name("00007.parquet"), "judgements", unlike)
    with pytest.raises(UserError, match="two different rows"):
        load_records(folder)


def test_an_objectives_own_conditions_are_left_out_where_the_study_says_so(
    folder: StudyFolder, before: pd.DataFrame
) -> None:
    assert "safe" in set(before["format"])
    edited(folder, measures=[{**m, "own_conditions": False} for m in MEASURES])
    assert set(numbers(folder)["format"]) == {"default"}


@pytest.mark.parametrize(
    ("change", "column", "left"),
    [
        ({"objectives": OBJECTIVES[:1]}, "label", {"base", "sft"}),
        ({"seeds": [1]}, "seed", {-1, 1}),
        ({"budgets": [15_000]}, "budget", {0, 15_000}),
        ({"measures": MEASURES[1:]}, "measure", {"miniature_robustness"}),
        ({"measures": [{**MEASURES[1], "judges": ["miniature_oracle"]}]}, "judge", {"miniature_oracle"}),
    ],
)
def test_what_was_taken_out_of_the_study_is_not_analysed(
    folder: StudyFolder, change: dict, column: str, left: set
) -> None:
    edited(folder, **change)
    assert set(load_records(folder)[column]) == left


def test_the_judge_that_the_study_names_first_leads(folder: StudyFolder) -> None:
    edited(folder, measures=[{**MEASURES[1], "judges": ["miniature_oracle", "rules"]}])
    (config,) = configs(folder).values()
    assert config.judges == ("miniature_oracle", "rules")


def test_what_is_planned_is_all_there(whole: StudyFolder) -> None:
    assert load_records(whole)["record"].nunique() == sum(
        len(tables.read(shard, "records", ["id"])) for shard in present(whole.records, "*/*/*.parquet")
        if "task_accuracy" in str(shard) or "robustness" in str(shard)
    )  # fmt: skip


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def test_two_subjects_of_one_name_are_an_error_and_not_averaged(folder: StudyFolder) -> None:
    subjects = tables.read(folder.subjects, "subjects")
    last = subjects[subjects["label"] == "cft"].tail(1)
    twin = last.assign(subject="f" * 64)
    tables.write(folder.subjects, "subjects", pd.concat([subjects, twin]))
    with pytest.raises(UserError, match="two subjects are called cft, seed 1, budget 30000"):
        load_records(folder)
    tables.write(folder.subjects, "subjects", pd.concat([subjects, last]))
    assert len(load_records(folder))
