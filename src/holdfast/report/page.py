"""The report: one self-contained page, and every chart and table as files beside it."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment
from markupsafe import Markup
from pydantic import TypeAdapter

from holdfast import __version__
from holdfast.analysis.answer import caveats, sentences
from holdfast.analysis.recommend import recommend
from holdfast.analysis.regimes import TUNED
from holdfast.analysis.shown import shown
from holdfast.report import figures, markup, reservations, responses, sections, speak, tables, theme
from holdfast.report.charts import Figure, lower
from holdfast.report.markup import Group
from holdfast.report.reading import Findings, Setting, named, read
from holdfast.report.sections import Part
from holdfast.report.theme import BASE
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder
from holdfast.study import stopped
from holdfast.study.notes import still_warming_up
from holdfast.study.trajectory import Trajectory

SILENCE = 0.05  # of the answers of one subject, from where it is said above all else


def build(folder: StudyFolder) -> Path:
    """Reads what the stages left, writes ``report/`` and returns the path of its ``index.html``."""
    findings = read(folder)
    with speak.of(findings.study):
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
        said=[_said(p.setting) for p in parts],
        gate=findings.gate,
        checks=markup.table(tables.gate(findings.gate), "", _GATE) if findings.gate else None,
        caveats=caveats(findings.estimates, findings.cells, findings.checks),
        warnings=_warnings(findings),
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


def _said(s: Setting) -> dict[str, Any]:
    """The answer, and a recommendation for every regime that has findings."""
    study = s.findings.study
    shared = recommend(s.answers(), study)
    advice = [("", shared)] if study.trains else []  # an audit asks what was done to each, and weighs none
    if len(found := s.answers(TUNED)):
        tuned = recommend(found, study)
        tuned = replace(tuned, text="the same.", steps=()) if tuned == shared else tuned
        advice.append(("With each objective at its own learning rate and coefficient: ", tuned))
    names = {str(n).lower() for n in shown(s.answers(), study)["name"]}
    parts = [
        part.partition(": ") if part.partition(": ")[0].split(", ")[-1].lower() in names else (part, "", "")
        for part in sentences(s.answers(), study)
    ]
    against = reservations.of(s)
    answer = [
        (lead, rest, reservations.beside(lead, s, against)) if rest else ("", lead, "") for lead, _, rest in parts
    ]
    return {"answer": answer, "advice": advice}


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


def _warnings(findings: Findings) -> list[str]:
    """What must be known before the answer is believed. Other caveats are the answer's own."""
    differing = sorted({c.name for c in tables.controls(findings) if not c.equal and not c.declared})
    said = [f"Not everything was held fixed over objectives: {speak.join(differing)}. See “Was the comparison fair?”"]
    ended = "Runs ended where they reached the target. See “At equal capability” for which, and what is not compared."
    said = said * bool(differing) + [ended] * bool(stopped.read(findings.study, findings.folder))
    trained = TypeAdapter(list[Trajectory]).validate_python(findings.plan.get("trajectories", ()))
    early = [f"{note[0].upper()}{note[1:]}." for note in still_warming_up(trained, findings.study)]
    return [*said, *early, *_silences(findings)]


def _silences(findings: Findings) -> Iterator[str]:
    """Who says nothing: a rate of harm is then of the rest."""
    for setting in findings.settings():
        found = tables.headline(setting, setting.last)
        found = found[found[tables.SILENT].astype(float) > SILENCE] if len(found) else found
        titles = {s.measure: s.title for s in setting.shown}
        for r in found.to_dict("records"):
            yield (
                f"{speak.percent(r[tables.SILENT])} of the answers of {r['objective']} say nothing: its "
                f"{lower(titles[r['measure']])} is of the rest, and silence is no safety."
            )
