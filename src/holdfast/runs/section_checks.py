"""What can be known to be wrong with the sections that stand beside what a study compares: control runs, consistency,
tuned, matched. One sentence each, with the mend."""

from __future__ import annotations

from collections.abc import Sequence

from holdfast import registry
from holdfast.config.declared import MatchedSpec, TunedSpec
from holdfast.config.factors import ConsistencySpec
from holdfast.config.prompt_format import check as check_frame
from holdfast.config.relearning import RelearningSpec
from holdfast.config.study import Study, TaskSpec
from holdfast.config.study_runs import objective_identity, own, relearnt, second_tasks, settings, variations
from holdfast.config.variant import OWN
from holdfast.types import UserError


def beside(study: Study) -> list[tuple[str, TaskSpec]]:
    """Tasks that stand in these sections, and where."""
    controls = [(f"control_runs[{n}].task", c.task) for n, c in enumerate(study.control_runs) if c.task is not None]
    return controls + [(f"the task {t.name} of a second round", t) for t in second_tasks(study)]


def sections(study: Study) -> None:
    """Raises UserError for the first mistake."""
    _control_runs(study)
    if study.consistency is not None:
        _consistency(study, study.consistency)
    if study.matched is not None:
        _matched(study, study.matched)
    if study.tuned is not None:
        _tuned(study, study.tuned)
    if study.relearning is not None:
        _relearning(study, study.relearning)


def _control_runs(study: Study) -> None:
    tasks = [*study.tasks, *(c.task for c in study.control_runs if c.task is not None)]
    for n, control in enumerate(study.control_runs):
        at = f"control_runs[{n}]"
        if control.kind == "noop":
            if control.task is not None or control.learning_rate is not None:
                raise UserError(
                    f"{at} is a noop, which trains the first task at rate 0; remove its task and learning_rate"
                )
        elif control.task is None:
            raise UserError(f"{at} ({control.kind}) needs a task with the rows that move its measure")
        elif any(other.name == control.task.name and other != control.task for other in tasks):
            raise UserError(f"{at}.task has the name {control.task.name!r} of a different task; choose another name")


def _consistency(study: Study, section: ConsistencySpec) -> None:
    _named("consistency.measures", section.measures, [m.label for m in study.measures])
    _named("consistency.objectives", section.objectives, [v.label for v in study.objectives])
    _named("consistency.seeds", section.seeds, study.seeds)
    for part in ("measuring", "training"):
        factors = getattr(section, part)
        for name, text in factors.frame.items():
            check_frame(text, f"consistency.{part}.frame.{name}")
        if OWN in (*factors.frame, *factors.system):
            raise UserError(f"consistency.{part} cannot call a level {OWN!r}: that is the study's own; rename it")
    known = {t.name: t for t in study.tasks}
    for level, task in section.training.second_round.items():
        at = f"consistency.training.second_round.{level}"
        if isinstance(task, str) and task not in known:
            raise UserError(f"{at} names no task of the study: {registry.close(task, list(known))}")
        if isinstance(task, TaskSpec) and known.setdefault(task.name, task) != task:
            raise UserError(f"{at} has the name {task.name!r} of a different task; choose another name")
    for x in variations(study):
        x.controls(study.controls)
    if not study.trains and section.training != type(section.training)():
        raise UserError("consistency.training is for a study that trains; remove it, or add tasks and objectives")


def _tuned(study: Study, section: TunedSpec) -> None:
    if not study.trains:
        raise UserError("tuned compares training runs at their best settings, and this study trains none; remove it")
    specs = {v.label: v for v in study.objectives}
    for label, params in section.coefficients.items():
        if label not in specs:
            raise UserError(f"tuned.coefficients names {label!r}; {registry.close(label, list(specs))}")
        for name, values in params.items():
            for value in values:
                try:
                    objective_identity(specs[label], {name: value})
                except UserError as e:
                    raise UserError(f"tuned.coefficients.{label}: {e}") from None
    _named("tuned.seeds", section.seeds, study.seeds)
    if not settings(study):
        raise UserError("tuned tries nothing: give it learning rates or coefficients other than the study's own")
    _on_capability(study, "tuned", section.measure)


def _relearning(study: Study, section: RelearningSpec) -> None:
    if not study.trains:
        raise UserError("relearning goes on from what a study trained, and this one trains nothing; remove it")
    if study.matched is not None and study.matched.stop:
        raise UserError("matched.stop ends runs before the last budget, from which relearning goes on; remove one")
    _named("relearning.measures", section.measures, [m.label for m in study.measures])
    axes = {m.label: registry.build("measures", m.measure, m.params).axis for m in study.measures}
    if not any(section.asks(label, axis) for label, axis in axes.items()):
        raise UserError("relearning is measured by robustness, and the study has none; name others in its `measures`")
    second = study.consistency.training.second_round.values() if study.consistency else ()
    for other in [*study.tasks, *(t for t in second if isinstance(t, TaskSpec))]:
        if other.name == section.task.name and other != section.task:
            raise UserError(f"relearning.task has the name {other.name!r} of a different task; choose another name")
    for v in relearnt(study):
        v.controls(study.controls)


def _matched(study: Study, section: MatchedSpec) -> None:
    _on_capability(study, "matched", section.measure)
    if not study.trains:
        raise UserError("matched compares training runs at one capability, and this study trains none; remove it")
    if max(section.checkpoints, default=0) > study.budgets[-1]:
        raise UserError(
            f"matched.checkpoints must be at most the last budget ({study.budgets[-1]}), but are "
            f"{list(section.checkpoints)}"
        )
    if section.stop:
        _stopping(study)


def _stopping(study: Study) -> None:
    """Raises UserError where a run cannot end at the target: that is known only budget by budget."""
    for v in own(study):
        schedule = v.controls(study.controls).schedule
        why = f"the {schedule} schedule" if schedule != "constant" else ""
        if not why and registry.build("objectives", v.spec.objective, v.spec.params).needs.progress:
            why = "an objective that reads how far training has come"
        if why:
            raise UserError(
                f"matched.stop trains from checkpoint to checkpoint, but {v.label} has {why}, so that each of its "
                "budgets is a run of its own; use the constant schedule or remove stop"
            )
    for name in ("tuned", "consistency"):
        if getattr(study, name) is not None:
            raise UserError(f"matched.stop ends runs before the last budget, at which {name} compares; remove one")


def _on_capability(study: Study, section: str, name: str) -> None:
    """Raises UserError where what a section matches or chooses on is no capability, of which more is better."""
    spec = next((m for m in study.measures if m.label == name), None)
    if spec is None:
        raise UserError(
            f"{section}.measure is {name}, which is no measure of the study; add task_accuracy with the name "
            f"{name} and the parameter split: validation"
        )
    measure = registry.build("measures", spec.measure, spec.params)
    if measure.axis != "capability":
        raise UserError(f"{section}.measure is {name}, which is no measure of capability; name one that is")
    summary = measure.summary
    if summary.metric in summary.metrics and summary.metrics[summary.metric].better != "higher":
        raise UserError(f"{section}.measure is {name}, of which more is not better; name one of which it is")


def _named(where: str, names: Sequence[str | int], there: Sequence[str | int]) -> None:
    """Raises UserError where the study has none of a name."""
    for name in names:
        if name not in there:
            shown = ", ".join(map(str, there)) or "none"
            raise UserError(f"{where} names {name!r}, which the study does not have; there are {shown}")
