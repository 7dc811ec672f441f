"""What one worker does for each stage: read the study's folder, do one thing, write it there.

Called by name in a worker process (``executors``); what a worker has loaded it keeps for its next job.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from holdfast import machine, registry
from holdfast.config import decisions, loading
from holdfast.config.run import Run
from holdfast.config.study import Controls, JudgeSpec, ModelSpec
from holdfast.config.study_runs import begins_at
from holdfast.config.task import SideSpec
from holdfast.data import sampled
from holdfast.evals import noted
from holdfast.evals import translate as translating
from holdfast.evals.attackers import Attackers
from holdfast.evals.batched import respond_together
from holdfast.evals.eval_config import EvalConfig
from holdfast.evals.eval_config import configs as configs_of
from holdfast.evals.judges.judge import JudgeModel, JudgeResources
from holdfast.evals.judging import judge_subject, judged
from holdfast.evals.outside import RESPONSES
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.evals.varied import varied
from holdfast.models.identity import subject_id
from holdfast.runs.executors.executor import Report
from holdfast.runs.materials import Materials
from holdfast.store.digest import digest, file_digest, short
from holdfast.store.files import read_json, write_first, write_json
from holdfast.store.folder import StudyFolder
from holdfast.store.locks import lock
from holdfast.store.tables import read_rows
from holdfast.types import Example, Item, Record, Request, Response, Sampling, Side, Subject, UserError

if TYPE_CHECKING:
    from holdfast.training.job import Fits


@dataclass(frozen=True)
class Bench:
    """A study as a worker has it open."""

    folder: StudyFolder
    materials: Materials

    def configs(self, only: str = "") -> list[EvalConfig]:
        """The study's eval configs, or those of one measure."""
        own, decided = file_digest(self.folder.study_yaml), self.folder.decisions_json
        configs = _configs(self.folder.root, own, file_digest(decided) if decided.is_file() else "")
        return [c for c in configs if only in ("", c.label)]


def open_bench(root: Path) -> Bench:
    """The study in a folder; opened again when its file has changed."""
    return _bench(root, file_digest(StudyFolder(root).study_yaml))


@lru_cache(maxsize=1)
def _bench(root: Path, _digest: str) -> Bench:
    folder = StudyFolder(root)
    return Bench(folder, Materials(loading.load(folder.study_yaml), folder))


@lru_cache(maxsize=1)
def _configs(root: Path, digest: str, _decided: str) -> tuple[EvalConfig, ...]:
    return tuple(eval_configs(_bench(root, digest).materials))


def eval_configs(materials: Materials) -> list[EvalConfig]:
    """The study's eval configs. A measure of a task asks of its test rows, which are the same for every model."""
    study = materials.study
    model = study.models[0].name  # rows to test on are every model's
    tasks = {t.name: (materials.task(t.name), materials.prepared(model, t.name)) for t in study.tasks}
    chosen = frozenset(decisions.matched(study, materials.folder))
    return [c if c.varies else replace(c, chosen=chosen) for c in configs_of(study, tasks, varied(study))]


@lru_cache(maxsize=1)  # the base is held once; a study with two models loads each in turn
def _backend(root: Path, model: str, path: str) -> Any:
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load

    return InProcess(load(open_bench(root).materials.speakers[model], threads=1))


@lru_cache(maxsize=1)
def _other(spec: ModelSpec) -> Any:
    """A model that is no subject: a judge's."""
    if spec.backend == "vllm":
        return _engine(spec)
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load

    return InProcess(load(spec, threads=1))


_engines: dict[Any, Any] = {}


def _engine(spec: ModelSpec, *adapters: str) -> Any:
    """vLLM over a model and its adapters: one at a time, and alone, for it takes what memory there is."""
    if (spec, adapters) not in _engines:
        from holdfast.models.vllm_engine import VLLM

        _close_engines()
        _backend.cache_clear()
        _other.cache_clear()
        _engines[spec, adapters] = VLLM(spec, adapters)
    return _engines[spec, adapters]


def _close_engines() -> None:
    while _engines:
        _engines.popitem()[1].close()


@lru_cache(maxsize=1)
def _classifier(spec: ModelSpec) -> Any:
    from holdfast.models.classifier import Classifier

    return Classifier(spec)


@lru_cache(maxsize=1)
def _states(spec: ModelSpec) -> Any:
    from holdfast.models.states import States

    return States(spec)


