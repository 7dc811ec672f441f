"""One planned training run, what it has read at each budget, and whether it has left its warm-up by then."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from itertools import islice
from typing import Any

from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.config.study_runs import own
from holdfast.store import tables
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError


@dataclass(frozen=True, slots=True)
class PlannedCheckpoint:
    """What a run has read when it reaches a budget. None: not known before the data are there.

    ``tokens`` of the shared view, at the end of the step that reaches the budget; ``forward_tokens`` through the
    policy; ``reference_tokens`` through the reference, each row once; ``supervised_tokens`` that carry a loss;
    ``unsafe_tokens`` of unsafe text read.
    """

    budget: int
    tokens: int
    forward_tokens: int
    reference_tokens: int
    steps: int | None = None
    rows: int | None = None
    passes: float | None = None
    supervised_tokens: int | None = None
    unsafe_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """One training run, counted. ``order`` is the digest of the order of rows.

    One that is a variant is ``of`` an objective's label and ``overrides`` it in these factors' levels. ``parent``: id
    of the run from whose checkpoint at the same budget a second round goes on; "" if afresh.
    """

    id: str
    model: str
    task: str
    label: str
    objective: str
    params: Mapping[str, Any]
    seed: int
    learning_rate: float
    role: Role
    order: str
    checkpoints: tuple[PlannedCheckpoint, ...]
    of: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    parent: str = ""

    @property
    def budgets(self) -> tuple[int, ...]:
        return tuple(r.budget for r in self.checkpoints)

    def upto(self, budget: int) -> Run:
        """The same, as far as this budget."""
        return replace(self, checkpoints=tuple(r for r in self.checkpoints if r.budget <= budget))

    @property
    def measured(self) -> tuple[int, ...]:
        """The budgets whose checkpoints are measured: of a setting that is only tried, the last."""
        return self.budgets[-1:] if self.role is Role.TUNING else self.budgets


# Keys of plan.json, as earlier versions wrote them.
_EARLIER = {
    "cells": "configs",
    "trajectories": "runs",
    "rungs": "checkpoints",
    "bracket": "role",
    "varies": "overrides",
    "begins": "parent",
}


def present_names(plain: Mapping[str, Any]) -> dict[str, Any]:
    """What plan.json holds, by the names that its parts have now."""
    found = {_EARLIER.get(key, key): value for key, value in plain.items()}
    if isinstance(found.get("runs"), list):
        found["runs"] = [{_EARLIER.get(key, key): value for key, value in run.items()} for run in found["runs"]]
        found["runs"] = [run | {"role": Role.of(run["role"])} for run in found["runs"]]
    return found


def planned(folder: StudyFolder) -> list[Run]:
    """The runs that a study's plan names; [] where there is none."""
    from pydantic import TypeAdapter

    if not folder.plan_json.exists():
        return []
    found = present_names(read_json(folder.plan_json)).get("runs", [])
    return read_runs(folder, found) if isinstance(found, dict) else TypeAdapter(list[Run]).validate_python(found)


def ladders(folder: StudyFolder) -> list[tuple[str, tuple[int, ...]]]:
    """Id and budgets of every run of a study's plan, which is much less to read where they are many."""
    plain = read_json(folder.plan_json)
    if not isinstance(plain.get("runs"), dict):
        return [(run.id, run.budgets) for run in planned(folder)]
    table = tables.arrow(folder.runs_parquet, "runs", ["id", "budget"])
    return list(zip(table["id"].to_pylist(), map(tuple, table["budget"].to_pylist()), strict=True))


# -- more runs than a JSON file should hold, as a table of columns -----------------------------------------------------

_OWN = [f.name for f in fields(Run) if f.name != "checkpoints"]
_POINTS = [f.name for f in fields(PlannedCheckpoint)]


def write_runs(folder: StudyFolder, runs: Sequence[Run]) -> dict[str, Any]:
    """Writes ``runs.parquet``; returns what stands in plan.json in their place."""
    import pandas as pd

    columns: dict[str, list[Any]] = {name: [getattr(run, name) for run in runs] for name in _OWN}
    for name in ("params", "overrides"):
        columns[name] = [json.dumps(dict(value), sort_keys=True) for value in columns[name]]
    columns |= {name: [[getattr(c, name) for c in run.checkpoints] for run in runs] for name in _POINTS}
    tables.write(folder.runs_parquet, "runs", pd.DataFrame(columns))
    return {"file": folder.runs_parquet.name, "sha256": file_digest(folder.runs_parquet)}


def read_runs(folder: StudyFolder, written: Mapping[str, Any]) -> list[Run]:
    """What ``write_runs`` was given. Raises UserError where it was written for another plan."""
    import pyarrow.compute as pc

    table = tables.arrow(folder.runs_parquet, "runs")
    if file_digest(folder.runs_parquet) != written["sha256"]:
        raise UserError(f"{folder.runs_parquet} is of another plan than plan.json; run `holdfast run` again")
    points = map(PlannedCheckpoint, *(pc.list_flatten(table[name]).to_pylist() for name in _POINTS))
    checkpoints = [tuple(islice(points, n)) for n in pc.list_value_length(table["budget"]).to_pylist()]
    own = {name: table[name].to_pylist() for name in _OWN}
    parsed = cache(json.loads)
    own |= {name: list(map(parsed, own[name])) for name in ("params", "overrides")}
    own["role"] = list(map(Role, own["role"]))
    return [
        Run(**dict(zip(_OWN, run, strict=True)), checkpoints=some)
        for *run, some in zip(*own.values(), checkpoints, strict=True)
    ]


def still_warming_up(runs: Iterable[Run], study: Study) -> list[str]:
    """A sentence for the checkpoints that are taken before the learning rate has come up: they have learnt little, and
    a flat curve there says nothing of an objective."""
    warm_up = {v.label: v.controls(study.controls).warmup_steps for v in own(study)}
    early: dict[int, set[str]] = {}
    for t in runs:
        for checkpoint in t.checkpoints:
            if t.role.is_study and checkpoint.steps is not None and checkpoint.steps <= warm_up.get(t.label, 0):
                early.setdefault(checkpoint.budget, set()).add(t.label)
    if not early:
        return []
    budgets, labels = [f"{b:,}" for b in sorted(early)], sorted(set.union(*early.values()))
    return [
        f"at {' and '.join(budgets)} tokens {', '.join(labels)} {'has' if len(labels) == 1 else 'have'} not left the "
        "warm-up of the learning rate: raise the budgets or lower controls.warmup_steps"
    ]
