"""One strict reader of YAML and JSON: a document says one thing, or is refused in a sentence with file and line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.store import documents, rows
from holdfast.store.documents import dump_yaml, parse_json, parse_yaml, read_json, read_yaml
from holdfast.types import UserError

BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 10)
)
MERGE_BOMB = "a0: &a0 {x: 1}\n" + "".join(
    f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 10)}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2024-01-01", "2024-01-01"),
        ("2024-07-26 10:00:00", "2024-07-26 10:00:00"),
        ("26 Jul 2024", "26 Jul 2024"),
        ("1.5.2", "1.5.2"),
        ("'01500'", "01500"),
        ("'1:30'", "1:30"),
        ("'no'", "no"),
        ("1_000", 1000),
        ("1e5", 1e5),
        ("2e-4", 2e-4),
        ("-.5", -0.5),
        ("+3", 3),
        ("0", 0),
        ("true", True),
        ("~", None),
        (r'"\ud83d\ude00"', "😀"),
        ("=", "="),
        ("nan", "nan"),
    ],
)
def test_a_scalar_has_the_one_value_that_every_reader_gives_it(text: str, value: Any) -> None:
    found = parse_yaml(f"a: {text}", "f.yaml")["a"]
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 01500", "01500 may be read as different numbers"),
        ("a: 0x1f", "0x1f may be read as different numbers"),
        ("a: 0o17", "0o17 may be read as different numbers"),
        ("a: 1:30", "1:30 may be read as different numbers"),
        ("a: 1__0", "1__0 may be read as different numbers"),
        ("a: 00.5", "00.5 may be read as different numbers"),
        ("a: yes", "yes may be a word or a truth value"),
        ("a: Off", "Off may be a word or a truth value"),
        ("a: .nan", ".nan is no finite number"),
        ("a: 1e999", "1e999 is no finite number"),
        ("a: " + "9" * 5000, "has 5000 digits"),
        ("a: 1\nb: 2\na: 3", "the key 'a' stands there twice (line 3)"),
        ("a: {max: 0.05, max: 0.9}", "the key 'max' stands there twice"),
        ("a: 1\n'a': 3", "the key 'a' stands there twice (line 2)"),
        ("? [a]\n: 3", "a key is a mapping or a list"),
        ("? {a: 1}\n: 3", "a key is a mapping or a list"),
        ("a: !!python/object/apply:os.system [x]", "the tag tag:yaml.org,2002:python/object/apply:os.system"),
        ("a: !!float 3", "the tag tag:yaml.org,2002:float is not read"),
        ("a: !!set {x}", "is not read"),
        ("a: !x 3", "the tag !x is not read"),
        ("a: &x [*x]", "the alias *x stands inside what it names"),
        ("&a {b: *a}", "the alias *a stands inside what it names"),
        ("a: *b", "undefined alias 'b'"),
        (BOMB, "stands for more than 200,000 values"),
        (MERGE_BOMB, "stands for more than 200,000 values"),
        ("a: " + "[" * 100_000, "nested more than 60 deep"),
        ("a: " + "{a: " * 100_000, "nested more than 60 deep"),
        ("- " * 50_000, "nested more than 60 deep"),
        (r'a: "\ud800"', "stands for no character"),
        (r'a: "\UFFFFFFFF"', "stands for no character"),
        (r'a: "\0"', "NUL"),
        ("a: b\n\0", "the character #x0000 may not stand in it (line 2)"),
        ("a: 1\n---\nb: 2", "expected a single document"),
        ("a: [", "line 1"),
        ("a: b: c", "mapping values are not allowed here (line 1)"),
    ],
)
def test_what_two_readers_would_read_differently_is_refused_in_a_sentence(text: str, says: str) -> None:
    with pytest.raises(UserError) as e:
        parse_yaml(text, "f.yaml")
    assert str(e.value).startswith("f.yaml is not valid YAML: ")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


def test_an_alias_that_is_used_for_brevity_is_read() -> None:
    text = "a: &a {x: 1, y: [1, 2]}\nb: *a\nc: {<<: *a, x: 3}"
    assert parse_yaml(text, "f") == {"a": {"x": 1, "y": [1, 2]}, "b": {"x": 1, "y": [1, 2]}, "c": {"x": 3, "y": [1, 2]}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("a: ä".encode("latin-1"), "is not UTF-8 text (byte 3)"),
        ("a: b".encode("utf-16"), "is not UTF-8 text (byte 0)"),
        (b"\xef\xbb\xbfa: 1", ""),
        (b"a: 1\r\n", ""),
        (b"#" * (documents.MAX_BYTES + 1), "and at most 8,388,608 are read"),
    ],
)
def test_a_file_of_another_encoding_or_size_is_named(tmp_path: Path, data: bytes, says: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_bytes(data)
    if not says:
        assert read_yaml(file) == {"a": 1}
        return
    with pytest.raises(UserError, match=r"f\.yaml ") as e:
        read_yaml(file)
    assert says in str(e.value)


@pytest.mark.parametrize(
    ("name", "says"),
    [("none.yaml", "there is no file"), (".", "is a folder"), ("x" * 300, "is too long"), ("a\0b", "character NUL")],
)
def test_a_path_that_cannot_be_read_is_a_sentence(tmp_path: Path, name: str, says: str) -> None:
    for read in (read_yaml, read_json):
        with pytest.raises(UserError, match=says):
            read(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands there twice"),
        ('{"a": NaN}', "NaN is no finite number"),
        ('{"a": 1e999}', "1e999 is no finite number"),
        ('{"a": ' + "9" * 5000 + "}", "has 5000 digits"),
        ("[" * 100_000, "nested too deeply"),
        ("[" * 200 + "]" * 200, "nested more than 60 deep"),
        (r'{"a": "\ud800"}', "stands for no character"),
        ('{"a": 1,}', "not valid JSON"),
        ("", "not valid JSON"),
    ],
)
def test_json_is_held_to_the_same(text: str, says: str) -> None:
    with pytest.raises(UserError, match=r"^f\.json: ") as e:
        parse_json(text, "f.json")
    assert says in str(e.value)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    "line",
    ['{"a": ' + "9" * 5000 + "}", "[" * 100_000, r'{"prompt": "\ud800"}', '{"a": ' + "[" * 300 + "]" * 300 + "}"],
)
@pytest.mark.parametrize("suffix", ["jsonl", "json"])
def test_rows_that_no_file_could_hold_again_are_named_with_their_line(tmp_path: Path, line: str, suffix: str) -> None:
    file = tmp_path / f"rows.{suffix}"
    file.write_text(f'{{"prompt": "x"}}\n{line}\n')
    with pytest.raises(UserError, match="line 2: not read as JSON"):
        rows.read(file)


def test_other_peoples_rows_may_hold_nan(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"a": NaN, "b": -Infinity}\n')
    ((_, row),) = rows.read(tmp_path / "rows.jsonl")
    assert str(row) == "{'a': nan, 'b': -inf}"


def test_every_yaml_of_the_package_is_read_by_this_reader_and_comes_back() -> None:
    root = Path(documents.__file__).parents[1]
    loads = [p.name for p in root.rglob("*.py") if "yaml.safe_load" in p.read_text() or "yaml.load" in p.read_text()]
    assert loads == ["documents.py"]
    for file in root.rglob("*.yaml"):
        value = read_yaml(file)
        assert parse_yaml(dump_yaml(value), "again") == value


scalar = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=9)
document = st.recursive(
    scalar
    | text
    | st.sampled_from(["no", "1:30", "01", "0x1", "<<", "=", "", "2024-01-01", ".inf", "1_", "08", "0o7"]),
    lambda x: st.lists(x, max_size=3) | st.dictionaries(text, x, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None)
@given(document)
def test_what_is_written_is_read_back_as_the_same(value: Any) -> None:
    again = parse_yaml(dump_yaml(value), "again")
    assert again == value
    assert str(again) == str(value)  # 1 and 1.0 and True are equal


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab01:-,.[]{}&*!?|>'\"%#<\\xuU\n \t~=_e+\0\ud800é"), max_size=40))
def test_any_text_is_read_or_refused_in_one_sentence(soup: str) -> None:
    for parse in (parse_yaml, parse_json):
        try:
            parse(soup, "f")
        except UserError as e:
            assert "\n" not in str(e)  # noqa: PT017


def test_reading_documents_loads_no_torch() -> None:
    code = "import sys, holdfast.store.documents; assert not {'torch', 'pandas', 'pydantic'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
