"""A capability as the goal of training: who reaches it ends there, the others go on, and nothing is trained twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from holdfast.analysis import matched
from holdfast.config.study import Study
from holdfast.runs import pipeline, stages
from holdfast.store import tables
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from tests.runs.pipeline.conftest import Here
from tests.training.tiny_world import make_model

STUDY = """
name: stopping
models: [{name: tiny, path: MODEL, device: cpu}]
tasks: [{name: rows, task: jsonl, params: {path: ROWS}}]
objectives: [{label: SFT, objective: sft}, {label: ORPO, objective: orpo}]
budgets: [200, 600]
controls: {batch_rows: 8, warmup_steps: 1}
measures:
  - {measure: task_accuracy, name: validation, params: {split: validation}, items: 2, max_new_tokens: 2}
  - {measure: miniature_dark_triad, items: 2}
control_runs: [{kind: noop}]
"""


@pytest.fixture(scope="module", autouse=True)
def _world() -> Iterator[None]:
    def choose(frame, configs, study: Study) -> dict[str, float]:
        """SFT has learnt a thousandth with every token; the other objective nothing."""
        rows = frame[frame["label"] == "SFT"].drop_duplicates("subject").sort_values("budget")
        rows = rows[rows["budget"] / 1000 >= study.matched.target]
        return {r["subject"]: r["budget"] / 1000 for r in rows.head(1).to_dict("records")}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(matched, "choose", choose)
        patch.setattr(pipeline, "make", Here)
        yield


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny random model and rows to train it on."""
    at = tmp_path_factory.mktemp("parts")
    make_model(at)
    rows = [{"prompt": f"{i}?", "chosen": f"{i}!", "rejected": f"{i}.", "answer": f"{i}"} for i in range(160)]
    (at / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return at


@pytest.fixture(scope="module")
def train(parts: Path) -> Callable[..., list[str]]:
    return partial(_train, STUDY.replace("MODEL", str(parts)).replace("ROWS", str(parts / "rows.jsonl")))


@pytest.fixture(scope="module")
def stopped(train, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A study that stopped, not to be written to, and what was done for it."""
    folder = tmp_path_factory.mktemp("stopped") / "stop"
    return folder, train(folder, stop=True)


def _train(text: str, folder: Path, **goal: object) -> list[str]:
    """What was trained and asked for it, in order."""
    Here.ran.clear()
    study = yaml.safe_load(text) | {"matched": {"checkpoints": [400], "target": 0.3} | goal}
    folder.mkdir(exist_ok=True)
    file = folder.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(study))
    pipeline.stage("train", file, folder)
    return list(Here.ran)


def ladders(folder: Path) -> dict[str, dict[int, str]]:
    """By label: what is planned, each checkpoint with its digest."""
    plan = read_json(StudyFolder(folder).plan_json)
    return {
        t["label"]: {
            r["budget"]: file_digest(
                StudyFolder(folder).run(t["id"]).checkpoint(r["budget"]) / "adapter_model.safetensors"
            )
            for r in t["checkpoints"]
        }
        for t in plan["runs"]
    }


def test_a_run_that_reaches_the_target_ends_there_with_the_checkpoints_of_an_unstopped_run(
    stopped, train, tmp_path: Path
) -> None:
    ran = stopped[1]
    shutil.copytree(stopped[0], tmp_path / "stop")
    found = ladders(tmp_path / "stop")
    assert {label: list(checkpoints) for label, checkpoints in found.items()} == {
        "SFT": [200, 400],
        "ORPO": [200, 400, 600],
        "noop": [200],
    }
    assert [x for x in ran if x.startswith("train ORPO")] == ["train ORPO seed 0"] * 3
    assert [x for x in ran if x.startswith("train SFT")] == ["train SFT seed 0"] * 2
    folder = StudyFolder(tmp_path / "stop")
    asked = tables.read(folder.record_shards(), "records")
    assert set(asked["measure"]) == {"validation"}  # nothing else is asked before all is trained
    subjects = tables.read(folder.subjects, "subjects")
    assert sorted(subjects.loc[subjects["label"] == "SFT", "budget"]) == [200, 400]
    assert {t["label"] for t in read_json(folder.controls_json)["trajectories"]} == {"SFT", "ORPO", "noop"}

    assert train(tmp_path / "stop", stop=True) == []  # what was decided is not asked again

    train(tmp_path / "whole", stop=False)
    whole = ladders(tmp_path / "whole")
    assert all(checkpoints.items() <= whole[label].items() for label, checkpoints in found.items())

    # A raised target: the run goes on from where it stood, and the old decision is not used.
    again = train(tmp_path / "stop", stop=True, target=0.5)
    assert [x for x in again if x.startswith("train")] == ["train SFT seed 0"]
    assert ladders(tmp_path / "stop") == whole
    # A lowered one: no more is planned than a run that had it from the beginning would have.
    assert not [x for x in train(tmp_path / "stop", stop=True, target=0.2) if x.startswith("train")]
    assert list(ladders(tmp_path / "stop")["SFT"]) == [200]
    assert "SFT at 200 tokens (seed 0)" in " ".join(read_json(folder.plan_json)["notes"])
    # Without the goal the file that lies there says nothing.
    train(tmp_path / "stop", stop=False, target=0.2)
    assert ladders(tmp_path / "stop") == whole


def test_a_run_killed_between_two_checkpoints_stops_at_the_same_one(
    stopped, train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception): ...

    def once(work, only="", judge=stages._judge):
        judge(work, only)
        if any("400" in x for x in Here.ran):
            raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(stages, "_judge", once)
        with pytest.raises(Killed):
            train(tmp_path / "killed", stop=True)
    assert not StudyFolder(tmp_path / "killed").decisions_json.exists()
    train(tmp_path / "killed", stop=True)
    assert ladders(tmp_path / "killed") == ladders(stopped[0])
    decided = [StudyFolder(x).decisions_json.read_bytes() for x in (tmp_path / "killed", stopped[0])]
    assert decided[0] == decided[1]
