"""*Inside the model*: where objectives differ by layer, and whether what is read there moves as self-report does."""

from __future__ import annotations

import pandas as pd

from holdfast.report import words
from holdfast.report.charts.by_layer import by_layer
from holdfast.report.charts.plot import Figure
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Block, Section
from holdfast.report.series import plain
from holdfast.report.table import Table


def section(s: Setting) -> Section | None:
    found, agreed = s.table("layers"), s.table("inside")
    if not len(found):
        return None
    last = found[found["budget"] == found.groupby("measure")["budget"].transform("max")]
    charts = [_chart(s, str(measure), rows) for measure, rows in last.groupby("measure", sort=False)]
    blocks: list[Block] = []
    if len(agreed):
        note = phrase("inside.agreed", level=words.level(s.findings.study.alpha))
        blocks.append(Table(_shown(agreed), note, name="inside", title=phrase("inside.titled"), full=agreed))
    line = phrase("inside.line", told=[(r.trait, r.value, r.low, r.high) for r in agreed.itertuples()])
    files = [Table(found, name="layers", title=phrase("inside.by_layer"))]
    return Section("inside", charts, blocks, line if len(agreed) else "", files)


def _chart(s: Setting, measure: str, rows: pd.DataFrame) -> Figure:
    caption = phrase(
        "inside.chart",
        at=float(rows["budget"].iloc[0]),
        chosen=int(rows["chosen"].iloc[0]),
        separation=float(rows["separation"].iloc[0]),
        n=int(rows["n_prompts"].max()),
        seeds=words.seeds(rows["n_seeds"]),
    )
    title = phrase("inside.by_layer") + f": {plain(measure)}"
    return by_layer(f"{measure}-layers", title, rows, s.findings.look, caption)


def _shown(agreed: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "trait": [plain(t) for t in agreed["trait"]],
            "self-report": [plain(m) for m in agreed["measure"]],
            "probe": [plain(m) for m in agreed["probe"]],
            "rank correlation": [
                "–" if words.missing(r.value) else f"{r.value:+.2f}{_ends(r.low, r.high)}" for r in agreed.itertuples()
            ],
            "subjects": agreed["subjects"],
            "runs": agreed["runs"],
        }
    )


def _ends(low: float, high: float) -> str:
    return "" if words.missing(low) or words.missing(high) else f" [{low:+.2f}, {high:+.2f}]"