def _translator(gap: translating.Gap, cache: Path) -> translating.Translates:
    how, way = gap.translator, translating.direction(gap.translator, gap.side)
    if how.endpoint is not None:
        from holdfast.evals.judges.endpoint import Endpoint

        endpoint = Endpoint(translating.endpoint(how), cache, Sampling(how.max_new_tokens))
        return translating.Chat(endpoint, way["source"], way["target"], checked=gap.side == "prompts")
    from holdfast.models.translator import Seq2Seq

    path, revision = translating.model(how, gap.side)
    return Seq2Seq(path, revision, **way, max_new_tokens=how.max_new_tokens, beams=how.beams, threads=1)


def _open_backend(bench: Bench, model: str) -> Any:
    return _backend(bench.folder.root, model, bench.materials.speakers[model].path)


def _tell(report: Report, backend: Any) -> Any:
    """The backend, once it is said what of a model's folder it leaves out."""
    if note := backend.network.unused if hasattr(backend, "network") else "":
        report({"note": f"{backend.network.spec.name}: {note}", "unit": "note"})
    return backend


def _unaltered(backend: Any, bench: Bench, row: SubjectRow) -> None:
    """Raises UserError where a subject's files are no longer those that it was enrolled with."""
    if backend.identity(row.speaker(bench.folder.root)) != row.subject:
        what = row.adapter or row.weights or row.model
        raise UserError(
            f"{row.label} is not what it was when the study began: the files of {what}, its base or its template have "
            "changed; run the study again, and it is measured as what it is now"
        )


def _measuring(bench: Bench, model: str) -> Any:
    """What answers when measuring (``ModelSpec.backend``): an engine serves every adapter of the study."""
    spec = bench.materials.speakers[model]
    if spec.backend == "in_process":
        return _open_backend(bench, model)
    rows = read_rows(bench.folder.subjects, "subjects", SubjectRow)
    mine = [str(bench.folder.root / r.adapter) for r in rows if r.adapter and (r.weights or r.model) == model]
    return _engine(spec, *mine)


# -- the stages -----------------------------------------------------------------------------------------------------


def sample(report: Report, root: Path, model: str, task: str) -> None:
    """Draw the base model's own answers to a task's rows, and keep those that are good, or wrong, enough for a side."""
    bench = open_bench(root)
    materials, spec = bench.materials, bench.materials.tasks[task]
    source = materials.unsampled(task)
    rows = (*source.train, *source.validation)
    taken: dict[Side, dict[str, str]] = {}
    counts: Counter[str] = Counter()
    scored: dict[str, tuple[list[sampled.Candidate], list[float | None]]] = {}
    for side, how in sampled.sides(spec).items():
        key = digest([materials.drawn_key(model, task, how), how.judge])
        if key not in scored:  # both sides may ask and judge alike
            drawn = _drawn(report, bench, model, task, rows, how)
            found = sampled.candidates(rows, drawn)
            scores = (
                _verdicts(bench, model, how.judge, found) if how.judge else sampled.checked(materials.task(task), found)
            )
            scored[key] = found, scores
            answers = [answer for several in drawn.values() for answer in several]
            counts["drawn"] += len(answers)
            counts["cut_off"] += sum(answer.finish != "stop" for answer in answers)
            counts["unscored"] += scores.count(None)
        taken[side] = sampled.take(how, *scored[key])
    write_json(bench.folder.sampled(materials.sampled_key(model, task)), taken | {"counts": counts})


def _drawn(
    report: Report, bench: Bench, model: str, task: str, rows: Sequence[Example], how: SideSpec
) -> dict[str, list[Response]]:
    """The base model's answers by row id, kept as soon as they are there: judging them may fail and be done again."""
    drawn_key = bench.materials.drawn_key(model, task, how)
    file, prompts, settings = bench.folder.drawn(drawn_key), sampled.prompts_for(rows, how), sampled.sampling(how)
    keys = {digest([drawn_key, prompt.item_id, k]): prompt for prompt in prompts for k in range(settings.samples)}
    if not file.is_file():
        base = base_subject(bench.materials, model)
        requests = [Request(key, base, prompt.turns, sampling=settings) for key, prompt in keys.items()]
        answers = []
        for done, response in enumerate(_open_backend(bench, model).generate(requests), start=1):
            answers.append(asdict(response))
            report({"done": done, "total": len(requests), "unit": "responses"})
        write_json(file, {"answers": sorted(answers, key=lambda answer: answer["key"])})
    drawn: dict[str, list[Response]] = {}
    for answer in read_json(file, "answers")["answers"]:
        drawn.setdefault(keys[answer["key"]].item_id, []).append(Response(**answer))
    return drawn


