"""One planned training run, what it has read at each budget, and whether it has left its warm-up by then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.config.role import Role
from holdfast.config.study import Study
from holdfast.config.study_runs import own


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
    if "runs" in found:
        found["runs"] = [{_EARLIER.get(key, key): value for key, value in run.items()} for run in found["runs"]]
        found["runs"] = [run | {"role": Role.of(run["role"])} for run in found["runs"]]
    return found


def planned(plain: Mapping[str, Any]) -> list[Run]:
    """The runs that plan.json names; [] where it holds none."""
    from pydantic import TypeAdapter

    return TypeAdapter(list[Run]).validate_python(present_names(plain).get("runs", ()))


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
