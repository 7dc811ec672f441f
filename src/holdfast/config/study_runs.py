"""How a study becomes runs: each section of its file generates variants of the study's own objectives, and a variant
is trained on every model and task from some seeds, up to some budgets.

The study's own runs are untouched by the others, which stand beside them (``Role``) and have ids of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

from holdfast import registry
from holdfast.config.role import Role
from holdfast.config.study import Study, TaskSpec, VariantSpec
from holdfast.config.variant import SECOND, Level, Variant, around
from holdfast.store.digest import digest

Who = tuple[str, str, str]  # model, task, label of an objective
CONTROL_OBJECTIVE = "sft"
BASE = "base"
_AGAIN = {"passes": 1_000_000}  # fewer rows are read as often as the budget takes


@dataclass(frozen=True)
class RunSpec:
    """One training run as the study file declares it, before its rows are counted."""

    variant: Variant
    model: str
    task: str
    seed: int
    budgets: tuple[int, ...]

    @property
    def role(self) -> Role:
        return self.variant.role

    def upto(self, budget: int) -> RunSpec:
        """The same, as far as this budget."""
        return replace(self, budgets=tuple(b for b in self.budgets if b <= budget))


def runs(study: Study, chosen: Mapping[Who, str]) -> Iterator[RunSpec]:
    """Every run of a study, in order. ``chosen``: the label of the setting that each objective is compared at."""
    places, every = [(m.name, t.name) for m in study.models for t in study.tasks], study.checkpoint_budgets
    for (model, task), v, seed in product(places, own(study), study.seeds):
        yield RunSpec(v, model, task, seed, every)
    for v, control in zip(control_runs(study), study.control_runs, strict=True):
        for m in study.models:
            task = (control.task or study.tasks[0]).name
            yield RunSpec(v, m.name, task, study.seeds[0], (control.budget or study.budgets[0],))
    for v, (model, task) in product(settings(study), places):
        if chosen.get((model, task, v.of)) == v.label:
            yield from (RunSpec(replace(v, role=Role.TUNED), model, task, s, every) for s in study.seeds)
        else:
            yield from (RunSpec(v, model, task, s, every) for s in tuning_seeds(study))
    for v, (model, task), seed in product(variations(study), places, variation_seeds(study)):
        yield RunSpec(v, model, task, seed, study.budgets[-1:])
    if study.relearning is not None:
        for v, (model, task), seed in product(relearnt(study), places, study.seeds):
            yield RunSpec(v, model, task, seed, study.relearning.budgets)


def variants(study: Study) -> dict[str, Variant]:
    """By label: all that a run of the study may be of."""
    beside = (*variations(study), *settings(study), *relearnt(study))
    return {v.label: v for v in (*control_runs(study), *own(study), *beside)}


# -- a function for each section ---------------------------------------------------------------------------------------


def own(study: Study) -> list[Variant]:
    """`objectives`: as the study compares them."""
    return [Variant(Role.STUDY, v) for v in study.objectives]


def control_runs(study: Study) -> list[Variant]:
    """`control_runs`: supervised fine-tuning whose effect is known; a no-op learns at the rate 0."""
    plain = VariantSpec(label="control", objective=CONTROL_OBJECTIVE)
    rates = {c.kind: 0.0 if c.kind == "noop" else c.learning_rate for c in study.control_runs}
    return [
        Variant(Role.CONTROL, plain.model_copy(update={"label": kind, "learning_rate": rate}))
        for kind, rate in rates.items()
    ]


def variations(study: Study) -> list[Variant]:
    """`consistency.training`: trivial choices of procedure, at the last budget. They are varied on the un-varied
    measures, as measuring factors (``evals.varied``) are on the study's own runs: the two kinds are not crossed."""
    section = study.consistency
    if section is None or not study.trains:
        return []
    specs = {v.label: v for v in study.objectives}
    wanted = [specs[label] for label in section.objectives or (study.objectives[0].label,)]
    return [v for x in wanted for v in around(Role.VARIATION, x, _training(x, study), section.cross)]


def settings(study: Study) -> list[Variant]:
    """`tuned`: the settings that are tried for each objective, beside its own. A run of one is measured at the last
    budget; that which is chosen is trained and measured as the study's own runs are."""
    if study.tuned is None:
        return []
    return [v for x in study.objectives for v in around(Role.TUNING, x, _tuning(x, study), study.tuned.cross)]