def _verdicts(bench: Bench, model: str, spec: JudgeSpec, found: Sequence[sampled.Candidate]) -> list[float | None]:
    """How good each answer is to a judge, which sees the row's reference."""
    judge = registry.build("judges", spec.judge, spec.params)
    base = base_subject(bench.materials, model)
    rows = [
        (
            Item(row.id, row.prompt, reference=row.answer or row.chosen),
            Record(digest([row.id, text]), base.id, "sample", row.id, "none", "default", 0, text, text, 0, "stop"),
        )
        for row, text in found
    ]
    resources = _resources(bench, judge.wants, model, base)
    return [judgement.score for judgement in judged(spec.label, judge, RESPONSES, rows, resources)]


def base_subject(materials: Materials, model: str) -> Subject:
    """A model of the study before any training."""
    return Subject(subject_id(materials.model_digest(model), materials.renderer(model).digest), model)


def train(report: Report, root: Path, run: Run, budgets: tuple[int, ...]) -> None:
    """Train a planned run to the last of these budgets, which are its first."""
    from holdfast.training.job import TrainJob
    from holdfast.training.loop import train as train_one

    bench = open_bench(root)
    materials = bench.materials
    _close_engines()
    stream = materials.stream(run.model, run.task, run.seed, run.budgets[-1], run.label)
    controls = materials.controls(run.label)
    assert stream.digest == run.order, "the stream is not the one that was planned"
    backend = _tell(report, _open_backend(bench, run.model))
    start = begins_at(materials.study, run.role, run.budgets[-1])
    job = TrainJob(
        id=run.id,
        label=run.label,
        objective=materials.objectives[run.label],
        lora=controls.lora,
        controls=controls,
        seed=materials.seeds(run.label, run.seed)[1],
        learning_rate=run.learning_rate,
        budgets=budgets,
        stream=stream,
        start=bench.folder.run(run.parent).checkpoint(start) if run.parent else None,
        probes=materials.probes(run.model, run.task),
        references=root / "references",
        fits=_fits(bench.folder, backend.network, controls),
        processor=_processor(bench, run, backend.network),
    )
    train_one(job, bench.folder.run(run.id), backend.network, report)
    noted.note_trained(bench.folder, run.id, budgets)


def _processor(bench: Bench, run: Run, network: Any) -> str:
    """Its name, where this machine is of another kind than the one on which the model's first run began, and the study
    allows it; else "". Raises UserError where it does not: what is compared would differ by more than it should."""
    from holdfast.training.controls import kind, numerics

    here, file = kind(numerics(network)), bench.folder.machine(run.model)
    if network.device.type != "cuda":
        here["processor"] = machine.processor()
    if not file.is_file():
        # Runs of earlier versions: their own proof says it, but for the processor.
        proofs = (read_json(p, "controlled")["controlled"] for p in bench.folder.runs.glob("*/controls.json"))
        write_first(file, here | next((kind(p["numerics"]) for p in proofs if p["base"] == network.digest), {}))
    first = read_json(file, "device")
    if here == first:
        return ""
    if bench.materials.study.executor.machines == "alike":
        one, other = (", ".join(dict.fromkeys(filter(None, x.values()))) for x in (here, first))
        raise UserError(
            f"{run.label} (seed {run.seed}) would be trained on {one}, the first run of {run.model} was on {other}: "
            "machines of two kinds round otherwise, and runs that are compared must differ in nothing else; have the "
            "executor choose machines of the one kind (docs/cluster.md), or allow it with `machines: any` of `executor`"
        )
    return here.get("processor", "")


def _fits(folder: StudyFolder, network: Any, controls: Controls) -> Fits:
    """What memory has room for. Whoever asks first counts, and all others take the same: it is one of the controls, and
    a run that goes on rounds as it did before."""
    from holdfast.training.controls import COMPUTATION
    from holdfast.training.job import Fits
    from holdfast.training.prepared import fits

    if controls.micro_tokens != "auto":
        return fits(network, controls)  # nothing to agree on
    computation = {**controls.model_dump(mode="json", include=set(COMPUTATION)), "longest": controls.max_tokens}
    key = short(digest([network.digest, str(network.dtype), controls.trained, computation]))
    if not (file := folder.fits(key)).is_file():
        with lock(file.parent, wait=True):  # so that one alone counts
            before = read_json(folder.fits_json) if folder.fits_json.is_file() else {}
            if not file.is_file():
                write_first(file, before.get(key) or fits(network, controls)._asdict())
    return Fits(**read_json(file))


