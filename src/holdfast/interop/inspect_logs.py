"""A study's records as logs of Inspect (``.eval`` files), which ``inspect view`` opens: one for each subject and
config.

A sample is a record: what was asked, what was answered, a score from each judge with the judge's words. Its id is the
item's, with attack and format where they are not the plain ones; its epoch counts the responses. The metrics are the
study's estimates, for Inspect would count otherwise (over all attacks at once, no threshold on harm).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from inspect_ai.log import (
    EvalConfig,
    EvalDataset,
    EvalLog,
    EvalMetric,
    EvalPlan,
    EvalPlanStep,
    EvalResults,
    EvalSample,
    EvalScore,
    EvalSpec,
    EvalStats,
    write_eval_log,
)
from inspect_ai.model import GenerateConfig, ModelUsage

from holdfast import __version__, registry
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.load import configs, load_records
from holdfast.config import loading
from holdfast.config.study import MeasureSpec, Study
from holdfast.evals.attackers import Attackers
from holdfast.evals.episodes import Episodes
from holdfast.evals.eval_config import EvalConfig as Evaluation
from holdfast.evals.respond import rows
from holdfast.evals.subject import SubjectRow
from holdfast.interop.finished import estimates, of_subject, subjects
from holdfast.interop.inspect_samples import Turns, sample
from holdfast.store import tables
from holdfast.store.digest import digest, short
from holdfast.store.files import read_json, replacing
from holdfast.store.folder import EvalFolder, StudyFolder, present
from holdfast.types import Item, Judgement, Record, Sampling, UserError


@dataclass(frozen=True)
class LoggedSubject:
    """One subject in one config. ``planned``: ids of the records that the study asks for; others may lie there too."""

    folder: StudyFolder
    study: Study
    estimates: pd.DataFrame
    config: EvalFolder
    about: ConfigInfo
    row: SubjectRow
    planned: Set[str] = field(repr=False)

    @property
    def shards(self) -> list[Path]:
        return present(self.config.of(self.row.subject))

    @property
    def spec(self) -> MeasureSpec:
        return next(m for m in self.study.measures if m.label == self.about.measure)

    @property
    def model(self) -> str:
        """The base's label and the adapter's, as Inspect writes provider and name."""
        r = self.row
        trained = [r.task, r.label, f"{r.budget}", f"seed{r.seed}"] if r.trajectory else [r.label]
        return f"{r.model}/{'-'.join(trained)}"

    def items(self) -> dict[str, Item]:
        return {item.id: item for item in tables.read_rows(self.config.items, "items", Item)}

    @cached_property
    def records(self) -> list[Record]:
        found = {r.id: r for r in tables.read_rows(self.shards, "records", Record)}
        return [r for id, r in found.items() if id in self.planned]

    def said(self) -> dict[str, dict[str, Judgement]]:
        """Judgements by record and judge."""
        at = self.folder.judgements / self.config.root.name
        found: dict[str, dict[str, Judgement]] = {}
        for j in tables.read_rows(present(at, f"*/{short(self.row.subject)}/*.parquet"), "judgements", Judgement):
            found.setdefault(j.record, {})[j.judge] = j
        return found

    def asked(self, items: Mapping[str, Item]) -> dict[str, Turns]:
        """The turns of each record, put together as they were for the subject. A record's id is a digest of them, so
        that another version of a measure, or of a file it reads, gives no turns and not wrong ones."""
        measure = registry.build("measures", self.spec.measure, self.spec.params)
        sampling, own = Sampling(**self.about.sampling), self.spec.own_conditions
        a = self.about
        config = Evaluation(a.id, a.measure, a.task, measure, tuple(items.values()), sampling, {}, own)
        conditions = self.row.conditions() if own else None
        planned = rows(config, self.row.speaker(self.folder.root), conditions)
        episodes = Episodes(self.folder, config, self.row.subject, conditions, Attackers(self.folder.judge_cache))
        episodes.add(self.records)
        asked = (episodes.goes_on(row) for row in planned if row.id in self.planned)
        return {row.id: row.request.turns for row in asked if row.request}


def write(
    root: Path,
    to: Path,
    label: str | None = None,
    budget: int | None = None,
    measure: str | None = None,
    reveal: bool = False,
) -> list[Path]:
    """The logs of a study, or of one objective, budget or measure; returns the files, each written whole.

    Raises UserError where nothing is estimated yet, or nothing of the study is meant.
    """
    found = list(_sources(StudyFolder(root), label, budget, measure))
    if not found:
        raise UserError(f"{root} has no such records; see the labels, budgets and measures in its study.yaml")
    written = []
    for source in found:
        log = _log(source, reveal)
        started = datetime.fromisoformat(log.eval.created).strftime("%Y-%m-%dT%H-%M-%S+00-00")
        task = "".join(c if c.isalnum() else "-" for c in log.eval.task)[:80]
        file = to / f"{started}_{task}_{log.eval.task_id}.eval"
        with replacing(file) as temporary:
            write_eval_log(log, temporary, format="eval")
        written.append(file)
    return written


def _sources(
    folder: StudyFolder, label: str | None, budget: int | None, measure: str | None
) -> Iterator[LoggedSubject]:
    found, study = estimates(folder), loading.load(folder.study_yaml)
    about, who = configs(folder, varied=True), subjects(folder)
    planned = frozenset(load_records(folder, varied=True, tuning=True, relearnt=True)["record"])
    for config in folder.configs():
        mine = about.get(read_json(config.config_json, "cell")["cell"])
        if mine is None or measure not in (None, mine.measure):
            continue
        for row in who:
            source = LoggedSubject(folder, study, found, config, mine, row, planned)
            if label in (None, row.label) and budget in (None, row.budget) and source.records:
                yield source


def _log(source: LoggedSubject, reveal: bool) -> EvalLog:
    about, items, records, said = source.about, source.items(), source.records, source.said()
    try:
        asked, note = source.asked(items), ""
    except UserError as error:  # a file of attacks that is no longer there, say: the answers are told all the same
        asked, note = {}, str(error)
    samples = [
        sample(
            source.model,
            items[r.item],
            r,
            asked.get(r.id),
            {judge: said.get(r.id, {}).get(judge) for judge in about.judges},
            reveal,
        )
        for r in records
    ]
    assert len({(s.id, s.epoch) for s in samples}) == len(samples), "two samples have one id and epoch"
    made = datetime.fromtimestamp(max(shard.stat().st_mtime for shard in source.shards), UTC)
    stamp = made.replace(microsecond=0).isoformat()
    sampling = about.sampling
    drawn = GenerateConfig(
        max_tokens=sampling.get("max_new_tokens"),
        temperature=sampling.get("temperature"),
        top_p=sampling.get("top_p"),
        seed=sampling.get("seed"),
    )
    tokens = sum(r.n_tokens for r in records)
    usage = ModelUsage(output_tokens=tokens, total_tokens=tokens)
    step = EvalPlanStep(solver="holdfast", params={"attacks": about.attacks, "sampling": sampling})
    return EvalLog(
        status="success",
        eval=_spec(source, stamp, len({r.item for r in records}), max(s.epoch for s in samples), note, reveal),
        plan=EvalPlan(name="holdfast", steps=[step], config=drawn),
        results=EvalResults(
            total_samples=len(samples), completed_samples=len(samples), scores=list(_scores(source, samples))
        ),
        stats=EvalStats(started_at=stamp, completed_at=stamp, model_usage={source.model: usage}),
        samples=samples,
    )


def _spec(source: LoggedSubject, stamp: str, items: int, epochs: int, note: str, reveal: bool) -> EvalSpec:
    row, about = source.row, source.about
    whole = [given.weights for given in source.study.given if given.weights]
    speaker = next(m for m in (*source.study.models, *whole) if m.name == (row.weights or row.model))
    identity = [about.id, asdict(row)]
    described = {key: getattr(about, key) for key in ("task", "identity", "attacks", "sampling", "card")}
    return EvalSpec(
        eval_id=digest(["eval", *identity])[:22],
        run_id=digest(["run", about.id])[:22],
        task_id=digest(["task", *identity])[:22],
        created=stamp,
        task=about.measure,
        task_version=about.identity["version"],
        dataset=EvalDataset(name=about.measure, samples=items),
        model=source.model,
        model_args=speaker.model_dump(exclude_none=True),
        config=EvalConfig(epochs=epochs),
        packages={"holdfast": __version__},
        tags=[about.axis],
        metadata={
            "study": source.study.name,
            "mark": source.study.mark,
            "subject": asdict(row),
            "cell": {"cell": about.id, **described},
            "judges": about.judge_identities,
            "forbidden_text": "shown" if reveal else "masked",
            **({"not_rebuilt": note} if note else {}),
        },
    )


def _scores(source: LoggedSubject, samples: list[EvalSample]) -> Iterator[EvalScore]:
    """The estimates of each judge (a panel among them), the measure's own metric first."""
    mine = _estimates(source)
    for judge in [*source.about.judges, *sorted(set(mine["judge"]) - set(source.about.judges))]:
        scores = [s.scores[judge].as_float() for s in samples if s.scores and judge in s.scores]
        scored = sum(score == score for score in scores)
        levels = mine[(mine["judge"] == judge) & (mine["against"] == "") & mine["value"].notna()]
        yield EvalScore(
            name=judge,
            scorer=judge,
            scored_samples=scored,
            unscored_samples=len(scores) - scored,
            metrics={_metric(e): _estimate(e, mine) for e in levels.to_dict("records")},
        )


