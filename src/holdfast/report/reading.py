"""Everything the page is made from, read once from the study's folder. What was not written is absent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast.analysis import answer_rows, declaration, estimates_file, table_files
from holdfast.analysis.comparisons import AtDistance, Consistency, Front, Matched
from holdfast.analysis.config_info import Configs
from holdfast.analysis.estimates_file import compared, measured
from holdfast.analysis.gate import GateVerdict, verdict
from holdfast.analysis.load import common_budgets, configs
from holdfast.analysis.regimes import SHARED
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.report.charts.plot import Look
from holdfast.report.charts.theme import BASE
from holdfast.report.series import Series, series
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.files import read_json, read_lines
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

WHO = ["trajectory", "model", "task", "label", "seed", "bracket"]


@dataclass(frozen=True)
class Findings:
    """A study as its stages left it."""

    folder: StudyFolder
    study: Study
    estimates: pd.DataFrame  # levels and plain differences of all that was measured
    answers: pd.DataFrame  # what the study asked and what it found: comparisons with their verdicts
    subjects: pd.DataFrame
    configs: Configs  # every cell.json, by the eval config's id
    plan: Mapping[str, Any]
    runs: pd.DataFrame  # WHO and what the run's config.json says
    checkpoints: pd.DataFrame  # WHO, budget and what training counted by then

    @property
    def labels(self) -> tuple[str, ...]:
        return self.study.labels

    @property
    def look(self) -> Look:
        return Look(self.labels, self.study.ladder, self.study.alpha)

    @property
    def reference(self) -> str:
        """The label that SFT goes by in this study."""
        return self.study.sft() or "SFT"

    @cached_property
    def matched(self) -> list[Matched]:
        return table_files.read_matched(self.folder, self.configs)

    @cached_property
    def at_distance(self) -> list[AtDistance]:
        return table_files.read_at_distance(self.folder, self.configs)

    @cached_property
    def fronts(self) -> list[Front]:
        return table_files.read_fronts(self.folder)

    @cached_property
    def _tables(self) -> dict[str, pd.DataFrame]:
        return {}

    @cached_property
    def repeated(self) -> Consistency:
        """How far scores move with choices of procedure; empty tables where nothing was varied."""
        return table_files.read_consistency(self.folder)

    def table(self, name: str) -> pd.DataFrame:
        """One that the analysis left (``store.schemas.FRAMES``), of all models and tasks; read once."""
        if name not in self._tables:
            self._tables[name] = table_files.read(self.folder, name)
        return self._tables[name]

    @cached_property
    def stands(self) -> declaration.Standing:
        """How what is asked stands to what was declared before there were results."""
        return declaration.standing(self.study, self.folder, self.configs)

    @cached_property
    def gate(self) -> GateVerdict | None:
        """What the gate says, if the study has one."""
        return verdict(self.folder)

    @property
    def checks(self) -> pd.DataFrame:
        """What the control runs show."""
        return self.table("brackets")

    def settings(self) -> list[Setting]:
        """A model and a task: what one frontier is drawn for. The same at every call, with all that they have read."""
        return self._settings

    @cached_property
    def _settings(self) -> list[Setting]:
        there = self.estimates[self.estimates["label"] != BASE]
        found = [
            Setting(self, m.name, task)
            for m in self.study.models
            for task in self.study.courses
            if ((there["model"] == m.name) & (there["task"] == task) & (there["bracket"] == "")).any()
        ]
        return found or [Setting(self, self.study.models[0].name, self.study.courses[0])]


@dataclass(frozen=True)
class Setting:
    """One model on one task."""

    findings: Findings
    model: str
    task: str

    @property
    def name(self) -> str:
        return f"{self.model} · {self.task}" if self.task else self.model

    @property
    def slug(self) -> str:
        """Part of its files' names; empty where the study has one setting."""
        every = [(s.model, s.task) for s in self.findings.settings()]
        if len(every) == 1:
            return ""
        plain = [re.sub(r"[^a-z0-9]", "-", f"{model}-{task}".lower()) for model, task in every]
        at = every.index((self.model, self.task))
        return plain[at] if plain.count(plain[at]) == 1 else f"{plain[at]}-{at}"

    @cached_property
    def estimates(self) -> pd.DataFrame:
        """Without checkpoints that were measured because some run was matched there: beside budgets, at which every run
        is, they would be of chosen seeds."""
        e, study = self.of(self.findings.estimates), self.findings.study
        if study.matched is None:
            return e
        own = e["budget"].isin(study.ladder) | (e["label"] == BASE) | (e["bracket"] != "")
        return e[own | (e["measure"].str.partition(" on ")[0] == study.matched.measure)]

    @cached_property
    def matched(self) -> list[Matched]:
        """Comparisons at equal capability; one of each measure of attack success."""
        mine = [one for one in self.findings.matched if (one.model, one.task) == (self.model, self.task)]
        return [replace(one, at_target=self._judged(one.at_target, "matched", one)) for one in mine]

    @property
    def at_distance(self) -> list[AtDistance]:
        """Those at equal distance; one of each measure of attack success and persona."""
        return [one for one in self.findings.at_distance if (one.model, one.task) == (self.model, self.task)]

    def _judged(self, table: pd.DataFrame, estimand: str, one: Matched) -> pd.DataFrame:
        """The table with the verdicts and p of the findings: one comparison has one verdict on the whole page."""
        a = self.answers()
        a = a[(a["estimand"] == estimand) & (a["measure"] == one.harm.measure)].set_index("label")
        there = [c for c in ("verdict", "p_adjusted") if c in table]
        return table.assign(**{c: table["label"].map(a[c]).fillna(table[c]) for c in there})

    @property
    def fronts(self) -> list[Front]:
        return [one for one in self.findings.fronts if (one.model, one.task) == (self.model, self.task)]

    def table(self, name: str) -> pd.DataFrame:
        """One that the analysis left: rows of this model and task alone."""
        rows = self.findings.table(name)
        return rows[(rows["model"] == self.model) & (rows["task"] == self.task)].reset_index(drop=True)

    @cached_property
    def checkpoints(self) -> pd.DataFrame:
        c = self.findings.checkpoints
        return c[(c["model"] == self.model) & (c["task"] == self.task) & (c["bracket"] == "")] if len(c) else c

    @property
    def mixtures(self) -> pd.DataFrame:
        """The runs of several objectives at once; of a label and seed the one that went furthest, for one whose weights
        depend on where training ends has a run for each budget."""
        labels = [v.label for v in self.findings.study.objectives if v.objective == "mixture"]
        r = self.of(self.findings.runs)
        r = r[r["label"].isin(labels) & (r["bracket"] == "")]
        furthest = [max(config["budgets"]) for config in r["config"]]
        return r.assign(far=furthest).sort_values("far").drop_duplicates(["label", "seed"], keep="last").sort_index()

    @cached_property
    def series(self) -> list[Series]:
        mine = [c for c in self.findings.configs.values() if c.task in ("", None, self.task)]
        study = self.findings.study
        aside = answer_rows.matched_only([c.measure for c in mine if c.axis == "capability"], study)
        return series(self.estimates, mine, [m.label for m in study.measures], aside)

    @cached_property
    def shown(self) -> list[Series]:
        """The series that headlines are about: all but what is only matched on."""
        return [s for s in self.series if not s.aside]

    def answers(self, regime: str = SHARED) -> pd.DataFrame:
        """The findings of a regime."""
        a = self.findings.answers
        return a[(a["model"] == self.model) & (a["task"] == self.task) & (a["regime"] == regime)]

    @cached_property
    def last(self) -> int:
        """The last budget that what stands in the headlines was measured at, and every run of it."""
        e, measures = self.estimates, {s.measure for s in self.shown}
        subjects = self.findings.subjects
        same = common_budgets(self.findings.study, self.of(subjects[subjects["bracket"] == ""])).ladder
        tuned = e[(e["label"] != BASE) & (e["bracket"] == "") & e["measure"].isin(measures) & (e["budget"] <= same[-1])]
        return int(tuned["budget"].max()) if len(tuned) else same[-1]

    def of(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Rows of this model that belong to the task or, as the base model's do, to none. The task's own come first."""
        return table_files.of(rows, self.model, self.task)


def read(folder: StudyFolder) -> Findings:
    study = loading.finished(folder)
    subjects = tables.read(folder.subjects, "subjects") if folder.subjects.exists() else tables.read([], "subjects")
    seen = declaration.looks(folder)
    if seen and seen[-1]["study"] != digest(declaration.content(study)):
        raise UserError(
            f"{folder.study_yaml} has changed since its results were analysed; run `holdfast analyse` again first"
        )
    numbers = estimates_file.read(folder)
    return Findings(
        folder=folder,
        study=study,
        estimates=measured(numbers),
        answers=compared(numbers),
        subjects=subjects,
        configs=configs(folder),
        plan=_json(folder.plan_json),
        **_training(folder, subjects),
    )


def named(name: str, slug: str) -> str:
    """A file's name, with the setting's where the study has several."""
    return f"{name}-{slug}" if slug else name


def _json(path: Path) -> dict[str, Any]:
    return read_json(path) if path.exists() else {}


def _training(folder: StudyFolder, subjects: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The runs that the subjects come from."""
    runs, points = [], []
    for row in subjects[subjects["trajectory"] != ""].drop_duplicates("trajectory").to_dict("records"):
        who = {k: row[k] for k in WHO}
        at = folder.run(str(row["trajectory"]))
        runs.append(who | {"config": _json(at.config_json), "controls": _json(at.controls_json)})
        points += [who | _flat(point) for point in read_lines(at.checkpoints_jsonl)]
    return {
        "runs": pd.DataFrame(runs, columns=[*WHO, "config", "controls"]),
        "checkpoints": pd.DataFrame(points) if points else pd.DataFrame(columns=[*WHO, "budget"]),
    }


def _flat(point: Mapping[str, Any]) -> dict[str, Any]:
    """A checkpoint's counts, its distance from the base and what it read, as one row."""
    return {
        **point.get("exposure", {}),
        **point.get("distance", {}),
        **{k: v for k, v in point.items() if k not in _PARTS},
    }


_PARTS = ("exposure", "distance")
