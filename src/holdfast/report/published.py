"""Published figures beside the study's own; absent where the study has none of their eval configs."""

from __future__ import annotations

from typing import Any

import pandas as pd

from holdfast.analysis.published import data, procedures
from holdfast.report import gist, markup, speak, tables
from holdfast.report.headline import plain
from holdfast.report.markup import Group
from holdfast.report.reading import Findings

_LEAD = (
    "What others printed for the same kind of model, task, objective and budget. Agreement of two numbers is not "
    "agreement of two procedures: what is known to differ, and what is not known, stands below."
)
_CAPTION = (
    "Per cent; own with {level} intervals. ± is read as the half width of a 95% interval. Difference: own minus "
    "published, in points, the two taken as independent; compatible: no difference at {alpha:g}, which a wide "
    "interval makes easy; p is not corrected for their number. Without ±, or for a range, there is no test: it is said "
    "whether it lies within our interval. {seeds}."
)


def group(findings: Findings) -> Group | None:
    """The section *Beside what was published*."""
    study, mark = findings.study, findings.study.mark
    found = findings.table("published")
    if found.empty:
        return None
    how = procedures(study, findings.configs, found)
    tables.save(findings, "published", found, "Published figures beside the study's own", shown(found))
    tables.save(findings, "published-procedure", how, "How the two were done")
    caption = _CAPTION.format(level=speak.level(study.alpha), alpha=study.alpha, seeds=speak.seeds([len(study.draws)]))
    doubts = [f"{d}." for d in dict.fromkeys(found["doubt"].str.split("; ").explode()) if d]
    means = "; ".join(s["half_means"] for s in data()["sources"].values() if s["half_means"])
    blocks = (
        markup.table(shown(found), mark, caption, labels=findings.labels),
        markup.said("To be read with care:"),
        markup.listed([*doubts, f"± there: {means}."]),
        markup.folded("What differs in procedure, and what they do not say", markup.table(how, mark)),
    )
    return Group("published", "Beside what was published", _LEAD, (), blocks, finding=gist.beside(found))


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """As a reader wants it."""
    return pd.DataFrame([_row(r) for r in found.to_dict("records")])


def _row(r: dict[str, Any]) -> dict[str, Any]:
    when = "mean over budgets" if r["budget"] == "mean" else speak.tokens(r["budget"])
    gap = f"{speak.points(r['difference'])} {speak.interval(r['d_low'], r['d_high'], signed=True)}"
    return {
        "objective": r["label"],
        "task": r["task"],
        "what": f"{plain(r['measure'])}, {r['note'] or when}",
        "published": r["printed"],
        "here": f"{speak.percent(r['value']).removesuffix('%')} {speak.interval(r['low'], r['high'])}",
        "difference": gap.strip(),
        "p": speak.p_value(r["p"]) or "–",
        "verdict": r["verdict"],
        "source": r["source"],
    }
