"""*Parameters*: what was measured with, every setting of the study file, and a checklist for a paper's appendix."""

from __future__ import annotations

import json

import pandas as pd

from holdfast.config.study import Study
from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.checklist import checklist
from holdfast.report.sections.fairness import flat
from holdfast.report.sections.section import Folded, Section
from holdfast.report.series import plain
from holdfast.report.table import Table, as_longtable

_OF_TRAINING = {"tasks", "objectives", "budgets", "seeds", "controls", "control_runs", "matched", "tuned"}


def section(findings: Findings) -> Section:
    tools = Table(instruments(findings), phrase("parameters.note"), "instruments", "Instruments")
    every = Table(parameters(findings.study), name="parameters", title="Parameters of the study")
    asked = Table(checklist(findings), name="checklist", title="Reporting checklist")
    folded = (Folded(phrase("parameters.every"), every), Folded(phrase("parameters.checklist"), asked))
    there = tuple(t for t in (tools, every, asked) if len(t.rows))
    texts = {"tables/checklist.tex": as_longtable(asked, findings.study.mark)}
    return Section("parameters", (), [tools, *folded], files=there, texts=texts)


def parameters(study: Study) -> pd.DataFrame:
    """The study file, resolved, a row per setting."""
    # The executor changes nothing, and may name an account or a host, which are no business of a page.
    apart = {"name", "about", "mark", "executor"} | (set() if study.trains else _OF_TRAINING)
    settings = flat(study.model_dump(mode="json", by_alias=True, exclude=apart))
    rows: list[dict[str, str]] = []
    for key, value in settings.items():
        parsed = json.loads(value) if value[:1] == "[" else None
        if isinstance(parsed, list) and parsed and isinstance(parsed[0], dict):
            for part in parsed:
                name = part.get("label") or part.get("name") or part.get("measure") or part.get("kind")
                rows += [{"parameter": f"{key} · {name} · {k}", "value": v} for k, v in flat(part).items()]
        else:
            rows.append({"parameter": key, "value": value})
    return pd.DataFrame(rows)


def instruments(findings: Findings) -> pd.DataFrame:
    """What was measured with: version, judges, and the digest of every attack's text."""
    rows = []
    for config in findings.configs.values():
        identity, attacks = config.identity, config.attacks
        said = ", ".join(
            f"{words.attack(a)} v{v.get('version', '?')} ({str(v.get('hash', ''))[:8]})" for a, v in attacks.items()
        )
        rows.append(
            {
                "measure": plain(config.measure),
                "axis": config.axis,
                "task": config.task or "–",
                "version": str(identity.get("version", "")),
                "judges": ", ".join(map(plain, config.judges)),
                "attack texts": said or "–",
                "eval config": config.id[:12],
            }
        )
    return pd.DataFrame(rows)
