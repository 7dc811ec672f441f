"""The one table of numbers, as it stands in a study's folder, and what of it is what."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.load import judges
from holdfast.analysis.metrics import headline
from holdfast.analysis.regimes import SHARED
from holdfast.store import tables
from holdfast.store.defuse import csv
from holdfast.store.files import write_text
from holdfast.store.folder import StudyFolder


def measured(table: pd.DataFrame) -> pd.DataFrame:
    """Levels and plain differences of everything that was measured: all metrics, conditions, formats, judges, seeds and
    control runs. Counts are whole numbers."""
    rows = table[_is_measured(table)].reset_index(drop=True)
    return rows.astype({"n_records": int, "n_unscored": int})


def compared(table: pd.DataFrame) -> pd.DataFrame:
    """What the study asked and what it found: comparisons of headlines, with a verdict where one can be given."""
    return table[~_is_measured(table)].reset_index(drop=True)


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


def _is_measured(table: pd.DataFrame) -> pd.Series:
    return (table["estimand"] == "difference") | ((table["estimand"] == "level") & (table["against"] == ""))


def write(folder: StudyFolder, table: pd.DataFrame) -> None:
    """``estimates.parquet`` and, for others, ``estimates.csv``; an earlier version's findings are in them now."""
    tables.write(folder.estimates_parquet, "estimates", table)
    write_text(folder.estimates_csv, csv(table))
    for old in (folder.findings_parquet, folder.findings_parquet.with_suffix(".csv")):
        old.unlink(missing_ok=True)


def read(folder: StudyFolder) -> pd.DataFrame:
    """The table; of a folder that an earlier version analysed, put together from the two that it kept."""
    version, table = tables.read_any(folder.estimates_parquet, "estimates")
    if version >= 3:
        return tables.read(folder.estimates_parquet, "estimates")
    both = [_of_estimates(table)]
    if folder.findings_parquet.exists():
        both.append(_of_findings(tables.read_any(folder.findings_parquet, "findings")[1], table))
    return pd.concat([tables.complete("estimates", part) for part in both], ignore_index=True)


def _of_estimates(table: pd.DataFrame) -> pd.DataFrame:
    """Of version 1 and 2."""
    kind = table["estimate"]
    against = kind.map({"vs_base": "base", "vs_sft": "sft"}).fillna("")
    estimand = kind.where(kind == "level", "difference")
    return (
        table.drop(columns="estimate")
        .rename(columns={"p_holm": "p_adjusted"})
        .assign(estimand=estimand, against=against, regime=SHARED)
    )


def _of_findings(table: pd.DataFrame, estimates: pd.DataFrame) -> pd.DataFrame:
    """Of the table of findings, version 1 to 3; the first had no regimes."""
    objective = estimates.drop_duplicates("label").set_index("label")["objective"]
    regime = table["regime"].replace("", SHARED) if "regime" in table else SHARED
    return table.rename(columns={"finding": "estimand"}).assign(
        objective=table["label"].map(objective).fillna(""), regime=regime, seed=-1, bracket="", format="default"
    )
