"""Charts are valid, say what they show, and stand up to odd studies."""

from __future__ import annotations

import json
import math
import re
import shutil
from decimal import Decimal
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import pytest

from holdfast.report import page, words
from holdfast.report.charts import placing, plot
from holdfast.report.charts.export import for_page
from holdfast.report.charts.gap import gap
from holdfast.report.charts.plot import Look
from holdfast.report.reading import read
from holdfast.report.sections import order
from holdfast.report.sections.responses import sample
from holdfast.store import tables as store
from holdfast.store.folder import StudyFolder


@pytest.fixture(scope="module")
def part(finished: StudyFolder) -> Any:
    return order.of_setting(read(finished).settings()[0])


def test_every_chart_is_valid_and_says_what_it_rests_on(part: Any) -> None:
    names = {f.name for f in part.figures}
    assert {"frontier", "miniature_robustness-by-attack", "quadrants", "moved", "kl_base"} <= names
    for f in part.figures:
        few = {name: rows[:2] for name, rows in f.spec["datasets"].items()}  # the schema asks the same of every row
        alt.LayerChart.from_dict({**f.spec, "datasets": few}, validate=True)
        assert f.alt.endswith(".")
        assert "seed" in f.caption or f.name == "quadrants"
        assert "interval" in f.caption.lower()
        assert len(f.data) > 0
        spec = for_page(f, "a mark")
        assert spec["title"]["text"] == ["a mark"]


def rounded(spec: dict) -> set[str]:
    """Asserts that a chart says its numbers as tables do, wherever it is pointed at, and that the labels of its axes
    are not rounded at all; returns the columns that it says."""
    tables, said = spec["datasets"], set()
    for part in spec["layer"]:
        encoding = part["encoding"]
        for tip in encoding.get("tooltip", ()):
            assert (tip["type"], "format" in tip) == ("nominal", False), tip
            column, text = tip["field"].removesuffix("_said"), tip["field"]
            said.add(column)
            for row in tables[part.get("data", spec.get("data"))["name"]]:
                assert isinstance(row[text], str)
                if isinstance(row.get(column), float):
                    says = (words.percent, words.points, words.significant)
                    assert row[text] in [say(row[column]) for say in says], (column, row[text])
        for channel in ("x", "y"):
            axis, scale = (encoding.get(channel, {}).get(k) or {} for k in ("axis", "scale"))
            if axis.get("format", "").endswith("%"):
                low, high = scale["domain"]
                ticks = Decimal(str(step := tick(low, high, axis["tickCount"]))) * 100
                assert ticks == round(ticks, int(axis["format"][1])), (low, high, step)
            else:
                assert axis.get("format", "~r") == "~r"
    return said


def tick(low: float, high: float, count: int) -> float:
    """The distance of ticks, the long way: of 1, 2 and 5 times a power of ten that which gives most nearly so many."""
    steps = [m * 10.0**p for p in range(-9, 3) for m in (1, 2, 5)]
    return min(steps, key=lambda s: abs(math.log((high - low) / s / count)))


def test_a_number_is_rounded_in_one_way_in_a_chart_and_beside_it(part: Any) -> None:
    figures = {f.name: f for f in part.figures}
    said = {name: rounded(f.spec) for name, f in figures.items()}
    for name in ("frontier", "moved"):
        assert {"x", "y", "low_y", "high_y", "budget"} <= said[name]
    assert {"value", "low", "high"} <= said["miniature_robustness-by-attack"] & said["task_accuracy-accuracy"]
    assert {"share", "low", "high"} <= said["quadrants"]
    gaps = pd.DataFrame(
        {"label": ["a", "a"], "level": [0.31249, 0.9999], "gap": [0.00004, 0.03125], "gap_low": -0.1, "gap_high": 0.2}
    )
    for share in (True, False):
        assert {"level", "gap", "gap_low"} <= rounded(gap(gaps, Look(("a",), (1,)), "x", "y", share=share))
    text = json.dumps(gap(gaps, Look(("a",), (1,)), "x", "y"), ensure_ascii=False)
    assert '"99.99%"' in text and '"+0.004"' in text  # noqa: PT018


