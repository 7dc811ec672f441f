"""From a study to what will be trained and measured: runs with content ids, and what each reads.

A run's id is a digest of what determines its weights: model, template, the rows themselves and their order,
objective, seed, learning rate, controls. Names, paths and labels are not in it. Nor are the budgets where the ladder is
nested (constant schedule), so that a ladder can grow; else every budget is a run of its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from holdfast import registry
from holdfast.config import stopped, tuning, variations
from holdfast.config.declared import TUNED, TUNING
from holdfast.config.run import PlannedCheckpoint, Run, present_names
from holdfast.config.study import Controls, Study, VariantSpec
from holdfast.data.stream import Stream
from holdfast.objectives.objective import Objective
from holdfast.runs import checks, costs, model_notes
from holdfast.runs.eval_costs import EvalPlan, plan_configs
from holdfast.runs.materials import Materials
from holdfast.runs.notes import plan_notes
from holdfast.runs.sizes import Shape, measured, published
from holdfast.store.digest import canonical, digest, short
from holdfast.store.files import AGAIN, read_json
from holdfast.store.folder import StudyFolder
from holdfast.training.job import is_nested
from holdfast.types import UNSAFE, Example, UserError

# Raised when the loop would give other weights for the same plan.
TRAINING = 1

_ASKED = {"estimands", "references", "interest", "prompts"}  # of `declared`: the rest is of power alone


@dataclass(frozen=True, slots=True)
class Power:
    """What comparing an objective with SFT at one budget can see. ``detects``: the smallest increase that is called a
    difference with probability ``target``, at the level ``alpha``; None: not even the largest there can be. ``chance``:
    that the difference of ``interest`` is; ``seeds_needed`` and ``prompts_needed``: of either, the other as planned, so
    that it reaches the target; None: out of reach. ``basis``: pilot or guesses."""

    measure: str
    axis: str
    prompts: int
    seeds: int
    alpha: float
    target: float
    detects: float | None
    interest: float
    chance: float | None
    seeds_needed: int | None
    prompts_needed: int | None
    basis: str


@dataclass(frozen=True, slots=True)
class Plan:
    """``nominal``: models are not on this machine, and counts are the study's own round numbers. ``provisional``:
    rejected responses are yet to be drawn, and ids will change when they are; or settings are yet to be chosen
    (``tuned``), and more will be trained. ``dropped``: rows that some objective could not use, by task and reason.
    ``of_models``: what models and given adapters bring along that is not used or not as it looks.
    ``declared``: what the study asks, and the alpha of its tests; all else that is found is exploratory. ``power``:
    what it can see, where that was reckoned."""

    name: str
    nominal: bool
    provisional: bool
    runs: tuple[Run, ...]
    configs: tuple[EvalPlan, ...]
    subjects: int
    dropped: Mapping[str, Mapping[str, int]]
    cost: costs.Cost
    notes: tuple[str, ...] = ()
    of_models: tuple[str, ...] = ()
    declared: Mapping[str, Any] = field(default_factory=dict)
    power: tuple[Power, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; ``from_json`` gives the same plan back."""
        return canonical(self)

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> Plan:
        from pydantic import TypeAdapter

        return TypeAdapter(Plan).validate_python(present_names(plain))

    @staticmethod
    def read(folder: StudyFolder) -> Plan:
        """The plan that a run left."""
        needs = [f.name for f in fields(Plan) if f.default is MISSING and f.default_factory is MISSING]
        plain = present_names(read_json(folder.plan_json, "name"))
        if lost := [key for key in needs if key not in plain]:
            raise UserError(f"{folder.plan_json} is damaged (it has no {lost[0]}); {AGAIN}")
        return Plan.from_json(plain)


@dataclass(frozen=True, slots=True)
class _Planned:
    """One row of the expansion, before it is counted."""

    model: str
    task: str
    label: str
    objective: Objective
    seed: int
    learning_rate: float
    role: str
    budgets: tuple[int, ...]
    of: str = ""
    varies: Mapping[str, str] = field(default_factory=dict)
    first: str = ""  # the label of the run that a second round goes on from


