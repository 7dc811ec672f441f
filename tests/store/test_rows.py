"""One reader for every format: the same rows whatever they are written in, and errors that name the place only."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from holdfast.store import rows
from holdfast.store.rows import Source
from holdfast.types import UserError

TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), min_size=1).filter(str.strip)
SECRET = "the-secret-of-the-valley"


def written(folder: Path, table: list[dict[str, str]]) -> list[Path]:
    """The same table in every format."""
    files = [folder / f"rows.{suffix}" for suffix in ("jsonl", "json", "csv", "tsv", "parquet")]
    files[0].write_text("\n\n".join(json.dumps(row, ensure_ascii=False) for row in table), encoding="utf-8-sig")
    files[1].write_text(json.dumps(table, indent=1), encoding="utf-8")
    for file, delimiter in ((files[2], ","), (files[3], "\t")):
        made = io.StringIO(newline="")
        sheet = csv.DictWriter(made, ["a", "b"], delimiter=delimiter)
        sheet.writeheader()
        sheet.writerows(table)
        file.write_bytes(made.getvalue().encode("utf-8-sig"))
    parquet.write_table(pyarrow.Table.from_pylist(table), files[4])
    return files


@settings(max_examples=25, deadline=None)
@given(table=st.lists(st.fixed_dictionaries({"a": TEXT, "b": TEXT}), min_size=1, max_size=4))
def test_a_table_is_the_same_in_every_format(tmp_path_factory, table):
    for file in written(tmp_path_factory.mktemp("table"), table):
        assert [row for _, row in rows.read(file)] == table, file.suffix


def test_places_count_lines_of_text_and_rows_of_the_rest(tmp_path):
    files = written(tmp_path, [{"a": "x\ny", "b": "1"}, {"a": "z", "b": "2"}])
    places = {file.suffix: [where.removeprefix(str(file)) for where, _ in rows.read(file)] for file in files}
    assert places == {
        ".jsonl": [", line 1", ", line 3"],
        ".json": [", row 1", ", row 2"],
        ".csv": [", line 3", ", line 4"],
        ".tsv": [", line 3", ", line 4"],
        ".parquet": [", row 1", ", row 2"],
    }


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.jsonl", f'{{"a": "{SECRET}"}}\n{{"a": "{SECRET}', "line 2: not valid JSON"),
        ("a.jsonl", f'{{"a": 1}}\n["{SECRET}"]', "line 2: expected a JSON object, found a list"),
        ("a.json", f'[{{"a": 1}},\n {{"a": "{SECRET}",}}]', "line 2: not valid JSON"),
        ("a.json", "[]", "is empty"),
        ("a.csv", "a,b\n", "is empty"),
        ("a.csv", f"a,b\n1,2\n{SECRET}\n", "line 3: it has 1 cells where the header has 2"),
        ("a.csv", f"a,b\n1,2,{SECRET}\n", "line 2: it has 3 cells"),
        ("a.csv", f'a,b\n1,"{SECRET}', "not valid CSV"),
        ("a.csv", "a,a\n1,2\n", "names a column twice"),
        ("a.parquet", SECRET, "no Parquet file"),
    ],
)
def test_a_broken_row_is_named_and_not_shown(tmp_path, name, content, says):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=name.replace(".", r"\.")) as error:
        rows.read(tmp_path / name)
    assert says in str(error.value)
    assert SECRET not in str(error.value)


def test_a_cell_may_be_a_whole_document(tmp_path):
    (tmp_path / "a.csv").write_text(f"a\n{'x' * 200_000}\n")
    assert len(rows.read(tmp_path / "a.csv")[0][1]["a"]) == 200_000


def test_a_missing_column_and_one_that_is_no_text_are_named():
    placed = ("rows.csv, line 7", {"a": SECRET, "n": 3, "none": None})
    assert rows.texts(placed, "a") == [SECRET]
    for name, says in (
        ("b", "no column 'b'; the row has a, n"),
        ("n", "'n' must be a text, but is a int"),
        ("none", "None"),
    ):
        with pytest.raises(UserError, match=r"rows\.csv, line 7: ") as error:
            rows.texts(placed, name)
        assert says in str(error.value)
        assert SECRET not in str(error.value)


# -- folders and the hub ----------------------------------------------------------------------------------------------


def put(root: Path, *names: str) -> None:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps({"from": name}))


@pytest.mark.parametrize(
    ("there", "how", "found"),
    [
        (["train.jsonl", "test.jsonl"], {}, ["train.jsonl"]),
        (["train.jsonl", "test.jsonl"], {"split": "test"}, ["test.jsonl"]),
        (["data/train-00001-of-2.json", "data/train-00000-of-2.json"], {},
         ["data/train-00000-of-2.json", "data/train-00001-of-2.json"]),
        (["main/train.jsonl", "socratic/train.jsonl"], {"config": "main"}, ["main/train.jsonl"]),
        (["main/train.jsonl"], {"config": "absent"}, ["main/train.jsonl"]),
        (["All.jsonl", "README.md"], {}, ["All.jsonl"]),
        (["All.jsonl", "test.jsonl"], {}, ["All.jsonl"]),
        (["x.jsonl", "y.jsonl"], {"file": "y.jsonl"}, ["y.jsonl"]),
    ],
)  # fmt: skip
def test_a_folder_gives_the_files_of_its_split(tmp_path, there, how, found):
    put(tmp_path, *there)
    assert [row["from"] for _, row in Source(str(tmp_path), **how).rows()] == found


@pytest.mark.parametrize(
    ("there", "how"), [(["x.jsonl", "y.jsonl"], {}), ([], {}), (["test.jsonl"], {}), (["x.jsonl"], {"split": "test"})]
)
def test_a_folder_that_leaves_it_open_is_refused(tmp_path, there, how):
    put(tmp_path, *there)
    with pytest.raises(UserError, match=r"no file of the split .* name the file itself"):
        Source(str(tmp_path), **how).rows()


def test_a_changed_file_has_another_stamp(tmp_path):
    put(tmp_path, "train.jsonl")
    before = Source(str(tmp_path)).stamp()
    (tmp_path / "train.jsonl").write_text('{"from": "elsewhere, and longer"}')
    assert Source(str(tmp_path)).stamp() != before


def test_the_hub_is_asked_for_config_split_and_revision(monkeypatch):
    import datasets

    asked = SimpleNamespace()

    def load_dataset(path, name, split, revision):
        asked.__dict__.update(locals())
        return [{"a": "x"}]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    source = Source("some/data", split="test", config="main", revision="abc")
    assert source.rows() == [("some/data, test, row 1", {"a": "x"})]
    assert (asked.path, asked.name, asked.split, asked.revision) == ("some/data", "main", "test", "abc")
    assert source.stamp() == ()


def test_a_missing_file_is_no_hub_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("data/rows.jsonl", "data/rows.parquet", str(tmp_path / "absent")):
        with pytest.raises(UserError, match="there is no file"):
            Source(path).rows()
