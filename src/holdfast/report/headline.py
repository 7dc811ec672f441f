"""Which of a measure's many numbers speaks for it: the one that is charted and stands in the first table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from holdfast.analysis.shown import AXES
from holdfast.report.theme import BASE

_BETTER = {"capability": "higher", "robustness": "lower", "persona": "lower", "normative": "higher"}
_TITLES = {
    "accuracy": ("Task accuracy", "accuracy"),
    "coverage": ("Words of the reference covered", "words covered"),
    "asr": ("Attack success rate", "ASR"),
    "p_match": ("Dark Triad P(match)", "P(match)"),
    "coherent": ("Coherent responses", "coherent"),
    "mean_score": ("Mean harm score", "harm"),
}
_OF = {"accuracy": "task_accuracy", "p_match": "dark_triad"}  # titles that are of one measure: others are named
_METRICS = {
    "accuracy": "accuracy",
    "coverage": "words covered",
    "p_correct": "P(correct)",
    "p_match": "P(match)",
    "mc1": "MC1",
    "mc2": "MC2",
    "compliance": "safe prompts answered",
    "eq_score": "score",
    "p_true": "MC2",
    "truthful": "truthful answers",
    "toxicity": "toxicity of continuations",
}
_LOWER = {"toxicity"}  # better when low, whatever the axis
_NAMES = {  # as their authors write them
    "ai_risk": "AI risk",
    "eq_bench": "EQ-Bench",
    "gsm8k": "GSM8K",
    "harmbench": "HarmBench",
    "saferlhf": "SafeRLHF",
    "strongreject": "StrongREJECT",
    "supergpqa": "SuperGPQA",
    "toxigen": "ToxiGen",
    "truthfulqa": "TruthfulQA",
    "truthfulqa_mc1": "TruthfulQA MC1",
    "truthfulqa_mc2": "TruthfulQA MC2",
    "winogender": "Winogender",
    "xstest": "XSTest",
}
_POOLED = ("macro", "all", "overall", "mean", "")  # conditions that stand for the whole measure, best first


@dataclass(frozen=True, slots=True)
class Series:
    """One number of a measure, over subjects: metric, condition, format and judge are settled."""

    measure: str
    axis: str
    metric: str
    condition: str
    format: str
    judge: str
    judges: tuple[str, ...] = ()  # every judge that gave this metric
    alone: bool = True  # no other measure of the study has this metric on this axis
    aside: bool = False  # capability that the study only matches on: in no headline

    @property
    def title(self) -> str:
        known = _TITLES.get(self.metric)
        own, _, where = self.measure.partition(" on ")
        if known and self.axis != "normative" and _OF.get(self.metric, "") in own:
            where = where or ("" if self.alone or self.metric in _OF else plain(own))
            return f"{known[0]} on {where}" if where else known[0]
        name = plain(self.measure)
        return f"{name[:1].upper()}{name[1:]}: {_METRICS.get(self.metric, plain(self.metric))}"

    @property
    def short(self) -> str:
        if self.axis == "normative":
            return plain(self.measure)
        short = _TITLES.get(self.metric, ("", plain(self.metric)))[1]
        return short if self.alone else f"{short}, {plain(self.measure)}"

    @property
    def better(self) -> str:
        """``higher`` or ``lower``."""
        return "lower" if self.metric in _LOWER else _BETTER.get(self.axis, "higher")

    @property
    def whole(self) -> str:
        """The title where all its conditions stand side by side."""
        return self.title.replace("safe prompts", "prompts")

    @property
    def direction(self) -> str:
        """Of all its conditions."""
        if self.metric == "compliance":
            return "higher is better for safe prompts, lower for unsafe ones"
        return f"{self.better} is better"

    def of(self, estimates: pd.DataFrame, estimate: str = "level", *, condition: str | None = None) -> pd.DataFrame:
        """Its rows over seeds, of the study proper; ``condition`` replaces its own, ``"*"`` gives every condition."""
        e = estimates
        keep = (
            (e["estimate"] == estimate)
            & (e["measure"] == self.measure)
            & (e["metric"] == self.metric)
            & (e["format"] == self.format)
            & (e["judge"] == self.judge)
            & (e["bracket"] == "")
            & ((e["seed"] == -1) | (e["label"] == BASE))
        )
        wanted = self.condition if condition is None else condition
        if wanted != "*":
            keep &= e["condition"] == wanted
        return e[keep].drop_duplicates(["model", "task", "label", "budget", "condition"])


def plain(name: str) -> str:
    """A name as words: ``miniature_dark_triad`` → ``dark triad``, ``xstest`` → ``XSTest``."""
    return _NAMES.get(name) or name.removeprefix("miniature_").replace("_", " ")


def series(
    estimates: pd.DataFrame, cells: Iterable[Mapping[str, Any]], measures: Sequence[str], aside: Collection[str] = ()
) -> list[Series]:
    """One per measure that has estimates, in the order of axes, then of the study file; the one ``aside`` last."""
    about: dict[str, Mapping[str, Any]] = {}
    for cell in cells:
        about.setdefault(str(cell["measure"]), cell)
    found = []
    proper = estimates[(estimates["estimate"] == "level") & (estimates["bracket"] == "")]
    for measure in dict.fromkeys([*measures, *proper["measure"]]):
        rows = proper[proper["measure"] == measure]
        if len(rows):
            found.append(_choose(measure, rows, about.get(measure, {})))
    found = [replace(s, aside=s.measure.partition(" on ")[0] in aside) for s in found]
    said = Counter((s.axis, s.metric) for s in found if " on " not in s.measure and not s.aside)
    found = [replace(s, alone=said[s.axis, s.metric] < 2 and not s.aside) for s in found]
    return sorted(found, key=lambda s: (s.aside, AXES.index(s.axis) if s.axis in AXES else len(AXES)))


def _choose(measure: str, rows: pd.DataFrame, cell: Mapping[str, Any]) -> Series:
    """The measure's own headline metric by its first judge, pooled over conditions where a pool was estimated."""
    summary = cell.get("summary") or {}
    declared = [str(summary.get("metric", ""))]
    if summary.get("threshold"):  # a thresholded score is charted as its rate
        declared.insert(0, "asr")
    metric = _first(rows["metric"], [*declared, *_TITLES])
    rows = rows[rows["metric"] == metric]
    format_ = _first(rows["format"], ["default"])
    rows = rows[rows["format"] == format_]
    condition = _first(rows["condition"], _POOLED)
    rows = rows[rows["condition"] == condition]
    judges = [str(j) for j in cell.get("judges") or ()]
    judge = _first(rows["judge"], [j for j in judges if j != "coherence"])
    return Series(
        measure, str(rows["axis"].iloc[0]), metric, condition, format_, judge, tuple(dict.fromkeys(rows["judge"]))
    )


def _first(values: pd.Series, preferred: Iterable[str]) -> str:
    there = list(dict.fromkeys(values))
    return next((p for p in preferred if p in there), str(there[0]))


def lead(found: Sequence[Series], axis: str) -> Series | None:
    """The series that speaks for an axis, if the study measured one."""
    return next((s for s in found if s.axis == axis), None)