def expand(study: Study, folder: StudyFolder | None = None, materials: Materials | None = None) -> Plan:
    """The plan; raises UserError for what can be known to fail. Reads the data, writes nothing, fetches no model.

    ``materials`` (made with ``plan=True``) are what it is made from; pass your own to use them afterwards.
    """
    notes = checks.check(study)
    materials = materials or Materials(study, folder, plan=True)
    planned = [split for run in _runs(materials) for split in _ladder(run, materials.controls(run.label))]
    absent = materials.absent()
    if absent:
        runs = [_nominal(run) for run in planned]
        notes.append(
            f"nominal, for {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on this machine: tokens are "
            "the budgets themselves, pairs count twice, and sizes are those published"
        )
    else:
        checks.files(study)
        where = stopped.read(study, materials.folder)
        runs = _distinct([_run(materials, run, where or {}) for run in planned])
        notes += plan_notes(materials, runs)
        if study.stops and where is None:
            notes.append("a run ends at the first checkpoint that reaches the target; counted here as if none did")
        if where:
            proper = [(t.id, t.label, t.seed) for t in runs if not t.role]
            notes.append(f"ended where the target was reached: {stopped.said(where, proper)}")
    of_models = model_notes.of(materials)
    undecided = study.tuned is not None and not tuning.chosen(study, materials.folder)
    if undecided:
        notes.append(_at_most(study, runs))
    runs_once = once(runs)
    configs = plan_configs(materials, runs_once, nominal=bool(absent))
    return Plan(
        name=study.name,
        nominal=bool(absent),
        provisional=undecided
        or not (absent or all(materials.is_sampled(r.model, materials.rows_of(r.label, r.task)) for r in planned)),
        runs=tuple(runs),
        configs=tuple(configs),
        subjects=len(study.models) + len(study.given) + sum(len(t.measured) for t in runs_once),
        dropped={} if absent else _dropped(materials, planned),
        cost=costs.cost(study, _shapes(materials, absent), runs_once, configs),
        notes=tuple(notes),
        of_models=tuple(of_models),
        declared={
            "alpha": study.alpha,
            **study.declared.model_dump(mode="json", exclude={"guesses"}),
            "by_default": not study.declared.model_fields_set & _ASKED,
        },
    )


def _runs(materials: Materials) -> list[_Planned]:
    study = materials.study
    runs = [
        _Planned(
            m.name, t.name, v.label, materials.objectives[v.label], s, _rate(materials, v), "", study.checkpoint_budgets
        )
        for m in study.models
        for t in study.tasks
        for v in study.objectives
        for s in study.seeds
    ]
    for control in study.control_runs:
        task = control.task or study.tasks[0]
        own_rate = 0.0 if control.kind == "noop" else control.learning_rate or study.controls.learning_rate
        runs += [
            _Planned(
                m.name, task.name, control.kind, materials.control_objective(), study.seeds[0], own_rate, control.kind,
                (control.budget or study.budgets[0],),
            )
            for m in study.models
        ]  # fmt: skip
    return runs + _settings(materials) + _variations(materials)


def _rate(materials: Materials, variant: VariantSpec) -> float:
    return variant.learning_rate or materials.controls(variant.label).learning_rate


def _settings(materials: Materials) -> list[_Planned]:
    """What is tried for each objective, with all its checkpoints where these cost nothing, and what was chosen."""
    study = materials.study
    chosen = tuning.chosen(study, materials.folder)
    runs = []
    for x, m, t in itertools.product(tuning.candidates(study), study.models, study.tasks):
        label, objective = x.variant.label, materials.objectives[x.variant.label]
        found = chosen.get((m.name, t.name, x.of)) == label
        budgets = (
            study.checkpoint_budgets if found or is_nested(objective, materials.controls(label)) else study.budgets[-1:]
        )
        rate, role = _rate(materials, x.variant), TUNED if found else TUNING
        runs += [
            _Planned(m.name, t.name, label, objective, s, rate, role, budgets, x.of, x.varies)
            for s in (study.seeds if found else tuning.seeds(study))
        ]
    return runs


