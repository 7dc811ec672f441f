"""*What was left out*: training rows that were dropped, and responses without a score."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.section import Block, Paragraph, Section
from holdfast.report.table import Table


def section(findings: Findings) -> Section:
    rows, gone, blocks = dropped(findings), unscored(findings), list[Block]()
    files = [
        Table(gone, phrase("counted.unscored"), "unscored", "Responses without a score"),
        Table(rows, phrase("counted.dropped"), "dropped", "Training rows dropped"),
    ]
    if findings.study.trains:
        blocks.append(files[1] if len(rows) else Paragraph("No training row was dropped.", calm=True))
    blocks.append(files[0] if len(gone) else Paragraph("Every response was scored.", calm=True))
    return Section("counted", (), blocks, left_out(rows, gone), [t for t in files if len(t.rows)])


def left_out(dropped: pd.DataFrame, gone: pd.DataFrame) -> str:
    """Of both tables, whole: rows by whom they were kept from, and verdicts that are missing."""
    rows = dropped.groupby("for", sort=False)["rows"].sum() if len(dropped) else {}
    said = [phrase("counted.rows", n=int(n), who=who) for who, n in rows.items() if n]
    if n := int(gone["responses"].sum()) if len(gone) else 0:
        said.append(phrase("counted.verdicts", n=n))
    return f"{words.join(said) or 'Nothing'}."


def unscored(findings: Findings) -> pd.DataFrame:
    """Responses that no score was given to, by reason."""
    every = findings.table("verdicts")
    gone = every[every["reason"].notna() & (every["judge"] != "") & (every["reason"] != "not labelled")]
    if gone.empty:  # by people: see ``judge_trust``
        return pd.DataFrame(columns=["measure", "judge", "reason", "responses", "of"])
    total = every.groupby(["measure", "judge"])["responses"].sum().rename("of")
    counts = gone.groupby(["measure", "judge", "reason"])["responses"].sum().reset_index()
    return counts.join(total, on=["measure", "judge"])


def dropped(findings: Findings) -> pd.DataFrame:
    """Training rows that some objective could not use and so none was given, by reason; beside them those that a run
    with rows of its own (``study.variants.task``) left out for itself."""
    rows = [
        {
            "task": task,
            "reason": str(reason),
            "rows": int(n),
            "for": "runs that vary the task" if "~" in task else "all objectives",
        }
        for task, reasons in (findings.plan.get("dropped") or {}).items()
        for reason, n in reasons.items()
    ]
    return pd.DataFrame(rows, columns=["task", "reason", "rows", "for"])
