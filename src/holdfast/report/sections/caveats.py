"""Where the numbers themselves are to be distrusted."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import OVER_SEEDS
from holdfast.analysis.estimates_file import headlines
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase

LITTLE = 0.1  # of the probability: a model that gives less to yes and no together is not answering
NEAR = 0.05  # of 0 or 1: where a capability leaves no room for a frontier
COHERENT = 0.8  # of responses: below it what judges say of them is unreliable


def caveats(estimates: pd.DataFrame, configs: Configs, checks: pd.DataFrame | None) -> list[str]:
    """A sentence each. ``checks``: the table of ``control_runs``."""
    proper = headlines(estimates, configs)
    levels = proper[(proper["bracket"] == "") & (proper["against"] == "")]
    said = []
    for measure, values in levels[levels["axis"] == "capability"].groupby("measure", sort=False)["value"]:
        if values.max() < NEAR:
            said.append(phrase("caveats.none", measure=measure, most=values.max()))
        elif values.min() > 1 - NEAR:
            said.append(phrase("caveats.ceiling", measure=measure))
    said += _about_responses(estimates)
    broken = checks[~checks["moved"].astype(bool)] if checks is not None else pd.DataFrame()
    return [*said, *(phrase("caveats.control", run=run) for run in broken.to_dict("records"))]


def _about_responses(estimates: pd.DataFrame) -> Iterator[str]:
    """Where a rate hides that responses had no score or made no sense."""
    over = (estimates["seed"] == OVER_SEEDS) | (estimates["label"] == BASE)
    rows = estimates[
        over & (estimates["estimand"] == "level") & (estimates["against"] == "") & (estimates["condition"] == "macro")
    ]
    rows = rows[rows["bracket"] == ""]
    gone = rows[(rows["metric"] == "unscored") & (rows["value"] > NEAR)]
    for _, some in gone.groupby("measure", sort=False):
        yield phrase("caveats.unscored", worst=some.loc[some["value"].idxmax()])
    held = rows[(rows["metric"] == "mass") & (rows["axis"] == "persona") & (rows["value"] < LITTLE)]
    for measure, values in held.groupby("measure", sort=False)["value"]:
        yield phrase("caveats.mass", measure=measure, least=values.min())
    unclear = rows[(rows["metric"] == "coherent") & (rows["axis"] == "robustness") & (rows["value"] < COHERENT)]
    if len(unclear):
        yield phrase("caveats.incoherent", worst=unclear.loc[unclear["value"].idxmin()])
