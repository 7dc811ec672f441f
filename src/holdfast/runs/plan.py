"""From a study to what will be trained and measured, what it costs, and what to know of it before it is run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any

from holdfast.config import decisions
from holdfast.config.role import Role
from holdfast.config.run import Run, present_names, read_runs, write_runs
from holdfast.config.study import Study
from holdfast.config.study_runs import RunSpec, tuning_seeds
from holdfast.config.study_runs import runs as declared_runs
from holdfast.runs import checks, costs, model_notes
from holdfast.runs.counting import counted, ladder, nominal
from holdfast.runs.eval_costs import EvalPlan, plan_configs
from holdfast.runs.materials import Materials
from holdfast.runs.notes import plan_notes
from holdfast.runs.sizes import Shape, measured, published
from holdfast.store.digest import canonical
from holdfast.store.files import AGAIN, read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

MANY = 5_000  # runs: as JSON 13 MB, which take half a second to read
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

    def write(self, folder: StudyFolder) -> None:
        """For ``read``. More than ``MANY`` runs lie as a table beside ``plan.json``."""
        if len(self.runs) > MANY:
            plain = replace(self, runs=()).as_json() | {"runs": write_runs(folder, self.runs)}
        else:
            plain = self.as_json()
        write_json(folder.plan_json, plain)
        if len(self.runs) <= MANY:
            folder.runs_parquet.unlink(missing_ok=True)

    @staticmethod
    def read(folder: StudyFolder) -> Plan:
        """The plan that a run left."""
        needs = [f.name for f in fields(Plan) if f.default is MISSING and f.default_factory is MISSING]
        plain = present_names(read_json(folder.plan_json, "name"))
        if lost := [key for key in needs if key not in plain]:
            raise UserError(f"{folder.plan_json} is damaged (it has no {lost[0]}); {AGAIN}")
        if isinstance(plain["runs"], list):
            return Plan.from_json(plain)
        return replace(Plan.from_json(plain | {"runs": []}), runs=tuple(read_runs(folder, plain["runs"])))


def expand(
    study: Study,
    folder: StudyFolder | None = None,
    materials: Materials | None = None,
    probed: costs.Speeds | None = None,
) -> Plan:
    """The plan; raises UserError for what can be known to fail. Reads the data, writes nothing, fetches no model.

    ``materials`` (made with ``plan=True``) are what it is made from; pass your own to use them afterwards. ``probed``:
    speeds that were measured here.
    """
    notes = checks.check(study)
    materials = materials or Materials(study, folder, plan=True)
    chosen = decisions.chosen(study, materials.folder)
    specs = [split for spec in declared_runs(study, chosen) for split in ladder(materials, spec)]
    absent = materials.absent()
    if absent:
        runs = [nominal(materials, spec) for spec in specs]
        notes.append(
            f"nominal, for {', '.join(absent)} {'is' if len(absent) == 1 else 'are'} not on this machine: tokens are "
            "the budgets themselves, pairs count twice, and sizes are those published"
        )
    else:
        checks.files(study)
        where = decisions.stopped(study, materials.folder)
        runs = _distinct([counted(materials, spec, where or {}) for spec in specs])
        notes += plan_notes(materials, runs)
        if study.stops and where is None:
            notes.append("a run ends at the first checkpoint that reaches the target; counted here as if none did")
        if where:
            own = [(t.id, t.label, t.seed) for t in runs if t.role.is_study]
            notes.append(f"ended where the target was reached: {decisions.in_words(where, own)}")
    of_models = model_notes.of(materials)
    sizes = shapes(materials, absent)
    notes += costs.crowded(study, sizes)
    undecided = study.tuned is not None and not chosen
    if undecided:
        notes.append(_at_most(study, runs))
    runs_once = once(runs)
    notes += costs.heavy(study, sizes, runs_once)
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
        cost=costs.cost(study, sizes, runs_once, configs, probed),
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


def _rows_read(materials: Materials, specs: list[RunSpec]) -> list[tuple[str, str]]:
    """Models and tasks (a variant's own form of one among them) whose rows are trained on."""
    return list(dict.fromkeys((r.model, materials.rows_of(r.variant.label, r.task)) for r in specs))


def _dropped(materials: Materials, specs: list[RunSpec]) -> dict[str, dict[str, int]]:
    several = len(materials.study.models) > 1
    return {
        f"{task} ({model})" if several else task: dict(materials.usable(model, task).dropped)
        for model, task in _rows_read(materials, specs)
    }


def shapes(materials: Materials, absent: list[str]) -> dict[str, Shape | None]:
    """Of every model; None where nothing is known. ``absent``: what is not on this machine, if anything."""
    if absent:
        return {m.name: published(m.path) for m in materials.study.models}
    targets = materials.study.controls.lora.targets
    return {name: measured(materials.path(name), targets) for name in materials.models}
