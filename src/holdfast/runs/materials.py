"""What the names in a study stand for, made once each: renderers, objectives, rows, streams.

The plan counts with these and the training stage trains on them, so that what was planned is what is run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property, lru_cache, partial, wraps
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from holdfast import registry, rng
from holdfast.config.role import Role
from holdfast.config.study import Controls, ModelSpec, Study, TaskSpec
from holdfast.config.study_runs import CONTROL_OBJECTIVE, second_tasks, variants
from holdfast.config.task import ChosenSpec, RejectedSpec, SideSpec, UnsafeSpec
from holdfast.data import sampled, template_check
from holdfast.data.prepare import NONE_SAMPLED, Prepared, prepare
from holdfast.data.renderer import Renderer
from holdfast.data.sampled import Sampled
from holdfast.data.stream import Stream, Usable, stream, usable
from holdfast.objectives.objective import Objective
from holdfast.runs import checks, prepared_rows
from holdfast.store import documents
from holdfast.store.digest import digest, file_digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.store.model_files import model_digest
from holdfast.store.sources import adapter_folder, data_file, is_hub_id, model_folder
from holdfast.types import Example, Turn, UserError

STREAMS = 256  # orders of rows that are kept: those of one model and task follow one another in a plan
PROBES = 32  # validation rows on which a checkpoint's distance from the base is measured
_TOKENS = "tokenizer_config.json"
T = TypeVar("T")


def _once(method: Callable[..., T]) -> Callable[..., T]:
    """Remembers what a method returned, for as long as its object lives."""

    @wraps(method)
    def remembered(self: Materials, *names: Any) -> T:
        return self.once(method, *names)

    return remembered


def fetch(study: Study) -> None:
    """Brings the models of the hub to this machine, once it is sure that all else is there."""
    checks.check(study)
    checks.files(study)
    asked = [judge.wants.model for _, judge in checks.judges(study) if judge.wants and judge.wants.model]
    wanted = [*study.models, *(g.weights for g in study.given if g.weights), *asked]
    four = [spec for spec in wanted if spec.quantization != "none"]
    if four and (find_spec("bitsandbytes") is None or any(spec.device == "cpu" for spec in four)):
        raise UserError("a model in 4 bits needs a CUDA GPU and the package bitsandbytes: set `quantization: none`")
    for spec in wanted:
        model_folder(spec.path, spec.revision)
    models = {m.name: m for m in study.models}
    for given in study.given:
        if given.adapter:
            base = models[given.model or study.models[0].name]
            adapter_folder(given.adapter, model_folder(base.path, base.revision))


def _at_hand(judge: Any) -> bool:
    """Whether the model that a judge asks, if it asks one of its own, is on this machine."""
    if not judge.wants or not judge.wants.model:
        return True
    try:
        model_folder(judge.wants.model.path, judge.wants.model.revision, download=False)
    except UserError:
        return False
    return True


class Materials:
    """``folder`` holds the model's own answers, where a task draws them. With ``plan=True`` nothing is fetched from the
    hub, rows are made from their sources, and answers that are not drawn yet are stood in for by texts as long as the
    rows' own responses. Otherwise rows are read from the folder where a plan has kept them there."""

    def __init__(self, study: Study, folder: StudyFolder | None = None, *, plan: bool = False) -> None:
        self.study = study
        self.folder = folder
        self.planning = plan
        self._known: dict[tuple[Any, ...], Any] = {}
        self._stream = lru_cache(STREAMS)(self._order)
        self.models: Mapping[str, ModelSpec] = {m.name: m for m in study.models}
        self.speakers = {m.name: m for m in study.speakers}
        own = [b.task for b in study.control_runs if b.task is not None]
        self.variants = variants(study)
        learnt = {t.name: t for t in (*second_tasks(study), *study.tasks)}
        of_variants = [
            v.task(t)
            for v in self.variants.values()
            if v.spec.task
            for t in ([learnt[v.second]] if v.second else study.tasks)
        ]
        self.tasks: Mapping[str, TaskSpec] = {t.name: t for t in [*own, *of_variants, *learnt.values()]}

    def once(self, function: Callable[..., T], *names: Any) -> T:
        """What a function of these materials and names returned the first time."""
        key = (function, *names)
        if key not in self._known:
            self._known[key] = function(self, *names)
        return self._known[key]

    @cached_property
    def objectives(self) -> Mapping[str, Objective]:
        """By label."""
        specs = {label: v.spec for label, v in self.variants.items()}
        return {label: registry.build("objectives", v.objective, v.params) for label, v in specs.items()}

    # -- models ----------------------------------------------------------------------------------------------------

    @_once
    def path(self, model: str) -> Path:
        spec = self.speakers[model]
        return model_folder(spec.path, spec.revision, download=not self.planning)

    @_once
    def model_digest(self, model: str) -> str:
        return model_digest(self.path(model), self.speakers[model].quantization)

    @_once
    def renderer(self, model: str) -> Renderer:
        spec = self.speakers[model]
        template = data_file(spec.template) if spec.template else None
        return Renderer(self.path(model), template=template, system=spec.system, thinking=spec.thinking, date=spec.date)

    def absent(self) -> list[str]:
        """Models of the hub that are not in its cache. A local folder that is missing is a mistake, and raises."""
        missing = []
        for spec in self.study.models:
            try:
                model_folder(spec.path, spec.revision, download=False)
            except UserError:
                if not is_hub_id(spec.path):
                    raise
                missing.append(spec.path)
        return missing

    @_once
    def _fitting(self, model: str) -> Controls:
        """The controls, with no sequence longer than the model's context: beyond it positions mean nothing."""
        config = documents.read_json(self.path(model) / "config.json", finite=False)
        context = config.get("text_config", config).get("max_position_embeddings")
        controls = self.study.controls
        most = min(controls.max_tokens, context) if context else controls.max_tokens
        return controls.model_copy(update={"max_tokens": most})

    @_once
    def reader(self, model: str) -> str:
        """The first model asked for that reads every text as this one does: what is counted for the one is counted for
        all of a family."""
        own = file_digest(self.path(model) / _TOKENS) if (self.path(model) / _TOKENS).is_file() else ""
        reads = ("reader", self.renderer(model).digest, own, self._fitting(model).max_tokens)
        return self._known.setdefault(reads, model)

    @_once
    def prompt_tokens(self, model: str, prompt: tuple[Turn, ...]) -> int:
        return len(self.renderer(model).prompt_ids(prompt))

    @_once
    def response_tokens(self, model: str, response: str) -> int:
        return len(self.renderer(model).response_ids(response))

    # -- rows ------------------------------------------------------------------------------------------------------

    @_once
    def task(self, task: str) -> Any:
        return registry.build("tasks", self.tasks[task].task, self.tasks[task].params)

    def prepared(self, model: str, task: str) -> Prepared:
        """The task's rows; only answers that a model was asked for depend on the model."""
        if kept := self._kept(model, task):
            return kept[0]
        return self._prepared(model if sampled.sides(self.tasks[task]) else None, task)

    @_once
    def _prepared(self, sampler: str | None, task: str) -> Prepared:
        spec = self.tasks[task]
        answers = self.sampled(sampler, task) if sampler else NONE_SAMPLED
        return prepare(self.task(task), spec, answers, robustness=self._attacked() if spec.unsafe.source else ())

    def keep(self) -> None:
        """Writes the rows to the folder, in place of an earlier plan's: workers then need not make them again."""
        assert self.folder is not None
        places = {(m, t): self._rows_key(m, t) for m in self.models for t in self.tasks if self.is_sampled(m, t)}
        for (model, task), key in places.items():
            prepared_rows.write(self.folder.rows(key), self.prepared(model, task), self.usable(model, task))
        current = {self.folder.rows(key) for key in places.values()}
        for file in self.folder.root.glob("rows/*.json"):
            if file not in current:
                file.unlink()

    @_once
    def _kept(self, model: str, task: str) -> tuple[Prepared, Usable] | None:
        if self.planning or self.folder is None:
            return None
        file = self.folder.rows(self._rows_key(model, task))
        return prepared_rows.read(file) if file.is_file() else None

    def _rows_key(self, model: str, task: str) -> str:
        """What the rows depend on, but for the content of the task's files: that is the plan's to look at."""
        return digest(
            {
                "task": self.tasks[task],
                "model": self.model_digest(model),
                "renderer": self.renderer(model).digest,
                "objectives": [registry.identity(o) for o in self._objectives(task).values()],
                "max_tokens": self.study.controls.max_tokens,
            }
        )

    @_once
    def unsampled(self, task: str) -> Prepared:
        """As the source has them, before any answer is drawn and any unsafe text is placed: what the model is asked."""
        plain = {"chosen": ChosenSpec(), "rejected": RejectedSpec(), "unsafe": UnsafeSpec()}
        return prepare(self.task(task), self.tasks[task].model_copy(update=plain))

    def drawn_key(self, model: str, task: str, how: SideSpec) -> str:
        """What the model's answers to the training and validation rows depend on."""
        rows = self.unsampled(task)
        return digest(
            {
                "model": self.model_digest(model),
                "renderer": self.renderer(model).digest,
                "asked": [
                    [prompt.item_id, prompt.turns]
                    for prompt in sampled.prompts_for((*rows.train, *rows.validation), how)
                ],
                "sampling": sampled.sampling(how),
            }
        )

    @_once
    def sampled_key(self, model: str, task: str) -> str:
        """What decides which answers are taken; ``StudyFolder.sampled`` says where they lie."""
        own, sides = self.task(task), sampled.sides(self.tasks[task])
        return digest(
            {
                "drawn": {side: self.drawn_key(model, task, how) for side, how in sides.items()},
                "rows": self.unsampled(task).digest,
                "check": {"name": own.name, "version": own.version},
                "judges": [judge.identity() for judge in self._judges(task)],
                "sides": {side: how.model_dump(exclude={"judge"}) for side, how in sides.items()},
            }
        )

    @_once
    def _judges(self, task: str) -> list[Any]:
        """Who says which of the model's own answers are good."""
        named = [how.judge for how in sampled.sides(self.tasks[task]).values() if how.judge]
        return [registry.build("judges", spec.judge, spec.params) for spec in named]

    def is_sampled(self, model: str, task: str) -> bool:
        """Whether the model's own answers are there, or none are wanted."""
        if not sampled.sides(self.tasks[task]):
            return True
        if self.planning and not all(map(_at_hand, self._judges(task))):  # a plan fetches no model
            return False
        return self.folder is not None and self.folder.sampled(self.sampled_key(model, task)).is_file()

    def sampled(self, model: str, task: str) -> Sampled:
        """The model's own answers for a task that draws them."""
        if self.is_sampled(model, task):
            assert self.folder is not None
            return Sampled(**read_json(self.folder.sampled(self.sampled_key(model, task)), "counts"))
        assert self.planning, f"the model's own answers to {task} are drawn before anything is trained"
        rows = self.unsampled(task)
        asked = (*rows.train, *rows.validation)
        return Sampled({e.id: e.chosen for e in asked}, {e.id: f"{e.chosen} ?" for e in asked})

    def _attacked(self) -> list[str]:
        """The forbidden prompts that the study measures: an unsafe text near one of them is not trained on."""
        from holdfast.evals.eval_config import forbidden_prompts

        return forbidden_prompts(self.study)

    # -- what is trained on ----------------------------------------------------------------------------------------

    def _objectives(self, task: str) -> Mapping[str, Objective]:
        """Those that train on a task. A control run's own task is for supervised fine-tuning alone."""
        # A variation has the view of what it is a variation of, so that adding one drops no row of the others.
        labels = [v.label for v in self.study.objectives if not v.task]
        if task not in {t.name for t in self.study.tasks}:
            every = [v for v, x in self.variants.items() if x.role in (Role.STUDY, Role.VARIATION)]
            labels = [v for v in every if task in [self.rows_of(v, t.name) for t in self.study.tasks]]
            if not labels:
                return {CONTROL_OBJECTIVE: registry.build("objectives", CONTROL_OBJECTIVE)}
        return {label: self.objectives[label] for label in labels}

    def rows_of(self, label: str, task: str) -> str:
        """The task whose rows a variant reads when it learns ``task``: the task itself, or its own form of it; in a
        second round that round's task."""
        variant = self.variants[label]
        return variant.task(self.tasks[variant.second or task]).name

    @_once
    def controls(self, label: str) -> Controls:
        """What is held fixed, with what a variant declares to be otherwise."""
        return self.variants[label].controls(self.study.controls)

    def seeds(self, label: str, seed: int) -> tuple[int, int]:
        """Of a run's data order, and of its initialisation and dropout."""
        return self.variants[label].seeds(seed)

    def usable(self, model: str, task: str) -> Usable:
        """The rows that every objective can use."""
        if kept := self._kept(model, task):
            return kept[1]
        return self._usable(self.asked(model, task), task)

    def asked(self, model: str, task: str) -> str:
        """The model for which a task's rows are made and counted: itself where its own answers are among them."""
        return model if sampled.sides(self.tasks[task]) else self.reader(model)

    @_once
    def _usable(self, model: str, task: str) -> Usable:
        self.agreement(model, task)
        objectives = self._objectives(task)
        pairs = [label for label, objective in objectives.items() if objective.needs.pairs]
        views = {label: objective.view for label, objective in objectives.items()}
        prepared = self.prepared(model, task)
        found = usable(
            prepared, views, self.renderer(model), self._fitting(model), bool(pairs), partial(self._place, task)
        )
        if not found.rows:
            why = ", ".join(f"{reason}: {n}" for reason, n in found.dropped.items())
            mend = "raise controls.max_tokens or bring other rows"
            if not prepared.train:
                mend = "raise chosen.samples, lower chosen.at_least, or name a chosen.judge"
            if pairs and prepared.train and prepared.counts["without_rejected"] == len(prepared.train):
                mend = f"set rejected.source of the task (perturb or sample), or leave out {' and '.join(pairs)}"
            raise UserError(f"no row of the task {task!r} can be used by every objective ({why}); {mend}")
        return found

    def agreement(self, model: str, task: str) -> list[str]:
        """What is well to know of the task's rows in the model's template. Raises UserError where one does not fit."""
        return self._agreement(self.asked(model, task), task)

    @_once
    def _agreement(self, model: str, task: str) -> list[str]:
        parts = self.prepared(model, task)
        return template_check.check(
            self.renderer(model), (*parts.train, *parts.validation, *parts.test), partial(self._place, task)
        )

    def _place(self, task: str, id: str) -> str:
        """Where a row stands, for messages."""
        where = getattr(self.task(task), "where", None)
        return (where and where(id)) or f"the row {id} of the task {task}"

    def rows_digest(self, model: str, task: str) -> str:
        """Of the rows as they are learnt: a response that the template alters (it trims, as a rule) is another one."""
        return self._rows_digest(self.asked(model, task), task)

    @_once
    def _rows_digest(self, model: str, task: str) -> str:
        rows, renderer = self.usable(model, task).rows, self.renderer(model)
        altered = [r for e in rows for r in (e.chosen, e.rejected) if r and renderer.altered(r)]
        return digest([rows, "altered", altered]) if altered else digest(rows)

    def stream(self, model: str, task: str, seed: int, budget: int, label: str) -> Stream:
        """The order that a variant reads, up to this budget: as every objective does, but for its own controls."""
        controls, task = self.controls(label), self.rows_of(label, task)
        named = "second order" if self.variants[label].second else "order"
        order = (self.seeds(label, seed)[0], budget, controls.batch_rows, controls.passes, named)
        return self._stream(self.asked(model, task), task, *order)

    def _order(self, model: str, task: str, seed: int, budget: int, batch_rows: int, passes: int, named: str) -> Stream:
        rows, renderer = self.usable(model, task), self.renderer(model)
        try:
            return stream(rows, renderer, seed=seed, budget=budget, batch_rows=batch_rows, passes=passes, named=named)
        except UserError as e:
            raise UserError(f"task {task!r}: {e}") from None

    def probes(self, model: str, task: str) -> tuple[Example, ...]:
        """Validation rows, by hash, that fit the model's longest sequence."""
        renderer, most = self.renderer(model), self._fitting(model).max_tokens

        def fits(e: Example) -> bool:
            responses = [e.chosen] if e.rejected is None else [e.chosen, e.rejected]
            longest = max(len(renderer.response_ids(r)) for r in responses)
            return all(r.strip() for r in responses) and len(renderer.prompt_ids(e.prompt)) + longest <= most

        held_out = {e.id: e for e in self.prepared(model, task).validation}
        chosen: list[Example] = []
        for i in rng.order(held_out, "probes"):
            if len(chosen) == PROBES:
                break
            if fits(held_out[i]):
                chosen.append(held_out[i])
        return tuple(chosen)
