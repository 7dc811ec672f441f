"""How long a study takes on several nodes: its stages' jobs, handed out as executors hand them out.

A *node* does one job at a time: it is a job's share of the GPUs, or a core where there are none. Stages follow one
another, and so do the rounds of a stage: what a second training goes on from is trained first, and answers are asked of
base models first and of budgets in order, for their drafts. Within a round the next job goes to whoever is free: the
first of the model that it holds, else the first of all (``executor.take``). That is list scheduling, so a round takes
no longer than its jobs together / nodes + its longest job (Graham 1966, doi:10.1002/j.1538-7305.1966.tb01709.x).

What a job costs is as ``costs`` reckons it; a subject of a model is taken to cost in a measure what all of them cost on
average. Drawing responses to learn from, judging, loading models and waiting for nodes are not in it.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import NamedTuple

from holdfast import machine, registry
from holdfast.config.role import Role
from holdfast.config.run import Run
from holdfast.config.study import MeasureSpec, Study
from holdfast.evals.varied import varied
from holdfast.runs import costs
from holdfast.runs.eval_costs import EvalPlan
from holdfast.runs.plan import Plan, once
from holdfast.runs.sizes import Shape

FILES_OF_A_RUN, FILES_OF_A_CHECKPOINT = 8, 3  # docs/store.md
ENOUGH = 1.01  # times the shortest there can be: from then on more nodes do not help

Name = tuple[str, str]  # of a round: its stage, and which it is
Load = tuple[str, float]  # a job: the model that it loads, and its seconds


@dataclass(frozen=True, slots=True)
class Round:
    """Jobs of a stage that can be done at once. ``work``: seconds of all of them together; ``longest``: of the longest,
    which no number of nodes makes shorter; ``seconds``: until the last is done; ``enough``: nodes from which on more do
    not help."""

    stage: str
    name: str
    jobs: int
    work: float
    longest: float
    enough: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Makespan:
    """On so many nodes. ``busy_hours``: of GPUs, or of cores, that the work takes; ``held_hours``: of those that are
    held from the beginning to the end. ``bottleneck``: the stage that takes the longest, all of its rounds."""

    nodes: int
    seconds: float
    busy_hours: float
    held_hours: float
    bottleneck: str
    rounds: tuple[Round, ...]


@dataclass(frozen=True, slots=True)
class Nodes:
    """``device``: cuda or cpu, by whose guessed speed it is reckoned (or ``measured``). ``enough``: nodes from which on
    more help in no round."""

    executor: str
    device: str
    measured: bool
    disk_bytes: int
    files: int
    enough: int
    spans: tuple[Makespan, ...]


def nodes(
    study: Study,
    plan: Plan,
    shapes: Mapping[str, Shape],
    numbers: Sequence[int],
    executor: str = "local",
    probed: costs.Speeds | None = None,
) -> Nodes:
    """``shapes``: of all models. On a cluster nodes have GPUs, unless the study says that its models lie on CPUs."""
    device = machine.device(m.device for m in study.models)
    if executor != "local" and any(m.device != "cpu" for m in study.models):
        device = "cuda"
    wide = {m.name: m.gpus for m in study.speakers} if device == "cuda" else {}
    loads = _by_gpus(rounds(study, plan, shapes, probed or costs.SPEEDS[device], device), wide)
    busy = sum(seconds * wide.get(model, 1) for jobs in loads.values() for model, seconds in jobs) / 3600
    least = {name: enough(jobs) for name, jobs in loads.items()}
    return Nodes(
        executor=executor,
        device=device,
        measured=probed is not None,
        disk_bytes=plan.cost.disk_bytes,
        files=files(study, plan),
        enough=max(least.values(), default=1),
        spans=tuple(_span(n, loads, least, busy, max(wide.values(), default=1)) for n in numbers),
    )


def rounds(
    study: Study, plan: Plan, shapes: Mapping[str, Shape], speeds: costs.Speeds, device: str
) -> dict[Name, list[Load]]:
    """The jobs of each round, in the order in which they are handed out."""
    runs, again = once(list(plan.runs)), costs.checkpointed(list(shapes.values()), study, device)
    of_label = costs.each_controls(study)
    found: dict[Name, list[Load]] = {}
    # As of ``stages._fit``.
    for t in sorted(runs, key=lambda t: (t.parent != "", t.model, -t.checkpoints[-1].forward_tokens)):
        train, reference = costs.run_flops(shapes[t.model], t, of_label[t.label], again)
        which = "second round" if t.parent else "first round"
        found.setdefault(("train", which), []).append((t.model, train / speeds.train + reference / speeds.read))
    answers = _answers(study, plan, runs, {m: 2 * shape.parameters for m, shape in shapes.items()}, speeds)
    if study.backend != "in_process":  # one job for all subjects of a model
        whole = [(m, sum(n * seconds for _, seconds, n in answers[m])) for m in sorted(answers)]
        return found | {("answer", "all"): whole}
    for depth in sorted({depth for some in answers.values() for depth, _, _ in some}):
        name = ("answer", f"budget {depth}" if depth else "base models")
        some = ((model, part) for model in sorted(answers) for part in answers[model] if part[0] == depth)
        found[name] = [(model, seconds) for model, (_, seconds, n) in some for _ in range(n)]
    return found


def _by_gpus(loads: Mapping[Name, list[Load]], wide: Mapping[str, int]) -> dict[Name, list[Load]]:
    """Jobs that take other numbers of GPUs (``wide``, by model) wait for one another, as of ``stages.Work.do``."""
    found: dict[Name, list[Load]] = {}
    for (stage, name), jobs in loads.items():
        for n in (kinds := sorted({wide.get(model, 1) for model, _ in jobs})):
            which = name if len(kinds) == 1 else f"{name}, {n} GPU{'s' * (n > 1)}"
            found[stage, which] = [job for job in jobs if wide.get(job[0], 1) == n]
    return found


def _answers(
    study: Study, plan: Plan, runs: Sequence[Run], flops: Mapping[str, float], speeds: costs.Speeds
) -> dict[str, list[tuple[int, float, int]]]:
    """By model: how many subjects are measured before one of its run, seconds that it takes, how many there are of it.
    ``flops``: of a token."""

    def asked(c: EvalPlan, t: _Alike, budget: int) -> bool:  # as of ``EvalConfig.concerns``
        if c.task not in ("", t.task) or (c.of and not (t.role.is_study and budget == study.ladder[-1])):
            return False
        if t.role is Role.RELEARNT and study.relearning:
            return study.relearning.asks(c.measure, c.axis)
        only = study.matched and not plan.nominal and t.role.on_ladder and c.measure != study.matched.measure
        return not only or budget in study.budgets

    alike = Counter(_Alike(t.model, t.task, t.role, t.measured) for t in runs)
    found: dict[str, list[tuple[int, float, int]]] = {}
    for model in (m.name for m in study.models):
        configs = [c for c in plan.configs if c.model == model]
        parts = [(0, tuple(range(len(configs))), 1)]
        for g in study.given:
            if (g.model or study.models[0].name) == model:
                parts.append((1, tuple(k for k, c in enumerate(configs) if not c.task or g.task in ("", c.task)), 1))
        for t, n in alike.items():
            for depth, budget in enumerate(t.measured, start=1) if t.model == model else ():
                parts.append((depth, tuple(k for k, c in enumerate(configs) if asked(c, t, budget)), n))
        subjects = Counter[int]()
        for _, some, n in parts:
            subjects.update(dict.fromkeys(some, n))
        each = {
            k: flops[model] * ((c.tokens - c.written) / speeds.read + c.written / speeds.write) / subjects[k]
            for k, c in enumerate(configs)
        }
        found[model] = [(depth, sum(each[k] for k in some), n) for depth, some, n in parts]
    return found


class _Alike(NamedTuple):
    """Runs that are measured alike."""

    model: str
    task: str
    role: Role
    measured: tuple[int, ...]


# -- a round on n nodes -----------------------------------------------------------------------------------------------


def scheduled(jobs: Sequence[Load], n: int) -> float:
    """Seconds until the last of the jobs is done on ``n`` nodes."""
    waiting: dict[str, deque[int]] = defaultdict(deque)
    for k, (model, _) in enumerate(jobs):
        waiting[model].append(k)
    taken, first = bytearray(len(jobs)), 0
    nodes: list[tuple[float, int, str]] = [(0.0, k, "") for k in range(min(n, len(jobs)))]
    end = 0.0
    for _ in jobs:
        free, node, held = nodes[0]
        while taken[first]:
            first += 1
        mine = waiting.get(held) or waiting[jobs[first][0]]
        job = mine.popleft()
        taken[job] = True
        model, seconds = jobs[job]
        heapq.heapreplace(nodes, (free + seconds, node, model))
        end = max(end, free + seconds)
    return end


def enough(jobs: Sequence[Load]) -> int:
    """Nodes from which on a round takes as long as its longest job, within a hundredth."""
    longest, work = max(seconds for _, seconds in jobs), sum(seconds for _, seconds in jobs)
    low, high = max(ceil(work / (ENOUGH * longest)) if longest else 1, 1), len(jobs)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if scheduled(jobs, middle) <= ENOUGH * longest else (middle + 1, high)
    return low


def _span(n: int, loads: Mapping[Name, list[Load]], least: Mapping[Name, int], busy: float, gpus: int) -> Makespan:
    found = tuple(
        Round(
            *name,
            len(jobs),
            work=sum(seconds for _, seconds in jobs),
            longest=max(seconds for _, seconds in jobs),
            enough=least[name],
            seconds=scheduled(jobs, n),
        )
        for name, jobs in loads.items()
    )
    total = sum(r.seconds for r in found)
    stages = Counter[str]()
    for r in found:
        stages[r.stage] += r.seconds  # type: ignore[assignment]  # a Counter adds up whatever numbers
    return Makespan(n, total, busy, n * gpus * total / 3600, max(stages, key=stages.__getitem__, default=""), found)


# -- files ------------------------------------------------------------------------------------------------------------


def files(study: Study, plan: Plan) -> int:
    """Files that the study's folder will hold, but for some dozens: of runs and checkpoints, of each subject's records
    of a measure and of each judge's judgements of them."""
    runs = once(list(plan.runs))
    specs = {m.label: m for m in (*study.measures, *(v.spec for v in varied(study)))}
    of_runs = sum(FILES_OF_A_RUN + FILES_OF_A_CHECKPOINT * len(t.checkpoints) for t in runs)
    return of_runs + sum(c.subjects * (1 + _judges(specs[c.measure])) for c in plan.configs)


def _judges(spec: MeasureSpec) -> int:
    named = spec.judges if spec.judges is not None else registry.build("measures", spec.measure, spec.params).judges
    return len(named)
