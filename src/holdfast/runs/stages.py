"""What each stage of a study does: what is planned and not yet present.

A stage reads what the one before left in the study's folder and writes its own. Torch is loaded by workers only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from holdfast import interrupt, registry
from holdfast.config import decisions, loading
from holdfast.config.run import Run
from holdfast.config.study import Study
from holdfast.evals import noted, translate
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.judges.judge import JudgeModel, JudgeResources
from holdfast.evals.judging import costs, wanted
from holdfast.evals.layout import write_configs
from holdfast.evals.progress import judged, messages, responded
from holdfast.evals.subject import SubjectRow, befores, once
from holdfast.runs import jobs
from holdfast.runs.deciders import DECIDERS, Deciding, Need
from holdfast.runs.display import Display
from holdfast.runs.executors.executor import Executor, Job, Resources
from holdfast.runs.materials import Materials, fetch
from holdfast.runs.plan import Plan, expand
from holdfast.runs.plan import once as distinct
from holdfast.runs.subjects import subjects
from holdfast.store import tables
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import StudyFolder
from holdfast.store.shared import unseen
from holdfast.training.job import finished
from holdfast.types import UserError

T = TypeVar("T")
Draft = tuple[Materials, Plan]


@dataclass
class Work:
    """A study under way: its folder is locked, its workers wait."""

    study: Study
    folder: StudyFolder
    executor: Executor
    display: Display
    draft: Draft | None  # made before anything was written, for ``_plan`` to write
    lost: Callable[[], bool] = lambda: False  # whether another process has taken the folder over

    @property
    def plan(self) -> Plan:
        return Plan.read(self.folder)

    @property
    def materials(self) -> Materials:
        return Materials(self.study, self.folder)

    def do(self, stage: str, work: list[Job]) -> None:
        """Run the jobs of a stage; nothing is started where there are none."""
        if work:
            self.display.begin(stage, len(work))
            interrupt.check()
            memory, each = self.plan.cost.least, [self._gpus(job) for job in work]
            for gpus in sorted(set(each)):
                some = [job for job, own in zip(work, each, strict=True) if own == gpus]
                for event in self.executor.map(some, Resources(gpus=gpus, memory=memory)):
                    self.display.update(event)
                    interrupt.check()
                    if self.lost():  # which the lock then says
                        raise UserError(f"{self.folder.root} was taken over")

    def await_all(self, wanted: Sequence[T], seen: Callable[[T], bool]) -> None:
        """Jobs of other machines are done, and what they left may be shown here late."""
        if left := unseen(self.folder.root, wanted, seen):
            raise UserError(
                f"{len(left)} of {len(wanted)} jobs say they are done, and {self.folder.root} has not what they wrote: "
                "is it the same folder on all machines? If it is, run the same again"
            )

    def _gpus(self, job: Job) -> int:
        """As many as the largest model asks for that the job may load: whom it is about, and whom judges ask."""
        own = next((m.gpus for m in self.study.speakers if m.name == job.model), 1)
        wants: list[JudgeModel | None] = [job.arguments.get("wants")]
        if job.function is jobs.sample:
            task = self.materials.tasks[job.arguments["task"]]
            named = [side.judge for side in (task.chosen, task.rejected) if side.judge]
            wants += [registry.build("judges", judge.judge, judge.params).wants for judge in named]
        return max([own, *(w.model.gpus for w in wants if w and w.model)])


def draft(spec: Study, folder: StudyFolder) -> Draft:
    """What is planned from, and the plan: whatever can be known to fail fails here, and nothing is written."""
    fetch(spec)
    translate.check(spec)
    materials = Materials(spec, folder, plan=True)
    return materials, expand(spec, folder, materials)


def _plan(work: Work) -> Path:
    from holdfast.analysis import declaration

    materials, planned = work.draft or draft(work.study, work.folder)
    for note in planned.of_models if work.draft else ():  # once
        work.display.say(f"note: {note}")
    work.draft = None
    loading.save(work.study, work.folder.study_yaml)
    planned.write(work.folder)
    if said := declaration.record(work.study, work.folder):
        work.display.say(f"what is asked, recorded before there are results: {said} (declaration.json)")
    materials.keep()  # so that no worker goes through all rows again
    return work.folder.plan_json


def _sample(work: Work) -> Path:
    materials = work.materials
    wanted = [
        Job(f"sample {task} {model}", jobs.sample, {"root": work.folder.root, "model": model, "task": task}, model)
        for model in materials.models
        for task in materials.tasks
        if not materials.is_sampled(model, task)
    ]
    work.do("sample", wanted)
    if wanted:
        _plan(work)  # the rows are known now
    return work.folder.samples


def _train(work: Work) -> Path:
    if work.study.stops and not _stopped(work):
        _settle(work, "stopped")
    return _trained(work)


def _trained(work: Work) -> Path:
    """All that is planned trained, its controls side by side, and enrolled to be measured."""
    runs = work.plan.runs
    _fit(work, runs)
    _write_control_manifest(work, runs)
    _enrol(work, runs)
    return work.folder.runs


def _stopped(work: Work) -> bool:
    """Whether it is decided where runs stop, and they are trained to there."""
    own = [t for t in work.plan.runs if t.role.is_study]
    decided = decisions.stopped(work.study, work.folder) is not None
    return decided and all(finished(work.folder.run(t.id), t.budgets) for t in own)


def _settle(work: Work, name: decisions.Name) -> None:
    """Train → evaluate → decide, as often as the decider asks; then keep what it decided, and plan from it.

    That is done once: what is planned from a decision changes none of the records that it was made from.
    """
    from holdfast.analysis.load import configs, load_records

    deciding = DECIDERS[name](work.study, work.plan)
    need, decision = _next(deciding, None)
    while need is not None:
        if need.runs is not None:
            _fit(work, need.runs)
            _enrol(work, need.runs)
            _measured(work, need.only)
        need, decision = _next(deciding, (load_records(work.folder, tuning=True, numbered=True), configs(work.folder)))
    new = decisions.keep(name, decision, work.study, work.folder)
    if name != "matched" and (new or work.plan.provisional):  # what is matched is trained already
        _plan(work)


def _next(deciding: Deciding, records: Any) -> tuple[Need | None, Any]:
    """What a decider needs next, or what it decided."""
    try:
        return deciding.send(records), None
    except StopIteration as done:
        return None, done.value


def _fit(work: Work, runs: Sequence[Run]) -> None:
    """Train what is not trained of them."""
    # By model, since a worker holds one; the longest first, so that none is left with a long one at the end.
    waiting = sorted(runs, key=lambda t: (t.model, -t.checkpoints[-1].forward_tokens))
    left = [t for t in waiting if not finished(work.folder.run(t.id), t.budgets)]
    noted.begin(work.folder, sum(len(t.measured) for t in runs))
    if not left:
        noted.note_all_trained(work.folder, [(t.id, t.budgets) for t in runs])
    whole = {t.id: t for t in work.plan.runs} if left else {}
    several = len(work.study.models) > 1 or len(work.study.tasks) > 1
    for again in (False, True):  # a second round begins where a first one ended
        some = distinct([t for t in left if bool(t.parent) == again])
        work.do("train", [_of_run(t, whole[t.id], work, several) for t in some])
        work.await_all(some, lambda t: finished(work.folder.run(t.id), t.budgets))


def _enrol(work: Work, runs: Sequence[Run]) -> list[SubjectRow]:
    """Who is measured, now that these are trained."""
    rows = subjects(work.materials, work.folder, runs)
    tables.write(work.folder.subjects, "subjects", rows)
    noted.begin(work.folder, len(rows))
    return rows


def _respond(work: Work, only: str = "") -> Path:
    """``only``: the label of the one measure that is asked now."""
    configs, rows = _measuring(work)
    write_configs(work.folder, configs)
    configs = [c for c in configs if only in ("", c.label)]
    _translate(work, "prompts", configs, rows)
    left = [r for r in rows if not responded(r, configs, work.folder).done]
    for cost in messages(left, configs, work.folder):
        if cost.calls:
            work.display.say(f"at most {cost}")
    if not left:
        noted.note_all(work.folder, configs)
    if work.study.backend == "in_process":
        # Bases, then first budgets, then second ones: an answer's draft is there before it, in a resumed run as well.
        earlier = befores(left, rows)
        for depth in sorted({len(others) for others in earlier}):
            some = [(r, others) for r, others in zip(left, earlier, strict=True) if len(others) == depth]
            work.do("respond", [_of_subject("respond", jobs.respond, work, r, others=o, only=only) for r, o in some])
    else:  # an engine fills its batches with all adapters of a model
        by_model = {m: [r for r in left if (r.weights or r.model) == m] for m in work.materials.speakers}
        work.do(
            "respond",
            [
                Job(
                    f"respond {m}",
                    jobs.respond_all,
                    {"root": work.folder.root, "rows": mine, "model": m, "only": only},
                    m,
                )
                for m, mine in by_model.items()
                if mine
            ],
        )
    work.await_all(left, lambda row: responded(row, configs, work.folder).done)
    return work.folder.records


def _translate(work: Work, side: translate.Side, configs: list[EvalConfig], rows: list[SubjectRow]) -> None:
    """Fill the gaps of frozen translations, in one worker: several attacks and measures may share a file."""
    if translate.gaps(side, configs, rows, work.folder):
        work.do("translate", [Job(f"translate {side}", jobs.translate, {"root": work.folder.root, "side": side})])


def _judge(work: Work, only: str = "") -> Path:
    configs, rows = _measuring(work)
    write_configs(work.folder, configs)  # a judge may have changed since the responses were made: people labelled more
    configs = [c for c in configs if only in ("", c.label)]
    _translate(work, "responses", configs, rows)
    for cost in costs(rows, configs, work.folder, JudgeResources(cache=work.folder.judge_cache)):
        if cost.calls:
            work.display.say(str(cost))
        cost.check()
    bases = {row.model: row for row in reversed(rows) if row.label == "base"}
    left = [
        (row, wants, _of_subject("judge", jobs.judge, work, row, base=bases[row.model], wants=wants, only=only))
        for wants in wanted(configs)  # by the model that judges ask, since a worker holds one
        for row in rows
        if not judged(row, configs, work.folder, wants).done
    ]
    if not left:
        noted.note_all(work.folder, configs, judging=True)
    work.do("judge", [job for _, _, job in left])
    work.await_all(left, lambda one: judged(one[0], configs, work.folder, one[1], again=()).done)
    return work.folder.judgements


def _measured(work: Work, only: str = "") -> Path:
    _respond(work, only)
    return _judge(work, only)


def _tune(work: Work) -> Path:
    """Of a study that tunes: which setting each objective is compared at, trained and measured as the study's own."""
    if work.study.tuned is None:
        return work.folder.judgements
    work.display.say("tune")
    _settle(work, "tuned")
    _trained(work)
    return _measured(work)


