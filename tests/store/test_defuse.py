"""What strangers wrote: no formula in a spreadsheet, no command in a terminal, no tag in Markdown."""

from __future__ import annotations

import io
import json
import re

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from holdfast.store import defuse

FORMULAS = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "'=1", "\uff1d1", "=", "-", "+3.1 to +4"]


@pytest.mark.parametrize("text", FORMULAS)
def test_a_cell_that_begins_a_formula_is_text(text: str) -> None:
    assert defuse.for_spreadsheet(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-0.5", "+3", "1e-5", "-.5", "12", "a = b", "–", "−3.1 [−4.0, −2.0]", ""])
def test_numbers_and_plain_text_stay_as_they_are(text: str) -> None:
    assert defuse.for_spreadsheet(text) == text


@given(st.text(alphabet=st.sampled_from("=+-@\t\r\n' a1\ufeff")) | st.text())
def test_what_was_written_for_a_spreadsheet_can_be_read_back(text: str) -> None:
    assert defuse.from_spreadsheet(defuse.for_spreadsheet(text)) == text


def test_every_cell_and_heading_of_a_table_is_harmless_and_its_numbers_are_numbers() -> None:
    table = pd.DataFrame([[-1.5, "=cmd()", None], [2.0, "-0.25", "@x"]], columns=["n", "=h", "=h"])
    read = pd.read_csv(io.StringIO(defuse.csv(table)), header=None, keep_default_na=False).astype(str)
    assert read.to_numpy().tolist() == [
        ["n", "'=h", "'=h"], ["-1.5", "'=cmd()", ""], ["2.0", "-0.25", "'@x"],
    ]  # fmt: skip
    assert defuse.csv(table.iloc[:0]) == "n,'=h,'=h\n"


@given(st.text())
@example("\x1b]0;title\x07\x9b31m\x7f\u202e\r\ud800")
def test_nothing_that_a_terminal_obeys_is_left(text: str) -> None:
    said = defuse.for_terminal(text)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", said)
    said.encode()
    assert said.count("\n") == text.count("\n")
    found = defuse.json_for_terminal([text])
    assert not re.search("[\x00-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", found)
    assert json.loads(found) == [text]


def test_a_console_keeps_its_own_colours_and_no_one_else_s() -> None:
    out = io.StringIO()
    console = defuse.console(file=out, force_terminal=True, width=60, color_system="standard", highlight=False)
    console.print("a\x1b[31mb [bold]c[/bold]", style="green")
    assert out.getvalue() == "\x1b[32ma␛[31mb [bold]c[/bold]\x1b[0m\n"


HOSTILE = [
    "<svg/onload=alert(1)>", "[x](javascript:alert(1))", "![x](http://a/b)", "a | b", "`<b>`", "[a]: http://x", "\\<b>",
    "<http://x.y>", "&lt;b&gt;", "a\n\n<script>", "**b**", "[a][b]", "![a][b]",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_markdown_shows_the_text_and_makes_nothing_of_it(text: str) -> None:
    said = defuse.for_markdown(text)
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(f"| a |\n| --- |\n| {said} |\n")
    assert not set(re.findall(r"<(\w+)", html)) - {"table", "thead", "tbody", "tr", "th", "td"}
    assert html.count("<td>") == 1
    html = MarkdownIt("commonmark", {"html": True}).render(f"x {said}\n")
    assert set(re.findall(r"<(\w+)", html)) == {"p"}


@given(st.text(alphabet=st.sampled_from("`a<>\n ")))
def test_code_is_code_to_its_end(text: str) -> None:
    html = MarkdownIt("commonmark", {"html": True}).render(f"x {defuse.as_code(text)} y\n")
    if text.split():
        assert re.fullmatch(r"<p>x <code>[^<]*</code> y</p>\n", html), html


@given(st.text(min_size=1), st.text(min_size=1))
@example("a/../../b", "a_.._.._b")
@example("..", "_")
@example("x" * 300, "x" * 301)
@example("a b", "a_b")
def test_a_name_is_one_part_of_a_path_and_two_names_are_two(one: str, other: str) -> None:
    found = defuse.file_name(one)
    assert re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9._-]*", found)
    assert len(found) <= 100
    if one != other:
        assert found != defuse.file_name(other)
