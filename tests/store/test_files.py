"""Nothing is half written, and two processes never work in one folder."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from holdfast.store import files
from holdfast.words import UserError


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="JSON compliant"):
        files.write_json(path, {"a": float("nan")})

    def interrupted() -> None:
        with files.replacing(path) as temporary:
            temporary.write_text("half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files.read_json(path) == {"a": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_failed_folder_leaves_the_old_folder_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with files.replacing_folder(path) as temporary:
        (temporary / "x").write_text("old")

    def interrupted() -> None:
        with files.replacing_folder(path) as temporary:
            (temporary / "x").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (path / "x").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]
    with files.replacing_folder(path) as temporary:
        (temporary / "y").write_text("new")
    assert [p.name for p in path.iterdir()] == ["y"]


@pytest.mark.parametrize(
    "failure",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        RuntimeError("I/O error: No space left on device (os error 28)"),
    ],
)
def test_a_full_disk_is_said_in_a_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    path = tmp_path / "a.bin"
    files.write_bytes(path, b"old")

    def full(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match=r"the disk is full: .*a\.bin could not be written; make room"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.bin"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_device_that_is_really_full_is_said_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the disk is full"), files.replacing(tmp_path / "a") as _:
        Path("/dev/full").write_bytes(b"x")


def test_text_keeps_its_characters_and_its_line_ends(tmp_path: Path) -> None:
    files.write_text(tmp_path / "a", "σ\r\nλ\n")
    assert (tmp_path / "a").read_bytes() == "σ\r\nλ\n".encode()


def test_a_missing_or_broken_file_is_said_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(UserError, match=r"a\.json is not valid JSON"):
        files.read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="there is no file"):
        files.read_json(tmp_path / "b.json")


HOLD = """
import sys, time
from holdfast.store.files import lock
with lock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_held_by_a_second_process_is_refused_until_that_process_is_gone(tmp_path: Path) -> None:
    other = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(UserError, match="another process is at work in"), files.lock(tmp_path):
            pass
    finally:
        other.send_signal(signal.SIGKILL)
        other.wait()
        assert other.stdout is not None
        other.stdout.close()
    start = time.monotonic()
    with files.lock(tmp_path, wait=True):
        assert time.monotonic() - start < 30
