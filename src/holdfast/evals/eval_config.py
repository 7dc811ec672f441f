"""Cells: what is asked of every subject. One measure as the study has it; one for each task if it is of tasks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from holdfast import registry, rng
from holdfast.config.prompt_format import PROMPT, check, framed
from holdfast.config.role import Role
from holdfast.config.study import JudgeSpec, MeasureSpec, Study
from holdfast.data.prepare import Prepared
from holdfast.data.tasks.task import prompt_key
from holdfast.evals.judges.judge import Judge
from holdfast.evals.judges.own_rule import Own
from holdfast.evals.measures.measure import Measure
from holdfast.evals.subject import SubjectRow
from holdfast.store.digest import digest
from holdfast.types import Item, Prompt, Sampling, Turn, UserError

IN_PROCESS = "in_process"


@dataclass(frozen=True)
class Varied:
    """A measure ``of`` the study, measured otherwise: ``varies`` has the level of each factor that is not its own. It
    concerns the base model, what is given, and the study proper's checkpoints at the budget ``last``."""

    spec: MeasureSpec
    of: str
    varies: Mapping[str, str]
    last: int


@dataclass(frozen=True)
class EvalConfig:
    """``id``: digest of the measure's identity, of all its items and of the sampling. A limit on items is not in it, so
    that a larger one later adds to what is there. ``label`` is the measure's in the study; ``task`` is "" where the
    measure is of no task; ``name`` stands in paths. ``judges`` are by label. ``backend`` says what answers; one other
    than this process's makes another config, for its rounding and its samples are others. ``budgets``: of the
    checkpoints that are measured here (None: all), beside the ``chosen`` subjects, which are matched in capability.
    ``relearnt``: whether those are measured here that relearn."""

    id: str
    label: str
    task: str
    measure: Measure
    items: tuple[Item, ...]
    sampling: Sampling
    judges: Mapping[str, Judge]
    own_conditions: bool
    backend: str = IN_PROCESS
    system: str = ""
    frame: str = PROMPT
    of: str = ""  # of an eval config that varies, as in ``Varied``: "" and {} for the study proper
    varies: Mapping[str, str] = field(default_factory=dict)
    last: int = 0
    budgets: frozenset[int] | None = None
    chosen: frozenset[str] = frozenset()
    relearnt: bool = False

    @property
    def name(self) -> str:
        return f"{self.label}-{self.task}" if self.task else self.label

    def concerns(self, row: SubjectRow) -> bool:
        """Whether a subject is measured here: on its own task and on what is of no task; the base model on all."""
        if row.role is Role.RELEARNT and not self.relearnt:
            return False
        if self.varies and (not row.role.is_study or (row.trajectory and row.budget != self.last)):
            return False
        if row.trajectory and row.role.on_ladder and not (self.at(row.budget) or row.subject in self.chosen):
            return False
        return not self.task or row.task in ("", self.task)

    def at(self, budget: int) -> bool:
        """Whether every checkpoint of this budget is measured here."""
        return self.budgets is None or budget in self.budgets

    def prompts_for(self, item: Item) -> list[Prompt]:
        """Every way the item is put, in the eval config's prompt format."""
        return [replace(a, turns=self.put(a.turns)) if a.turns else a for a in self.measure.prompts_for(item)]

    def put(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...]:
        """A conversation in the eval config's prompt format."""
        return framed(turns, self.system, self.frame) if self.system or self.frame != PROMPT else turns

    @property
    def generates(self) -> bool:
        """Whether responses are drawn, or else what was given is scored or read."""
        return self.prompts_for(self.items[0])[0].generates

    def about(self) -> dict[str, Any]:
        """What stands in ``cell.json``."""
        return {
            "cell": self.id,
            "measure": self.label,
            "name": self.measure.name,
            "display": self.measure.display or self.measure.name.replace("_", " "),
            "axis": self.measure.axis,
            "task": self.task,
            "summary": asdict(self.measure.summary),
            "judges": list(self.judges),
            "judge_identities": {label: judge.identity() for label, judge in self.judges.items()},
            "card": dict(self.measure.card),
            "identity": self.measure.identity(),
            "attacks": self.measure.attack_table(),
            "sampling": asdict(self.sampling),
            "generates": self.generates,
            "backend": self.backend,
            "system": self.system,
            "frame": self.frame,
            **({"of": self.of, "varies": dict(self.varies)} if self.varies else {}),
        }


def configs(study: Study, tasks: Mapping[str, tuple[Any, Prepared]], varied: Sequence[Varied] = ()) -> list[EvalConfig]:
    """The study's configs, in its order. ``tasks``: the task and its prepared rows, by the study's label. Then those
    that vary, but for what makes no difference: sampling, where log-probs are asked for.

    Raises UserError where a measure's data are missing, where an item is also a training row, and where two measures
    are one and the same.
    """
    found = [config for spec in study.measures for config in _of(spec, study, tasks)]
    if study.relearning is not None:
        found = [replace(c, relearnt=study.relearning.asks(c.label, c.measure.axis)) for c in found]
    if study.matched is not None:  # between the study's own budgets only capability is measured
        own = frozenset(study.budgets)
        found = [c if c.label == study.matched.measure else replace(c, budgets=own) for c in found]
    for v in varied:
        drawn = bool(v.varies.keys() & {"temperature", "seed"})
        some = [c for c in _of(v.spec, study, tasks) if c.generates or not drawn]
        found += [replace(c, of=v.of, varies=v.varies, last=v.last) for c in some]
    names: dict[str, str] = {}
    for config in found:
        twin = names.setdefault(config.id, config.name)
        if twin != config.name:
            raise UserError(
                f"the measures {twin} and {config.name} ask the same; keep one of them, with the judges of both"
            )
    check_apart(found, {name: prepared for name, (_, prepared) in tasks.items()})
    return found


