"""How much is measured: eval configs as they will be asked, counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.config.study import MeasureSpec, Study
from holdfast.data import template_check
from holdfast.evals.measures.cards import card
from holdfast.evals.varied import varied
from holdfast.runs.materials import Materials

if TYPE_CHECKING:
    from holdfast.config.run import Run
    from holdfast.evals.eval_config import EvalConfig

CHARACTERS = 4  # of a prompt that are taken for one token


@dataclass(frozen=True, slots=True)
class EvalPlan:
    """A measure on one model, over all subjects that it concerns. ``items`` and ``requests`` are the card's where the
    data are not here, None where that has none; ``tokens`` is the most that can be read and written, ``written`` those
    of them that are generated. ``of``: the measure that this one is a variation of."""

    model: str
    measure: str
    task: str
    axis: str
    subjects: int
    items: int | None
    requests: int | None
    tokens: int
    of: str = ""
    written: int = 0


def plan_configs(materials: Materials, runs: Sequence[Run], *, nominal: bool) -> list[EvalPlan]:
    """Raises UserError where a measure's data are missing, or where an item is also trained on."""
    study = materials.study
    if nominal:
        return [
            _nominal(study, m.name, spec, task, runs)
            for m in study.models
            for spec in (*study.measures, *(v.spec for v in varied(study)))
            for task in _tasks(study, spec)
        ]
    from holdfast.evals.eval_config import configs

    first = study.models[0].name
    tasks = {t: (materials.task(t), materials.prepared(first, t)) for t in materials.tasks}
    found = configs(study, tasks, varied(study))
    return [_counted(materials, m.name, config, runs) for m in study.models for config in found]


def _counted(materials: Materials, model: str, config: EvalConfig, runs: Sequence[Run]) -> EvalPlan:
    mine = [t for t in runs if t.model == model and config.task in ("", t.task)]
    if config.varies:  # the study proper's, at its last budget
        mine = [t for t in mine if t.role.is_study and config.last in t.budgets]
    prompts = [(prompt, config.sampling.samples) for item in config.items for prompt in config.prompts_for(item)]
    template_check.measured(materials.renderer(model), (prompt for prompt, _ in prompts), config.label)
    requests = sum(1 if prompt.continuations else samples for prompt, samples in prompts)
    read = sum(sum(len(turn.content) for turn in prompt.turns) // CHARACTERS for prompt, _ in prompts)
    written = sum(samples * config.sampling.max_new_tokens for prompt, samples in prompts if not prompt.continuations)
    # The base once, and every checkpoint once for each way of asking that its objective has.
    given = _given(materials.study, model, config.task)
    times = 1 + given + sum(_checkpoints(t, config) * _ways(materials, t, config) for t in mine)
    return EvalPlan(
        model=model,
        measure=config.label,
        task=config.task,
        axis=config.measure.axis,
        subjects=1 + given + sum(_checkpoints(t, config) for t in mine),
        items=len(config.items),
        requests=requests * times,
        tokens=(read + written) * times,
        of=config.of,
        written=written * times,
    )


def _checkpoints(run: Run, config: EvalConfig) -> int:
    if config.varies:
        return 1
    return sum(config.at(budget) or not run.role.on_ladder for budget in run.measured)


def _given(study: Study, model: str, task: str) -> int:
    """Given subjects that are measured here."""
    first = study.models[0].name
    return sum((g.model or first) == model and (not task or g.task in ("", task)) for g in study.given)


def _nominal(study: Study, model: str, spec: MeasureSpec, task: str, runs: Sequence[Run]) -> EvalPlan:
    subjects = (
        1 + _given(study, model, task) + sum(len(t.measured) for t in runs if t.model == model and task in ("", t.task))
    )
    axis = registry.get("measures", spec.measure).axis  # type: ignore[attr-defined]
    size = card(spec.measure).get("size")
    if size is None:
        return EvalPlan(model, spec.label, task, axis, subjects, spec.items, None, 0)
    items = min(spec.items or size["items"], size["items"])
    attacks = spec.params.get("attacks")
    asks = subjects * items * (size["asks"] if attacks is None else len(attacks) + 1)
    written = asks * spec.samples * spec.max_new_tokens if size["writes"] else 0
    requests = asks * (spec.samples if size["writes"] else 1)
    return EvalPlan(
        model, spec.label, task, axis, subjects, items, requests, asks * size["reads"] + written, "", written
    )


def _tasks(study: Study, spec: MeasureSpec) -> list[str]:
    per_task = getattr(registry.get("measures", spec.measure), "per_task", False)
    return [t.name for t in study.tasks] if per_task else [""]


def _ways(materials: Materials, run: Run, config: EvalConfig) -> int:
    if not run.role.is_study or not config.own_conditions or not config.items:
        return 1
    conditions = getattr(materials.objectives[run.label], "at_evaluation", None)
    return 1 + len(conditions(config.items[0].prompt)) if conditions else 1
