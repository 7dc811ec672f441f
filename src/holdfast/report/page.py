"""The report: one self-contained page, and every chart and table as files beside it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup

from holdfast import __version__
from holdfast.analysis.answer import caveats
from holdfast.report import figures, markup, responses, sections, speak, tables, theme, told
from holdfast.report.charts import Figure
from holdfast.report.markup import Group
from holdfast.report.reading import Findings, named, read
from holdfast.report.sections import Part
from holdfast.report.theme import BASE
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder


def build(folder: StudyFolder) -> Path:
    """Reads what the stages left, writes ``report/`` and returns the path of its ``index.html``."""
    findings = read(folder)
    with speak.of(findings.study, findings.configs.values()):
        return _build(findings)


def _build(findings: Findings) -> Path:
    parts = [sections.of_setting(s) for s in findings.settings()]
    common = sections.of_study(findings)
    drawn = {named(f.name, p.slug): f for p in parts for f in p.figures}
    drawn |= {f.name: f for group in common for f in group.figures}
    out = findings.folder.report
    for name, figure in drawn.items():
        figures.write(out / "figures", name, figure, findings.study.mark, findings.labels)
        title = f"Data of the chart: {figure.title}"
        tables.write(out / "tables", name, figure.data, findings.study.mark, title=title)
    write_text(out / "index.html", _page(findings, parts, common, drawn))
    return out / "index.html"


def _page(findings: Findings, parts: list[Part], common: list[Group], drawn: dict[str, Figure]) -> str:
    study, mark = findings.study, findings.study.mark
    settings = [{"model": p.setting.model, "task": p.setting.task} for p in parts]
    payload = {
        "figures": {name: figures.for_page(figure, mark) for name, figure in drawn.items()},
        "config": figures.configs(findings.labels) | {"settings": settings, "nouns": speak.own("objectives")},
        "labels": list(findings.labels),
        "base": BASE,
    }
    sampled = responses.sample(findings)
    scripts = [figures.bundle(), _source("page.js")]
    env = Environment(autoescape=True, trim_blocks=False)
    env.filters["own"] = speak.own
    env.filters["plain_table"] = lambda rows, mark: markup.table(rows, mark).html
    own = "".join(f".o{i}{{--own:var(--o{i})}}" for i in range(len(findings.labels)))
    return env.from_string(_source("page.html")).render(
        study=study,
        mark=mark,
        facts=_facts(findings),
        labels=findings.labels,
        settings=parts,
        sections=sections.ordered(parts, common),
        said=[told.said(p.setting) for p in parts],
        gate=findings.gate,
        checks=markup.table(tables.gate(findings.gate), "", _GATE) if findings.gate else None,
        caveats=caveats(findings.estimates, findings.configs, findings.checks),
        warnings=told.warnings(findings),
        version=__version__,
        theme_css=Markup(theme.css(findings.labels)),
        own_css=Markup(own),
        style=Markup(_source("style.css")),
        specs=Markup(_in_script(payload)),
        sample=Markup(responses.packed(sampled)),
        kept=responses.counted(sampled),
        scripts=[Markup(script) for script in scripts],
        policy=Markup(_policy(scripts)),
    )


def _policy(scripts: Sequence[str]) -> str:
    """The page's Content-Security-Policy: its own scripts run, named by their digests, and no other; nothing is
    loaded, and no text becomes code (Vega reads its expressions itself)."""
    digests = [b64encode(sha256(script.encode()).digest()).decode() for script in scripts]
    run = " ".join(f"'sha256-{d}'" for d in digests)
    return (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {run}; img-src data: blob:; base-uri 'none'; "
        "form-action 'none'"
    )


_GATE = "Thresholds that were to be kept, in the metric’s unit; high and low: ends of the interval."


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
            ("Budgets, tokens", " · ".join(speak.tokens(b) for b in s.budgets)),
            ("Training seeds", f"{len(s.seeds)}"),
        ]
    if s.given:
        facts.append(("Given", ", ".join(dict.fromkeys(g.label for g in s.given))))
    return facts