def _at_most(study: Study, runs: list[Run]) -> str:
    """What the choice of settings may add to a plan that was made before it."""
    tried = {t.of for t in runs if t.role == TUNING}
    places = len(tried) * len(study.models) * len(study.tasks)
    more, subjects = len(study.seeds) - len(tuning.seeds(study)), len(study.seeds) * len(study.checkpoint_budgets)
    return (
        f"provisional: the run chooses the settings of {places} objectives; where that is not the study's own, it is "
        f"trained from every seed and measured at every budget: at most {places * more} runs and "
        f"{places * (subjects - len(tuning.seeds(study)))} subjects more, which are not counted here"
    )


def _variations(materials: Materials) -> list[_Planned]:
    """What the consistency section trains anew, at the last budget."""
    study = materials.study
    return [
        _Planned(
            m.name, t.name, x.variant.label, materials.objectives[x.variant.label], s, _rate(materials, x.variant),
            variations.VARIATION, study.budgets[-1:], x.of, x.varies, x.first if x.second else "",
        )
        for x in variations.variations(study)
        for m in study.models
        for t in study.tasks
        for s in variations.seeds(study)
    ]  # fmt: skip


def _distinct(runs: list[Run]) -> list[Run]:
    """Without the variations that are a run of the study already, such as one with both of another seed's seeds. A
    setting that is tried stays, for it is chosen under its own label."""
    proper = {t.id for t in runs if t.role not in (variations.VARIATION, TUNING, TUNED)}
    kept: dict[str, Run] = {}
    for t in runs:
        if t.role != variations.VARIATION:
            kept[f"{t.id} {t.budgets} {t.label}"] = t
        elif t.id not in proper:
            kept.setdefault(t.id, t)
    return list(kept.values())


def once(runs: list[Run]) -> list[Run]:
    """Every run under the first of its labels: what is trained and measured."""
    first = {t.id: t for t in reversed(runs)}
    return [t for t in runs if first[t.id] is t]


def _ladder(run: _Planned, controls: Controls) -> list[_Planned]:
    """One run for all budgets where a smaller one is a prefix of a larger one; else one for each."""
    if is_nested(run.objective, controls):
        return [run]
    return [replace(run, budgets=(b,)) for b in run.budgets]


def run_id(
    materials: Materials,
    model: str,
    task: str,
    objective: Objective,
    seed: int,
    learning_rate: float,
    budget: int,
    label: str = "",
    begins: str = "",
) -> str:
    """``budget`` counts only where the ladder is not nested; ``label`` names a variant with settings of its own;
    ``begins`` is the id of the run from whose checkpoint at ``budget`` a second round goes on.

    Of the controls, ``passes`` and ``max_tokens`` are left out: they say which rows are read, and the rows are in.
    """
    spec, controls = materials.models[model], materials.controls(label)
    order, init = materials.seeds(label, seed)
    return short(
        digest(
            {
                "training": TRAINING,
                "model": materials.model_digest(model),
                "renderer": materials.renderer(model).digest,
                "numerics": {"dtype": spec.dtype, "attention": spec.attention},
                "rows": materials.rows_digest(model, materials.rows_of(label, task)),
                "objective": registry.identity(objective),
                "seed": init,
                **({"order_seed": order} if order != init else {}),
                "learning_rate": learning_rate,
                "controls": controls.model_dump(exclude={"passes", "max_tokens", "learning_rate"}),
                "budget": None if is_nested(objective, controls) else budget,
                **({"begins": [begins, budget]} if begins else {}),
            }
        )
    )


