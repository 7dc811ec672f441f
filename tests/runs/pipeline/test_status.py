"""What is said to be there is there, whether files are asked or, of very many subjects, notes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast.config import loading
from holdfast.evals import noted
from holdfast.runs import makespan, pipeline
from holdfast.runs.plan import Plan
from holdfast.store import tables
from holdfast.store.folder import StudyFolder


def shares(root: Path) -> dict[str, tuple[int, int]]:
    return {k: (s["planned"], s["present"]) for k, s in pipeline.status(root)["stages"].items()}


def asked(folder: StudyFolder) -> dict[str, tuple[int, int]]:
    """By the files alone."""
    folder.progress.rename(folder.root / "aside")
    found = shares(folder.root)
    (folder.root / "aside").rename(folder.progress)
    return found


@pytest.mark.slow
@pytest.mark.usefixtures("here")
def test_notes_say_what_files_say(finished: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = StudyFolder(tmp_path / "out")
    shutil.copytree(finished[0], folder.root)
    whole = shares(folder.root)
    monkeypatch.setattr(noted, "MANY", 2)
    for stage in ("train", "respond", "judge"):
        pipeline.stage(stage, folder.root)
    assert shares(folder.root) == asked(folder) == whole, "all that was there before there were notes"

    sft = tables.read(folder.subjects, "subjects").query("label == 'SFT'")
    shutil.rmtree(folder.progress)
    shutil.rmtree(folder.run(sft["trajectory"].iloc[0]).root)
    pipeline.stage("train", folder.root)
    none = {"train": (5, 2), "respond": (whole["respond"][0], 0), "judge": (whole["judge"][0], 0)}
    assert shares(folder.root) == whole | none, "one run was trained again, and nothing else is noted yet"

    for path in [
        p for s in sft["subject"] for part in ("records", "judgements") for p in folder.root.glob(f"{part}/**/{s[:12]}")
    ]:
        shutil.rmtree(path)
    pipeline.stage("respond", folder.root)
    pipeline.stage("judge", folder.root)
    again = shares(folder.root)
    assert 0 < again["respond"][1] < whole["respond"][0], "jobs noted what they did, and nobody else"
    left = {stage: asked(folder)[stage][1] for stage in ("respond", "judge")}
    assert left == {stage: whole[stage][1] for stage in left}
    for stage in ("train", "respond", "judge"):
        pipeline.stage(stage, folder.root)
    assert shares(folder.root) == whole, "what was lost on the way is made up for"


def test_a_note_that_was_cut_off_counts_nothing(finished: tuple[Path, str], tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "out")
    shutil.copytree(finished[0], folder.root)
    folder.progress.mkdir()
    (folder.progress / "lost").write_text("abcdef012345 abcd")
    assert shares(folder.root)["respond"][1] == 0


def test_a_plan_counts_the_files_of_a_study(finished: tuple[Path, str]) -> None:
    folder = StudyFolder(finished[0])
    parts = ("trajectories/*/**/*", "records/*/*/*", "judgements/*/*/*/*")
    there = [path for part in parts for path in folder.root.glob(part) if path.is_file()]
    assert makespan.files(loading.load(folder.study_yaml), Plan.read(folder)) == len(there)
