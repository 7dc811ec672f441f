"""Tables: what they hold, how they are written, and what is loud."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from holdfast.analysis.gate import Check, GateVerdict
from holdfast.report import page, words
from holdfast.report import table as report_table
from holdfast.report.reading import read
from holdfast.report.sections import fairness, first_table
from holdfast.report.sections.fairness import Control
from holdfast.report.sections.section import render
from holdfast.report.table import Table
from holdfast.stats.equivalence import VERDICTS
from holdfast.store.folder import StudyFolder


def test_headline_has_a_row_per_objective_and_measure(finished: StudyFolder) -> None:
    setting = read(finished).settings()[0]
    table = first_table.numbers(setting, 60_000)
    assert set(table["objective"]) == {"base", "sft", "dpo", "cft", "ip", "orpo", "kl"}
    assert len(table) == 7 * 4
    sft = table[(table["objective"] == "sft")]
    assert sft["vs_base"].notna().all()
    assert sft["vs_sft"].isna().all()
    assert set(table["vs_sft_verdict"].dropna()) == {"one seed"}  # which decides nothing about objectives
    inside = table.dropna(subset=["low", "high"])
    assert ((inside["low"] <= inside["value"]) & (inside["value"] <= inside["high"])).all()
    robust = table[table["metric"] == "asr"].set_index("objective")
    assert robust.loc["sft", "value"] > robust.loc["base", "value"]  # as planted


def test_every_verdict_has_a_sign_and_a_class_of_its_own() -> None:
    found = [first_table.Difference("sft", "+1.0", "", "", verdict) for verdict in VERDICTS]
    assert all(x.sign for x in found)
    assert len({x.sign for x in found}) == len({x.css for x in found}) == len(VERDICTS)


def test_the_table_in_words_has_a_row_per_objective(finished: StudyFolder) -> None:
    setting = read(finished).settings()[0]
    table = first_table.table(setting, first_table.numbers(setting, 60_000))
    shown = table.rows
    assert "nan" not in report_table.as_markdown(table, "")  # the base has no difference from itself
    assert list(shown["objective"]) == ["base", "sft", "dpo", "cft", "ip", "orpo", "kl"]
    assert "Attack success rate: points from base" in shown.columns
    assert "%" in shown["Task accuracy"].iloc[0]


def test_csv_and_markdown_bear_the_mark(tmp_path) -> None:
    table = pd.DataFrame({"objective": ["a|b", "c"], "value": [0.12345, None]})
    report_table.write(tmp_path, Table(table, name="t", title="T"), "not evidence")
    csv = pd.read_csv(tmp_path / "t.csv")
    assert list(csv.columns) == ["objective", "value", "mark"]
    assert set(csv["mark"]) == {"not evidence"}
    text = (tmp_path / "t.md").read_text()
    assert "a\\|b" in text
    assert "*not evidence*" in text
    assert "| c | – |" in text


def test_equal_controls_are_one_calm_line_and_a_difference_is_loud() -> None:
    same = [Control("g", "order", {"sft": "x", "dpo": "x"}), Control("g", "template", {"sft": "t", "dpo": "t"})]
    calm = "".join(render(b, "mark") for b in fairness.side_by_side(same, "mark"))
    assert "All 2 controls are equal over 2 objectives" in calm
    assert "alarm" not in calm
    odd = [*same, Control("g", "lora_init", {"sft": "1", "dpo": "2"})]
    loud = "".join(render(b, "mark") for b in fairness.side_by_side(odd, "mark"))
    assert 'class="alarm"' in loud
    assert "lora_init" in loud
    assert 'class="differs"' in loud
    declared = fairness.side_by_side([*same, Control("g", "lr", {"sft": "1", "dpo": "2"}, declared=True)], "mark")
    assert "alarm" not in render(declared[0], "mark")


def test_study_text_is_escaped() -> None:
    table = pd.DataFrame({"objective": ["<script>alert(1)</script>"]})
    assert "<script>" not in report_table.as_html(Table(table, "<i>"), "<b>")


def test_numbers_are_written_with_signs_units_and_thousands() -> None:
    assert words.points(-0.00001) == "−0.001"
    assert words.points(-0.123) == "−12.3"
    assert words.interval(0.1, float("nan")) == ""
    assert words.p_value(0.0001) == "p < 0.001"
    assert words.p_value(0.2) == "p = 0.2"
    assert words.p_value(1.0) == "p = 1"
    assert words.tokens(15_000) == "15k"
    assert report_table.number(1234.0) == "1,234"
    assert report_table.number(float("nan")) == "–"


def test_a_gate_says_of_each_subject_first_whether_it_was_kept() -> None:
    """What stands last lies beyond the edge of a telephone's screen."""
    names = ("measure", "metric", "condition", "estimate", "judge", "model", "task", "label")
    one = Check(**dict.fromkeys(names, "x"), budget=0, value=1.0, low=1.0, high=1.0, read=1.0, bound="", passed=False)
    shown = page._gate(GateVerdict((replace(one, passed=True), one)))
    assert list(shown)[:4] == ["subject", "verdict", "found", "to keep"]
    assert list(shown["verdict"]) == ["FAILED", "kept"]


def test_of_a_table_it_is_said_which_comparisons_were_not_declared() -> None:
    names = {"sft": "SFT", "base": "the base"}
    found = pd.DataFrame({"against": ["sft", "base", "sft"], "declared": [True, False, True]})
    assert first_table._undeclared(found, names) == "Those with the base were not declared beforehand: exploratory."
    assert first_table._undeclared(found.assign(declared=True), names) == ""
    assert first_table._undeclared(found.assign(declared=False), names) == "Not declared beforehand, so exploratory."
    some = found.assign(declared=[True, True, False])
    assert first_table._undeclared(some, names) == "Some of these were not declared beforehand: exploratory."
