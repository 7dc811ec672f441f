"""What can be known to be wrong with a study before any data are read: one sentence, with the mend."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from holdfast import machine, registry
from holdfast.config.declared import DeclaredSpec
from holdfast.config.prompt_format import check as check_frame
from holdfast.config.study import Controls, MeasureSpec, Study, TaskSpec
from holdfast.config.study_runs import own, variations
from holdfast.evals.varied import varied
from holdfast.runs.section_checks import beside, sections
from holdfast.store.digest import digest
from holdfast.store.rows import Source
from holdfast.store.sources import data_file
from holdfast.types import UserError

RESERVED = "base"  # what the model before training is called in tables


def check(study: Study) -> list[str]:
    """Raises UserError for the first mistake; returns what is allowed but has no effect, a sentence each."""
    _variants(study)
    for n, task in enumerate(study.tasks):
        _task(task, f"tasks[{n}]")
    for at, task in beside(study):
        _task(task, at)
    for n, measure in enumerate(study.measures):
        _measure(measure, f"measures[{n}]")
        if not study.tasks and getattr(registry.get("measures", measure.measure), "per_task", False):
            raise UserError(f"measures[{n}]: {measure.measure} is of a task, and this study has none; remove it")
    for n, model in enumerate(study.models):
        if study.controls.autocast and study.controls.trainable == "lora" and model.device.startswith("cuda"):
            raise UserError(
                f"controls.autocast is for a CPU, but models[{n}].device is {model.device}; set its dtype to bfloat16"
            )
    sections(study)
    return _without_effect(study)


def files(study: Study) -> None:
    """Raises UserError for the first file that is missing. Apart, since a plan may come before the data."""
    for n, model in enumerate(study.models):
        if model.template:
            _at(f"models[{n}].template", data_file, model.template)
    for at, judge in judges(study):
        _at(at, lambda judge=judge: judge.rubric)  # reads its file
        if judge.wants and judge.wants.model and judge.wants.model.template:
            _at(at, data_file, judge.wants.model.template)
    tasks = [
        (at, spec, registry.build("tasks", spec.task, spec.params))
        for at, spec in [*((f"tasks[{n}]", t) for n, t in enumerate(study.tasks)), *beside(study)]
    ]
    for at, spec, task in tasks:  # what is looked for on this machine, before anything is fetched
        if spec.unsafe.source is not None:
            _at(f"{at}.unsafe.source", Source(spec.unsafe.source).files)
        for source in getattr(task, "sources", list)():
            _at(at, source.files)
    for at, _, task in tasks:
        _at(at, task.rows)


def judges(study: Study) -> Iterator[tuple[str, Any]]:
    """The judges that the study names, and where; a measure's own are not among them."""
    for n, spec in enumerate(study.measures):
        for named in spec.judges or ():
            if named.judge != "own":
                yield f"measures[{n}].judges", registry.build("judges", named.judge, named.params)
    for n, task in enumerate(study.tasks):
        for side, judge in (("chosen", task.chosen.judge), ("rejected", task.rejected.judge)):
            if judge is not None:
                yield f"tasks[{n}].{side}.judge", registry.build("judges", judge.judge, judge.params)


def _variants(study: Study) -> None:
    labels: dict[str, str] = {}
    kinds = [control.kind for control in study.control_runs]
    for n, v in enumerate(own(study)):
        at = f"objectives[{n}]"
        if v.label == RESERVED:
            raise UserError(f"{at}.label cannot be {RESERVED!r}: the untrained model has that name; choose another")
        if v.label in kinds:
            raise UserError(f"{at}.label cannot be {v.label!r}: a control run has that name; choose another")
        objective = _at(at, registry.build, "objectives", v.spec.objective, v.spec.params)
        rate = v.spec.learning_rate or study.controls.learning_rate
        controls = v.controls(study.controls)
        _trainable(study, v.label, controls)
        changes = [controls, v.spec.order_seed, v.spec.init_seed, v.spec.task]
        for task in study.tasks:
            v.task(task)
        twin = labels.setdefault(digest([registry.identity(objective), rate, *changes]), v.label)
        if twin != v.label:
            raise UserError(f"the objectives {twin!r} and {v.label!r} are one and the same; leave one of them out")


def _trainable(study: Study, label: str, controls: Controls) -> None:
    """Raises UserError where what a run trains cannot be trained, or not be measured."""
    what = "all weights" if controls.trainable != "lora" else "a DoRA"
    if study.backend == "vllm" and (controls.trainable != "lora" or controls.lora.dora):
        raise UserError(f"{label} trains {what}, which vLLM cannot serve here: measure with `backend: in_process`")
    for n, model in enumerate(study.models if controls.trainable != "lora" else ()):
        if model.quantization != "none":
            raise UserError(f"{label} trains all weights, and models[{n}] has them in 4 bits: set `quantization: none`")
        if model.dtype == "bfloat16" or (
            model.dtype == "auto" and machine.device(m.device for m in study.models) == "cuda"
        ):
            raise UserError(
                f"{label} trains all weights, which takes float32: set `dtype: float32` of models[{n}], and `autocast: "
                "true` of controls to compute in bfloat16"
            )


