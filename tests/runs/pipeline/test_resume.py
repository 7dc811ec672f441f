"""A killed run goes on and ends with the same bytes; a study grows without redoing what is there."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast.config.loading import parse
from holdfast.runs import pipeline, stages
from holdfast.store import tables
from holdfast.store.digest import file_digest
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError
from tests.runs.pipeline.conftest import no_page

# Wall-clock times, the logs, and files that only say that something was at work.
VOLATILE = ("timing.jsonl", "run.log", "looks.jsonl", ".lock", ".lease")


def contents(root: Path) -> dict[str, str]:
    files = (p for p in sorted(root.rglob("*")) if p.is_file() and not {*VOLATILE} & {*p.parts})
    return {str(p.relative_to(root)): file_digest(p) for p in files if not p.name.endswith(".tmp")}


def results(root: Path) -> dict[str, str]:
    """Everything but the rendered page, whose figures are a rasteriser's."""
    return {name: d for name, d in contents(root).items() if not name.startswith("report/")}


@pytest.fixture(scope="module", autouse=True)
def _no_page() -> Iterator[None]:
    """The page is not compared."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stages.STAGES, "report", no_page)
        yield


def test_a_second_run_changes_nothing(finished: tuple[Path, str]) -> None:
    root, study = finished
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*.safetensors")}
    old = results(root)
    pipeline.run(parse(study), root, quiet=True)
    assert results(root) == old
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*.safetensors")} == before


def test_bases_are_asked_first_and_then_budgets_in_order(finished: tuple[Path, str]) -> None:
    """So that the answers which later ones are drafted with are there, whoever asks and whenever."""
    lines = [line[20:].split() for line in StudyFolder(finished[0]).run_log.read_text().splitlines()]
    asked = [words for words in lines if words[:1] == ["respond"] and "done" in words]
    kinds = ["base" if words[1] == "base" else words[2] for words in asked]
    assert kinds == sorted(kinds, key=["base", "600", "1,200"].index)
    assert set(kinds) == {"base", "600", "1,200"}


def test_an_analysis_says_what_is_missing(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = StudyFolder(shutil.copytree(finished[0], tmp_path / "copy"))
    shutil.rmtree(next(p for p in folder.records.glob("miniature_dark_triad-*/*") if p.is_dir()))
    next(p for p in folder.judgement_shards() if "robustness" in str(p) and "rules" in str(p)).unlink()
    (tmp_path / "more.yaml").write_text(finished[1] + "seeds: [0, 1]\n")
    pipeline.stage("analyse", tmp_path / "more.yaml", folder.root)
    said = folder.run_log.read_text()
    assert "missing: 4 checkpoints are not there to be measured (SFT at 600 (seed 1)" in said
    assert "missing: 12 of 72 responses of miniature_dark_triad (" in said
    assert "judgements of miniature_robustness (" in said
    assert "run `holdfast judge`" in said


def has_begun(stage: str, root: Path) -> bool:
    log = StudyFolder(root).run_log
    return log.exists() and f" {stage}: " in log.read_text()


@pytest.mark.slow
@pytest.mark.usefixtures("here", "hears_ctrl_c")  # what is left is done in this process
def test_stopped_by_ctrl_c_and_killed_while_it_trains_a_run_ends_with_the_same_bytes(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    root, study = finished
    (tmp_path / "s.yaml").write_text(study)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "holdfast", "run", "s.yaml", "--out", "out"]

    def begin() -> subprocess.Popen[str]:
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True, cwd=tmp_path)

    process = begin()
    while process.poll() is None and not StudyFolder(out).run_log.exists():
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "goes on from here" in said
    assert "Traceback" not in said

    process = begin()
    # A random moment after the stage has begun, on a slow machine as on a fast one; of all stages: ``test_kills``.
    while process.poll() is None and not has_begun("train", out):
        time.sleep(0.05)
    time.sleep(random.Random(0).uniform(0, 2))
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    pipeline.run(tmp_path / "s.yaml", out, quiet=True)
    assert results(out) == results(root)


@pytest.mark.usefixtures("here")
def test_a_study_grows_by_seed_budget_variant_and_measure_without_redoing(
    finished: tuple[Path, str], tmp_path: Path
) -> None:
    root, study = finished
    out = tmp_path / "out"
    shutil.copytree(root, out)
    old = {p.relative_to(out): p.stat().st_mtime_ns for p in out.rglob("checkpoints/*/adapter_model.safetensors")}
    old |= {p.relative_to(out): p.stat().st_mtime_ns for p in (out / "records").rglob("*/*/*.parquet")}
    grown = (
        study.replace("budgets: [600, 1200]", "budgets: [600, 1200, 1500]\nseeds: [0, 1]")
        .replace("{label: DPO, objective: dpo}", "{label: KL, objective: kl}")
        .replace("control_runs:", "  - {measure: miniature_facts, items: 4}\ncontrol_runs:")
    )
    pipeline.run(parse(grown), out, quiet=True)
    assert {p: (out / p).stat().st_mtime_ns for p in old} == old, "nor is what was taken out of the study touched"
    subjects = tables.read(StudyFolder(out).subjects, "subjects")
    assert len(subjects) == 1 + 2 * 3 * 2 + 1


@pytest.mark.usefixtures("here")
def test_a_checkpoint_that_serves_two_budgets_is_measured_in_full_as_a_budgets(tmp_path: Path, small_study) -> None:
    text = small_study.replace("[600, 1200]", "[240]").replace(
        "control_runs: [{kind: noop}]", "matched: {target: 0.9, checkpoints: [230], measure: task_accuracy}"
    )
    (tmp_path / "s.yaml").write_text(text.replace("items: 6", "items: 1").replace("items: 12", "items: 1"))
    for stage in ("train", "respond"):
        pipeline.stage(stage, tmp_path / "s.yaml", tmp_path)
    subjects = tables.read(StudyFolder(tmp_path).subjects, "subjects")
    assert (subjects.groupby("subject")["budget"].nunique() == 2).any(), "one step completes both"
    records = tables.read(StudyFolder(tmp_path).record_shards(), "records")
    assert (records.groupby("subject")["measure"].nunique() == 3).all()


@pytest.mark.usefixtures("here")
def test_a_training_that_diverges_is_one_sentence_and_keeps_what_is_done(tmp_path: Path, small_study: str) -> None:
    text = small_study.replace("objective: sft}", "objective: sft, learning_rate: 10}").replace("[600, 1200]", "[600]")
    with pytest.raises(
        UserError, match=r"^SFT with seed 0 stopped at step \d+ of \d+: .* its learning rate, 10 \(.*\)"
    ) as e:
        pipeline.run(parse(text.replace("batch_rows: 4", "batch_rows: 1")), tmp_path, quiet=True)
    assert "\n" not in str(e.value)
    assert [p.parent.name for p in (tmp_path / "trajectories").glob("*/DONE")]


def test_a_finished_study_says_so(finished: tuple[Path, str]) -> None:
    stages = pipeline.status(finished[0])["stages"]
    assert all(counts["planned"] == counts["present"] > 0 for counts in stages.values())


def test_the_no_op_control_run_answers_as_the_base_does(finished: tuple[Path, str]) -> None:
    folder = StudyFolder(finished[0])
    subjects = tables.read(folder.subjects, "subjects").set_index("subject")
    records = tables.read(folder.record_shards(), "records").join(subjects[["label"]], on="subject")
    said = {
        label: rows.sort_values(["measure", "item", "attack", "sample"])[["response", "logps"]].astype(str)
        for label, rows in records[records["format"] == "default"].groupby("label")
    }
    assert said["noop"].to_numpy().tolist() == said["base"].to_numpy().tolist()


def test_another_study_is_not_written_into_the_folder(finished: tuple[Path, str]) -> None:
    root, study = finished
    with pytest.raises(UserError, match="holds the study small"):
        pipeline.run(parse(study.replace("name: small", "name: other", 1)), root, quiet=True)
