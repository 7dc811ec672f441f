"""Consistency of models that are there already: the measuring side of the section, without any training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from holdfast import registry
from holdfast.config.factors import ConsistencySpec, MeasuringFactors, TrainingFactors
from holdfast.config.role import Role
from holdfast.config.study import ModelSpec, Study
from holdfast.runs import pipeline
from holdfast.runs.plan import expand
from holdfast.training.job import finished
from holdfast.types import UserError

# For a study that does not say: what papers choose in passing.
USUAL = ConsistencySpec(
    measuring=MeasuringFactors(
        frame={"question": "Question: {prompt}\nAnswer:"},
        system={"assistant": "You are a helpful assistant."},
        temperature=(0.7,),
        seed=(1,),
    )
)


def run(
    study: str,
    models: Sequence[str],
    out: Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
    executor: str | None = None,
) -> Path:
    """Measures what is missing, analyses and writes the page; returns the study's folder.

    ``models``: folders or hub ids, measured by the study's measures in a study of their own; none: the study's own
    checkpoints, or what it is given. Raises UserError where those are not trained yet.
    """
    spec, folder = pipeline.place(study, out)
    section = spec.consistency or USUAL
    spec = spec.model_copy(update={"consistency": section})
    if models:
        return pipeline.run(_of(models, spec), out, workers, quiet, executor=executor)
    if spec.trains:
        left = [t for t in expand(spec, folder).runs if not finished(folder.run(t.id), t.budgets)]
        if any(t.role is not Role.VARIATION for t in left):
            raise UserError(
                f"{len(left)} runs of {spec.name} are not trained in {folder.root}; train them first (holdfast train), "
                "or name the models with --model"
            )
        if left:
            spec = spec.model_copy(update={"consistency": _measuring(section)})
    return pipeline.run(spec, folder.root, workers, quiet, executor=executor)


def _of(models: Sequence[str], spec: Study) -> Study:
    """A study of these models, by those measures that need no task of the study."""
    measures = [m for m in spec.measures if not getattr(registry.get("measures", m.measure), "per_task", False)]
    names = [path.rstrip("/").rpartition("/")[2] or path for path in models]
    section = _measuring(spec.consistency or USUAL)
    kept = [name for name in section.measures if name in [m.label for m in measures]]
    if not measures or (section.measures and not kept):
        raise UserError(
            f"every measure of {spec.name} that varies is of its own task, and cannot be asked of other models"
        )
    for path in models:
        if (Path(path) / "adapter_config.json").exists():
            raise UserError(f"{path} is an adapter; list it under `given` of a study, with its base among `models`")
    return Study(
        name=f"consistency-{'-'.join(names)}",
        about=spec.about,
        mark=spec.mark,
        models=tuple(ModelSpec(name=n, path=p) for n, p in zip(names, models, strict=True)),
        measures=tuple(measures),
        consistency=section.model_copy(update={"measures": tuple(kept)}),
        alpha=spec.alpha,
        threshold=spec.threshold,
        workers=spec.workers,
        executor=spec.executor,
    )


def _measuring(section: ConsistencySpec) -> ConsistencySpec:
    return section.model_copy(update={"training": TrainingFactors(), "objectives": (), "seeds": ()})
