"""What the documentation points to is there: pages, headings, and files of the source."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from pages import NAMES, ROOT

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FILE = re.compile(
    r"`((?:src/holdfast/|tests/|tools/|benchmarks/|studies/|examples/|docs/|[a-z_]+/)[a-z0-9_./-]+\.(?:py|yaml|md|csv|json))`"
)
_BARE = re.compile(r"`([a-z_]+\.py)`")  # said without its folder
_READERS = {"my_parts.py"}  # what a page asks its reader to write
_PLACES = (ROOT, ROOT / "src" / "holdfast", ROOT / "src" / "holdfast" / "evals")
_OF_A_STUDY = ("report/", "consistency/", "tables/", "analysis/", "rows/", "samples/", "records/", "results/")


@pytest.mark.parametrize("page", NAMES)
def test_links_lead_somewhere(page: str) -> None:
    for target in _LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        path, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if heading and file.suffix == ".md":
            assert heading in _headings(file), f"{page}: {target}"


@pytest.mark.parametrize("page", [p for p in NAMES if _FILE.search((ROOT / p).read_text(encoding="utf-8"))])
def test_files_that_are_named_exist(page: str) -> None:
    for name in _FILE.findall((ROOT / page).read_text(encoding="utf-8")):
        there = any((place / name).exists() for place in _PLACES)
        assert there or name.startswith(_OF_A_STUDY), f"{page}: there is no {name}"


@pytest.mark.parametrize("page", [p for p in NAMES if _BARE.search((ROOT / p).read_text(encoding="utf-8"))])
def test_files_that_are_named_without_their_folder_exist(page: str) -> None:
    here = {file.name for room in ("src", "tools", "tests", "benchmarks", "examples") for file in _sources(room)}
    named = set(_BARE.findall((ROOT / page).read_text(encoding="utf-8")))
    assert named <= here | _READERS, f"{page}: there is no {named - here - _READERS}"


@cache
def _sources(room: str) -> tuple[Path, ...]:
    return tuple((ROOT / room).rglob("*.py"))


@cache
def _headings(file: Path) -> frozenset[str]:
    """As GitHub makes anchors of them: letters, digits, dashes; spaces become dashes."""
    lines = re.findall(r"^#+ +(.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return frozenset(re.sub(r"[^\w -]", "", line.replace("`", "").lower()).strip().replace(" ", "-") for line in lines)


def test_the_index_lists_every_page() -> None:
    listed = set(_LINK.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8")))
    pages = {name.removeprefix("docs/") for name in NAMES if name.startswith("docs/")} - {"README.md"}
    assert pages <= listed, pages - listed
