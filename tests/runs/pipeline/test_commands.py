"""The commands as a newcomer meets them: exit codes, one clear sentence, nothing half-written, no torch at start-up."""

from __future__ import annotations

import errno
import io
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest

from holdfast.cli import app
from holdfast.store.locks import lock


def holdfast(*words: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    """The command, in this process: what starts as one of its own is tested by itself below."""
    code, out, err = 0, io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["holdfast", *map(str, words)])
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.chdir(cwd)
        try:
            app.main()
        except SystemExit as done:
            code = int(done.code or 0)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def assert_one_sentence(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1
    assert all(w in lines[0] for w in words), lines[0]


ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


def test_start_up_and_planning_never_load_torch_and_print_what_any_terminal_can(tmp_path: Path) -> None:
    commands = (("--help",), ("plan", "paper"), ("plan", "miniature", "--json"))
    program = (
        "import sys\nfrom holdfast.cli.app import main\n"
        f"for words in {commands!r}:\n"
        "    sys.argv = ['holdfast', *words]\n"
        "    print('\\0')\n"
        "    try:\n        main()\n    except SystemExit as e:\n        assert not e.code, e.code\n"
        "    assert not {'torch', 'transformers', 'peft'} & set(sys.modules), words\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path, env=ASCII)
    assert done.returncode == 0, done.stderr[-2000:]
    assert list(tmp_path.iterdir()) == [], "planning writes nothing"
    _, helps, paper, plain = done.stdout.split("\0")
    assert "Usage" in helps and "paper" in paper  # noqa: PT018
    assert len([t for t in json.loads(plain)["runs"] if t["role"] == "study"]) == 6  # for programs


@pytest.mark.parametrize("words", [("plan", "nó-such\udcff.yaml"), ("measures", "strongreject")])
def test_a_terminal_that_knows_ascii_alone_gets_every_line(words: tuple[str, ...]) -> None:
    run = [sys.executable, "-m", "holdfast", *words]
    done = subprocess.run(run, capture_output=True, env=ASCII)
    assert b"Traceback" not in done.stderr
    assert done.returncode == (2 if "such" in words[1] else 0)


def test_a_study_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    assert_one_sentence(holdfast("run", "nowhere.yaml", cwd=tmp_path), "nowhere.yaml")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("stage", ["report", "analyse", "status"])
def test_a_stage_of_a_study_that_has_not_begun_leaves_no_folder(stage: str, tmp_path: Path, small_study: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study)
    assert_one_sentence(holdfast(stage, "s.yaml", cwd=tmp_path), "runs/small", "`holdfast run`")
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_an_unknown_key_is_one_sentence_with_the_nearest_name(tmp_path: Path, small_study: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study.replace("budgets:", "budgts:"))
    assert_one_sentence(holdfast("run", "s.yaml", cwd=tmp_path), "budgts", "budgets")
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_a_budget_beyond_the_data_is_refused_before_anything_runs(tmp_path: Path, small_study: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study.replace("budgets: [600, 1200]", "budgets: [600, 90000000]"))
    assert_one_sentence(holdfast("run", "s.yaml", cwd=tmp_path), "90000000", "passes")
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_a_model_that_is_not_there_is_one_sentence(tmp_path: Path, small_study: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study.replace("package:holdfast.miniature/model", "./no-model"))
    assert_one_sentence(holdfast("run", "s.yaml", cwd=tmp_path), "no-model")
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_the_paper_preset_is_planned_but_not_run_without_its_models(tmp_path: Path) -> None:
    assert_one_sentence(holdfast("run", "paper", "--out", tmp_path / "out", cwd=tmp_path), "paper")


def test_a_second_process_on_the_folder_is_refused(tmp_path: Path, small_study: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study)
    with lock(tmp_path / "out"):
        assert_one_sentence(holdfast("run", "s.yaml", "--out", tmp_path / "out", cwd=tmp_path), "another process")


@pytest.mark.parametrize("out", ["s3://bucket/study", "gs://bucket", "https://host/x"])
def test_an_object_store_is_no_place_for_a_study(tmp_path: Path, small_study: str, out: str) -> None:
    (tmp_path / "s.yaml").write_text(small_study)
    assert_one_sentence(holdfast("run", "s.yaml", "--out", out, cwd=tmp_path), "an object store has no rename")
    assert [p.name for p in tmp_path.iterdir()] == ["s.yaml"]


def test_init_writes_a_study_that_can_be_planned(tmp_path: Path) -> None:
    rows = [
        {"prompt": f"What is {i} plus {i}?", "chosen": f"It is {2 * i}.", "rejected": f"It is {2 * i + 1}."}
        for i in range(200)
    ]
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert holdfast("init", "mine.jsonl", cwd=tmp_path).returncode == 0
    done = holdfast("plan", "study.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_init_does_not_overwrite(tmp_path: Path) -> None:
    (tmp_path / "mine.jsonl").write_text('{"prompt": "a", "chosen": "b"}\n')
    (tmp_path / "study.yaml").write_text("mine: 1\n")
    assert_one_sentence(holdfast("init", "mine.jsonl", cwd=tmp_path), "study.yaml")


def test_doctor_finds_this_machine_sound(tmp_path: Path) -> None:
    done = holdfast("doctor", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "trial" in done.stdout


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (OSError(errno.EIO, "Input/output error", "/x/y"), 2, "holdfast: /x/y cannot be read just now"),
        (PermissionError(errno.EACCES, "Permission denied", "/x/y"), 2, "holdfast: /x/y may not be read or written"),
        (OSError(errno.ENOSPC, "No space left on device", "/x/y"), 2, "holdfast: the disk is full: /x/y"),
        (OSError(errno.ENAMETOOLONG, "File name too long", "x" * 300), 2, "is too long for this file system"),
        (OSError("a library's own word"), 1, "Traceback"),
        (ValueError("a mistake of ours"), 1, "Traceback"),
    ],
)
def test_a_fault_of_the_system_is_a_sentence_and_a_mistake_of_ours_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, error: Exception, code: int, says: str
) -> None:
    def fail(standalone_mode: bool) -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit) as done:
        app.main()
    said = capsys.readouterr().err
    assert done.value.code == code
    assert says in said
    assert (said.count("\n") == 1) == (code == 2)
