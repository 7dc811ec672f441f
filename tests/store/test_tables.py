"""What is written comes back, in the same bytes for the same rows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.store import schemas, tables
from holdfast.types import Item, Judgement, Record, Turn, UserError

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
real = st.floats(allow_nan=False, allow_infinity=False)
whole = st.integers(0, 2**40)

items = st.builds(
    Item, text, st.lists(st.builds(Turn, text, text)).map(tuple), text, st.dictionaries(text, text), st.booleans()
)
records = st.builds(
    Record, text, text, text, text, text, text, whole, text, text, whole, text,
    st.lists(text, max_size=3).map(tuple), st.lists(real, max_size=3).map(tuple),
)  # fmt: skip
judgements = st.builds(
    Judgement, text, text, st.none() | real, text, st.none() | text, st.dictionaries(text, real, max_size=3)
)
quick = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(rows=st.lists(items, max_size=5))
def test_items_read_back_as_they_were_written(tmp_path: Path, rows: list[Item]) -> None:
    tables.write(tmp_path / "t", "items", rows, measure="m", cell="c")
    assert tables.read_rows(tmp_path / "t", "items", Item) == rows


@quick
@given(rows=st.lists(records, max_size=5))
def test_records_read_back_as_they_were_written(tmp_path: Path, rows: list[Record]) -> None:
    tables.write(tmp_path / "t", "records", rows)
    assert tables.read_rows(tmp_path / "t", "records", Record) == rows


@quick
@given(rows=st.lists(judgements, max_size=5))
def test_judgements_come_back_and_the_same_rows_give_the_same_bytes(tmp_path: Path, rows: list[Judgement]) -> None:
    tables.write(tmp_path / "t", "judgements", rows)
    first = (tmp_path / "t").read_bytes()
    assert tables.read_rows(tmp_path / "t", "judgements", Judgement) == rows
    tables.write(tmp_path / "t", "judgements", iter(rows))
    assert (tmp_path / "t").read_bytes() == first


ROWS = [
    Judgement("r1", "own", None, "", "empty response"),
    Judgement("r2", "own", 1.0, "correct", None, {"strict": 0.0}),
]


def test_a_data_frame_and_its_rows_write_the_same_bytes(tmp_path: Path) -> None:
    tables.write(tmp_path / "a", "judgements", ROWS)
    tables.write(tmp_path / "b", "judgements", tables.read(tmp_path / "a", "judgements"))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_several_files_read_as_one_table_and_none_as_an_empty_one(tmp_path: Path) -> None:
    for i, row in enumerate(ROWS):
        tables.write(tmp_path / str(i), "judgements", [row])
    frame = tables.read([tmp_path / "0", tmp_path / "1"], "judgements")
    assert list(frame["record"]) == ["r1", "r2"]
    assert frame["score"].isna().tolist() == [True, False]
    assert list(tables.read([], "estimates").columns) == schemas.SCHEMAS["estimates"][1].names


def test_a_newer_schema_is_refused_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    version, schema = schemas.SCHEMAS["judgements"]
    monkeypatch.setitem(schemas.SCHEMAS, "judgements", (version + 1, schema))
    tables.write(tmp_path / "t", "judgements", ROWS)
    monkeypatch.undo()
    with pytest.raises(UserError, match=rf"has version {version + 1} of the judgements schema .* upgrade holdfast"):
        tables.read(tmp_path / "t", "judgements")


def test_another_table_a_stranger_or_a_damaged_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    tables.write(tmp_path / "t", "judgements", ROWS)
    with pytest.raises(UserError, match="is not a table of records"):
        tables.read(tmp_path / "t", "records")
    pq.write_table(pq.read_table(tmp_path / "t").replace_schema_metadata({}), tmp_path / "u")
    with pytest.raises(UserError, match="is not a table of judgements"):
        tables.read(tmp_path / "u", "judgements")
    (tmp_path / "v").write_bytes((tmp_path / "t").read_bytes()[:-30])
    with pytest.raises(UserError, match="is damaged"):
        tables.read(tmp_path / "v", "judgements")
    with pytest.raises(UserError, match="there is no file"):
        tables.read(tmp_path / "w", "judgements")


def test_a_column_missing_or_too_many_is_caught_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="cell"):
        tables.write(tmp_path / "t", "items", [Item("a", ())], measure="m")
    with pytest.raises(AssertionError, match="extra"):
        tables.write(tmp_path / "t", "judgements", tables.read([], "judgements"), extra=1)
    assert not list(tmp_path.iterdir())


def test_some_columns_and_rows_are_read_without_the_rest(tmp_path) -> None:
    said = [Judgement(f"r{k}", "rules" if k % 2 else "own", float(k), "answer") for k in range(6)]
    tables.write(tmp_path / "a.parquet", "judgements", said[:4])
    tables.write(tmp_path / "b.parquet", "judgements", said[4:])
    both = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    some = tables.read(both, "judgements", ["record", "score"], {"record": {"r1", "r2"}, "judge": ["rules"]})
    assert some.to_dict("records") == [{"record": "r1", "score": 1.0}]
    assert list(tables.read(both, "judgements", ["judge"])["judge"]) == ["own", "rules"] * 3
    assert list(tables.read([], "judgements", ["judge"]).columns) == ["judge"]


def test_of_a_long_table_the_same_rows_are_read_whichever_groups_hold_them(tmp_path: Path) -> None:
    path, n = tmp_path / "j.parquet", 3 * tables.GROUP + 5
    rows = [Judgement(f"r{k}", "rules", float(k % 2), "answer", None, {}) for k in range(n)]
    tables.write(path, "judgements", rows)
    for wanted in ([0], [n - 1], [tables.GROUP - 1, tables.GROUP], [5, 2 * tables.GROUP, n - 2], range(n)):
        found = tables.read(path, "judgements", ["record", "score"], {"record": [f"r{k}" for k in wanted]})
        assert list(found["record"]) == [f"r{k}" for k in wanted]
        assert list(found["score"]) == [float(k % 2) for k in wanted]


def test_an_altered_table_is_named_whatever_bit_it_is(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    tables.write(path, "judgements", ROWS * 20)
    whole, good = path.read_bytes(), tables.read(path, "judgements")
    for bit in range(0, 8 * len(whole), 7):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        try:
            found = tables.read(path, "judgements")
        except UserError as e:
            assert "is damaged" in str(e)  # noqa: PT017
        else:  # a bit of the checksum's name: what was written is still what is read
            assert found.equals(good)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"{}", b"\0" * 1000])
def test_a_table_that_was_emptied_or_replaced_is_damaged(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "t").write_bytes(data)
    with pytest.raises(UserError, match="is damaged"):
        tables.read(tmp_path / "t", "judgements")


def test_a_table_without_a_checksum_is_read_as_earlier_versions_wrote_it(tmp_path: Path) -> None:
    tables.write(tmp_path / "t", "judgements", ROWS)
    old = pq.read_table(tmp_path / "t")
    metadata = {k: v for k, v in old.schema.metadata.items() if k != b"holdfast.sha256"}
    pq.write_table(old.replace_schema_metadata(metadata), tmp_path / "u")
    assert tables.read(tmp_path / "u", "judgements").equals(tables.read(tmp_path / "t", "judgements"))


def test_a_score_that_is_no_number_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="a score that is no number"):
        tables.write(tmp_path / "t", "judgements", [replace(ROWS[0], score=float("inf"))])


def test_shards_are_listed_again_where_one_is_gone_by_then(tmp_path: Path) -> None:
    """As whoever looks on sees a folder whose rows are put into one file just now."""
    item = Item("a", (), fields={})
    for k in range(3):
        tables.write(tmp_path / f"0000{k}.parquet", "items", [item], measure="m", cell="c")
    lists = []

    def read(files: list[Path]) -> list[Item]:
        lists.append(len(files))
        (tmp_path / "00002.parquet").unlink(missing_ok=True)
        return tables.read_rows(files, "items", Item)

    assert tables.shards(tmp_path, read) == [item, item]
    assert lists == [3, 2]
    with pytest.raises(UserError, match="there is no file"):
        tables.shards(tmp_path, lambda files: tables.read_rows(tmp_path / "none", "items", Item))