def test_what_a_chart_says_is_made_by_one_function():
    for file in sorted(Path(plot.__file__).parents[1].rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        assert text.count('_said", title=') == (file.name == "plot.py"), file.name
        assert not re.search(r"[\"']format[\"']: f?[\"'].*%", text) or file.name == "plot.py", file.name


def test_the_labels_of_a_share_s_axis_have_the_digits_of_its_ticks():
    assert placing.digits((0.0, 1.0), 5) == placing.digits((0.3, 0.36), 6) == 0
    assert placing.digits((0.3, 0.35), 6) == 0
    assert placing.digits((0.0, 0.02), 6) == 1
    assert placing.digits((0.0, 0.002), 6) == 2


def test_points_of_one_budget_stand_side_by_side_around_it() -> None:
    names = ["a", "b", "c"]
    rows = pd.DataFrame({"label": names * 2, "budget": [100] * 3 + [200] * 3})
    at = placing.dodge(rows, names, [100, 200])
    assert at[1] == pytest.approx(100)
    assert at[0] < 100 < at[2] < at[3] < 200 < at[5]
    assert placing.span([100])[0] < 100 < placing.span([100])[1]


def test_an_axis_has_a_least_width_so_that_noise_does_not_fill_it() -> None:
    low, high = placing.domain(pd.DataFrame({"v": [0.301, 0.302]}), top=1.0)
    assert high - low >= 0.05
    low, high = placing.domain(pd.DataFrame({"v": [0.0, 0.0]}), top=1.0)
    assert low == 0 and high > 0  # noqa: PT018
    assert placing.domain(pd.DataFrame({"v": [0.9, 1.0]}), top=1.0)[1] == 1.0


# Each leaves out or doubles what a study may lack or have several of.
TWO = (15_000, 30_000)
ODD = {
    "one budget": {
        "budgets": TWO[:1],
        "objectives": [{"label": x, "objective": x} for x in ("sft", "kl")],
        "odd_seed": True,
    },
    "three seeds, no sft": {
        "seeds": (0, 1, 2),
        "budgets": TWO,
        "objectives": [{"label": x, "objective": x} for x in ("dpo", "orpo")],
    },
    "two models, two variants": {
        "budgets": TWO,
        "models": [{"name": m, "path": "package:holdfast.miniature/model"} for m in ("tiny", "small")],
        "objectives": [{"label": "sft", "objective": "sft"}]
        + [{"label": f"dpo β={b}", "objective": "dpo", "params": {"beta": b}} for b in (0.1, 0.5)],
    },
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name != "one budget" else ()) for name in ODD]
)
def test_an_unusual_study_has_a_page_and_a_difference_of_control_is_loud(name: str, tmp_path, make_study) -> None:
    folder = make_study(tmp_path, prompts=5, control_runs=[], **ODD[name])
    text = page.build(folder).read_text(encoding="utf-8")
    for label in (v.label for v in read(folder).study.objectives):
        assert label in text
    if name == "one budget":  # where one objective was given another order of data
        assert 'class="alarm"' in text
        assert "Not everything was held fixed over objectives: order.15000" in text
        assert page.build(folder).read_text(encoding="utf-8") == text  # the same numbers give the same page
    if name == "two models, two variants":
        assert 'id="setting"' in text
        assert (folder.report / "tables" / "frontier-small-arithmetic.csv").exists()


def test_a_study_without_robustness_judges_or_training_files_has_a_page(tmp_path, make_study) -> None:
    folder = make_study(tmp_path, prompts=5, control_runs=[], objectives=[{"label": "sft", "objective": "sft"}])
    table = store.read(folder.estimates_parquet, "estimates")
    few = table[(table["axis"] == "capability") & (table["metric"] == "accuracy")].assign(value=0.0, low=0.0, high=0.02)
    store.write(folder.estimates_parquet, "estimates", few)
    shutil.rmtree(folder.runs)
    shutil.rmtree(folder.judgements)
    text = page.build(folder).read_text(encoding="utf-8")
    assert "A frontier needs a measure of robustness" in text
    assert "No proofs of control were found" in text
    assert "Capability is near zero" in text


def test_the_sample_masks_what_no_judge_called_a_refusal(finished: StudyFolder) -> None:
    found = sample(read(finished))
    robust = next(c for c in found["cells"] if c["axis"] == "robustness")
    assert all(p[2] for p in robust["prompts"])
    harmful = [a for a in robust["answers"] if "glorp" in a[3]]
    refused = [a for a in robust["answers"] if not a[6]]
    assert harmful
    assert refused
    assert all(a[6] for a in harmful)
    assert all(s == "0" for a in refused for j, _, s in a[5] if j != "coherence")
    accuracy = next(c for c in found["cells"] if c["axis"] == "capability")
    assert not any(a[6] for a in accuracy["answers"])