def relearnt(study: Study) -> list[Variant]:
    """`relearning`: supervised fine-tuning on its rows from where each objective ended, and from the base model."""
    section = study.relearning
    if section is None:
        return []
    plain = VariantSpec(label="relearnt", objective=CONTROL_OBJECTIVE, learning_rate=section.learning_rate)
    plain = plain.model_copy(update={"controls": section.controls})
    return [
        Variant(
            Role.RELEARNT, plain.model_copy(update={"label": f"{of or BASE}~relearnt"}), of, second=section.task.name
        )
        for of in ("", *study.labels)
    ]


def begins_at(study: Study, role: Role, budget: int) -> int:
    """The budget of its parent at which a second round to ``budget`` begins."""
    return study.budgets[-1] if role is Role.RELEARNT else budget


def variation_seeds(study: Study) -> tuple[int, ...]:
    """The study's seeds that variations are trained from."""
    return (study.consistency.seeds if study.consistency else ()) or study.seeds[:1]


def tuning_seeds(study: Study) -> tuple[int, ...]:
    """The study's seeds from which settings are tried and, by their mean, chosen."""
    assert study.tuned is not None
    return tuple(dict.fromkeys(study.tuned.seeds)) or study.seeds[:1]


def second_tasks(study: Study) -> list[TaskSpec]:
    """Tasks that are learnt in a second round alone."""
    found = study.consistency.training.second_round.values() if study.consistency else ()
    return [x for x in found if isinstance(x, TaskSpec)] + ([study.relearning.task] if study.relearning else [])


# -- factors: levels by name, without the objective's own, each once ---------------------------------------------------


def _training(spec: VariantSpec, study: Study) -> dict[str, list[Level]]:
    assert study.consistency is not None
    t, variant = study.consistency.training, Variant(Role.STUDY, spec)
    held, rate = variant.controls(study.controls), variant.learning_rate(study.controls)
    lora, ranks = spec.controls.get("lora", {}), t.rank if held.trainable == "lora" else ()
    found: dict[str, list[Level]] = {
        "order_seed": [(str(s), {"order_seed": s}) for s in t.order_seed],
        "init_seed": [(str(s), {"init_seed": s}) for s in t.init_seed],
        "batch_rows": [(str(n), {"controls": {"batch_rows": n}}) for n in t.batch_rows if n != held.batch_rows],
        "learning_rate": [(f"{r:g}", {"learning_rate": r}) for r in t.learning_rate if r != rate],
        "rank": [(str(r), {"controls": {"lora": {**lora, "rank": r}}}) for r in ranks if r != held.lora.rank],
        "rows": [(str(n), {"task": {"rows": n}, "controls": _AGAIN}) for n in t.rows],
        "frame": [(name, {"task": {"frame": text}}) for name, text in t.frame.items()],
        "system": [(name, {"task": {"system": text}}) for name, text in t.system.items()],
        "chosen": [(source, {"task": {"chosen": {"source": source}}, "controls": _AGAIN}) for source in t.chosen],
        SECOND: [(name, {SECOND: x if isinstance(x, str) else x.name}) for name, x in t.second_round.items()],
    }
    return {name: list(dict(levels).items()) for name, levels in found.items() if levels}


def _tuning(spec: VariantSpec, study: Study) -> dict[str, list[Level]]:
    assert study.tuned is not None
    own_rate = spec.learning_rate or study.controls.learning_rate
    rates = dict.fromkeys(r for r in study.tuned.learning_rate if r != own_rate)
    found = {"learning_rate": [(f"{r:g}", {"learning_rate": r}) for r in rates]}
    for key, values in study.tuned.coefficients.get(spec.label, {}).items():
        found[key] = list(_coefficients(spec, key, values))
    return {name: levels for name, levels in found.items() if levels}


def _coefficients(spec: VariantSpec, key: str, values: tuple[Any, ...]) -> Iterator[Level]:
    seen = [objective_identity(spec, {})]
    for value in values:
        made = objective_identity(spec, {key: value})
        if made not in seen:
            seen.append(made)
            yield (f"{value:g}" if isinstance(value, float) else str(value)), {"params": {key: value}}


def objective_identity(spec: VariantSpec, params: Mapping[str, Any]) -> str:
    """Digest of the objective with these parameters in place of its own. Raises UserError where it cannot be."""
    return digest(registry.identity(registry.build("objectives", spec.objective, spec.params | dict(params))))
