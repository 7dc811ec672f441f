"""What the analysis leaves for the page is read back as it was made."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from holdfast.analysis import table_files
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_frame, write_frame
from holdfast.types import UserError


def test_a_frame_comes_back_to_the_last_digit_and_type(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "label": ["a", "b"],
            "level": [1, 2],
            "value": [0.1, float("nan")],
            "untold": [None, "x"],
            "budget": [3.0, 4.0],
        }
    )
    frame["low"] = frame["value"].astype("float32")
    write_frame(tmp_path / "x.parquet", "versus", frame)
    pd.testing.assert_frame_equal(read_frame(tmp_path / "x.parquet", "versus"), frame, check_exact=True)


def test_an_altered_table_is_named(tmp_path: Path) -> None:
    at = tmp_path / "x.parquet"
    write_frame(at, "dominance", pd.DataFrame({"label": ["a"], "over": ["b"], "probability": [0.5]}))
    data = bytearray(at.read_bytes())
    data[10] ^= 1
    at.write_bytes(bytes(data))
    with pytest.raises(UserError, match=r"x\.parquet is damaged"):
        read_frame(at, "dominance")


def test_where_an_earlier_version_analysed_it_is_said_to_analyse_again(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="run `holdfast analyse` again"):
        table_files.read(StudyFolder(tmp_path), "ways")


def test_a_table_that_is_gone_is_said_to_be_made_again(tmp_path: Path) -> None:
    write_frame(
        tmp_path / "analysis" / f"{table_files.LAST}.parquet", table_files.LAST, pd.DataFrame({"what": ["all"]})
    )
    for look in (table_files.read_fronts, lambda folder: table_files.read(folder, "claims")):
        with pytest.raises(UserError, match="run `holdfast analyse` again"):
            look(StudyFolder(tmp_path))
