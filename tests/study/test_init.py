"""A study is written for a user's rows, and it can be planned as it stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from holdfast.study.files import load
from holdfast.study.init import write
from holdfast.study.plan import expand
from holdfast.words import UserError


def test_what_is_written_can_be_planned(make: Callable, tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl", n=2000)
    said = write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert said.endswith("holdfast plan study.yaml")
    study = load("study.yaml")
    assert [v.label for v in study.objectives] == ["SFT", "DPO", "CFT", "IP", "ORPO", "KL"]
    assert len(study.budgets) == 3
    assert len(expand(study).trajectories) == 7


def test_rows_without_rejections_get_the_objectives_that_need_none(
    make: Callable, tmp_path: Path, make_rows: Callable[..., Path]
) -> None:
    make_rows(tmp_path / "rows.jsonl", n=2000, rejected=False)
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert [v.label for v in load("study.yaml").objectives] == ["SFT", "IP", "KL"]
    expand(load("study.yaml"))


def test_nothing_is_overwritten_and_bad_rows_are_said(tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl")
    (tmp_path / "study.yaml").write_text("mine")
    with pytest.raises(UserError, match="is there already"):
        write(Path("rows.jsonl"), "model", Path("study.yaml"))
    assert (tmp_path / "study.yaml").read_text() == "mine"
    (tmp_path / "bad.jsonl").write_text('{"chosen": "a"}\n{"text": "b"}\n')
    with pytest.raises(UserError, match=r"bad\.jsonl, line 2: .*chosen"):
        write(Path("bad.jsonl"), "model", Path("new.yaml"))


def test_what_is_commented_out_can_be_taken_in(make: Callable, tmp_path: Path, make_rows: Callable[..., Path]) -> None:
    make_rows(tmp_path / "rows.jsonl", n=2000)
    write(Path("rows.jsonl"), "model", Path("study.yaml"))
    text = Path("study.yaml").read_text()
    text = text.replace("  # - {measure: task_accuracy", "  - {measure: task_accuracy")
    for section in ("declared", "tuned", "matched"):
        text = text.replace(f"\n# {section}:", f"\n{section}:")
    Path("study.yaml").write_text(text)
    assert expand(load("study.yaml")).provisional  # settings are yet to be chosen
