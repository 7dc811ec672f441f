"""Every table that the page shows beside estimates and findings: made once, kept under ``analysis/``, and read back.

Their columns are those of the functions that make them; ``store.schemas.FRAMES`` lists them.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis import answered, coherent, published, tuned
from holdfast.analysis.claims import claims
from holdfast.analysis.config_info import Configs
from holdfast.analysis.control_runs import control_runs
from holdfast.analysis.distance import AtDistance
from holdfast.analysis.estimates_file import compared, measured
from holdfast.analysis.matched import Instruments, Matched
from holdfast.analysis.matched_rows import Joint
from holdfast.analysis.pareto import Front
from holdfast.analysis.regimes import SHARED
from holdfast.analysis.stability import stability, ways
from holdfast.config import decisions
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.tables import read_frame, write_frame
from holdfast.types import UserError


def write(
    folder: StudyFolder,
    configs: Configs,
    study: Study,
    frame: pd.DataFrame,
    each: Mapping[str, Joint],
    estimates: pd.DataFrame,
) -> None:
    """All of them, in place of those of an earlier analysis. ``frame``: of ``load_records(tuning=True)``; ``each``: of
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
    _write(at, "claims", printed_claims(estimates, subjects, study, configs))
    _write(at, LAST, coherent.rates(shared.records, configs, study))


def printed_claims(estimates: pd.DataFrame, subjects: pd.DataFrame, study: Study, configs: Configs) -> pd.DataFrame:
    """``claims.claims``, of the one setting for all objectives, which is their design."""
    found = compared(estimates)
    return claims(found[found["regime"] == SHARED], subjects, study, configs)


def of(rows: pd.DataFrame, model: str, task: str) -> pd.DataFrame:
    """Rows of a model that belong to the task or, as the base model's do, to none. The task's own come first."""
    mine = rows[(rows["model"] == model) & rows["task"].isin(("", task))]
    return mine.sort_values("task", key=lambda t: t != task, kind="stable")


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


def read(folder: StudyFolder, name: str) -> pd.DataFrame:
    """One that is a single table: of all models and tasks."""
    found = _frame(folder, f"{name}.parquet", name)
    if name == "published":
        found["budget"] = [b if b == published.MEAN else int(b) for b in found["budget"]]
    return found


def read_matched(folder: StudyFolder, configs: Configs) -> list[Matched]:
    def one(r: dict[str, Any], of: Callable[[str], pd.DataFrame]) -> Matched:
        tools = Instruments(configs[r.pop("match")], configs[r.pop("capability")], (configs[r["harm"]],))
        three = {name: of(name) for name in ("at_target", "at_ceiling", "gaps")}
        return Matched(**{**r, "harm": configs[r["harm"]]}, instruments=tools, **three)

    return _each(folder, "matched", "versus", one)


def read_at_distance(folder: StudyFolder, configs: Configs) -> list[AtDistance]:
    return _each(
        folder,
        "at_distance",
        "versus",
        lambda r, of: AtDistance(
            **{k: v for k, v in r.items() if k != "cell"}, config=configs[r["cell"]], table=of("table")
        ),
    )


def read_fronts(folder: StudyFolder) -> list[Front]:
    rows = _frame(folder, "fronts.parquet", "fronts").to_dict("records")
    return [
        Front(**r, **{x: _frame(folder, f"fronts-{k}-{x}.parquet", name) for x, name in _FRONT.items()})
        for k, r in enumerate(rows)
    ]


# -- comparisons: a row each, and tables of their own beside it -------------------------------------------------------

_FRONT = {"points": "front", "dominance": "dominance"}


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
        for field, name in _FRONT.items():
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


def _each(folder: StudyFolder, name: str, kind: str, make: Callable[..., Any]) -> list[Any]:
    rows = _frame(folder, f"{name}.parquet", name).to_dict("records")
    return [make(r, lambda x, k=k: _frame(folder, f"{name}-{k}-{x}.parquet", kind)) for k, r in enumerate(rows)]


def _frame(folder: StudyFolder, file: str, name: str) -> pd.DataFrame:
    """Raises UserError where it is missing: an earlier version analysed, an analysis was cut short, or it was deleted.
    What is there is believed only if the last that is written is there, too."""
    at = folder.analysis / file
    if not at.exists() or not (folder.analysis / f"{LAST}.parquet").exists():
        raise UserError(
            f"{folder.root} has not all tables that the page shows, as where an earlier holdfast analysed it; run "
            "`holdfast analyse` again first"
        )
    return read_frame(at, name)


LAST = "coherence"  # that is written
TRIED = "tried"
