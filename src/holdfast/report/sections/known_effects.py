"""*Does the ruler work?*: runs whose effect is known beforehand, and whether the measures show it."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.section import Section
from holdfast.report.series import plain
from holdfast.report.tables import Table


def section(findings: Findings) -> Section:
    table = known(findings)
    blocks = (Table(table, phrase("control_runs.note"), "control-runs", "Control runs"),) if len(table) else ()
    title, lead, absent = "Does the ruler work?", phrase("control_runs.lead"), phrase("control_runs.absent")
    return Section("control-runs", title, lead, (), blocks, absent, as_they_must(table), blocks)


def as_they_must(shown: pd.DataFrame) -> str:
    if shown.empty:
        return ""
    good = int((shown["shown"] == "yes").sum())
    if len(shown) == 1:
        return f"The control run {'shows' if good else 'does not show'} what it must."
    return f"{good} of {len(shown)} control runs show what they must."


def known(findings: Findings) -> pd.DataFrame:
    found = findings.checks
    if found.empty:
        return pd.DataFrame()
    share = found["metric"] == "equal answers"
    shown = pd.DataFrame(
        {
            "run": found["bracket"],
            "model": found["model"],
            "must show": found["expected"],
            "measure": [plain(str(m)) for m in found["measure"]],
            "points from base": ["–" if s else words.points(v) for v, s in zip(found["value"], share, strict=True)],
            "interval": [
                words.interval(low, high, signed=True) or "–" for low, high in found[["low", "high"]].to_numpy()
            ],
            "p (Holm)": [words.p_value(p) or "–" for p in found["p_holm"]],
            "shown": found["moved"].map({True: "yes", False: "NO"}),
            "verdict": found["verdict"],
        }
    )
    return shown if found["model"].nunique() > 1 else shown.drop(columns="model")
