"""Identity is content."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.store.digest import adapter_digest, digest, file_digest, model_digest, short
from holdfast.words import Example, Turn, UserError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(JSON)
def test_a_digest_does_not_depend_on_key_order_or_on_list_against_tuple(value: object) -> None:
    def other(v: object) -> object:
        if isinstance(v, dict):
            return {k: other(v[k]) for k in reversed(list(v))}
        return tuple(other(x) for x in v) if isinstance(v, list) else v

    assert digest(value) == digest(other(value))


@settings(deadline=None)
@given(JSON, JSON)
def test_different_values_have_different_digests(a: object, b: object) -> None:
    assert (digest(a) == digest(b)) == (json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))


def test_an_integer_is_not_a_float_and_a_number_is_not_its_text() -> None:
    assert len({digest(1), digest(1.0), digest("1"), digest(True), digest([1])}) == 5


def test_a_set_has_one_digest_in_every_process() -> None:
    code = "from holdfast.store.digest import digest; print(digest(frozenset({'a', 'b', 'c', 'd'})))"
    outputs = {
        subprocess.check_output([sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed})
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_every_field_of_a_dataclass_counts() -> None:
    row = Example("a", (Turn("user", "hi"),), "yes", None, frozenset({"x", "y"}))
    others = [
        Example("b", row.prompt, "yes", None, row.tags),
        Example("a", (Turn("system", "hi"),), "yes", None, row.tags),
        Example("a", row.prompt, "no", None, row.tags),
        Example("a", row.prompt, "yes", "no", row.tags),
        Example("a", row.prompt, "yes", None, frozenset({"x"})),
    ]
    assert len({digest(e) for e in [row, *others]}) == 6


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("nan")]}])
def test_a_number_without_meaning_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="cannot be digested"):
        digest(value)


@pytest.mark.parametrize("value", [Path("x"), {1: 2}, b"x", object()])
def test_what_has_no_single_meaning_is_refused(value: object) -> None:
    with pytest.raises(TypeError):
        digest(value)


@dataclass(frozen=True)
class _Point:
    x: float


def test_a_dataclass_and_the_same_fields_as_a_mapping_are_one() -> None:
    assert digest(_Point(1.5)) == digest({"x": 1.5})
    assert len(short(digest(_Point(1.5)))) == 12


def _model(folder: Path, weights: bytes = b"w", **config: object) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"hidden_size": 8, **config}))
    (folder / "model.safetensors").write_bytes(weights)
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_a_model_is_its_configuration_and_weights_wherever_it_lies(tmp_path: Path) -> None:
    a = model_digest(_model(tmp_path / "a", _name_or_path="x", transformers_version="1"))
    assert a == model_digest(_model(tmp_path / "b", _name_or_path="y", transformers_version="2"))
    assert a != model_digest(_model(tmp_path / "c", weights=b"v"))
    assert a != model_digest(_model(tmp_path / "d", rope_theta=1e6))


def test_weights_that_change_are_hashed_again(tmp_path: Path) -> None:
    folder = _model(tmp_path / "a")
    before = model_digest(folder)
    assert model_digest(folder) == before
    (folder / "model.safetensors").write_bytes(b"other")
    assert model_digest(folder) != before


def test_a_folder_without_a_model_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"holds no model: it needs a config\.json"):
        model_digest(tmp_path)


def test_an_adapter_is_its_weights_and_what_changes_its_output(tmp_path: Path) -> None:
    def adapter(name: str, weights: bytes = b"w", **config: object) -> str:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "adapter_model.safetensors").write_bytes(weights)
        (folder / "adapter_config.json").write_text(json.dumps({"r": 8, "lora_alpha": 16, **config}))
        return adapter_digest(folder)

    a = adapter("a", target_modules=["q", "v"], base_model_name_or_path="x")
    assert a == adapter("b", target_modules=["v", "q"], base_model_name_or_path="y", inference_mode=True)
    assert len({a, adapter("c", lora_alpha=32), adapter("d", b"v"), adapter("e")}) == 4
    with pytest.raises(UserError, match="holds no adapter"):
        adapter_digest(tmp_path)


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
