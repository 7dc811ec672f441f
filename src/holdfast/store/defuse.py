"""Text that a model or a stranger wrote, made harmless where a program would act on it: a spreadsheet, a terminal, a
reader of Markdown, a file system.

A spreadsheet takes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return for a formula
(OWASP, *CSV Injection*); a terminal obeys control characters, and shows what stands after a bidirectional override
elsewhere than it is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdfast.store.digest import digest

if TYPE_CHECKING:
    import pandas as pd
    from rich.console import Console

_FORMULA = re.compile(r"'*[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'*[\t\r\n]")
_KEPT = re.compile(r"'+[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20]|'+[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
# Controls but for the line's end and the tab, delete and the second set of controls, bidirectional overrides and
# isolates, line separators that only some programs know, and halves of a pair, which no encoding can write.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def for_spreadsheet(value: Any) -> Any:
    """A cell as a spreadsheet may have it: text that it would take for a formula begins with an apostrophe, which says
    that it is text. Numbers stay numbers, those that are written as text too."""
    return _text_for_spreadsheet(value) if isinstance(value, str) else value


def _text_for_spreadsheet(text: str) -> str:
    return text if _NUMBER.fullmatch(text) or not _FORMULA.match(text) else f"'{text}"


def _column_for_spreadsheet(column: pd.Series) -> pd.Series:
    if column.dtype.kind in "iufb":
        return column
    if column.dtype == "str":  # few texts, many times
        return column.map({text: _text_for_spreadsheet(text) for text in column.dropna().unique()})
    return column.map(for_spreadsheet)


def from_spreadsheet(value: Any) -> Any:
    """What ``for_spreadsheet`` was given."""
    return value[1:] if isinstance(value, str) and _KEPT.match(value) else value


def csv(table: pd.DataFrame) -> str:
    """The table as CSV, every cell and heading of it harmless."""
    if len(table):
        table = table.apply(_column_for_spreadsheet)
    return str(table.rename(columns=for_spreadsheet).to_csv(index=False, lineterminator="\n"))


LONGEST = 80  # characters of a file's name, of which a file system may allow 255 bytes


def file_name(name: str) -> str:
    """A name as part of a path: one part, of plain signs, not too long. What that changes has a digest of the name in
    it, so two names are two files."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "_", name).lstrip(".")[:LONGEST] or "_"
    return plain if plain == name else f"{plain}-{digest(name)[:6]}"


_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_MARKS = re.compile(r"[&<>]|[\\`*|]|\](?=[(\[:])")


def for_markdown(text: str) -> str:
    """The text as one line of Markdown that shows it: no tag, link, image, code or cell of a table begins in it."""
    return _MARKS.sub(lambda m: _HTML.get(m[0]) or f"\\{m[0]}", for_terminal(" ".join(text.split())))


def as_code(text: str) -> str:
    """The text as a code span of Markdown, whatever backticks are in it."""
    line = for_terminal(" ".join(text.split()))
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence} {line} {fence}" if "`" in line else f"`{line}`"


def for_terminal(text: str) -> str:
    """The text with signs in place of what a terminal would obey: ``␛`` for an escape, ``\\x9b`` for what has no sign.
    Line ends and tabs stay."""
    return _CONTROL.sub(lambda m: _sign(ord(m[0])), text)


def _sign(code: int) -> str:
    if code < 0x20:
        return chr(0x2400 + code)
    return "\u2421" if code == 0x7F else f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def json_for_terminal(value: Any) -> str:
    """JSON in one line that reads back as ``value`` and holds nothing that a terminal would obey."""
    return _CONTROL.sub(lambda m: f"\\u{ord(m[0]):04x}", json.dumps(value, ensure_ascii=False))


def console(**settings: Any) -> Console:
    """A console of rich for which all that is printed is first made harmless, brackets in it among it; its own colours
    remain."""
    from rich.console import Console
    from rich.segment import Segment

    class Harmless(Console):
        def render(self, *args: Any, **kwargs: Any) -> Iterable[Segment]:
            for text, style, control in super().render(*args, **kwargs):
                yield Segment(text if control else for_terminal(text), style, control)

    return Harmless(**{"markup": False} | settings)
