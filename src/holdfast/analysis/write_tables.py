"""Every table that the page shows beside estimates and findings: made once and kept under ``analysis/``."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis import answered, coherent, published, tuned
from holdfast.analysis.claims import claims
from holdfast.analysis.comparisons import AtDistance, Front, Matched
from holdfast.analysis.config_info import Configs
from holdfast.analysis.control_runs import control_runs
from holdfast.analysis.estimates_file import compared, measured
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.needed import needed
from holdfast.analysis.regimes import SHARED
from holdfast.analysis.stability import stability, ways
from holdfast.analysis.tables import FRONT, LAST, TRIED, of
from holdfast.config import decisions
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import write_frame


def write(
    folder: StudyFolder,
    configs: Configs,
    study: Study,
    frame: pd.DataFrame,
    each: Mapping[str, Joint],
    estimates: pd.DataFrame,
) -> None:
    """All of them, in place of those of an earlier analysis. ``frame``: of ``frame.load(tuning=True)``; ``each``: of
    ``analyse.joints``."""
    shutil.rmtree(folder.analysis, ignore_errors=True)
    at, shared = folder.analysis, each[SHARED]
    rows, subjects = shared.frame, tables.read(folder.subjects, "subjects")
    _write_matched(at, shared.matched)
    _write_at_distance(at, shared.at_distance)
    _write_fronts(at, shared.fronts)
    every = ways({k: joint.records for k, joint in each.items()}, configs, study)
    _write(at, "ways", every)
    _write(at, "stability", stability(every))
    _write(at, "agreement", answered.agreements(rows, configs, study))
    _write(at, "confusion", answered.confusions(rows, configs, study))
    _write(at, "verdicts", answered.verdicts(rows))
    _write(at, "asked", answered.asked(rows))
    _write(at, "screened", answered.screened(rows))
    _write(at, "sample", answered.shown_prompts(rows, configs, subjects, study))
    _write(at, "brackets", control_runs(measured(estimates), rows, configs, study.alpha))
    _write(at, "settings", _settings(folder, configs, study, frame, each))
    printed = published.beside(study, measured(estimates), configs, lambda: rows)
    _write(at, "published", printed.assign(budget=printed["budget"].astype(str)))  # or "mean"
    _write(at, "procedures", published.procedures(study, configs, printed))
    _write(at, "claims", printed_claims(estimates, subjects, study, configs))
    _write(at, "needed", needed(rows, configs, study, compared(estimates)))
    _write(at, LAST, coherent.rates(shared.records, configs, study))


def printed_claims(estimates: pd.DataFrame, subjects: pd.DataFrame, study: Study, configs: Configs) -> pd.DataFrame:
    """``claims.claims``, of the one setting for all objectives, which is their design."""
    found = compared(estimates)
    return claims(found[found["regime"] == SHARED], subjects, study, configs)


def _settings(
    folder: StudyFolder, configs: Configs, study: Study, frame: pd.DataFrame, each: Mapping[str, Joint]
) -> pd.DataFrame:
    """Levels at the last budget (of ``tuned.levels``) in each regime, and of every setting that was tried (regime
    ``tried``): those of one model and task together, with its base model."""
    parts = []
    for model, task in sorted({(c["model"], c["task"]) for c in decisions.choices(study, folder)}):
        about = {"of_model": model, "of_task": task}
        parts.append(tuned.tried(of(frame, model, task), configs, study).assign(**about, regime=TRIED))
        for regime, joint in each.items():
            parts.append(tuned.levels(of(joint.frame, model, task), configs, study).assign(**about, regime=regime))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


# -- comparisons: a row each, and tables of their own beside it -------------------------------------------------------


def _write_matched(at: Path, some: list[Matched]) -> None:
    rows = []
    for k, one in enumerate(some):
        tools = {"match": one.instruments.match.id, "capability": one.instruments.capability.id}
        rows.append(_plain(one) | tools | {"harm": one.harm.id})
        for name in ("at_target", "at_ceiling", "gaps"):
            write_frame(at / f"matched-{k}-{name}.parquet", "versus", _numbers(getattr(one, name)))
    _write(at, "matched", pd.DataFrame(rows))


def _write_at_distance(at: Path, some: list[AtDistance]) -> None:
    for k, one in enumerate(some):
        write_frame(at / f"at_distance-{k}-table.parquet", "versus", _numbers(one.table))
    _write(at, "at_distance", pd.DataFrame([_plain(one) | {"cell": one.config.id} for one in some]))


def _write_fronts(at: Path, some: list[Front]) -> None:
    for k, one in enumerate(some):
        for field, name in FRONT.items():
            write_frame(at / f"fronts-{k}-{field}.parquet", name, getattr(one, field))
    _write(at, "fronts", pd.DataFrame([_plain(one) for one in some]))


def _plain(one: Any) -> dict[str, Any]:
    """What of a comparison is a word or a number."""
    return {k: v for k, v in vars(one).items() if isinstance(v, (str, int, float))}


def _numbers(table: pd.DataFrame) -> pd.DataFrame:
    """Without the accounts of its errors, which are no numbers and decided the verdict."""
    return table.drop(columns="made", errors="ignore")


def _write(at: Path, name: str, table: pd.DataFrame) -> None:
    write_frame(at / f"{name}.parquet", name, table)
