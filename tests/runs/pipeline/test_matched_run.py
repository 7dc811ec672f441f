"""Checkpoints between the budgets are measured for capability, and in full where they are matched."""

from __future__ import annotations

from pathlib import Path

import pytest

from holdfast.analysis import matched
from holdfast.config import decisions, loading
from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.folder import StudyFolder

DENSE = 1500
MATCHED = """
  - {measure: task_accuracy, name: validation, params: {split: validation}, items: 4, max_new_tokens: 24}
matched: {target: 0.1, checkpoints: [1500]}
"""


@pytest.mark.slow
def test_a_matched_checkpoint_is_measured_in_full_and_only_once(
    tmp_path: Path, small_study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = small_study.replace("budgets: [600, 1200]", "budgets: [3000]")
    text = text.replace("\ncontrol_runs:", MATCHED.rstrip() + "\ncontrol_runs:").replace("workers: 2", "workers: 1")
    study, folder = loading.parse(text), StudyFolder(tmp_path)

    def measured(measure: str) -> set[str]:
        records = tables.read(folder.record_shards(), "records")
        return set(records.loc[records["measure"] == measure, "subject"])

    def first(frame, configs, study, *, both):  # what is matched is the analysis's business
        return {min(frame.loc[frame["budget"] == DENSE, "subject"]): 0.5}

    monkeypatch.setattr(matched, "choose", first)
    pipeline.run(study, tmp_path, quiet=True)
    subjects = tables.read(folder.subjects, "subjects")
    dense = set(subjects.loc[subjects["budget"] == DENSE, "subject"]) - set(
        subjects.loc[subjects["bracket"] != "", "subject"]
    )
    chosen = set(decisions.matched(study, folder))
    assert len(dense) == 2
    assert dense <= measured("validation")
    assert dense & measured("miniature_robustness") == dense & measured("task_accuracy") == chosen
    before = {path: path.stat().st_mtime_ns for path in folder.record_shards()}
    pipeline.run(study, tmp_path, quiet=True)
    assert {path: path.stat().st_mtime_ns for path in folder.record_shards()} == before
