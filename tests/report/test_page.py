"""The page: nothing from outside, everything on it, in a real browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from holdfast.report.charts import export
from holdfast.report.charts.plot import Figure
from holdfast.report.page import build
from holdfast.store import tables
from holdfast.store.folder import StudyFolder

MARK = "miniature: a synthetic world, not evidence about real models"
LOADS = ("src", "href", "action", "data", "poster", "srcset")


@pytest.fixture(scope="module")
def drawn() -> dict[str, Figure]:
    """Every chart of the page, by the name of its files, once the page is built."""
    return {}


@pytest.fixture(scope="module")
def reads() -> set[tuple[str, bool]]:
    """What tables were read for the page, and whether only rows that were asked for."""
    return set()


@pytest.fixture(scope="module")
def page(finished: StudyFolder, draw: Any, drawn: dict[str, Figure], reads: set[tuple[str, bool]]) -> Path:
    def write(folder: Path, name: str, figure: Figure, *rest: Any) -> None:
        drawn[name] = figure
        export.write(folder, name, figure, *rest)

    def read(path: Any, name: str, columns: Any = (), where: Any = None) -> pd.DataFrame:
        reads.add((name, where is not None))
        return plain(path, name, columns, where)

    plain = tables.read
    with draw(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "read", read)
        patch.setattr("holdfast.report.page.export", SimpleNamespace(**vars(export) | {"write": write}))
        return build(finished)


def test_the_report_reads_only_the_records_that_it_prints(page: Path, reads: set[tuple[str, bool]]) -> None:
    assert {x for x in reads if x[0] in ("records", "judgements")} == {("records", True), ("judgements", True)}


class _Loads(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [v or "" for k, v in attrs if k in LOADS]


def test_nothing_is_loaded_from_elsewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    parser = _Loads()
    parser.feed(re.sub(r"<script>.*?</script>", "", text, flags=re.S))
    assert all(v.startswith("#") for v in parser.found)
    style = "".join(re.findall(r"<style>(.*?)</style>", text, flags=re.S))
    assert "url(" not in style
    assert "@import" not in style
    assert "default-src 'none'" in text
    assert page.stat().st_size < 5_000_000


def test_forbidden_text_is_not_plainly_in_the_file(page: Path) -> None:
    assert "glorp" not in page.read_text(encoding="utf-8")


def test_figures_and_tables_are_written_and_marked(page: Path) -> None:
    folder = page.parent
    for figure in ("frontier", "miniature_robustness-by-attack", "quadrants", "task_accuracy-accuracy", "kl_base"):
        svg = (folder / "figures" / f"{figure}.svg").read_text(encoding="utf-8")
        assert MARK in svg
        assert (folder / "figures" / f"{figure}.png").read_bytes().startswith(b"\x89PNG")
    for table in (
        "objectives",
        "controls",
        "cost",
        "unsafe",
        "control-runs",
        "unscored",
        "dropped",
        "parameters",
        "frontier",
    ):
        assert set(pd.read_csv(folder / "tables" / f"{table}.csv")["mark"]) == {MARK}
        assert MARK in (folder / "tables" / f"{table}.md").read_text(encoding="utf-8")


def test_every_caption_says_interval_n_and_seeds(page: Path, drawn: dict[str, Figure]) -> None:
    for name, figure in drawn.items():
        if name not in ("kl_base", "adapter_norm"):  # made up without the number of held-out prompts
            assert re.search(r"\bn = [\d,–]+ (prompts|responses)", figure.caption), name
        assert re.search(r"[Ii]nterval|p < ", figure.caption), name
        assert re.search(r"training seeds?\b", figure.caption), name
    estimated = {name for name, figure in drawn.items() if "Estimated: " in figure.caption}
    assert {"frontier", "task_accuracy-accuracy", "miniature_robustness-by-attack"} <= estimated


def test_every_chart_has_its_data_as_csv(page: Path, drawn: dict[str, Figure]) -> None:
    for name, figure in drawn.items():
        written = pd.read_csv(page.parent / "tables" / f"{name}.csv")
        assert len(written) == len(figure.data), name
        assert list(written.columns) == [*figure.data.columns, "mark"]


def test_the_answer_comes_first_and_the_contents_list_every_section(page: Path) -> None:
    text = re.sub(r"<script.*?</script>", "", page.read_text(encoding="utf-8"), flags=re.S)
    links = re.findall(r'<li><a href="#(\S+)">', text)
    assert links == ["answer", *re.findall(r'<details class="section" id="(\S+)">', text)]
    assert links[1] == "controls"
    assert links[-1] == "responses"
    assert len(links) > 12
    answer = text[text.index('<section id="answer"') : text.index('<details class="section"')]
    for part in ("The answer", "Recommendation", "By this rule", "cannot speak of", 'data-figure="frontier-last"'):
        assert part in answer
    for verdict in ("one-seed",):  # a sign and a word, not colour alone
        assert re.search(rf'class="diff {verdict}".*?<i aria-hidden="true">\S</i> {verdict.replace("-", " ")}', answer)


def test_folded_sections_still_show_their_result(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in ("controls", "control-runs", "unsafe", "asked", "frontier", "coherence", "judges", "cost", "counted"):
        summary = text[text.index(f'<details class="section" id="{name}">') :].partition("</summary>")[0]
        assert re.search(r'<span class="line"[^>]*>\S', summary), name


def test_methods_and_latex_can_be_copied(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.count("data-copy>") >= 3
    assert "<summary>Methods</summary>" in text
    assert "\\begin{tabular}" in text


# -- in a browser ------------------------------------------------------------------------------------------------


def _open(browser: Any, page: Path, **context: Any) -> tuple[Any, list[str]]:
    tab = browser.new_context(**context).new_page()
    heard: list[str] = []
    tab.on("console", lambda m: heard.append(f"{m.type}: {m.text}"))
    tab.on("pageerror", lambda e: heard.append(f"error: {e}"))
    tab.on("request", lambda r: heard.append(f"request: {r.url}") if r.url != page.as_uri() else None)
    tab.goto(page.as_uri())
    tab.wait_for_selector("body[data-drawn]", timeout=60_000)
    return tab, heard


@pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.slow)])
def test_the_page_draws_every_chart_without_an_error_or_a_request(browser: Any, page: Path, scheme: str) -> None:
    tab, heard = _open(browser, page, color_scheme=scheme)
    assert tab.locator(".plot svg").count() == 1  # the rest when it is opened
    tab.click("#open-all")
    tab.wait_for_selector(".plot:not(:has(svg))", state="detached")
    assert heard == []
    assert tab.locator(".plot").count() >= 9
    assert tab.evaluate("[...document.querySelectorAll('.plot svg')].every(s => s.textContent.includes('miniature:'))")
    paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert paper == ("rgb(253, 253, 251)" if scheme == "light" else "rgb(21, 23, 27)")


def test_forbidden_text_is_masked_until_asked_for(browser: Any, page: Path) -> None:
    tab, heard = _responses(browser, page)
    for attack in range(6):
        tab.select_option("#picker [name=attack]", index=attack)
        assert "glorp" not in tab.inner_text("body")
    tab.click("#reveal")
    assert "glorp" in tab.inner_text("#prompt")
    tab.click("#reveal")
    assert "glorp" not in tab.inner_text("body")
    assert heard == []


def _responses(browser: Any, page: Path) -> tuple[Any, list[str]]:
    tab, heard = _open(browser, page)
    tab.click("#menu a[href='#responses']")
    tab.wait_for_selector("#answers article")
    return tab, heard


def _hits(tab: Any, words: str) -> int:
    tab.fill("#finder [name=words]", words)
    tab.wait_for_timeout(400)
    return int(tab.inner_text("#hits").split(" of ")[0].replace(",", ""))


def test_what_is_masked_is_not_found_and_filters_narrow(browser: Any, page: Path) -> None:
    tab, heard = _responses(browser, page)
    every = _hits(tab, "")
    assert _hits(tab, "glorp") == 0
    tab.click("#reveal")
    told = _hits(tab, "glorp")
    assert 0 < told < every
    tab.select_option("#finder [name=label]", "ip")
    assert 0 < _hits(tab, "glorp") < told
    assert set(tab.locator("#found h4").evaluate_all("h => h.map(x => x.textContent.split(' · ')[0])")) == {"ip"}
    tab.click("#finder [type=reset]")
    assert _hits(tab, "") == every
    assert heard == []


def test_one_prompt_has_every_objective_side_by_side_the_base_first(browser: Any, page: Path) -> None:
    tab, heard = _responses(browser, page)
    names = tab.locator("#answers h4").evaluate_all("h => h.map(x => x.firstChild.textContent)")
    assert names == ["base", "sft", "dpo", "cft", "ip", "orpo", "kl"]
    asked = tab.input_value("#picker [name=prompt]")
    tab.click("[data-step='1']")
    assert tab.input_value("#picker [name=prompt]") != asked
    assert heard == []


def test_on_paper_every_section_is_open_and_every_chart_is_there(browser: Any, page: Path) -> None:
    tab, heard = _open(browser, page, color_scheme="dark")
    tab.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.locator("details.section:not([open]):not(#responses)").count() == 0
    assert tab.locator(".sheet svg").count() == tab.locator(".plot").count()
    tab.emulate_media(media="print")
    assert tab.locator(".plot:visible").count() == 0
    assert not tab.locator("nav").is_visible()
    tab.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.locator("details.section[open]").count() == 0
    assert heard == []


def test_an_objective_is_highlighted_everywhere(browser: Any, page: Path) -> None:
    tab, heard = _open(browser, page)
    tab.focus("[data-focus=ip]")
    tab.keyboard.press("Enter")
    assert tab.get_attribute("[data-focus=ip]", "aria-pressed") == "true"
    assert tab.locator(".headline").first.locator("tr.faded").count() == 5
    tab.keyboard.press("Escape")
    assert tab.locator("tr.faded").count() == 0
    assert heard == []


def test_the_page_fits_a_phone(browser: Any, page: Path) -> None:
    tab, heard = _open(browser, page, viewport={"width": 390, "height": 844})
    assert not tab.locator("#menu .links").is_visible()
    tab.evaluate("document.querySelector('#open-all').click()")
    tab.wait_for_selector(".plot:not(:has(svg))", state="detached")
    assert tab.evaluate("document.documentElement.scrollWidth") <= 390
    assert heard == []