def _task(task: TaskSpec, at: str) -> None:
    _at(at, registry.build, "tasks", task.task, task.params)
    check_frame(task.frame, f"{at}.frame")
    for side, judge in (("chosen", task.chosen.judge), ("rejected", task.rejected.judge)):
        if judge is not None and judge.judge == "own":
            raise UserError(f"{at}.{side}.judge is own: leave it out, for the task's own check is the default")
        if judge is not None:
            _at(f"{at}.{side}.judge", registry.build, "judges", judge.judge, judge.params)
    if task.unsafe.source is not None and task.unsafe.regime == "none":
        raise UserError(f"{at}.unsafe.source is set but {at}.unsafe.regime is none; choose a regime or remove it")


def _measure(spec: MeasureSpec, at: str) -> None:
    measure = _at(at, registry.build, "measures", spec.measure, spec.params)
    if spec.temperature == 0 and spec.samples > 1:
        raise UserError(
            f"{at} draws {spec.samples} samples at temperature 0, which are all alike; raise the temperature"
        )
    for judge in spec.judges or ():
        if judge.judge != "own":
            _at(f"{at}.judges", registry.build, "judges", judge.judge, judge.params)
        elif "own" not in getattr(measure, "judges", ("own",)):
            raise UserError(
                f"{at}.judges names own, but the measure {spec.measure!r} has no rule of its own; remove it"
            )
    for attack in getattr(measure, "attacks", ()):
        _at(f"{at}.params.attacks", registry.get, "attacks", attack)


def _without_effect(study: Study) -> list[str]:
    """Settings that are read by nobody: said, so that nobody believes in them."""
    notes, controls = [], study.controls
    pairs = [v.label for v in study.objectives if registry.build("objectives", v.objective, v.params).needs.pairs]
    unsafe = defaultdict(list)
    for task in study.tasks:
        for side, how in (("chosen", task.chosen), ("rejected", task.rejected)):
            if how.source != "sample" and how != how.model_validate({"source": how.source}):
                notes.append(f"all but the source of {task.name}.{side} is for source: sample")
        unsafe[task.unsafe.regime].append(task.name)
    if not pairs and unsafe["as_published"]:
        notes.append("no objective of this study reads rejected responses, so none reads the unsafe text put there")
    for part, said in ((study.matched, "capability is matched"), (study.tuned, "settings are chosen")):
        spec = next((m for m in study.measures if part and m.label == part.measure), None)
        if spec and spec.params.get("split", "test") == "test":
            notes.append(f"{said} on the rows of {spec.label}, which are test rows")
    if study.matched and min(study.checkpoint_budgets) == study.budgets[0]:
        notes.append(
            "a run that reaches matched.target before its first checkpoint "
            f"({study.budgets[0]:,} tokens) is compared with none there; smaller matched.checkpoints would tell"
        )
    if study.matched and study.matched.checkpoints:
        notes.append("up to two of matched.checkpoints are measured in full of every run, which is not counted here")
    if study.trains and study.declared.estimands != DeclaredSpec().estimands:
        notes += [f"declared.estimands asks for {name}, which takes {what}" for name, what in _unanswerable(study)]
    if study.consistency and not variations(study) and not varied(study):
        notes.append("consistency names nothing but the study's own settings, so only judges and benchmarks vary")
    for spec in study.measures:
        if spec.seed and spec.temperature == 0:
            notes.append(f"the seed of {spec.label} is for a temperature above 0")
        wrappings = getattr(registry.build("measures", spec.measure, spec.params), "wrappings", {})
        for name in [n for n, a in wrappings.items() if getattr(a.codec, "path", "") is None]:
            notes.append(f"the attack {name} of {spec.label} has no translations: its rows go unscored")
    if controls.layout == "shared" and not pairs:
        notes.append("controls.layout: shared saves nothing, for no objective has pairs")
    trained = {v.controls(controls).trainable for v in own(study)}
    if study.trains and "lora" not in trained and "lora" in controls.model_fields_set:
        notes.append("controls.lora is for trainable: lora")
    if controls.schedule != "wsd" and "decay_share" in controls.model_fields_set and controls.decay_share != 0.2:
        notes.append("controls.decay_share is for schedule: wsd")
    return notes


def _at(where: str, call, *arguments):
    """The call's own sentence, with the key that it is about in front."""
    try:
        return call(*arguments)
    except UserError as e:
        raise UserError(f"{where}: {e}") from None


def _unanswerable(study: Study) -> Iterator[tuple[str, str]]:
    """Estimands that are declared though the study has not what they are about, and what that is."""
    axes = {registry.build("measures", m.measure, m.params).axis for m in study.measures}
    takes = {
        "slope": (len(study.budgets) > 1, "several budgets"),
        "area": (len(study.budgets) > 1, "several budgets"),
        "interaction": (len(study.budgets) > 1 < len(study.objectives), "several budgets and objectives"),
        "apart": (len(study.objectives) > 1, "several objectives"),
        "between": (len(study.models) > 1 < len(study.objectives), "several models and objectives"),
        "coupling": (
            "capability" in axes and {"robustness", "persona"} & axes,
            "capability, and robustness or persona",
        ),
        "dissociation": ({"robustness", "persona"} <= axes, "measures of robustness and persona"),
        "specificity": ({"persona", "normative"} <= axes, "measures of persona and normative behaviour"),
    }
    yield from ((name, takes[name][1]) for name in study.declared.estimands if not takes.get(name, (True,))[0])
