"""One place for everything, and no temporary file is ever taken for a result."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from holdfast.store.folder import StudyFolder


def test_a_shard_lies_under_its_eval_config_and_subject(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    config = folder.config("gsm8k", "a" * 64)
    assert config.shard("b" * 64, 3) == tmp_path / "records" / f"gsm8k-{'a' * 12}" / ("b" * 12) / "00003.parquet"
    judged = folder.judgement("gsm8k", "a" * 64, "rules", "b" * 64, 3)
    assert judged == tmp_path / "judgements" / f"gsm8k-{'a' * 12}" / "rules" / ("b" * 12) / "00003.parquet"


def test_labels_cannot_leave_the_folder(tmp_path: Path) -> None:
    config = StudyFolder(tmp_path).config("../../x y/z", "a")
    assert config.root.parent == tmp_path / "records"
    assert config.root.name == "_.._x_y_z-a"


def test_only_whole_files_are_present(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path)
    config = folder.config("m", "c")
    for path in (config.shard("s", 1), config.shard("s", 0), config.items, config.config_json):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (config.shard("s", 0).parent / ".00002.parquet.1234.tmp").touch()
    (config.shard("s", 0).parent / ".hidden.parquet").touch()
    assert folder.record_shards() == config.shards() == [config.shard("s", 0), config.shard("s", 1)]
    assert folder.configs() == [config]
    assert folder.judgement_shards() == []


def test_paths_alone_make_nothing(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "new")
    run = folder.run("t")
    assert run.checkpoint(100) == tmp_path / "new" / "trajectories" / "t" / "checkpoints" / "100"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("closed", ["records", "records/m-0123", "records/m-0123/s"])
def test_a_folder_that_may_not_be_read_is_not_taken_for_an_empty_one(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shard = tmp_path / "records/m-0123/s/00000.parquet"
    shard.parent.mkdir(parents=True)
    shard.touch()
    assert StudyFolder(tmp_path).record_shards() == [shard]
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path / closed)  # root may read everything
    with pytest.raises(PermissionError, match=closed):
        StudyFolder(tmp_path).record_shards()
