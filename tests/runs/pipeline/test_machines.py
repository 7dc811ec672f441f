"""Runs that are compared are trained on machines of one kind, or the page says that they were not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from holdfast import machine
from holdfast.report.reading import read
from holdfast.report.sections import fairness
from holdfast.runs import pipeline
from holdfast.runs.plan import Plan
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


@pytest.fixture
def copy(finished: tuple[Path, str], tmp_path: Path) -> StudyFolder:
    """Without one run."""
    folder = StudyFolder(shutil.copytree(finished[0], tmp_path / "copy"))
    shutil.rmtree(folder.run(next(t.id for t in Plan.read(folder).runs if t.label == "DPO")).root)
    return folder


@pytest.mark.usefixtures("here")
def test_a_run_on_another_kind_of_machine_is_refused_or_said(
    copy: StudyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    was = machine.processor()
    monkeypatch.setattr(machine, "processor", lambda: "Another 9000")
    with pytest.raises(
        UserError, match=r"DPO \(seed 0\) would be trained on .*Another 9000, the first run of miniature"
    ):
        pipeline.stage("train", copy.root)
    assert "numerics.processor" not in {c.name for c in fairness.controls(read(copy))}
    (tmp_path / "any.yaml").write_text("name: local\nmachines: any\n")
    pipeline.stage("train", copy.root, executor=str(tmp_path / "any.yaml"))
    (said,) = (c for c in fairness.controls(read(copy)) if c.differs)
    assert (said.name, said.values["DPO"], said.values["SFT"]) == ("numerics.processor", "Another 9000", was)


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("same", [True, False])
def test_runs_of_earlier_versions_say_what_they_were_trained_on(copy: StudyFolder, same: bool) -> None:
    file = copy.machine("miniature")
    before = read_json(file)
    file.unlink()
    if not same:
        for proof in copy.runs.glob("*/controls.json"):
            kept = read_json(proof)
            kept["controlled"]["numerics"]["instructions"] = "others"
            write_json(proof, kept)
    if same:
        pipeline.stage("train", copy.root)
        assert read_json(file) == before
    else:
        with pytest.raises(UserError, match=r"the first run of miniature was on .*others"):
            pipeline.stage("train", copy.root)
