"""Which of a measure's many numbers speaks for it: the one that is charted and stands in the first table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pandas as pd

from holdfast import registry
from holdfast.analysis.answer_rows import AXES, listed
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.described import KNOWN, display, in_words, info
from holdfast.evals.measures.measure import Better, MetricInfo, Summary
from holdfast.report.charts.theme import BASE
from holdfast.types import Axis, UserError

_CALLED: ContextVar[Mapping[str, str]] = ContextVar("called")
HARM_FIRST = ("robustness", "capability", "persona", "normative")  # axes, where harm is what is asked about
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

    config: ConfigInfo | None = field(default=None, compare=False, repr=False)  # None: none is at hand

    @property
    def info(self) -> MetricInfo:
        return info(self.about, self.metric)

    @property
    def name(self) -> str:
        """The measure's, as its authors write it."""
        return display(self.about) if self.about.display else plain(self.about.measure)

    @property
    def about(self) -> ConfigInfo:
        """What the measure says of itself."""
        return self.config or ConfigInfo("", self.measure.partition(" on ")[0], cast(Axis, self.axis))

    @property
    def title(self) -> str:
        if not self.info.title:
            return self._titled(self.info.short)
        where = self.measure.partition(" on ")[2]
        own = self.name.casefold() in self.info.title.casefold()
        where = where or ("" if self.alone or own else self.name)
        return f"{self.info.title} on {where}" if where else self.info.title

    def _titled(self, metric: str) -> str:
        where = self.measure.partition(" on ")[2]
        name = f"{self.name} on {where}" if where else self.name
        return f"{name[:1].upper()}{name[1:]}: {metric}"

    @property
    def short(self) -> str:
        if self.axis == "normative":
            return self.name
        return self.info.short if self.alone else f"{self.info.short}, {self.name}"

    @property
    def better(self) -> Better:
        return self.info.better

    @property
    def good(self) -> str:
        return good(self.better)

    @property
    def whole(self) -> str:
        """The title where all its conditions stand side by side."""
        return self._titled(self.info.whole) if self.info.whole else self.title

    @property
    def direction(self) -> str:
        """Of all its conditions, in words."""
        ways: dict[str, list[str]] = {}
        for condition, way in self.info.apart.items():
            ways.setdefault(way, []).append(condition)
        rest = [f"{way or 'neither'} for {listed(map(plain, who))}" for way, who in ways.items()]
        return ", ".join([self.good, *rest])

    def of(self, estimates: pd.DataFrame, *, condition: str | None = None, against: str = "") -> pd.DataFrame:
        """Its levels over seeds, of the study proper; ``condition`` replaces its own, ``"*"`` gives every condition.
        ``against``: differences from that in place of levels."""
        e = estimates
        keep = (
            (e["against"] == against)
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


def good(way: Better) -> str:
    """``higher is better``."""
    return f"{way} is better" if way else "neither way is better"


def plain(name: str) -> str:
    """A name as words: ``role_play`` → ``role play``; a measure's as its config (within ``called``) or class has it; of
    several that are joined by ×, each."""
    if " × " in name:
        return " × ".join(map(plain, name.split(" × ")))
    if name in (called := _CALLED.get({})):
        return called[name]
    try:
        measure: Any = registry.get("measures", name) if name in registry.names("measures") else None
        return getattr(measure, "display", "") or in_words(name)
    except UserError:  # of a package that is broken
        return in_words(name)


@contextmanager
def called(configs: Iterable[ConfigInfo]) -> Iterator[None]:
    """``plain`` within gives the measures of these eval configs the names that they give themselves."""
    token = _CALLED.set({c.measure: display(c) for c in configs if c.display})
    try:
        yield
    finally:
        _CALLED.reset(token)


def series(
    estimates: pd.DataFrame, configs: Iterable[ConfigInfo], measures: Sequence[str], aside: Collection[str] = ()
) -> list[Series]:
    """One per measure that has estimates, in the order of axes, then of the study file; the one ``aside`` last."""
    about: dict[str, ConfigInfo] = {}
    for config in configs:
        about.setdefault(config.measure, config)
    found = []
    proper = estimates[(estimates["against"] == "") & (estimates["bracket"] == "")]
    for measure in dict.fromkeys([*measures, *proper["measure"]]):
        rows = proper[proper["measure"] == measure]
        if len(rows):
            found.append(_choose(measure, rows, about.get(measure)))
    found = [replace(s, aside=s.measure.partition(" on ")[0] in aside) for s in found]
    said = Counter((s.axis, s.metric) for s in found if " on " not in s.measure and not s.aside)
    found = [replace(s, alone=said[s.axis, s.metric] < 2 and not s.aside) for s in found]
    return sorted(found, key=lambda s: (s.aside, AXES.index(s.axis) if s.axis in AXES else len(AXES)))


def _choose(measure: str, rows: pd.DataFrame, config: ConfigInfo | None) -> Series:
    """The measure's own headline metric by its first judge, pooled over conditions where a pool was estimated."""
    summary = config.summary if config else Summary("")
    declared = [summary.metric]
    if summary.threshold:  # a thresholded score is charted as its rate
        declared.insert(0, "asr")
    metric = _first(rows["metric"], [*declared, *KNOWN])
    rows = rows[rows["metric"] == metric]
    format_ = _first(rows["format"], ["default"])
    rows = rows[rows["format"] == format_]
    condition = _first(rows["condition"], _POOLED)
    rows = rows[rows["condition"] == condition]
    judges = config.judges if config else ()
    judge = _first(rows["judge"], [j for j in judges if j != "coherence"])
    axis, spoke = str(rows["axis"].iloc[0]), tuple(dict.fromkeys(rows["judge"]))
    return Series(measure, axis, metric, condition, format_, judge, spoke, config=config)


def _first(values: pd.Series, preferred: Iterable[str]) -> str:
    there = list(dict.fromkeys(values))
    return next((p for p in preferred if p in there), str(there[0]))


def lead(found: Sequence[Series], axis: str) -> Series | None:
    """The series that speaks for an axis, if the study measured one."""
    return next((s for s in found if s.axis == axis), None)
