"""What the documentation asks its readers to type: its blocks of code, and the commands in its sentences."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *sorted(p for p in (ROOT / "docs").rglob("*.md") if "example-report" not in p.parts),
    *sorted((ROOT / "examples").rglob("*.md")),
)
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
LANGUAGES = ("sh", "python", "yaml", "toml", "text")

_FENCE = re.compile(r"^( *)```([^\n]*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
_PROGRAM = r"(?:holdfast|make|pip|python3?|inspect|\.venv\S*/bin/\S+) "
_INLINE = re.compile(rf"`({_PROGRAM}[^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block: ``language`` is the word after its fence, ``line`` where it begins."""

    page: str
    line: int
    language: str
    text: str

    @property
    def where(self) -> str:
        return f"{self.page}, line {self.line}"


def blocks(page: str, language: str = "") -> list[Block]:
    """All fenced blocks of a page, in order, or those in one language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [Block(page, text[: m.start()].count("\n") + 1, m[2].strip(), m[3]) for m in _FENCE.finditer(text)]
    return [b for b in found if language in ("", b.language)]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each command of a shell block: continued lines are joined, comments dropped."""
    for line in block.text.replace("\\\n", " ").splitlines():
        if words := shlex.split(line, comments=True):
            yield words


def inline(page: str) -> Iterator[list[str]]:
    """Commands between backticks in sentences and tables; what a synopsis puts in brackets counts as written."""
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    for match in _INLINE.finditer(text):
        yield shlex.split(re.sub(r"[\[\]](?![^\"]*\"\s*$)", "", match[1]))


def indented(page: str) -> list[str]:
    """Commands in blocks that are set in by four spaces."""
    text = _FENCE.sub("", (ROOT / page).read_text(encoding="utf-8"))
    return re.findall(rf"^    ({_PROGRAM}.*)$", text, re.MULTILINE)
