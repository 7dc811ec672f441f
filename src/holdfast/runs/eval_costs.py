"""How much is measured: eval configs as they will be asked, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from holdfast import registry
from holdfast.config.role import Role
from holdfast.config.study import MeasureSpec, Study
from holdfast.data import template_check
from holdfast.evals.measures.attacks import rounds
from holdfast.evals.measures.cards import card
from holdfast.evals.varied import varied
from holdfast.runs.materials import Materials

if TYPE_CHECKING:
    from holdfast.config.run import Run
    from holdfast.evals.eval_config import EvalConfig
    from holdfast.types import Prompt, Turn

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


class Measured(NamedTuple):
    """What decides how runs are measured: those of all seeds are measured alike."""

    model: str
    task: str
    label: str
    role: Role
    budgets: tuple[int, ...]
    measured: tuple[int, ...]


def plan_configs(materials: Materials, runs: Sequence[Run], *, nominal: bool) -> list[EvalPlan]:
    """Raises UserError where a measure's data are missing, or where an item is also trained on."""
    study = materials.study
    mine: dict[str, Counter[Measured]] = {m.name: Counter() for m in study.models}
    for t in runs:
        mine[t.model][Measured(t.model, t.task, t.label, t.role, t.budgets, t.measured)] += 1
    if nominal:
        return [
            _nominal(study, m.name, spec, task, mine[m.name])
            for m in study.models
            for spec in (*study.measures, *(v.spec for v in varied(study)))
            for task in _tasks(study, spec)
        ]
    from holdfast.evals.eval_config import configs

    first = study.models[0].name
    tasks = {t: (materials.task(t), materials.prepared(first, t)) for t in materials.tasks}
    found = [(config, _asked(config)) for config in configs(study, tasks, varied(study))]
    for reader in dict.fromkeys(materials.reader(m.name) for m in study.models):
        for config, asked in found:
            template_check.measured(materials.renderer(reader), asked.prompts, config.label)
    return [_counted(materials, m.name, *what, mine[m.name]) for m in study.models for what in found]


class Asked(NamedTuple):
    """What one subject is asked, once; ``read`` and ``written`` in tokens, at most. ``once``: what the base model of
    all subjects reads beside it, for directions in hidden states."""

    prompts: list[Prompt]
    requests: int
    read: int
    written: int
    once: int


def _asked(config: EvalConfig) -> Asked:
    prompts, samples = [p for item in config.items for p in config.prompts_for(item)], config.sampling.samples
    generated, most = sum(samples for p in prompts if p.generates), config.sampling.max_new_tokens
    soft = {p.soft.digest: p.soft for p in prompts if p.soft is not None}
    searched = sum(3 * s.steps * sum(map(_tokens, s.asked)) for s in soft.values())  # forward, and back through it
    directions = {p.direction.digest: p.direction for p in prompts if p.direction is not None}
    return Asked(
        prompts,
        requests=sum(samples if p.generates else 1 for p in prompts),
        read=sum(_read(p, most) for p in prompts) + searched,
        written=generated * most,
        once=sum(_tokens(c.turns) for d in directions.values() for c in d.contrasts()),
    )


def _read(prompt: Prompt, most: int) -> int:
    """Tokens of a prompt; of a later round with the answers before it, and with asks as long as the first; where hidden
    states are read, for the base too."""
    times = 2 if prompt.direction is not None else prompt.round
    return _tokens(prompt.turns) * times + most * (prompt.round - 1)


def _tokens(turns: Sequence[Turn]) -> int:
    return sum(len(turn.content) for turn in turns) // CHARACTERS


def _counted(
    materials: Materials, model: str, config: EvalConfig, asked: Asked, runs: Mapping[Measured, int]
) -> EvalPlan:
    mine = {t: n for t, n in runs.items() if config.task in ("", t.task)}
    if config.varies:  # the study proper's, at its last budget
        mine = {t: n for t, n in mine.items() if t.role.is_study and config.last in t.budgets}
    # The base once, and every checkpoint once for each way of asking that its objective has.
    given = _given(materials.study, model, config.task)
    times = 1 + given + sum(n * _checkpoints(t, config) * _ways(materials, t, config) for t, n in mine.items())
    return EvalPlan(
        model=model,
        measure=config.label,
        task=config.task,
        axis=config.measure.axis,
        subjects=1 + given + sum(n * _checkpoints(t, config) for t, n in mine.items()),
        items=len(config.items),
        requests=asked.requests * times,
        tokens=(asked.read + asked.written) * times + asked.once,
        of=config.of,
        written=asked.written * times,
    )


def _checkpoints(run: Measured, config: EvalConfig) -> int:
    if config.varies:
        return 1
    if run.role is Role.RELEARNT and not config.relearnt:
        return 0
    return sum(config.at(budget) or not run.role.on_ladder for budget in run.measured)


def _given(study: Study, model: str, task: str) -> int:
    """Given subjects that are measured here."""
    first = study.models[0].name
    return sum((g.model or first) == model and (not task or g.task in ("", task)) for g in study.given)


def _nominal(study: Study, model: str, spec: MeasureSpec, task: str, runs: Mapping[Measured, int]) -> EvalPlan:
    trained = sum(n * len(t.measured) for t, n in runs.items() if task in ("", t.task))
    subjects = 1 + _given(study, model, task) + trained
    axis = registry.build("measures", spec.measure, spec.params).axis
    size = card(spec.measure).get("size")
    if size is None:
        return EvalPlan(model, spec.label, task, axis, subjects, spec.items, None, 0)
    items = min(spec.items or size["items"], size["items"])
    asks = subjects * items * (size["asks"] if "attacks" not in spec.params else 1 + _rounds(spec))
    written = asks * spec.samples * spec.max_new_tokens if size["writes"] else 0
    requests = asks * (spec.samples if size["writes"] else 1)
    return EvalPlan(
        model, spec.label, task, axis, subjects, items, requests, asks * size["reads"] + written, "", written
    )


def _rounds(spec: MeasureSpec) -> int:
    """Of all attacks that a measure names."""
    return sum(map(rounds, registry.build("measures", spec.measure, spec.params).wrappings.values()))


def _tasks(study: Study, spec: MeasureSpec) -> list[str]:
    per_task = getattr(registry.get("measures", spec.measure), "per_task", False)
    return [t.name for t in study.tasks] if per_task else [""]


def _ways(materials: Materials, run: Measured, config: EvalConfig) -> int:
    if not run.role.is_study or not config.own_conditions or not config.items:
        return 1
    conditions = getattr(materials.objectives[run.label], "at_evaluation", None)
    return 1 + len(conditions(config.items[0].prompt)) if conditions else 1
