"""A section of the page, and what it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from holdfast.report.charts.plot import Figure
from holdfast.report.html import element
from holdfast.report.phrases import is_phrase, phrase
from holdfast.report.table import Table, as_html


@dataclass(frozen=True)
class Heading:
    text: str


@dataclass(frozen=True)
class Paragraph:
    """``calm``: of what is as it should be."""

    text: str
    calm: bool = False


@dataclass(frozen=True)
class Points:
    texts: tuple[str, ...]


@dataclass(frozen=True)
class Alarm:
    strong: str
    text: str
    block: Block | None = None


@dataclass(frozen=True)
class Folded:
    title: str
    block: Block


@dataclass(frozen=True)
class Copied:
    """Text to copy; ``prose``: with lines that break."""

    title: str
    text: str
    prose: bool = False


Block = Heading | Paragraph | Points | Alarm | Folded | Copied | Table | Markup


@dataclass(frozen=True)
class Section:
    """Title, lead and what is said where it is empty are phrases under its id, filled with ``said``. ``finding``: what
    it found in one line, which is read while it is folded. ``files``: tables that are written beside the page;
    ``texts``: other files, by their names."""

    id: str
    charts: Sequence[Figure] = ()
    blocks: Sequence[Block] = ()
    finding: str = ""
    files: Sequence[Table] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    said: Mapping[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        return phrase(f"{self.id}.title", **self.said)

    @property
    def lead(self) -> str:
        """What it is about; nothing where its title says so."""
        return phrase(f"{self.id}.lead", **self.said) if is_phrase(f"{self.id}.lead") else ""

    @property
    def absent(self) -> str:
        """What is said where there is nothing to show."""
        own = f"{self.id}.absent"
        return phrase(own, **self.said) if is_phrase(own) else phrase("sections.absent")


def some(charts: Sequence[Figure | None]) -> tuple[Figure, ...]:
    return tuple(c for c in charts if c is not None)


def render(block: Block, mark: str, labels: Sequence[str] = ()) -> Markup:
    """As HTML, whatever it is; all text is escaped."""
    match block:
        case Table():
            return as_html(block, mark, labels)
        case Heading(text):
            return element("h3", text)
        case Paragraph(text, calm):
            return element("p", text, cls="calm" if calm else "")
        case Points(texts):
            return element("ul", *(element("li", p) for p in texts), cls="caveats")
        case Alarm(strong, text, inner):
            more = [render(inner, mark, labels)] if inner is not None else []
            return element("div", element("strong", strong), " ", text, *more, cls="alarm", role="alert")
        case Folded(title, inner):
            return element("details", element("summary", title), render(inner, mark, labels))
        case Copied(title, text, prose):
            button = element("p", element("button", "Copy", type="button", data_copy=True), cls="take")
            pre = element("pre", text, cls="prose" if prose else "")
            return element("details", element("summary", title), button, pre, cls="copied")
    return block
