"""What a person asks of a study: its plan, a run, one stage of it, how far it is.

plan → sample → train → respond → judge → tune → match → analyse → report
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import interrupt, registry
from holdfast.analysis.scope import absent
from holdfast.config import decisions, loading
from holdfast.config.run import ladders
from holdfast.config.study import Study
from holdfast.evals import noted
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.progress import Share, judged, responded
from holdfast.evals.subject import SubjectRow
from holdfast.results import shape
from holdfast.runs import jobs, probe
from holdfast.runs.costs import Speeds, fitted
from holdfast.runs.display import Display
from holdfast.runs.executors import queue
from holdfast.runs.executors.executor import Job, chosen, make
from holdfast.runs.makespan import Nodes, nodes
from holdfast.runs.materials import Materials
from holdfast.runs.plan import Plan, expand, shapes
from holdfast.runs.stages import STAGES, Work, draft
from holdfast.runs.subjects import subjects
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.locks import lock
from holdfast.types import Turn, UserError

if TYPE_CHECKING:
    import pandas as pd

    from holdfast.analysis.gate import Bound, Planned

RUNS = Path("runs")
UNITS = {  # of what is planned and present in each stage
    "train": "checkpoints",
    "respond": "answers",
    "judge": "judgements",
    "tune": "choice of settings",
    "analyse": "table of estimates",
    "report": "page",
}


def plan(study: str | Path, pilot: Path | None = None, timed: bool = False) -> Plan:
    """What would be trained and measured, and what it could tell (``pilot``: a finished study's folder). ``timed``: a
    step and a batch are timed here, and the time reckoned from them. Writes nothing."""
    from holdfast.runs.planned_power import powers

    at, spec = Path(study), loading.load(study)
    folder = StudyFolder(at) if at.is_dir() else None
    planned = expand(spec, folder)
    if timed:
        planned = expand(spec, folder, probed=_probed(spec, planned))
    return replace(planned, power=powers(spec, planned, StudyFolder(pilot) if pilot else None))


def spread(study: str | Path, planned: Plan, numbers: Sequence[int], executor: str | None = None) -> Nodes:
    """What the plan of a study takes on so many nodes each of an executor (a name or a file; None: the study's)."""
    at, spec = Path(study), loading.load(study)
    materials = Materials(spec, StudyFolder(at) if at.is_dir() else None, plan=True)
    sizes = shapes(materials, materials.absent() if planned.nominal else [])
    if unknown := [name for name, shape in sizes.items() if shape is None]:
        raise UserError(f"how large {', '.join(unknown)} is is not known: fetch it, and plan again")
    known = {name: shape for name, shape in sizes.items() if shape is not None}
    return nodes(spec, planned, known, numbers, chosen(executor, spec.executor).name)


def _probed(spec: Study, planned: Plan) -> Speeds:
    """What each of the workers does, all of them at work."""
    if planned.nominal:
        raise UserError("nothing can be timed: the models are not on this machine; leave out --probe, or fetch them")
    text = loading.dump(spec)
    workers, _ = fitted(planned.cost)
    work = [Job(f"probe {k}", probe.probe, {"text": text}) for k in range(workers)]
    with make("local", workers=workers) as hands:
        found = [event["speeds"] for event in hands.map(work) if "speeds" in event]
    return Speeds(*(sum(one) / len(one) for one in zip(*found, strict=True)))


def run(
    study: str | Path | Study,
    out: Path | None = None,
    workers: int | None = None,
    quiet: bool = False,
    bounds: Sequence[Bound] | None = None,
    executor: str | None = None,
) -> Path:
    """All stages; returns the study's folder. What is there already is not done again.

    bounds: of a gate, checked before anything is measured and kept in the folder; none: the folder has no gate from now
    on; None: it keeps what gate it has. workers, executor (a name or a file): in place of the study's own.
    """
    with _open(study, out, workers, quiet, begin=True, bounds=bounds or (), executor=executor) as work:
        if bounds is not None:
            from holdfast.analysis import gate

            gate.keep(work.folder, bounds)
        for name in STAGES:
            interrupt.check()
            STAGES[name](work)
        return work.folder.root


def stage(
    name: str, study: str | Path, out: Path | None = None, workers: int | None = None, executor: str | None = None
) -> Path:
    """One stage, from what the stages before it have left; returns what it wrote. ``train`` plans and samples first."""
    with _open(study, out, workers, quiet=False, begin=name == "train", executor=executor) as work:
        if name == "train":
            STAGES["plan"](work)
            STAGES["sample"](work)
        elif name == "analyse":
            for line in missing(work):
                work.display.say(line)
        return STAGES[name](work)


def missing(work: Work) -> Iterator[str]:
    """What is planned and not there, a line for each measure: whoever analyses must know what of."""
    found = tables.read_rows(work.folder.subjects, "subjects", SubjectRow) if work.folder.subjects.exists() else []
    lost = absent(work.study, [(r.model, r.task, r.label, r.seed, r.budget) for r in found if r.role.is_study])
    if lost:
        many = "1 checkpoint is" if len(lost) == 1 else f"{len(lost)} checkpoints are"
        yield f"missing: {many} not there to be measured ({_some(lost)}); run `holdfast train`"
    try:
        configs = jobs.eval_configs(work.materials)
    except UserError as e:
        yield f"whether responses are missing cannot be told here: {e}"
        return
    for config in configs:
        for what, stage, count in (("responses", "respond", responded), ("judgements", "judge", judged)):
            shares = [(row, count(row, [config], work.folder)) for row in found]
            gone = [
                f"{r.label} at {r.budget:,} (seed {r.seed}): {s.planned - s.present}" for r, s in shares if not s.done
            ]
            whole = sum((s for _, s in shares), Share(0, 0))
            if gone:
                yield (
                    f"missing: {whole.planned - whole.present:,} of {whole.planned:,} {what} of {config.name} "
                    f"({_some(gone)}); run `holdfast {stage}`"
                )


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if names[6:] else "")


def status(study: str | Path, out: Path | None = None) -> dict[str, Any]:
    """How much of each stage is there, as plain JSON. Of many subjects what jobs noted at their end is counted
    (``evals.noted``)."""
    spec, folder = place(study, out)
    if not folder.plan_json.exists():
        raise UserError(f"there is no study in {folder.root} yet; `holdfast run` begins one")
    materials, many = Materials(spec, folder), folder.progress.is_dir()
    train = noted.trained(folder, ladders(folder)) if many else _trained(folder)
    responses, judgements = Share(0, 0), Share(0, 0)
    if many:
        responses, judgements = noted.counted(folder, jobs.eval_configs(materials))
    elif train.done:
        rows, configs = subjects(materials, folder, Plan.read(folder).runs), jobs.eval_configs(materials)
        responses = sum((responded(r, configs, folder) for r in rows), Share(0, 0))
        judgements = sum((judged(r, configs, folder) for r in rows), Share(0, 0))
    stages = {
        "train": train,
        "respond": responses,
        "judge": judgements,
        **({"tune": Share(1, int(bool(decisions.chosen(spec, folder))))} if spec.tuned else {}),
        "analyse": Share(1, int(folder.estimates_parquet.exists())),
        "report": Share(1, int((folder.report / "index.html").exists())),
    }
    return {
        "study": spec.name,
        "folder": str(folder.root),
        "stages": {k: {"planned": v.planned, "present": v.present, "unit": UNITS[k]} for k, v in stages.items()},
        **({"jobs": queue.counts(folder.cluster)} if folder.cluster.is_dir() else {}),
    }


def _trained(folder: StudyFolder) -> Share:
    """Checkpoints; of each run one short folder is listed."""
    whole, there = 0, 0
    for run, budgets in ladders(folder):
        whole += len(budgets)
        with suppress(FileNotFoundError):
            there += len({*map(str, budgets)}.intersection(os.listdir(f"{folder.runs}/{run}/checkpoints")))
    return Share(whole, there)


@dataclass(frozen=True, repr=False)
class LoadedStudy:
    """A study in Python: ``holdfast.load_study(path).run(out)`` gives the estimates."""

    spec: Study

    def __repr__(self) -> str:
        return f"<the study {self.spec.name}: {shape(self.spec)}; .plan() .run(folder)>"

    def plan(self) -> Plan:
        return expand(self.spec)

    def run(
        self, out: Path | str | None = None, workers: int | None = None, executor: str | None = None
    ) -> pd.DataFrame:
        """Runs what is missing; returns the table of estimates (columns: ``docs/store.md``)."""
        from holdfast.analysis import estimates_file

        return estimates_file.read(StudyFolder(run(self.spec, Path(out) if out else None, workers, executor=executor)))


@contextmanager
def _open(
    study: str | Path | Study,
    out: Path | None,
    workers: int | None,
    quiet: bool,
    begin: bool,
    bounds: Sequence[Bound] = (),
    executor: str | None = None,
) -> Iterator[Work]:
    """``begin``: plan first, so that what can be known to fail fails before anything is written, ``bounds`` of a gate
    that name what will not be there among it; else there must be a plan."""
    if workers is not None and (type(workers) is not int or workers < 1):
        raise UserError(f"workers cannot be {workers!r}: give a whole number of processes, 1 or more")
    spec, folder = place(study, out)
    if folder.study_yaml.exists() and (there := loading.load(folder.study_yaml).name) != spec.name:
        raise UserError(f"{folder.root} holds the study {there}; choose another folder for {spec.name} with --out")
    if not begin and not folder.plan_json.exists():
        raise UserError(f"nothing is planned in {folder.root}; run `holdfast train` or `holdfast run` first")
    where = chosen(executor, spec.executor)
    if where.machines != spec.executor.machines:  # jobs ask the study
        spec = spec.model_copy(update={"executor": spec.executor.model_copy(update={"machines": where.machines})})
    hands = make(where.name, workers=workers or spec.workers, folder=folder.root, **where.params)
    made = draft(spec, folder) if begin else None
    if made and bounds:
        from holdfast.analysis import gate

        gate.check(bounds, spec, [_named(config, spec) for config in jobs.eval_configs(made[0])])
    with lock(folder.root) as lost, Display(folder.run_log, quiet) as display, hands:
        yield Work(spec, folder, hands, display, made, lost)


def _named(config: EvalConfig, spec: Study) -> Planned:
    """What a gate may name of an eval config."""
    from holdfast.analysis import gate
    from holdfast.analysis.config_info import config_info

    by = config.measure.summary.by
    asked = [a.attack for a in config.prompts_for(config.items[0])] if by == "attack" else []
    groups = dict.fromkeys(asked or [item.fields.get(by, "") for item in config.items if by])
    formats = dict.fromkeys(a.format for a in config.prompts_for(config.items[0]))
    for v in spec.objectives if config.own_conditions else ():
        own = getattr(registry.build("objectives", v.objective, v.params), "at_evaluation", None)
        formats |= dict.fromkeys(own((Turn("user", ""),)) if own else ())
    return gate.Planned(config_info(config.about()), tuple(groups), tuple(formats))


def place(study: str | Path | Study, out: Path | None) -> tuple[Study, StudyFolder]:
    """The study, and the folder it lies or will lie in."""
    if out is not None and re.fullmatch(r"[A-Za-z][\w.+-]+:", out.parts[0] if out.parts else ""):
        raise UserError(
            f"{out.parts[0]}//… is no place for a study: an object store has no rename, by which files are whole; name "
            "a folder of a file system, and copy it there when the study is done"
        )
    if isinstance(study, Study):
        return study, StudyFolder(out or RUNS / study.name)
    spec = loading.load(study)
    at = Path(study) if Path(study).is_dir() and study not in loading.presets() else RUNS / spec.name
    return spec, StudyFolder(out or at)
