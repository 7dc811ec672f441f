"""A study that has run, opened from Python: tables and charts as they were written, and nothing computed anew."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import holdfast
from holdfast.report.charts import export
from holdfast.report.charts.plot import Figure
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


@pytest.fixture(scope="module")
def opened(finished: StudyFolder, tmp_path_factory: pytest.TempPathFactory) -> Any:
    data = pd.DataFrame({"x": [1.0, 2.0], "y": [3.0, 4.0]})
    spec = {
        "data": {"values": data.to_dict("records")},
        "mark": "point",
        "encoding": {axis: {"field": axis, "type": "quantitative"} for axis in "xy"},
    }
    figure = Figure("frontier", "Title", spec, "Caption.", "Two points.", data)
    root = tmp_path_factory.mktemp("opened") / "study"  # the one that all share may have a page by now
    shutil.copytree(finished.root, root, ignore=shutil.ignore_patterns("report"))
    export.write(root / "report" / "figures", "frontier", figure, "a mark", ["sft"])
    return holdfast.open(root)


def test_its_tables_are_those_of_the_folder(opened: Any, finished: StudyFolder) -> None:
    assert set(opened.estimates["estimand"]) >= {"level"}
    assert len(opened.findings)
    assert set(opened.records["subject"]) <= set(opened.subjects["subject"])
    assert opened.records["response"].notna().any()


def test_a_chart_of_the_page_comes_back_as_it_was_drawn(opened: Any) -> None:
    assert opened.plots == ["frontier"]
    chart = opened.plot("frontier").to_dict()
    assert chart["mark"] == "point" or chart["mark"]["type"] == "point"
    assert chart["title"]["subtitle"] == ["a mark"]
    with pytest.raises(UserError, match="there is no chart 'heat'; there is frontier"):
        opened.plot("heat")


def test_thresholds_are_held_against_its_estimates(opened: Any, tmp_path: Path) -> None:
    measure = str(opened.estimates["measure"].iloc[0])
    assert opened.gate([{"measure": measure, "min": -9.0, "no_answer": 1.0}]).passed
    (tmp_path / "gate.yaml").write_text(f"- {{measure: {measure}, max: -9.0}}")
    assert not opened.gate(tmp_path / "gate.yaml").passed
    with pytest.raises(UserError, match="the gate names the measure 'nothing'"):
        opened.gate([{"measure": "nothing", "max": 1.0}])
    with pytest.raises(UserError, match=r"the gate, 0\.maxx: no such key; did you mean max"):
        opened.gate([{"measure": measure, "maxx": 1.0}])


def test_it_says_in_a_line_what_it_is(opened: Any) -> None:
    assert "6 objectives, 3 budgets, 1 seed;" in repr(opened)
    assert len(repr(opened)) < 200


def test_a_folder_without_estimates_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is no study's folder: it has no study\.yaml; give the folder that a"):
        holdfast.open(tmp_path)
    (tmp_path / "study.yaml").write_text((Path(__file__).parents[2] / "studies/gsm8k-stories260k.yaml").read_text())
    with pytest.raises(UserError, match=r"has no estimates yet; run `holdfast run .*` \(or `holdfast analyse"):
        holdfast.open(tmp_path)


@pytest.mark.parametrize("workers", [0, -1, "2", True, 1.5])
def test_a_number_of_workers_that_is_none_is_one_sentence(workers: Any, tmp_path: Path) -> None:
    study = holdfast.load_study("miniature")
    with pytest.raises(UserError, match="workers cannot be"):
        study.run(tmp_path / "out", workers=workers)
    assert not (tmp_path / "out").exists()
