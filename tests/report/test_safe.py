"""A study whose names are markup: they are shown everywhere and run nowhere."""

from __future__ import annotations

import ast
import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from typer.testing import CliRunner

import holdfast.report
from holdfast.cli.app import app
from holdfast.report.page import build
from holdfast.store.defuse import for_spreadsheet
from holdfast.store.folder import StudyFolder

BAD = "<svg/onload=pwned()>"
MEASURES = ("task_accuracy", "miniature_robustness", "miniature_dark_triad", "miniature_facts")
NAMES = {m: f"{m} {BAD}" for m in MEASURES}


@pytest.fixture(scope="module")
def hostile(make_study: Any, fabrication: Any, tmp_path_factory: Any) -> Path:
    """Two objectives; names of model, task, measures and labels, and the study's words about itself, are markup."""
    root = tmp_path_factory.mktemp("hostile")
    study = fabrication.study_of(
        about=BAD,
        mark=f"mark {BAD}",
        models=[{"name": f"=m {BAD}", "path": "package:holdfast.miniature/model"}],
        tasks=[{"name": f"t {BAD}", "task": "miniature_arithmetic"}],
        objectives=[{"label": "sft", "objective": "sft"}, {"label": f"@cft {BAD}", "objective": "cft"}],
        measures=[{"measure": m, "name": n} for m, n in NAMES.items()],
        budgets=(15_000, 30_000),
        matched={"target": 0.05, "measure": NAMES["task_accuracy"]},
        control_runs=[],
    )
    made, own = fabrication._configs, make_study.__globals__
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            fabrication, "_configs", lambda *a: ((c | {"measure": NAMES[c["measure"]]}, *r) for c, *r in made(*a))
        )
        fabrication.fabricate(root, study=study, prompts=8)
    folder = StudyFolder(root)
    own["_training"](folder, study, odd_seed=True)
    own["analyse"](folder, study)
    build(folder)
    return root


class _Tags(HTMLParser):
    """Tags outside of scripts, and attributes that run."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.runs: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.runs += [k for k, v in attrs if k.startswith("on") or (v or "").strip().lower().startswith("javascript:")]


def test_a_name_is_text_wherever_it_stands_on_the_page(hostile: Path) -> None:
    text = (hostile / "report/index.html").read_text(encoding="utf-8")
    read = _Tags()
    read.feed(text)
    assert "svg" not in read.tags
    assert read.runs == []
    assert text.count("<script") == 4
    shown = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert shown.count("&lt;svg/onload=pwned()&gt;") > 100
    for section in ("matched", "cost", "stability", "asked", "controls"):
        part = shown[shown.index(f'<details class="section" id="{section}">') :].partition("</details>\n\n")[0]
        assert "&lt;svg/onload" in part, section


def test_html_is_made_by_elements_alone() -> None:
    """Escape by construction: only what is written out in the source is HTML, and the template trusts none."""
    for file in sorted(Path(holdfast.report.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Markup":
                assert file.name in ("html.py", "page.py"), f"{file.name}:{node.lineno}"
            if isinstance(node, ast.JoinedStr):
                written = "".join(v.value for v in node.values if isinstance(v, ast.Constant))
                assert not re.search(r"<(/?)\w+[ >]", written), f"{file.name}:{node.lineno} writes a tag by hand"
    template = (Path(holdfast.report.__file__).parent / "page.html").read_text(encoding="utf-8")
    assert "safe" not in re.findall(r"\|\s*(\w+)", template)


def test_what_gets_into_the_page_all_the_same_does_not_run(browser: Any, hostile: Path, tmp_path: Path) -> None:
    text = (hostile / "report/index.html").read_text(encoding="utf-8")
    does = "document.title='pwned'"
    worse = f"<svg/onload={does}><script>{does}</script><img src=x onerror={does}>"
    page = tmp_path / "index.html"
    page.write_text(text.replace("<main>", f"<main>{worse}"), encoding="utf-8")
    tab = browser.new_page()
    heard: list[str] = []
    tab.on("console", lambda m: heard.append(m.text))
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-drawn]", timeout=60_000)
    assert "pwned" not in tab.title()
    assert sum("Content Security Policy" in m for m in heard) >= 3
    tab.goto((hostile / "report/index.html").as_uri())
    tab.wait_for_selector("body[data-drawn]", timeout=60_000)
    heard.clear()
    tab.click("#open-all")
    tab.wait_for_selector(".plot:not(:has(svg))", state="detached")
    assert heard == []
    assert tab.locator("svg:not(.plot svg)").count() == 0


def test_no_cell_of_any_csv_begins_a_formula(hostile: Path) -> None:
    files = [*hostile.glob("report/tables/*.csv")]
    assert len(files) > 25
    for file in files:
        for row in csv.reader(io.StringIO(file.read_text(encoding="utf-8"), newline="")):
            assert [c for c in row if for_spreadsheet(c) != c and not c.startswith("'")] == [], file.name
    assert any("'@cft" in f.read_text(encoding="utf-8") for f in files)


def test_markdown_and_latex_hold_no_markup_of_a_name(hostile: Path) -> None:
    for file in [*hostile.glob("report/**/*.md")]:
        html = MarkdownIt("commonmark", {"html": True}).enable("table").render(file.read_text(encoding="utf-8"))
        assert "<svg" not in html, file.name
        assert "&lt;svg" in html, file.name
    for file in hostile.glob("report/tables/*.tex"):
        assert r"\textless{}svg" in file.read_text(encoding="utf-8")


def test_every_file_lies_in_the_study_s_folder_under_a_plain_name(hostile: Path) -> None:
    for file in hostile.glob("report/**/*"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+", file.name), file.name


def test_show_writes_what_a_model_wrote_and_obeys_none_of_it(hostile: Path, monkeypatch: Any) -> None:
    said = {"judge": "j\x1b", "verdict": "v\x1b", "score": None, "reason": "r\x1b"}
    answer = {"label": "l\x1b[31m", "budget": 0, "finish": "stop", "response": "a\rb\x1b[8mhidden\u202e", "decoded": ""}
    prompt = {"measure": "a\x1b[2J", "attack": "none", "sample": 0, "item": "i", "prompt": "p\x1b]0;x\x07"}
    found = [prompt | {"reference": "\x9b1m", "answers": [answer | {"verdicts": [said]}]}]
    monkeypatch.setattr("holdfast.report.terminal.responses.find", lambda *_: found)
    for words in ([], ["--json"]):
        done = CliRunner().invoke(app, ["show", str(hostile), *words])
        assert done.exit_code == 0, done.output
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", done.output)
    assert "hidden" in done.output


def test_commands_print_by_the_one_way_that_is_harmless() -> None:
    folder = Path(holdfast.report.__file__).parents[1]
    for file in [folder / "cli/app.py", *(folder / "commands").glob("*.py")]:
        if file.name != "arguments.py":
            assert not re.search(r"typer\.echo|\bprint\(", file.read_text(encoding="utf-8").replace(".print(", "")), (
                file.name
            )
    for file in folder.rglob("*.py"):
        if "miniature" not in file.parts and file.name != "defuse.py":
            assert not re.search(r"\bConsole\(", file.read_text(encoding="utf-8")), file.name
