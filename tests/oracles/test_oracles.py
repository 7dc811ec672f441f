"""What a rebuilding must leave as it is (``oracle.py`` records it): ids, every table, every text of the page."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import oracle

from holdfast.analysis import estimates_file
from holdfast.config import loading
from holdfast.runs import pipeline


@pytest.mark.parametrize(
    "name", ["miniature", *(pytest.param(n, marks=pytest.mark.slow) for n in oracle.SHIPPED if n != "miniature")]
)
def test_runs_and_requests_of_the_shipped_studies_have_the_ids_they_had(name: str) -> None:
    assert oracle.identities(name) == oracle.read("identities")[name]


def test_a_folder_of_the_version_before_has_the_same_tables_and_texts(tmp_path: Path) -> None:
    folder = oracle.again(oracle.kept(tmp_path / "kept"))
    assert list(oracle.differences(oracle.state(folder), oracle.read("kept"))) == []


def test_the_two_tables_that_an_earlier_version_kept_are_read_as_one(tmp_path: Path) -> None:
    folder = oracle.kept(tmp_path / "kept")
    assert folder.findings_parquet.exists()
    there = {
        "estimates": pd.read_parquet(folder.estimates_parquet),
        "findings": pd.read_parquet(folder.findings_parquet),
    }
    found = oracle.as_they_were(estimates_file.read(folder))
    for name, table in found.items():
        old = there[name][[c for c in table if c in there[name]]]
        assert len(old.columns) > 20
        pd.testing.assert_frame_equal(table[list(old)], old, check_dtype=False, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", oracle.MADE_UP)
def test_made_up_studies_have_the_same_tables_and_texts(name: str, tmp_path: Path) -> None:
    folder = oracle.made_up(name, tmp_path / name)
    assert list(oracle.differences(oracle.state(folder), oracle.read(name))) == []


@pytest.mark.slow
def test_a_folder_of_the_version_before_grows(tmp_path: Path) -> None:
    folder = oracle.kept(tmp_path / "kept")
    there = {p: p.read_bytes() for p in folder.root.rglob("*.safetensors")}
    study = loading.load(folder.study_yaml)
    more = [m.model_copy(update={"items": 14}) if m.measure == "miniature_facts" else m for m in study.measures]
    pipeline.run(study.model_copy(update={"measures": tuple(more)}), folder.root, quiet=True)
    table = estimates_file.read(folder)
    assert set(table[table["measure"] == "miniature_facts"]["n_prompts"]) >= {14}
    assert {p: p.read_bytes() for p in there} == there