def _match(work: Work) -> Path:
    """Of a study that matches capability: which checkpoints are matched, and all that is measured of them."""
    if work.study.matched is None:
        return work.folder.judgements
    work.display.say("match")
    _settle(work, "matched")
    return _measured(work)


def _analyse(work: Work) -> Path:
    from holdfast.analysis import declaration
    from holdfast.analysis.analyse import analyse
    from holdfast.analysis.load import configs, load_records
    from holdfast.report.sections import declaration_text

    if work.study.tuned and work.plan.provisional:
        raise UserError(f"no settings are chosen in {work.folder.root} yet; run `holdfast tune` first")
    work.executor.close()  # from here on nothing is computed by a model
    work.display.say("analyse")
    loading.save(work.study, work.folder.study_yaml)  # the page is of the study that was analysed
    frame, about = load_records(work.folder, tuning=True, numbered=True), configs(work.folder)
    stands = declaration.standing(work.study, work.folder, about)
    declaration.look(work.study, work.folder, frame["record"].nunique(), about)
    if stands.kind != "recorded":
        work.display.say(f"note: {declaration_text.sentences(stands)[0]}")
    analyse(work.folder, work.study, about, frame, stands)
    return work.folder.estimates_csv


def _report(work: Work) -> Path:
    from holdfast.analysis import gate
    from holdfast.report.page import build

    work.display.say("report")
    gate.settle(work.folder)
    page = build(work.folder)
    work.display.say(f"the page is {page}")
    return page


