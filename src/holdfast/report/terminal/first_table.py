"""The answer for a terminal, and for a program: a row per objective and what the page says first, in its words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from holdfast.analysis.gate import GateVerdict, lines
from holdfast.report import words
from holdfast.report.reading import Findings, read
from holdfast.report.sections import first_table, top
from holdfast.report.sections.caveats import caveats
from holdfast.report.table import Table, as_rich
from holdfast.store import defuse
from holdfast.store.folder import StudyFolder

_STYLES = {"pass": "", "FAIL": "bold red"}


@dataclass(frozen=True)
class Headline:
    """``tables``: of each model and task; ``rows``: the same as plain numbers; ``said``: title,
    answer with its reservations and recommendation of each; ``warnings``, ``caveats``: sentences, of all."""

    page: Path
    mark: str
    tables: tuple[Table, ...]
    rows: list[dict[str, Any]]
    said: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    gate: GateVerdict | None = None

    def print(self, console: Console | None = None) -> None:
        console = console or defuse.console()
        for table in self.tables:
            console.print(as_rich(table, right=list(table.rows)[1:], caption_justify="left"))
        for warning in self.warnings:
            console.print(Text(f"\n{warning}", style="bold"))
        for title, found, advice in self.said:
            lead = f"{title}\n" * (len(self.said) > 1)
            console.print(Text("\n" + lead + "\n\n".join(part for part in (found, advice) if part)))
        console.print(Text("".join(f"\n· {caveat}" for caveat in self.caveats) + "\n" * bool(self.caveats)))
        console.print(f"Report: {self.page}", soft_wrap=True, highlight=False, markup=False)
        if self.gate:
            console.print()
            for line in lines(self.gate):
                console.print(line, soft_wrap=True, highlight=False, style=_STYLES.get(line.split()[0], "bold"))

    def as_json(self) -> dict[str, Any]:
        found = {"report": str(self.page), "mark": self.mark, "rows": self.rows, "said": self.said}
        found |= {"warnings": self.warnings, "caveats": self.caveats}
        return found | ({"gate": self.gate.as_json()} if self.gate else {})


def headline(folder: StudyFolder) -> Headline:
    """Reads the estimates that are there; raises UserError where there are none."""
    findings = read(folder)
    with words.of(findings.study, findings.configs.values()):
        return _headline(findings)


def _headline(findings: Findings) -> Headline:
    shown, rows, said = [], [], []
    for setting in findings.settings():
        found = first_table.numbers(setting, setting.last)
        said.append((setting.name, *_text(top.said(setting))))
        place = {"model": setting.model, "task": setting.task}
        rows += [place | {k: _plain(v) for k, v in row.items()} for row in found.to_dict("records")]
        title = f"{setting.name}{words.at(setting.last)}"
        shown.append(Table(first_table.spoken(setting, found, gaps=False), findings.study.mark, title=title))
    warnings = tuple(top.warnings(findings))
    doubts = tuple(caveats(findings.estimates, findings.configs, findings.checks))
    page, mark = findings.folder.report / "index.html", findings.study.mark
    return Headline(page, mark, tuple(shown), rows, tuple(said), warnings, doubts, findings.gate)


def _text(said: top.Said) -> tuple[str, str]:
    """Answer, in short and then measure by measure, and recommendation."""
    answer = (
        " ".join(f"{lead}{': ' * bool(lead)}{rest}{' But: ' * bool(against)}{against}" for lead, rest, against in parts)
        for parts in (said.short, said.answer)
    )
    return "\n\n".join(answer), "\n".join(f"{lead}{advice.text}" for lead, advice in said.advice)


def _plain(value: Any) -> Any:
    """A cell of a data frame as JSON has it."""
    if isinstance(value, str):
        return value
    return None if words.missing(value) else getattr(value, "item", lambda: value)()
