"""*Which traits moved*: a map of many traits, corrected for asking about all of them."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.trait_map import FEWEST
from holdfast.report import words
from holdfast.report.charts.moves import moves
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Section
from holdfast.report.series import Series


def section(s: Setting) -> Section | None:
    many = [x for x in s.shown if x.axis == "persona" and _traits(x, s.estimates) >= FEWEST]
    if not many:
        return None
    found, table = [], s.table("traits")
    for x in many:
        rows = table[table["measure"] == x.measure]
        if len(rows):
            found.append((x, rows))
    charts = [moves(x, rows, s.findings.look, _caption(s, x, rows)) for x, rows in found]
    return Section("traits", charts, finding=" ".join(_line(s, x, rows, len(found) > 1) for x, rows in found))


def _traits(x: Series, estimates: pd.DataFrame) -> int:
    return x.of(estimates, condition="*")["condition"].nunique() - 1  # one is their mean


def _caption(s: Setting, x: Series, rows: pd.DataFrame) -> str:
    at, tests = float(rows["budget"].max()), len(rows)
    groups = rows["group"].nunique()
    seeds = words.seeds(x.of(s.estimates)["n_seeds"])
    return phrase(
        "traits.map", at=at, tests=tests, groups=groups, seeds=seeds, level=words.level(s.findings.study.alpha)
    )


def _line(s: Setting, x: Series, rows: pd.DataFrame, several: bool) -> str:
    sure = rows[rows["p_holm"] < s.findings.study.alpha]
    told = [(label, list(some["trait"])) for label, some in sure.groupby("label", sort=False)]
    return phrase("traits.line", where=f" of {x.name}" if several else "", of=rows["trait"].nunique(), told=told)
