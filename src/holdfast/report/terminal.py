"""The answer for a terminal, and for a program: a row per objective, the paragraph, the recommendation, the page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from holdfast.analysis.answer import answer
from holdfast.analysis.recommend import recommend
from holdfast.report import speak, tables
from holdfast.report.reading import Setting, read
from holdfast.store import defuse
from holdfast.store.folder import StudyFolder


@dataclass(frozen=True)
class Headline:
    """``tables``: title, columns and rows of each model and task; ``rows``: the same as plain numbers; ``said``: title,
    answer and recommendation of each."""

    page: Path
    mark: str
    tables: tuple[tuple[str, list[str], list[list[str]]], ...]
    rows: list[dict[str, Any]]
    said: tuple[tuple[str, str, str], ...] = ()

    def print(self, console: Console | None = None) -> None:
        console = console or defuse.console()
        for title, columns, rows in self.tables:
            table = Table(title=title, title_justify="left", caption=self.mark or None, caption_justify="left")
            for i, column in enumerate(columns):
                table.add_column(column, justify="right" if i else "left")
            for row in rows:
                table.add_row(*row)
            console.print(table)
        for _, found, advice in self.said:
            console.print(Text(f"\n{found}\n\n{advice}\n"))
        console.print(f"Report: {self.page}", soft_wrap=True, highlight=False, markup=False)

    def as_json(self) -> dict[str, Any]:
        return {"report": str(self.page), "mark": self.mark, "rows": self.rows, "said": self.said}


def headline(folder: StudyFolder) -> Headline:
    """Reads the estimates that are there; raises UserError where there are none."""
    findings = read(folder)
    shown, rows, said = [], [], []
    for setting in findings.settings():
        table = tables.headline(setting, setting.last)
        mine = setting.answers()
        said.append((setting.name, answer(mine, findings.study), recommend(mine, findings.study).text))
        rows += [{"model": setting.model, "task": setting.task, **row} for row in table.to_dict("records")]
        shown.append((f"{setting.name}{speak.at(setting.last)}", *_spoken(setting, table.to_dict("records"))))
    plain = [{k: _plain(v) for k, v in row.items()} for row in rows]
    return Headline(folder.report / "index.html", findings.study.mark, tuple(shown), plain, tuple(said))


def _spoken(setting: Setting, rows: list[dict[str, Any]]) -> tuple[list[str], list[list[str]]]:
    titles = {s.measure: s.title for s in setting.shown}
    by_label: dict[str, dict[str, str]] = {}
    for row in rows:
        by_label.setdefault(row["objective"], {})[row["measure"]] = speak.estimate(row)
    body = [[label, *(cells.get(m, "") for m in titles)] for label, cells in by_label.items()]
    return ["objective" if setting.findings.study.trains else "subject", *titles.values()], body


def _plain(value: Any) -> Any:
    """A cell of a data frame as JSON has it."""
    if isinstance(value, str):
        return value
    return None if speak.missing(value) else getattr(value, "item", lambda: value)()
