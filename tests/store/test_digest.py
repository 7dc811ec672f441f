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

from holdfast.store.digest import digest, file_digest, short
from holdfast.types import Example, Turn

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


def test_a_file_is_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"abc")
    assert file_digest(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
