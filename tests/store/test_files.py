"""Nothing is half written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from holdfast.store import documents, files, processes, tables
from holdfast.types import UserError


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
    for text in ("{", "", "[" * 100_000, "9" * 5000, "\xff"):
        (tmp_path / "a.json").write_text(text, encoding="latin-1")
        with pytest.raises(UserError, match=r"a\.json is damaged \(.*delete it to have it made again"):
            files.read_json(tmp_path / "a.json")
    with pytest.raises(UserError, match="there is no file"):
        files.read_json(tmp_path / "b.json")


@pytest.mark.parametrize("text", ["{}", "[]", "3", "null", '{"other": 1}'])
def test_a_file_without_what_is_needed_is_damaged(tmp_path: Path, text: str) -> None:
    (tmp_path / "DONE").write_text(text)
    with pytest.raises(UserError, match="DONE is damaged"):
        files.read_json(tmp_path / "DONE", "budgets")


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_a_file_that_cannot_be_read_just_now_is_not_called_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    files.write_json(tmp_path / "a.json", {"x": 1})
    tables.write(tmp_path / "a.parquet", "judgements", [])

    def fail(self: Path) -> bytes:
        raise OSError(number, os.strerror(number), str(self))

    monkeypatch.setattr(Path, "read_bytes", fail)
    for read in (
        lambda: files.read_json(tmp_path / "a.json"),
        lambda: files.read_lines(tmp_path / "a.json"),
        lambda: tables.read(tmp_path / "a.parquet", "judgements"),
        lambda: documents.read_yaml(tmp_path / "a.json"),
    ):
        with pytest.raises(UserError) as e:
            read()
        assert "delete" not in str(e.value)
        assert "damaged" not in str(e.value)
        assert "\n" not in str(e.value)


def test_an_altered_json_file_is_named_whatever_bit_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    value = {"text": "12 tokens", "n": 10.5, "deep": [{"a": True}, None], "zero": 0}
    files.write_json(path, value)
    whole, said = path.read_bytes(), 0
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            assert files.read_json(path) == value
        except UserError as e:
            said += 1
            assert "is damaged" in str(e)  # noqa: PT017
    assert said > 0.9 * 8 * len(whole)
    path.write_text(json.dumps(value))  # as earlier versions wrote it
    assert files.read_json(path) == value


def test_an_altered_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    files.write_lines(path, [{"budget": 1, "kl": 0.5}, {"budget": 2, "kl": 0.25}])
    assert files.read_lines(path) == [{"budget": 1, "kl": 0.5}, {"budget": 2, "kl": 0.25}]
    path.write_text(path.read_text().replace("0.25", "0.75"))
    with pytest.raises(UserError, match=r"a\.jsonl is damaged \(it was altered"):
        files.read_lines(path)
    assert files.read_lines(tmp_path / "none") == []


@pytest.mark.parametrize(("name", "says"), [("x" * 300, "too long"), ("a\0b", "NUL"), ("file/under", "a file stands")])
def test_what_cannot_be_written_is_said_in_a_sentence(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=says):
        files.write_text(tmp_path / name, "x")


def test_a_file_whose_handle_is_stale_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_json(tmp_path / "a.json", {"x": 1})
    real, faults = Path.read_bytes, iter([errno.ESTALE, errno.ESTALE])

    def read(self: Path) -> bytes:
        if number := next(faults, 0):
            raise OSError(number, os.strerror(number), str(self))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read)
    assert files.read_json(tmp_path / "a.json") == {"x": 1}


def test_what_nobody_writes_any_more_is_swept_away_and_what_a_living_process_writes_stays(tmp_path: Path) -> None:
    machine, pid, start = processes.me().split("-")
    mine = files.temporary_name(tmp_path / "a.json")
    elsewhere = tmp_path / f".a.json.0000abcd-{pid}-{start}-12345678.tmp"
    dead, earlier = tmp_path / f".a.json.{machine}-{pid}-1-12345678.tmp", tmp_path / ".a.json.12345678.tmp"
    for stray in (mine, elsewhere, dead, earlier):
        stray.touch()
    (tmp_path / f".b.{machine}-{pid}-1-12345678.tmp").mkdir()
    (tmp_path / "a.json").touch()
    files.sweep(tmp_path, tmp_path / "none")
    assert set(tmp_path.iterdir()) == {mine, elsewhere, tmp_path / "a.json"}


def test_of_two_folders_for_one_place_the_first_stays_where_that_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint"
    with files.replacing_folder(path, lambda: (path / "x").exists()) as mine:
        (mine / "x").write_text("mine")
        with files.replacing_folder(path) as other:
            (other / "x").write_text("other")
    assert (path / "x").read_text() == "other"
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


@pytest.mark.parametrize("links", [True, False])
def test_what_was_written_first_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool) -> None:
    if not links:
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(errno.EPERM, "no links here")))
    assert files.write_first(tmp_path / "a.json", {"n": 1}) == {"n": 1}
    assert files.write_first(tmp_path / "a.json", {"n": 2}) == {"n": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]
