"""What a run reads, and its id, counted from the rows themselves.

A run's id is a digest of what determines its weights: model, template, the rows themselves and their order,
objective, seed, learning rate, controls. Names, paths and labels are not in it. Nor are the budgets where the ladder is
nested (constant schedule), so that a ladder can grow; else every budget is a run of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from holdfast import registry
from holdfast.config.decisions import Stopped
from holdfast.config.role import Role
from holdfast.config.run import PlannedCheckpoint, Run
from holdfast.config.study_runs import RunSpec, begins_at
from holdfast.data.stream import Stream
from holdfast.models.signals import signals_of
from holdfast.runs.materials import Materials
from holdfast.store.digest import digest, short
from holdfast.training.job import is_nested
from holdfast.types import UNSAFE, Example, UserError

# Raised when the loop would give other weights for the same plan.
TRAINING = 1


def ladder(materials: Materials, spec: RunSpec) -> list[RunSpec]:
    """One run for all budgets where a smaller one is a prefix of a larger one; else one for each, but that a setting is
    tried at the last alone."""
    if _nested(materials, spec):
        return [spec]
    budgets = spec.budgets[-1:] if spec.role is Role.TUNING else spec.budgets
    return [replace(spec, budgets=(b,)) for b in budgets]


def _nested(materials: Materials, spec: RunSpec) -> bool:
    return is_nested(materials.objectives[spec.variant.label], materials.controls(spec.variant.label))


def run_id(materials: Materials, spec: RunSpec, parent: str = "") -> str:
    """``parent``: id of the run from whose checkpoint a second round goes on, at a budget that counts as well. So does
    the last one where the ladder is not nested.

    Of the controls, ``passes`` and ``max_tokens`` are left out: they say which rows are read, and the rows are in.
    """
    v, model, budget = spec.variant, materials.models[spec.model], spec.budgets[-1]
    order, init = v.seeds(spec.seed)
    return short(
        digest(
            {
                "training": TRAINING,
                "model": materials.model_digest(spec.model),
                "renderer": materials.renderer(spec.model).digest,
                "numerics": {"dtype": model.dtype, "attention": model.attention},
                "rows": materials.rows_digest(spec.model, materials.rows_of(v.label, spec.task)),
                "seed": init,
                **({"order_seed": order} if order != init else {}),
                "budget": None if _nested(materials, spec) else budget,
                **({"begins": [parent, begins_at(materials.study, spec.role, budget)]} if parent else {}),
                **materials.once(_of_variant, v.label),
                **materials.once(_read_by, v.label),
            }
        )
    )


def _of_variant(materials: Materials, label: str) -> dict[str, Any]:
    """What counts of a variant in the ids of all its runs. Of the signals that it reads only versions: the first is
    told by the objective itself."""
    signals = signals_of(materials.objectives[label].needs)
    versions = {name: signal.version for name, signal in signals.items() if signal.version > 1}
    return {
        "objective": registry.identity(materials.objectives[label]),
        "learning_rate": materials.variants[label].learning_rate(materials.study.controls),
        "controls": materials.controls(label).identity(),
        **({"signals": versions} if versions else {}),
    }


def _read_by(materials: Materials, label: str) -> dict[str, Any]:
    """What the parameters of a variant's signals and steering only name, by its content: a file is more than its
    path."""
    needs = materials.objectives[label].needs
    found = {k: s.digest for k, s in signals_of(needs).items() if hasattr(s, "digest")}
    steered = [registry.build("directions", s.direction, s.params).digest for s in needs.steer]
    return {**({"read": found} if found else {}), **({"steered": steered} if steered else {})}


def counted(materials: Materials, spec: RunSpec, stopped: Stopped) -> Run:
    """The run with its id and what it reads; ``stopped``: where runs end before their last budget.

    Raises UserError where a budget lies within the warm-up of a schedule that ends with it.
    """
    v, controls = spec.variant, materials.controls(spec.variant.label)
    first = (begins_at(materials.study, spec.role, spec.budgets[-1]),)
    parent = run_id(materials, replace(spec, variant=materials.variants[v.parent], budgets=first)) if v.parent else ""
    id = run_id(materials, spec, parent)
    if spec.role.is_study and id in stopped:
        spec = spec.upto(stopped[id]["budget"])
    last = spec.budgets[-1]
    stream = materials.stream(spec.model, spec.task, spec.seed, last, v.label)
    steps = stream.step_at(last)
    if steps <= controls.warmup_steps and controls.schedule != "constant":
        raise UserError(
            f"the budget of {last} tokens is {steps} steps of the task {spec.task!r}, no more than "
            "controls.warmup_steps; lower warmup_steps or raise the budget"
        )
    return _named(materials, spec, id, stream.digest, _checkpoints(materials, spec, stream), parent)


def _checkpoints(materials: Materials, run: RunSpec, stream: Stream) -> tuple[PlannedCheckpoint, ...]:
    label, rows = run.variant.label, materials.rows_of(run.variant.label, run.task)
    reader = materials.asked(run.model, rows)
    ends = [stream.step_at(budget) for budget in run.budgets]
    read = [example for step in stream.steps[: ends[-1]] for example in step]
    known = materials.once(_tokens_known, reader, rows, label)
    for example in read:
        if example.id not in known:
            known[example.id] = _tokens(materials, reader, label, example)
    each = np.array([known[example.id] for example in read])
    new = np.zeros(len(read), int)  # tokens of rows that were not read before: a reference runs on each row once
    if _reads_base(materials, label):
        first = list({example.id: k for k, example in reversed([*enumerate(read)])}.values())
        new[first] = each[first, 0]
    counts, first_time = each.cumsum(axis=0), new.cumsum()
    checkpoints = []
    for budget, end in zip(run.budgets, ends, strict=True):
        n = stream.rows_at(budget)
        forward, supervised, unsafe = counts[n - 1].tolist()
        checkpoints.append(
            PlannedCheckpoint(
                budget=budget,
                tokens=stream.tokens_after[end - 1],
                forward_tokens=forward,
                reference_tokens=int(first_time[n - 1]),
                steps=end,
                rows=n,
                passes=round(stream.passes_at(budget), 3),
                supervised_tokens=supervised,
                unsafe_tokens=unsafe,
            )
        )
    return tuple(checkpoints)


def _tokens_known(materials: Materials, reader: str, rows: str, label: str) -> dict[str, tuple[int, int, int]]:
    """What is counted of rows that several runs read, by id: for ``_tokens`` to fill."""
    return {}


def _tokens(materials: Materials, reader: str, label: str, example: Example) -> tuple[int, int, int]:
    """Tokens that an objective reads of a row: forward, supervised and unsafe."""
    view = materials.objectives[label].view(example)
    responses = [materials.response_tokens(reader, s.response) for s in view]
    unsafe = [n for n, s in zip(responses, view, strict=True) if s.side == "rejected" and UNSAFE in example.tags]
    prompts = [materials.prompt_tokens(reader, s.prompt) for s in view]
    return sum(prompts) + sum(responses), sum(responses), sum(unsafe)


def nominal(materials: Materials, spec: RunSpec) -> Run:
    """Round numbers: a pair costs twice the shared view. The id is a label, good for nothing but telling runs apart."""
    v = spec.variant
    times, referred = 2 if materials.objectives[v.label].needs.pairs else 1, _reads_base(materials, v.label)
    checkpoints = tuple(PlannedCheckpoint(b, b, b * times, b * times if referred else 0) for b in spec.budgets)
    labels = [spec.model, spec.task, v.label, spec.role.column(v.label), spec.seed, spec.budgets[-1]]
    return _named(materials, spec, f"nominal-{short(digest(labels))}", "", checkpoints)


def _reads_base(materials: Materials, label: str) -> bool:
    """Whether the base model runs on every row beside the policy."""
    return materials.once(_referring, label)


def _referring(materials: Materials, label: str) -> bool:
    needs = materials.objectives[label].needs
    return needs.ref_logps or any(signal.reference for signal in signals_of(needs).values())


def _named(
    materials: Materials,
    spec: RunSpec,
    id: str,
    order: str,
    checkpoints: tuple[PlannedCheckpoint, ...],
    parent: str = "",
) -> Run:
    v, told = spec.variant, materials.once(_of_variant, spec.variant.label)
    return Run(
        id, spec.model, spec.task, v.label, told["objective"]["name"], told["objective"]["params"], spec.seed,
        told["learning_rate"], spec.role, order, checkpoints, v.of, v.overrides, parent,
    )  # fmt: skip
