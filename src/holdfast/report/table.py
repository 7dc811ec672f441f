"""A table as one typed value, and every way it is written: for the page, Markdown, CSV, LaTeX and a terminal.

A table knows its numbers, not its looks. Nothing of it becomes HTML but by ``html.element``, which escapes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup, escape
from rich import table as rich

from holdfast.report import words
from holdfast.report.html import element, scrolled
from holdfast.store import defuse
from holdfast.store.defuse import file_name, for_markdown, for_terminal
from holdfast.store.files import write_text

_WHOLE = re.compile(r"[+−±]?\d[^a-z]{0,24}$|\d+ of \d+$")  # a number with its interval: set on one line
LONG = 40  # characters of a text, from where it is set in several lines


@dataclass(frozen=True)
class TableColumn:
    """``numeric``: numbers, set to the right; ``bar``: drawn beside them, too."""

    name: str
    heading: str
    numeric: bool
    bar: bool = False


@dataclass(frozen=True)
class Table:
    """``rows``: what is shown, texts as they are and numbers as ``number`` writes them; ``full``: every number, for the
    CSV file (default: the rows). ``name``: of its files; ``note``: what must be said below it; ``bar``: a column that
    is also drawn."""

    rows: pd.DataFrame
    note: str = ""
    name: str = ""
    title: str = ""
    full: pd.DataFrame | None = None
    bar: str = ""

    @property
    def columns(self) -> list[TableColumn]:
        kinds = {c: pd.api.types.is_numeric_dtype(self.rows[c]) for c in self.rows.columns}
        return [TableColumn(str(c), heading(c), n, c == self.bar) for c, n in kinds.items()]

    def texts(self) -> Iterator[list[str]]:
        """Row by row."""
        for row in self.rows.itertuples(index=False, name=None):
            yield [number(v) for v in row]


def heading(column: Any) -> str:
    """A column's name as it is shown."""
    return words.own(column) if column == "objective" else str(column)


def number(value: Any) -> str:
    """A number with as many digits as it deserves; text as it is."""
    if value is None or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return words.significant(value) if abs(value) < 1e3 else f"{int(float(words.fixed(value, 0))):,}"


# -- for the page -----------------------------------------------------------------------------------------------------


def caption(text: str, mark: str) -> Markup:
    """Below a table; nothing where nothing is said."""
    marked = element("p", mark, cls="mark") if mark else ""
    return element("caption", text, marked) if text or mark else escape("")


def as_html(table: Table, mark: str, labels: Sequence[str] = ()) -> Markup:
    """Rows of one of the ``labels`` have its colour."""
    columns, place = table.columns, {label: k for k, label in enumerate(labels)}
    own = next((k for k, c in enumerate(columns) if c.name == "objective"), None)
    most = float(table.rows[table.bar].max()) if table.bar and len(table.rows) else 0.0
    classes = ["number" if c.numeric and not c.bar else "" for c in columns]
    head = [element("th", c.heading, scope="col", cls=css) for c, css in zip(columns, classes, strict=True)]
    dot, body = element("span", cls="dot", aria_hidden="true"), []
    for values in table.rows.itertuples(index=False, name=None):
        whose, cells = str(values[own]) if own is not None else "", []
        css: dict[str, Any] = {}
        if whose in place:
            css = {"style": f"--own:var(--o{place[whose]})", "data_label": whose}
        for k, value in enumerate(values):
            text, before = number(value), dot if css and k == own else ""
            if k == 0:
                cells.append(element("th", before, text, scope="row", cls="long" if len(text) > LONG else ""))
            elif columns[k].bar:
                wide = 100 * float(value) / most if most and not pd.isna(value) else 0
                drawn = element("span", cls="fill", style=f"width:{wide:.1f}%", aria_hidden="true")
                cells.append(element("td", text, drawn, cls="bar"))
            else:
                shape = "whole" if _WHOLE.match(text) else "long" if len(text) > LONG else ""
                cells.append(element("td", before, text, cls=classes[k] or shape))
        body.append(element("tr", *cells, **css))
    parts = (element("thead", element("tr", *head)), element("tbody", *body))
    return scrolled("", caption(table.note, mark), *parts)


# -- as files ---------------------------------------------------------------------------------------------------------


def write(folder: Path, table: Table, mark: str) -> None:
    """``NAME.csv`` with every number, and ``NAME.md`` to read."""
    at = folder / file_name(table.name)
    write_text(at.with_name(f"{at.name}.csv"), as_csv(table, mark))
    write_text(at.with_name(f"{at.name}.md"), as_markdown(table, mark))