def _run(materials: Materials, run: _Planned, where: stopped.Where) -> Run:
    last, controls = run.budgets[-1], materials.controls(run.label)

    def id(label: str, begins: str = "") -> str:
        return run_id(materials, run.model, run.task, run.objective, run.seed, run.learning_rate, last, label, begins)

    begins = id(run.first) if run.first else ""
    own = id(run.label, begins)
    if own in where and not run.role:
        last = where[own]["budget"]
        run = replace(run, budgets=tuple(b for b in run.budgets if b <= last))
    stream = materials.stream(run.model, run.task, run.seed, last, run.label)
    steps = stream.step_at(last)
    if steps <= controls.warmup_steps and controls.schedule != "constant":
        raise UserError(
            f"the budget of {last} tokens is {steps} steps of the task {run.task!r}, no more than "
            "controls.warmup_steps; lower warmup_steps or raise the budget"
        )
    return _named(run, own, stream.digest, _checkpoints(materials, run, stream), begins)


def _checkpoints(materials: Materials, run: _Planned, stream: Stream) -> tuple[PlannedCheckpoint, ...]:
    needs = run.objective.needs
    known: dict[str, tuple[int, int, int]] = {}

    def read(example: Example) -> tuple[int, int, int]:
        """Tokens forward, supervised and unsafe."""
        view = run.objective.view(example)
        responses = [materials.response_tokens(run.model, s.response) for s in view]
        unsafe = [n for n, s in zip(responses, view, strict=True) if s.side == "rejected" and UNSAFE in example.tags]
        prompts = [materials.prompt_tokens(run.model, s.prompt) for s in view]
        return sum(prompts) + sum(responses), sum(responses), sum(unsafe)

    checkpoints, done, forward, supervised, unsafe, first_time = [], 0, 0, 0, 0, 0
    for budget in run.budgets:
        end = stream.step_at(budget)
        for example in (e for step in stream.steps[done:end] for e in step):
            new = example.id not in known
            counts = known.setdefault(example.id, read(example) if new else (0, 0, 0))
            forward, supervised, unsafe = forward + counts[0], supervised + counts[1], unsafe + counts[2]
            first_time += counts[0] if new else 0
        done = end
        checkpoints.append(
            PlannedCheckpoint(
                budget=budget,
                tokens=stream.tokens_after[end - 1],
                forward_tokens=forward,
                reference_tokens=first_time if needs.ref_logps or needs.kl else 0,
                steps=end,
                rows=sum(len(step) for step in stream.steps[:end]),
                passes=round(stream.passes_at(budget), 3),
                supervised_tokens=supervised,
                unsafe_tokens=unsafe,
            )
        )
    return tuple(checkpoints)


def _nominal(run: _Planned) -> Run:
    """Round numbers: a pair costs twice the shared view. The id is a label, good for nothing but telling runs apart."""
    needs, times = run.objective.needs, 2 if run.objective.needs.pairs else 1
    checkpoints = tuple(
        PlannedCheckpoint(b, b, b * times, b * times if needs.ref_logps or needs.kl else 0) for b in run.budgets
    )
    labels = [run.model, run.task, run.label, run.role, run.seed, run.budgets[-1]]
    return _named(run, f"nominal-{short(digest(labels))}", "", checkpoints)


def _named(run: _Planned, id: str, order: str, checkpoints: tuple[PlannedCheckpoint, ...], begins: str = "") -> Run:
    identity = registry.identity(run.objective)
    return Run(
        id, run.model, run.task, run.label, identity["name"], canonical(identity["params"]), run.seed,
        run.learning_rate, run.role, order, checkpoints, run.of, run.varies, begins,
    )  # fmt: skip


def _dropped(materials: Materials, planned: list[_Planned]) -> dict[str, dict[str, int]]:
    places = dict.fromkeys((r.model, materials.rows_of(r.label, r.task)) for r in planned)
    several = len(materials.study.models) > 1
    return {
        f"{task} ({model})" if several else task: dict(materials.usable(model, task).dropped) for model, task in places
    }


def _shapes(materials: Materials, absent: list[str]) -> dict[str, Shape | None]:
    if absent:
        return {m.name: published(m.path) for m in materials.study.models}
    targets = materials.study.controls.lora.targets
    return {name: measured(materials.path(name), targets) for name in materials.models}
