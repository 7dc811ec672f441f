"""From a study to what will be trained and measured: runs with content ids, and what each reads.

A run's id is a digest of what determines its weights: model, template, the rows themselves and their order,
objective, seed, learning rate, controls. Names, paths and labels are not in it. Nor are the budgets where the ladder is
nested (constant schedule), so that a ladder can grow; else every budget is a run of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from holdfast import registry
from holdfast.config import decisions
from holdfast.config.decisions import Stopped
from holdfast.config.role import Role
from holdfast.config.run import PlannedCheckpoint, Run, present_names
from holdfast.config.runs import RunSpec, tuning_seeds
from holdfast.config.runs import runs as declared_runs
from holdfast.config.study import Study
from holdfast.data.stream import Stream
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


def expand(study: Study, folder: StudyFolder | None = None, materials: Materials | None = None) -> Plan:
    """The plan; raises UserError for what can be known to fail. Reads the data, writes nothing, fetches no model.

    ``materials`` (made with ``plan=True``) are what it is made from; pass your own to use them afterwards.
    """
    notes = checks.check(study)
    materials = materials or Materials(study, folder, plan=True)
    chosen = decisions.chosen(study, materials.folder)
    specs = [split for spec in declared_runs(study, chosen) for split in _ladder(materials, spec)]
    absent = materials.absent()
    if absent:
        runs = [_nominal(materials, spec) for spec in specs]
        notes.append(
            f"nominal, for {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on this machine: tokens are "
            "the budgets themselves, pairs count twice, and sizes are those published"
        )
    else:
        checks.files(study)
        where = decisions.stopped(study, materials.folder)
        runs = _distinct([_counted(materials, spec, where or {}) for spec in specs])
        notes += plan_notes(materials, runs)
        if study.stops and where is None:
            notes.append("a run ends at the first checkpoint that reaches the target; counted here as if none did")
        if where:
            own = [(t.id, t.label, t.seed) for t in runs if t.role.is_study]
            notes.append(f"ended where the target was reached: {decisions.in_words(where, own)}")
    of_models = model_notes.of(materials)
    undecided = study.tuned is not None and not chosen
    if undecided:
        notes.append(_at_most(study, runs))
    runs_once = once(runs)
    configs = plan_configs(materials, runs_once, nominal=bool(absent))
    return Plan(
        name=study.name,
        nominal=bool(absent),
        provisional=undecided
        or not (absent or all(materials.is_sampled(m, rows) for m, rows in _rows_read(materials, specs))),
        runs=tuple(runs),
        configs=tuple(configs),
        subjects=len(study.models) + len(study.given) + sum(len(t.measured) for t in runs_once),
        dropped={} if absent else _dropped(materials, specs),
        cost=costs.cost(study, _shapes(materials, absent), runs_once, configs),
        notes=tuple(notes),
        of_models=tuple(of_models),
        declared={
            "alpha": study.alpha,
            **study.declared.model_dump(mode="json", exclude={"guesses"}),
            "by_default": not study.declared.model_fields_set & _ASKED,
        },
    )


def _at_most(study: Study, runs: list[Run]) -> str:
    """What the choice of settings may add to a plan that was made before it."""
    tried = {t.of for t in runs if t.role is Role.TUNING}
    places, first = len(tried) * len(study.models) * len(study.tasks), len(tuning_seeds(study))
    more, subjects = len(study.seeds) - first, len(study.seeds) * len(study.checkpoint_budgets) - first
    return (
        f"provisional: the run chooses the settings of {places} objectives; where that is not the study's own, it is "
        f"trained from every seed and measured at every budget: at most {places * more} runs and "
        f"{places * subjects} subjects more, which are not counted here"
    )


def _distinct(runs: list[Run]) -> list[Run]:
    """Without the variations that are a run of the study already, such as one with both of another seed's seeds. A
    setting that is tried stays, for it is chosen under its own label."""
    known = {t.id for t in runs if t.role in (Role.STUDY, Role.CONTROL)}
    kept: dict[str, Run] = {}
    for t in runs:
        if t.role is not Role.VARIATION:
            kept[f"{t.id} {t.budgets} {t.label}"] = t
        elif t.id not in known:
            kept.setdefault(t.id, t)
    return list(kept.values())


def once(runs: list[Run]) -> list[Run]:
    """Every run under the first of its labels: what is trained and measured."""
    first = {t.id: t for t in reversed(runs)}
    return [t for t in runs if first[t.id] is t]


def _ladder(materials: Materials, spec: RunSpec) -> list[RunSpec]:
    """One run for all budgets where a smaller one is a prefix of a larger one; else one for each, but that a setting is
    tried at the last alone."""
    if _nested(materials, spec):
        return [spec]
    budgets = spec.budgets[-1:] if spec.role is Role.TUNING else spec.budgets
    return [replace(spec, budgets=(b,)) for b in budgets]


def _nested(materials: Materials, spec: RunSpec) -> bool:
    return is_nested(materials.objectives[spec.variant.label], materials.controls(spec.variant.label))


def run_id(materials: Materials, spec: RunSpec, parent: str = "") -> str:
    """``parent``: id of the run from whose checkpoint at the last budget a second round goes on. That budget counts
    there, and where the ladder is not nested.

    Of the controls, ``passes`` and ``max_tokens`` are left out: they say which rows are read, and the rows are in.
    """
    v, model, budget = spec.variant, materials.models[spec.model], spec.budgets[-1]
    controls, (order, init) = materials.controls(v.label), v.seeds(spec.seed)
    return short(
        digest(
            {
                "training": TRAINING,
                "model": materials.model_digest(spec.model),
                "renderer": materials.renderer(spec.model).digest,
                "numerics": {"dtype": model.dtype, "attention": model.attention},
                "rows": materials.rows_digest(spec.model, materials.rows_of(v.label, spec.task)),
                "objective": registry.identity(materials.objectives[v.label]),
                "seed": init,
                **({"order_seed": order} if order != init else {}),
                "learning_rate": v.learning_rate(materials.study.controls),
                "controls": controls.model_dump(exclude={"passes", "max_tokens", "learning_rate"}),
                "budget": None if _nested(materials, spec) else budget,
                **({"begins": [parent, budget]} if parent else {}),
            }
        )
    )


def _counted(materials: Materials, spec: RunSpec, stopped: Stopped) -> Run:
    v, controls = spec.variant, materials.controls(spec.variant.label)
    parent = run_id(materials, replace(spec, variant=materials.variants[v.parent])) if v.parent else ""
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
    objective = materials.objectives[run.variant.label]
    needs = objective.needs
    known: dict[str, tuple[int, int, int]] = {}

    def read(example: Example) -> tuple[int, int, int]:
        """Tokens forward, supervised and unsafe."""
        view = objective.view(example)
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


def _nominal(materials: Materials, spec: RunSpec) -> Run:
    """Round numbers: a pair costs twice the shared view. The id is a label, good for nothing but telling runs apart."""
    needs, v = materials.objectives[spec.variant.label].needs, spec.variant
    times, referred = 2 if needs.pairs else 1, needs.ref_logps or needs.kl
    checkpoints = tuple(PlannedCheckpoint(b, b, b * times, b * times if referred else 0) for b in spec.budgets)
    labels = [spec.model, spec.task, v.label, spec.role.column(v.label), spec.seed, spec.budgets[-1]]
    return _named(materials, spec, f"nominal-{short(digest(labels))}", "", checkpoints)


def _named(
    materials: Materials,
    spec: RunSpec,
    id: str,
    order: str,
    checkpoints: tuple[PlannedCheckpoint, ...],
    parent: str = "",
) -> Run:
    v = spec.variant
    identity = registry.identity(materials.objectives[v.label])
    return Run(
        id, spec.model, spec.task, v.label, identity["name"], canonical(identity["params"]), spec.seed,
        v.learning_rate(materials.study.controls), spec.role, order, checkpoints, v.of, v.overrides, parent,
    )  # fmt: skip


def _rows_read(materials: Materials, specs: list[RunSpec]) -> list[tuple[str, str]]:
    """Models and tasks (a variant's own form of one among them) whose rows are trained on."""
    return list(dict.fromkeys((r.model, materials.rows_of(r.variant.label, r.task)) for r in specs))


def _dropped(materials: Materials, specs: list[RunSpec]) -> dict[str, dict[str, int]]:
    several = len(materials.study.models) > 1
    return {
        f"{task} ({model})" if several else task: dict(materials.usable(model, task).dropped)
        for model, task in _rows_read(materials, specs)
    }


def _shapes(materials: Materials, absent: list[str]) -> dict[str, Shape | None]:
    if absent:
        return {m.name: published(m.path) for m in materials.study.models}
    targets = materials.study.controls.lora.targets
    return {name: measured(materials.path(name), targets) for name in materials.models}
