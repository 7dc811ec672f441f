"""The report: one self-contained page, and every chart and table as files beside it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment
from markupsafe import Markup

from holdfast import __version__
from holdfast.analysis.gate import GateVerdict
from holdfast.report import words
from holdfast.report.charts import export, theme
from holdfast.report.charts.plot import Figure
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings, named, read
from holdfast.report.sections import order, responses, top
from holdfast.report.sections.caveats import caveats
from holdfast.report.sections.order import Part
from holdfast.report.sections.section import Section, render
from holdfast.report.table import Table, as_html, write
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder


def build(folder: StudyFolder) -> Path:
    """Reads what the stages left, writes ``report/`` and returns the path of its ``index.html``."""
    findings = read(folder)
    with words.of(findings.study, findings.configs.values()):
        parts = [order.of_setting(s) for s in findings.settings()]
        common = order.of_study(findings)
        drawn = {named(f.name, p.slug): f for p in parts for f in p.figures}
        drawn |= {f.name: f for section in common for f in section.charts}
        _write(findings, parts, common, drawn)
        return findings.folder.report / "index.html"


def _write(findings: Findings, parts: list[Part], common: list[Section], drawn: dict[str, Figure]) -> None:
    out, mark = findings.folder.report, findings.study.mark
    for name, figure in drawn.items():
        export.write(out / "figures", name, figure, mark, findings.labels)
    for table in _tables(parts, common, drawn):
        write(out / "tables", table, mark)
    for name, text in (x for section in common for x in section.texts.items()):
        write_text(out / name, text)
    write_text(out / "index.html", _page(findings, parts, common, drawn))


def _tables(parts: list[Part], common: list[Section], drawn: dict[str, Figure]) -> Iterator[Table]:
    """All that are files: of the sections, of each model and task under its name, and the data of the charts."""
    for part in parts:
        for table in (*part.files, *(t for section in part.sections for t in section.files)):
            yield Table(table.rows, "", named(table.name, part.slug), table.title, table.full)
    for section in common:
        yield from section.files
    for name, figure in drawn.items():
        yield Table(figure.data, "", name, f"Data of the chart: {figure.title}")


def _page(findings: Findings, parts: list[Part], common: list[Section], drawn: dict[str, Figure]) -> str:
    study, mark, labels = findings.study, findings.study.mark, findings.labels
    settings = [{"model": p.setting.model, "task": p.setting.task} for p in parts]
    payload = {
        "figures": {name: export.for_page(figure, mark) for name, figure in drawn.items()},
        "config": export.configs(labels) | {"settings": settings, "nouns": words.own("objectives")},
        "labels": list(labels),
        "base": BASE,
    }
    sampled = responses.sample(findings)
    scripts = [export.bundle(), _source("page.js")]
    env = Environment(autoescape=True, trim_blocks=False)
    env.filters["own"] = words.own
    env.filters["shown"] = lambda block: render(block, mark, labels)
    env.filters["data"] = lambda rows: as_html(Table(rows), mark)
    own = "".join(f".o{i}{{--own:var(--o{i})}}" for i in range(len(labels)))
    return env.from_string(_source("page.html")).render(
        study=study,
        mark=mark,
        facts=_facts(findings),
        labels=labels,
        settings=parts,
        sections=order.ordered(parts, common),
        said=[top.said(p.setting) for p in parts],
        gate=findings.gate,
        checks=as_html(Table(_gate(findings.gate), phrase("answer.gate")), "") if findings.gate else None,
        caveats=caveats(findings.estimates, findings.configs, findings.checks),
        warnings=top.warnings(findings),
        version=__version__,
        theme_css=Markup(theme.css(labels)),
        own_css=Markup(own),
        style=Markup(_source("style.css")),
        specs=Markup(_in_script(payload)),
        sample=Markup(responses.packed(sampled)),
        kept=responses.counted(sampled),
        scripts=[Markup(script) for script in scripts],
        policy=Markup(_policy(scripts)),
    )


def _gate(verdict: GateVerdict) -> pd.DataFrame:
    """A row per check, what failed first."""
    rows = [
        {"subject": c.label, "verdict": "kept" if c.passed else "FAILED"}
        | {"found": c.number, "to keep": c.bound, "measure": c.what}
        for c in sorted(verdict.checks, key=lambda c: c.passed)
    ]
    return pd.DataFrame(rows)


def _policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: its own scripts run, named by their digests, and no other; nothing is
    loaded, and no text becomes code (Vega reads its expressions itself)."""
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    run = " ".join(f"'sha256-{d}'" for d in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {run}; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )


def _source(name: str) -> str:
    return files("holdfast.report").joinpath(name).read_text(encoding="utf-8")


def _in_script(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def _facts(findings: Findings) -> list[tuple[str, str]]:
    s = findings.study
    facts = [("Model" if len(s.models) == 1 else "Models", ", ".join(m.name for m in s.models))]
    if s.trains:
        facts += [
            ("Task" if len(s.tasks) == 1 else "Tasks", ", ".join(t.name for t in s.tasks)),
            ("Objectives", f"{len(s.objectives)}"),
            ("Budgets, tokens", " · ".join(words.tokens(b) for b in s.budgets)),
            ("Training seeds", f"{len(s.seeds)}"),
        ]
    if s.given:
        facts.append(("Given", ", ".join(dict.fromkeys(g.label for g in s.given))))
    return facts
