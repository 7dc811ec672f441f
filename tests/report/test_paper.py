"""Methods and LaTeX: what they say is what the study says, and TeX can read it."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.report.reading import Findings, read
from holdfast.report.sections import methods_text, paper
from holdfast.report.table import Table, as_latex, for_latex


@pytest.fixture(scope="module")
def findings(finished) -> Findings:
    return read(finished)


def test_methods_say_what_the_study_file_says(findings: Findings) -> None:
    said = methods_text.paragraphs(findings)
    assert list(said) == ["Training", "Evaluation", "Statistics", "Deviations"]
    for part in (
        "rank 16, alpha 32",
        "six objectives: sft, dpo, cft, ip, orpo and kl",
        "0.0002",
        "15,000, 30,000 and 60,000",
    ):
        assert part in said["Training"]
    assert "trained once (seed 0)" in said["Training"]
    assert "16 prompts; each under five attacks (DAN, " in said["Evaluation"]
    assert "judged by rules, an attack counting as a success from a score of 0.5" in said["Evaluation"]
    assert "hold no variance of training" in said["Statistics"]
    assert "flipping the signs of whole prompts (Fisher 1935; Phipson and Smyth 2010)" in said["Statistics"]
    assert "Satterthwaite" not in said["Statistics"]
    assert "4 training rows" in said["Deviations"]


def test_coefficients_are_those_that_the_run_was_made_with(findings: Findings) -> None:
    runs = findings.runs.copy()
    runs["config"] = [
        {"objective": {"params": {"beta": 0.25, "place": "user"}}} if r == "dpo" else {} for r in runs["label"]
    ]
    assert "dpo (beta 0.25)" in methods_text.paragraphs(replace(findings, runs=runs))["Training"]


def test_passes_over_the_data_are_the_study_s_own_and_no_variation_s(findings: Findings) -> None:
    own = findings.checkpoints.assign(passes=0.81)
    fewer_rows = own.assign(bracket="variation", passes=3.89)
    said = methods_text.paragraphs(replace(findings, checkpoints=pd.concat([own, fewer_rows])))["Training"]
    assert "passed over 0.81 times" in said


def test_what_was_not_equal_or_is_missing_is_a_deviation(findings: Findings) -> None:
    runs = findings.runs.copy()
    odd = {"controlled": {"lora_init": "other", "base": "x"}, "resumed_under": [{"threads": 2}]}
    runs["controls"] = [odd if r == "kl" else c for r, c in zip(runs["label"], runs["controls"], strict=True)]
    s = findings.subjects
    gone = s[~((s["label"] == "ip") & (s["budget"] == 60_000))]
    said = methods_text.paragraphs(replace(findings, runs=runs, subjects=gone))["Deviations"]
    assert re.search("Not held equal over objectives: .*lora_init", said)
    assert "Resumed under other numerics: kl." in said
    assert "Planned and not measured: ip at 60,000 (seed 0)." in said


@given(st.text())
def test_every_character_that_tex_reads_as_a_command_is_escaped(text: str) -> None:
    said = re.sub(r"^\{([\[*])\}", r"\1", for_latex(text))
    for command in (r"\\textbackslash{}", r"\\textasciitilde{}", r"\\textasciicircum{}", r"\\textless{}", r"\\ldots{}"):
        said = re.sub(command, "", said)
    said = re.sub(r"\\[&%$#_{}]|\$[^$]*\$|\\textgreater\{\}", "", said)
    assert not set(said) & set("\\&%$#_{}~^")


@pytest.mark.parametrize("text", ["[3pt] x", "* x"])
def test_no_cell_of_a_latex_table_is_read_as_an_argument_of_the_line_before(text: str) -> None:
    assert not for_latex(text).startswith(text[0])


def test_a_table_is_whole_and_repeats_no_group() -> None:
    rows = pd.DataFrame({"measure": ["a_b", "a_b", "c"], "value": [1.0, 2.5, None]})
    text = as_latex(Table(rows, "5% & more", "t"), "mark_", ["measure"])
    assert r"\caption{5\% \& more}" in text
    assert text.count(r"a\_b") == 1
    assert r"c & -- \\" in text
    assert r"\emph{mark\_}" in text
    assert text.count(r"\addlinespace") == 1
    assert text.count("{") == text.count("}")


def test_the_objectives_table_has_the_headline_s_numbers(findings: Findings) -> None:
    found = paper.latex(findings)
    assert paper.section(findings).texts["tables/objectives.tex"] == found["objectives"]
    for label in findings.labels:
        assert f"& {label} &" in found["objectives"]
    assert "Points from sft" in found["objectives"]
    assert "lora\\_init & yes" in found["controls"]
