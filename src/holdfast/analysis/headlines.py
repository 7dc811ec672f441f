"""The rows of the estimates that a study's first answers are made of."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.estimates_file import measured
from holdfast.analysis.frame import judges
from holdfast.analysis.metrics import headline


def headlines(estimates: pd.DataFrame, configs: Configs, *, each_seed: bool = False) -> pd.DataFrame:
    """One row per subject, measure and kind of estimate: the measure's first metric by its first judge, the macro mean,
    in the default format, over seeds (with ``each_seed``, of single ones too).

    Control runs are among them; what a subject does on a task that it was not trained on is not.
    """
    estimates = measured(estimates)
    chosen = pd.DataFrame(
        [(c.measure, headline(c.summary), j) for c in configs.values() for j in judges(c)[:1]],
        columns=["measure", "metric", "judge"],
    ).drop_duplicates()
    key = pd.MultiIndex.from_frame(estimates[["measure", "metric", "judge"]])
    keep = (
        key.isin(pd.MultiIndex.from_frame(chosen))
        & (estimates["condition"] == "macro")
        & (estimates["format"] == DEFAULT)
        & (each_seed | (estimates["seed"] == OVER_SEEDS) | (estimates["label"] == "base"))
    )
    return estimates[keep].reset_index(drop=True)