def respond(report: Report, root: Path, row: SubjectRow, others: Sequence[SubjectRow], only: str = "") -> None:
    """Put all items, or those of one measure, to one subject; ``others``: who was measured before it."""
    bench = open_bench(root)
    model = row.weights or row.model
    renderer, backend = bench.materials.renderer(model), _tell(report, _measuring(bench, model))
    _unaltered(backend, bench, row)
    near = getattr(backend, "near_ties", 0)
    attackers = _attackers(bench, row.model)
    respond_subject(backend, renderer, row, bench.configs(only), bench.folder, _rows(report), others, attackers)
    noted.note_responded(bench.folder, [row], bench.configs(only))
    if near := getattr(backend, "near_ties", 0) - near:
        report({"note": f"{near} tokens of its answers were nearly others (docs/backends.md, drafts)", "unit": "note"})


def respond_all(report: Report, root: Path, rows: Sequence[SubjectRow], model: str, only: str = "") -> None:
    """Put all items, or those of one measure, to several subjects of one loaded model at once."""
    bench = open_bench(root)
    renderer, backend = bench.materials.renderer(model), _measuring(bench, model)
    for row in rows:
        _unaltered(backend, bench, row)
    attackers = _attackers(bench, model)
    respond_together(backend, renderer, rows, bench.configs(only), bench.folder, _rows(report), attackers)
    noted.note_responded(bench.folder, rows, bench.configs(only))


def _attackers(bench: Bench, model: str) -> Attackers:
    """Who asks the models that attack the subjects of a model. Raises UserError where one cannot be held beside it."""

    def resources(wants: JudgeModel | None) -> JudgeResources:
        own = wants.model if wants else None
        if own and "vllm" in (own.backend, bench.materials.speakers[model].backend):
            raise UserError(
                f"the attacker {own.name} and the model {model} would be two in memory, and vLLM takes all of it: "
                "serve the attacker and give its `endpoint`, or measure in process"
            )
        return _resources(bench, wants, model, base_subject(bench.materials, model), _measuring)

    return Attackers(bench.folder.judge_cache, resources)


def translate(report: Report, root: Path, side: translating.Side) -> None:
    """Fill the gaps of the study's files of translations."""
    bench = open_bench(root)
    rows = read_rows(bench.folder.subjects, "subjects", SubjectRow)
    for gap in translating.gaps(side, bench.configs(), rows, bench.folder):
        tell = partial(_texts, report, side, len(gap.texts))
        gap.fill(_translator(gap, bench.folder.judge_cache), tell)


def judge(
    report: Report, root: Path, row: SubjectRow, base: SubjectRow, wants: JudgeModel | None, only: str = ""
) -> None:
    """Judge one subject's records, or those of one measure, by the judges that want this model; ``base``: its own."""
    bench = open_bench(root)
    resources = _resources(bench, wants, row.model, base.speaker(root), _measuring)
    judge_subject(row, bench.configs(only), bench.folder, wants=wants, resources=resources, progress=_rows(report))
    noted.note_judged(bench.folder, [row], bench.configs(only), wants)


def _resources(
    bench: Bench,
    wants: JudgeModel | None,
    model: str,
    base: Subject,
    opened: Callable[[Bench, str], Any] = _open_backend,
) -> JudgeResources:
    """What a judge that wants this model finds before it; ``base`` is the subject's own, ``opened`` by this."""
    resources = JudgeResources(cache=bench.folder.judge_cache)
    if wants is None:
        return resources
    if wants.kind == "classifier":
        assert wants.model is not None, "a base model is no classifier"
        return replace(resources, classifier=_classifier(wants.model))
    if wants.kind == "states":
        assert wants.model is not None, "a learnt judge names its model"
        return replace(resources, states=_states(wants.model))
    if wants.model is None:
        return replace(resources, backend=opened(bench, model), speaker=base)
    backend = _other(wants.model)
    speaker = Subject(backend.identity(Subject("", wants.model.name)), wants.model.name)
    return replace(resources, backend=backend, speaker=speaker)


def _texts(report: Report, side: str, total: int, done: int) -> None:
    report({"done": done, "total": total, "unit": side})


def _rows(report: Report) -> Report:
    return lambda event: report({"done": event["done"], "total": event["total"], "unit": f"rows of {event['cell']}"})
