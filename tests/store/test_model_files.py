"""A model's folder is whole or is named; its digest is its content, whatever a cache or a clock says."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from folders import model, safetensors

from holdfast.store import model_files
from holdfast.store.model_files import check_model, json_object, model_digest, read_header, remembered_digest
from holdfast.store.sources import model_folder
from holdfast.types import UserError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(model_files, "_SETTLED", 0.0)


def test_a_model_is_its_configuration_and_weights_wherever_it_lies(tmp_path: Path) -> None:
    a = model_digest(model(tmp_path / "a", _name_or_path="x", transformers_version="1"))
    assert a == model_digest(model(tmp_path / "b", _name_or_path="y", transformers_version="2"))
    assert a != model_digest(model(tmp_path / "c", weights=b"v"))
    assert a != model_digest(model(tmp_path / "d", rope_theta=1e6))


def test_an_edit_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    file, before = folder / "model.safetensors", model_digest(folder)
    assert model_digest(folder) == before
    stat, content = file.stat(), bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    assert model_digest(folder) != before


def test_a_file_that_has_just_changed_is_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "_SETTLED", 60.0)
    remembered_digest(model(tmp_path / "a") / "model.safetensors")
    assert not list((tmp_path / "cache").rglob("digests/*"))


def test_a_remembered_digest_that_was_altered_is_not_believed(tmp_path: Path) -> None:
    file = model(tmp_path / "a") / "model.safetensors"
    before = remembered_digest(file)
    (note,) = (tmp_path / "cache").rglob("digests/*")
    note.write_text(note.read_text().replace(before[:4], "0000"))
    assert remembered_digest(file) == before


def test_a_whole_model_is_taken(tmp_path: Path) -> None:
    assert model_folder(str(model(tmp_path / "a"))) == tmp_path / "a"
    assert read_header(tmp_path / "a" / "model.safetensors")["w"].shape == (2, 3)


GOOD = safetensors(w=(2, 3), v=(4,))


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        (GOOD[:-1], "is cut off: its tensors take"),
        (GOOD[:40], "is cut off or no safetensors file"),
        (GOOD[:5], "is cut off or no safetensors file"),
        (b"", "is cut off or no safetensors file"),
        (GOOD + b"x", "is too long"),
        (GOOD.replace(b"[2, 3]", b"[2, 4]"), r"header of .* is damaged \(at w\)"),
        (GOOD.replace(b'"F32"', b'"F64"', 1), r"header of .* is damaged \(at w\)"),
        (GOOD.replace(b"[2, 3]", b"[-2,3]"), "header of .* is damaged"),
        (GOOD.replace(b'"shape"', b'"shspe"', 1), "header of .* is damaged"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n", "pointer of Git LFS"),
    ],
)
def test_weights_that_are_cut_off_or_damaged_are_named_before_anything_is_loaded(
    tmp_path: Path, weights: bytes, said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught:
        model_folder(str(model(tmp_path / "a", weights)))
    assert "model.safetensors" in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "1", '{"model_type": NaN}', "[" * 9999, '{"a": 1' + "0" * 9999 + "}"])
def test_a_broken_configuration_is_named(tmp_path: Path, text: str) -> None:
    folder = model(tmp_path / "a")
    (folder / "config.json").write_text(text)
    for read in (check_model, model_digest):
        with pytest.raises(UserError, match=r"config\.json(: not | must hold a JSON object)"):
            read(folder)
    (folder / "config.json").write_bytes(b'{"model_type": "\xff"}')
    with pytest.raises(UserError, match=r"config\.json is not UTF-8"):
        check_model(folder)


@pytest.mark.parametrize("value", [True, -1, 0, 1.5, "8", [], {}, 1e30])
@pytest.mark.parametrize("key", ["hidden_size", "num_hidden_layers", "vocab_size", "max_position_embeddings"])
def test_a_size_that_is_none_is_named(tmp_path: Path, key: str, value: Any) -> None:
    with pytest.raises(UserError, match=rf"config\.json has {key}: "):
        check_model(model(tmp_path / "a", **{key: value}))
    with pytest.raises(UserError, match=rf"config\.json has {key}: "):
        check_model(model(tmp_path / "b", text_config={key: value}))
    with pytest.raises(UserError, match="has text_config: "):
        check_model(model(tmp_path / "c", text_config="x"))


def test_a_shard_that_is_missing_is_named(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(UserError, match=r"holds no weights: there is no model\.safetensors"):
        check_model(folder)
    places = {"w": "model-00001-of-00002.safetensors", "v": "model-00002-of-00002.safetensors"}
    (folder / model_files.INDEX).write_text(json.dumps({"weight_map": places}))
    with pytest.raises(UserError, match="lacks 1 of its 2 weight files, model-00002-of-00002"):
        check_model(folder)
    (folder / "model-00002-of-00002.safetensors").write_bytes(GOOD)
    check_model(folder)
    (folder / model_files.INDEX).write_text(json.dumps({"weight_map": {"w": "../elsewhere.safetensors"}}))
    with pytest.raises(UserError, match=r"elsewhere\.safetensors"):
        check_model(folder)


def test_what_is_no_regular_file_is_named_and_never_waited_for(tmp_path: Path) -> None:
    folder = model(tmp_path / "a")
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")
    for read in (check_model, model_digest):
        with pytest.raises(UserError, match="no regular file"):
            read(folder)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors").symlink_to(tmp_path / "gone")
    with pytest.raises(UserError, match="is missing"):
        check_model(folder)
    (folder / "config.json").unlink()
    os.mkfifo(folder / "config.json")
    with pytest.raises(UserError, match="holds no model"):
        check_model(folder)
    with pytest.raises(UserError, match="there is no file"):
        json_object(folder / "config.json")


def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    folder = model(tmp_path / "a")
    monkeypatch.setattr(Path, "is_file", refused)
    with pytest.raises(UserError, match="may not be read: change its permissions"):
        model_folder(str(folder))


def test_what_is_given_in_place_of_a_model_is_called_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "model.Q4_K_M.gguf"
    file.write_bytes(b"GGUF")
    with pytest.raises(UserError, match=r"it holds a GGUF file; give the file itself as the path \(.*\.gguf\)"):
        model_folder(str(tmp_path))
    other = model(tmp_path / "b") / "model.safetensors"
    with pytest.raises(UserError, match="it is a file; give the folder"):
        model_folder(str(other))
    adapter = tmp_path / "c"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"base_model_name_or_path": "some/base"}')
    with pytest.raises(UserError, match="it is an adapter on some/base; give that base as the model"):
        model_folder(str(adapter))


def test_a_path_with_a_tilde_is_found_and_an_impossible_one_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert model(tmp_path / "a") == model_folder("~/a")
    for path in ("~nobody-at-all/x", "a\0b", "/" + "x" * 5000):
        with pytest.raises(UserError):
            model_folder(path)


def test_no_digest_of_a_folder_without_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model: it needs a config\.json"):
        model_digest(tmp_path)