def check_apart(found: Iterable[EvalConfig], prepared: Mapping[str, Prepared]) -> None:
    """Raises UserError where a measure asks what a task trains on. Ids are shown, never texts."""
    trained = {task: {prompt_key(e.prompt) for e in rows.train} for task, rows in prepared.items()}
    for config in found:
        asked = {prompt_key(item.prompt): item.id for item in config.items}
        for task, prompts in trained.items():
            both = sorted(asked[p] for p in asked.keys() & prompts)
            if both:
                raise UserError(
                    f"{len(both)} items of {config.name} are also training rows of {task} (the first is {both[0]}); "
                    "remove them from one of the two"
                )


def forbidden_prompts(study: Study) -> list[str]:
    """The prompts that the study attacks with, for keeping unsafe training texts away from them."""
    measures = (registry.build("measures", m.measure, m.params) for m in study.measures)
    items = (item for measure in measures if not measure.per_task for item in measure.items())
    return sorted({turn.content for item in items if item.forbidden for turn in item.prompt if turn.role == "user"})


def limited(items: Sequence[Item], limit: int | None, strata: Sequence[str] = ()) -> list[Item]:
    """At most ``limit`` items in an order by hash of their ids, spread evenly over the values of ``strata``.

    A smaller limit's items are the first of a larger one's.
    """
    table = {item.id: item for item in items}
    assert len(table) == len(items), "two items have one id"
    place: dict[str, tuple[int, int]] = {}
    taken: dict[tuple[str, ...], int] = {}
    for position, i in enumerate(rng.order(table, "items")):
        stratum = tuple(table[i].fields.get(s, "") for s in strata)
        place[i] = (taken.get(stratum, 0), position)
        taken[stratum] = taken.get(stratum, 0) + 1
    return [table[i] for i in sorted(table, key=lambda i: place[i])][:limit]


def judges_of(spec: MeasureSpec, measure: Measure) -> dict[str, Judge]:
    """The judges of a measure, by label. Raises UserError where two have one label."""
    wanted = spec.judges if spec.judges is not None else tuple(JudgeSpec(judge=name) for name in measure.judges)
    judges: dict[str, Judge] = {}
    for j in wanted:
        if j.label in judges:
            raise UserError(f"two judges of {spec.label} are called {j.label}; give one of them a name")
        judges[j.label] = Own(measure) if j.judge == "own" else registry.build("judges", j.judge, j.params)
    return judges


def _of(spec: MeasureSpec, study: Study, tasks: Mapping[str, tuple[Any, Prepared]]) -> list[EvalConfig]:
    measure: Measure = registry.build("measures", spec.measure, spec.params)
    if spec.samples > 1 and spec.temperature == 0:
        raise UserError(
            f"the measure {spec.label} wants {spec.samples} samples at temperature 0, which are all the "
            "same; set a temperature above 0"
        )
    if not measure.per_task:
        return [_config(spec, measure, "", study.backend)]
    return [_config(spec, measure.bind(*tasks[task.name]), task.name, study.backend) for task in study.tasks]


def _config(spec: MeasureSpec, measure: Measure, task: str, backend: str) -> EvalConfig:
    items = measure.items()
    if not items:
        raise UserError(f"the measure {spec.label} has no items{f' for the task {task}' if task else ''}")
    if backend != IN_PROCESS and any(p.direction or p.without or p.soft for p in measure.prompts_for(items[0])):
        raise UserError(
            f"the measure {spec.label} reads or changes hidden states, which {backend} does not show: set "
            "`backend: in_process`"
        )
    check(spec.frame, f"the frame of the measure {spec.label}")
    chosen = limited(items, spec.items, measure.strata)
    sampling = Sampling(spec.max_new_tokens, spec.temperature, samples=spec.samples, seed=spec.seed)
    return EvalConfig(
        id=digest(
            {
                "measure": measure.identity(),
                "items": sorted(digest(item) for item in items),
                "sampling": {k: v for k, v in asdict(sampling).items() if k != "samples"},
                **({} if backend == IN_PROCESS else {"backend": backend}),
                **({"system": spec.system} if spec.system else {}),
                **({"frame": spec.frame} if spec.frame != PROMPT else {}),
            }
        ),
        label=spec.label,
        task=task,
        measure=measure,
        items=tuple(chosen),
        sampling=sampling,
        judges=judges_of(spec, measure),
        own_conditions=spec.own_conditions,
        backend=backend,
        system=spec.system,
        frame=spec.frame,
    )