STAGES = {
    "plan": _plan,
    "sample": _sample,
    "train": _train,
    "respond": _respond,
    "judge": _judge,
    "tune": _tune,
    "match": _match,
    "analyse": _analyse,
    "report": _report,
}


# -- inside -----------------------------------------------------------------------------------------------------------


def _of_run(t: Run, whole: Run, work: Work, several: bool) -> Job:
    """To train to where ``t`` ends, of the ``whole`` run that is planned."""
    name = f"{t.label} seed {t.seed}" + (f" {t.task} {t.model}" if several else "")
    return Job(name, jobs.train, {"root": work.folder.root, "run": whole, "budgets": t.budgets}, t.model)


def _write_control_manifest(work: Work, runs: Sequence[Run]) -> None:
    """One file with the controls of all runs: the report compares them."""
    proofs = [
        {
            **read_json(work.folder.run(t.id).controls_json, "controlled"),
            "model": t.model,
            "task": t.task,
            "bracket": t.role.column(t.label),
        }
        for t in runs
    ]
    write_json(work.folder.controls_json, {"trajectories": proofs})


def _measuring(work: Work) -> tuple[list[EvalConfig], list[SubjectRow]]:
    if not work.folder.subjects.exists():
        raise UserError(f"nothing is trained in {work.folder.root}; run `holdfast train` first")
    rows = tables.read_rows(work.folder.subjects, "subjects", SubjectRow)
    return jobs.eval_configs(work.materials), sorted(once(rows, work.study.ladder), key=lambda row: row.model)


def _of_subject(verb: str, function: Any, work: Work, row: SubjectRow, **more: Any) -> Job:
    where = f"{row.label} {row.budget:,}" if row.adapter else f"base {row.model}"
    arguments = {"root": work.folder.root, "row": row, **more}
    return Job(f"{verb} {where} {row.subject[:6]}", function, arguments, row.weights or row.model)