def as_csv(table: Table, mark: str) -> str:
    full = table.rows if table.full is None else table.full
    return defuse.csv((full.assign(mark=mark) if mark else full).rename(columns=heading))


def as_markdown(table: Table, mark: str) -> str:
    """A pipe table, with the study's mark below it."""
    head = [f"**{for_markdown(table.title)}**", ""] if table.title else []
    names = [for_markdown(number(c.heading)) for c in table.columns]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(map(for_markdown, row)) + " |" for row in table.texts()]
    return "\n".join([*head, *lines, *(["", f"*{for_markdown(mark)}*"] if mark else [])]) + "\n"


_TEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "−": "$-$", "±": r"$\pm$", "×": r"$\times$", "≥": r"$\geq$", "≤": r"$\leq$", "–": "--", "—": "---", "·": r"$\cdot$",
    "κ": r"$\kappa$", "α": r"$\alpha$", "σ": r"$\sigma$", "‖": r"$\Vert$", "“": "``", "”": "''", "’": "'",
    "…": r"\ldots{}",     "→": r"$\rightarrow$", "↓": r"$\downarrow$", "↑": r"$\uparrow$",
}  # fmt: skip
_ANY = re.compile("|".join(map(re.escape, _TEX)))


def for_latex(text: str) -> str:
    """The text as one line that TeX sets as it stands. What begins with ``[`` or ``*`` is put in braces: at the head of
    a row the line's end before it would take it for its argument."""
    line = _ANY.sub(lambda m: _TEX[m[0]], for_terminal(" ".join(text.split())))
    return f"{{{line[0]}}}{line[1:]}" if line[:1] in ("[", "*") else line


def as_latex(table: Table, mark: str = "", groups: Sequence[str] = ()) -> str:
    """A ``table`` environment (it needs ``\\usepackage{booktabs}``), the note its caption. Where the columns ``groups``
    repeat the row above, their cells are left empty, and a thin rule stands where they change."""
    columns = table.columns
    lines = [
        r"\begin{table}[t]", r"\centering", r"\small", rf"\caption{{{for_latex(table.note)}}}",
        rf"\label{{tab:{file_name(table.name)}}}",
        rf"\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in columns)}}}", r"\toprule",
        _tex_row(c.heading for c in columns), r"\midrule",
    ]  # fmt: skip
    kept = [k for k, c in enumerate(columns) if c.name in groups]
    above: list[str] = []
    for row in table.texts():
        same = {k for k in kept if above and above[k] == row[k]}
        if above and kept and kept[0] not in same:
            lines.append(r"\addlinespace")
        lines.append(_tex_row("" if k in same else text for k, text in enumerate(row)))
        above = row
    lines += [r"\bottomrule", r"\end{tabular}"]
    return "\n".join([*lines, *([rf"\par\smallskip\emph{{{for_latex(mark)}}}"] if mark else []), r"\end{table}"]) + "\n"


def as_longtable(table: Table, mark: str = "") -> str:
    """One column a column, the last of them wrapped (it needs the packages booktabs and longtable)."""
    shape = "l" * (len(table.columns) - 1) + r"p{0.6\linewidth}"
    noted = [rf"\multicolumn{{{len(table.columns)}}}{{l}}{{\emph{{{for_latex(mark)}}}}} \\"] if mark else []
    head = [rf"\begin{{longtable}}{{{shape}}}", r"\toprule", _tex_row(c.heading for c in table.columns), r"\midrule"]
    rows = [_tex_row(row) for row in table.texts()]
    return "\n".join([*head, r"\endhead", *rows, r"\bottomrule", *noted, r"\end{longtable}", ""])


def _tex_row(cells: Iterator[str] | Sequence[str]) -> str:
    return " & ".join(map(for_latex, cells)) + r" \\"


# -- in a terminal ----------------------------------------------------------------------------------------------------


def as_rich(table: Table, bold: Sequence[bool] = (), right: Sequence[str] = (), **look: Any) -> rich.Table:
    """Numbers and the columns ``right`` to the right. ``bold``: of the rows; ``look``: as of ``rich.table.Table``."""
    found = rich.Table(title=table.title or None, title_justify="left", caption=table.note or None, **look)
    for c in table.columns:
        found.add_column(c.heading, justify="right" if c.numeric or c.name in right else "left")
    for k, row in enumerate(table.texts()):
        found.add_row(*row, style="bold" if bold and bold[k] else None)
    return found