def _estimates(source: LoggedSubject) -> pd.DataFrame:
    """Of this subject in this eval config: its own seed's, else those over seeds."""
    e, row, about = source.estimates, source.row, source.about
    mine = of_subject(e[e["measure"] == about.measure], row, {row.task, about.task})
    first = about.summary.metric
    order = {"metric": lambda m: m != first, "condition": lambda c: c != "macro", "format": lambda f: f != DEFAULT}
    return mine.sort_values(list(order), key=lambda c: order[str(c.name)](c), kind="stable")


def _metric(e: Mapping[Any, Any]) -> str:
    parts = [e["metric"], e["condition"], "" if e["format"] == DEFAULT else e["format"]]
    return " ".join(part for part in parts if part)


def _estimate(e: Mapping[Any, Any], mine: pd.DataFrame) -> EvalMetric:
    """A level, with its interval, and what it is against the base and SFT."""
    same = mine[(mine["judge"] == e["judge"]) & (mine["metric"] == e["metric"])]
    same = same[(same["condition"] == e["condition"]) & (same["format"] == e["format"])]
    shown = ("value", "low", "high", "method", "n_prompts", "n_records", "n_unscored", "note")
    about = {
        (f"vs_{other['against']}" if other["against"] else "level"): {
            key: None if pd.isna(other[key]) else other[key] for key in shown
        }
        for other in same.to_dict("records")
    }
    return EvalMetric(name=_metric(e), value=float(e["value"]), metadata=about)
