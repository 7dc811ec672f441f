"""A study that tunes, from plan to page: killed in between, taken up again, and nothing done twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from holdfast.analysis import tuned
from holdfast.config import decisions, loading
from holdfast.runs import pipeline, stages
from holdfast.store import tables
from holdfast.store.folder import StudyFolder

TUNED = """
  - {measure: task_accuracy, name: validation, params: {split: validation}, items: 4, max_new_tokens: 24}
tuned: {learning_rate: [2.0e-3], coefficients: {DPO: {beta: [0.5]}}}
matched: {target: 0.9, checkpoints: [700]}
"""
CHOSEN = "DPO~beta=0.5"


@pytest.mark.slow
def test_a_run_that_is_killed_while_it_tunes_goes_on_and_repeats_nothing(
    tmp_path: Path, small_study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = small_study.replace("budgets: [600, 1200]", "budgets: [1500]").replace("workers: 2", "workers: 1")
    text = text.replace("\n  - {measure: miniature_dark_triad, items: 12}", "").replace("items: 6", "items: 4")
    text = text.replace("\ncontrol_runs: [{kind: noop}]", TUNED.rstrip() + "\nseeds: [0, 1]")
    study, folder = loading.parse(text), StudyFolder(tmp_path)
    choose = tuned.choose

    def beta(*asked):  # which one it is, is the analysis's business
        return [replace(c, chosen=CHOSEN if c.label == "DPO" else c.label) for c in choose(*asked)]

    def written() -> dict[Path, int]:
        files = [*folder.record_shards(), *folder.runs.glob("*/checkpoints/*/*.safetensors")]
        return {path: path.stat().st_mtime_ns for path in files}

    def killed(work):
        raise KeyboardInterrupt

    monkeypatch.setattr(tuned, "choose", beta)
    proof = stages._write_control_manifest
    with monkeypatch.context() as m:
        m.setattr(
            stages,
            "_write_control_manifest",
            lambda work, runs: killed(work) if folder.decisions_json.exists() else proof(work, runs),
        )
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(study, tmp_path, quiet=True)
    before = written()
    pipeline.run(study, tmp_path, quiet=True)
    after = written()
    assert before.items() <= after.items()
    subjects = tables.read(folder.subjects, "subjects")
    full = subjects[subjects["bracket"] == "tuned"]
    assert set(zip(full["label"], full["seed"], full["budget"], strict=True)) == {
        (CHOSEN, s, b) for s in (0, 1) for b in (700, 1500)
    }
    tried = subjects[subjects["bracket"] == "tuning"]
    assert set(zip(tried["seed"], tried["budget"], strict=True)) == {(0, 1500)}
    estimates = tables.read(folder.estimates_parquet, "estimates")
    assert set(estimates["regime"]) == {"shared", "tuned"}
    assert set(estimates["label"]) == {"", "base", "SFT", "DPO"}
    assert "Each at its own setting" in (folder.report / "index.html").read_text(encoding="utf-8")
    assert all(s["planned"] == s["present"] for s in pipeline.status(tmp_path)["stages"].values())
    pipeline.stage("tune", tmp_path)
    assert written() == after
    assert {c.label: c.chosen for c in decisions.choices(study, folder)} == {"SFT": "SFT", "DPO": CHOSEN}
