"""A study that varies in training and in measuring, from plan to page, and again without training."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from holdfast.analysis.table_files import read_consistency
from holdfast.runs import existing, pipeline
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

SECTION = {
    "measuring": {"frame": {"question": "Question: {prompt}"}, "temperature": [0.7], "seed": [1]},
    "training": {"init_seed": [1], "rank": [2], "chosen": ["sample"]},
}


def small(text: str, **more) -> dict:
    study = yaml.safe_load(text)
    study |= {"objectives": [{"label": "SFT", "objective": "sft"}], "budgets": [1500], "control_runs": [], "workers": 1}
    study["tasks"][0] |= {"unsafe": {"regime": "none"}}
    return study | more


def names(folder: Path) -> dict[str, int]:
    shards = [*folder.glob("records/*/*/*.parquet"), *folder.glob("trajectories/*/checkpoints/*/*.safetensors")]
    return {str(p.relative_to(folder)): os.stat(p).st_mtime_ns for p in shards}


@pytest.mark.slow
def test_from_plan_to_page_and_what_was_there_is_not_done_again(small_study, tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(small(small_study)))
    folder = pipeline.run(file, tmp_path / "run", 1, quiet=True)
    before = names(folder)

    file.write_text(yaml.safe_dump(small(small_study, consistency=SECTION)))
    pipeline.run(file, folder, 1, quiet=True)
    after = names(folder)
    assert before.items() <= after.items()  # growing a study recomputes nothing

    found = read_consistency(StudyFolder(folder))
    assert {"prompt format", "initialisation", "LoRA rank", "self-generated responses", "all"} <= set(
        found.ranges["factor"]
    )
    page = (folder / "report" / "index.html").read_text(encoding="utf-8")
    assert "Would it come out the same?" in page
    assert "differ from the study" in page
    assert (folder / "report" / "tables" / "checklist.tex").exists()

    assert existing.run(str(folder), (), folder, 1, quiet=True) == folder
    assert names(folder) == after


@pytest.mark.slow
def test_other_models_are_measured_without_training(small_study, tmp_path: Path):
    file = tmp_path / "study.yaml"
    file.write_text(yaml.safe_dump(small(small_study, consistency=SECTION)))
    with pytest.raises(UserError, match="are not trained"):
        existing.run(str(file), (), tmp_path / "run", 1, quiet=True)
    model = Path(__file__).parents[3] / "src" / "holdfast" / "miniature" / "model"
    folder = existing.run(str(file), [str(model)], tmp_path / "other", 1, quiet=True)
    found = read_consistency(StudyFolder(folder))
    assert set(found.ranges["objective"]) == {"base"}
    assert {"prompt format", "temperature", "sampling seed"} <= set(found.ranges["factor"])
