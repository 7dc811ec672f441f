"""The answer for a terminal, and for a program: a row per objective and what the page says first, in its words."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.text import Text

from holdfast.analysis.answer import caveats
from holdfast.analysis.gate import GateVerdict, lines
from holdfast.report import words
from holdfast.report.reading import Findings, Setting, read
from holdfast.report.sections import first_table, top
from holdfast.report.tables import Table, as_rich
from holdfast.store import defuse
from holdfast.store.folder import StudyFolder

_STYLES = {"pass": "", "FAIL": "bold red"}


@dataclass(frozen=True)
class Headline:
    """``tables``: title, columns and rows of each model and task; ``rows``: the same as plain numbers; ``said``: title,
    answer with its reservations and recommendation of each; ``warnings``, ``caveats``: sentences, of all."""

    page: Path
    mark: str
    tables: tuple[tuple[str, list[str], list[list[str]]], ...]
    rows: list[dict[str, Any]]
    said: tuple[tuple[str, str, str], ...] = ()
    warnings: tuple[str, ...] = ()
    caveats: tuple[str, ...] = ()
    gate: GateVerdict | None = None

    def print(self, console: Console | None = None) -> None:
        console = console or defuse.console()
        for title, columns, rows in self.tables:
            table = Table(pd.DataFrame(rows, columns=columns), self.mark, title=title)
            console.print(as_rich(table, right=columns[1:], caption_justify="left"))
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
        table = first_table.numbers(setting, setting.last)
        said.append((setting.name, *_text(top.said(setting))))
        rows += [{"model": setting.model, "task": setting.task, **row} for row in table.to_dict("records")]
        shown.append((f"{setting.name}{words.at(setting.last)}", *_spoken(setting, table.to_dict("records"))))
    plain = [{k: _plain(v) for k, v in row.items()} for row in rows]
    return Headline(
        findings.folder.report / "index.html",
        findings.study.mark,
        tuple(shown),
        plain,
        tuple(said),
        tuple(top.warnings(findings)),
        tuple(caveats(findings.estimates, findings.configs, findings.checks)),
        findings.gate,
    )


def _text(said: top.Said) -> tuple[str, str]:
    """Answer, in short and then measure by measure, and recommendation."""
    answer = (
        " ".join(f"{lead}{': ' * bool(lead)}{rest}{' But: ' * bool(against)}{against}" for lead, rest, against in parts)
        for parts in (said.short, said.answer)
    )
    return "\n\n".join(answer), "\n".join(f"{lead}{advice.text}" for lead, advice in said.advice)


def _spoken(setting: Setting, rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    titles = {s.measure: s.title for s in setting.shown}
    by_label: dict[str, dict[str, str]] = {}
    for row in rows:
        by_label.setdefault(row["objective"], {})[row["measure"]] = first_table.level(row)
    body = [[label, *(cells.get(m, "") for m in titles)] for label, cells in by_label.items()]
    return [words.own("objective"), *titles.values()], body


def _plain(value: Any) -> Any:
    """A cell of a data frame as JSON has it."""
    if isinstance(value, str):
        return value
    return None if words.missing(value) else getattr(value, "item", lambda: value)()
