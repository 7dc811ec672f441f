"""*Beside what was published*: published figures and the study's own."""

from __future__ import annotations

from typing import Any

import pandas as pd

from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.section import Block, Folded, Paragraph, Points, Section
from holdfast.report.series import plain
from holdfast.report.table import Table


def section(findings: Findings) -> Section | None:
    """None where the study has none of their eval configs."""
    study, found = findings.study, findings.table("published")
    if found.empty:
        return None
    how = findings.table("procedures")
    halves, how = how.loc[how["what"] == "±", "theirs"], how[how["what"] != "±"]
    level, seeds = words.level(study.alpha), words.seeds([len(study.draws)])
    note = phrase("published.note", level=level, alpha=study.alpha, seeds=seeds)
    doubts = [f"{d}." for d in dict.fromkeys(found["doubt"].str.split("; ").explode()) if d]
    shown = pd.DataFrame([_row(r) for r in found.to_dict("records")])
    n = found["verdict"].value_counts()
    blocks: list[Block] = [
        Table(shown, note),
        Paragraph("To be read with care:"),
        Points((*doubts, f"± there: {'; '.join(halves)}.")),
        Folded(phrase("published.folded"), Table(how)),
    ]
    line = f"{len(found)} figure{'s' * (len(found) != 1)}: {words.join([f'{k} {v}' for v, k in n.items()])}."
    files = [
        Table(shown, name="published", title="Published figures beside the study's own", full=found),
        Table(how, name="published-procedure", title="How the two were done"),
    ]
    return Section("published", (), blocks, line, files)


def _row(r: dict[str, Any]) -> dict[str, Any]:
    when = "mean over budgets" if r["budget"] == "mean" else words.tokens(r["budget"])
    gap = f"{words.points(r['difference'])} {words.interval(r['d_low'], r['d_high'], signed=True)}"
    return {
        "objective": r["label"],
        "task": r["task"],
        "what": f"{plain(r['measure'])}, {r['note'] or when}",
        "published": r["printed"],
        "here": f"{words.percent(r['value']).removesuffix('%')} {words.interval(r['low'], r['high'])}",
        "difference": gap.strip(),
        "p": words.bare_p(r["p"]) or "–",
        "verdict": r["verdict"],
        "source": r["source"],
    }
