"""What is shown of each objective at the end: the verdicts that the answer and the recommendation are made of."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.cube import BASE
from holdfast.analysis.described import config, display, info
from holdfast.config.study import Study
from holdfast.stats.equivalence import BETTER, DIFFERS, ONE_SEED, SMALL, WORSE

CLEAR = (BETTER, WORSE, DIFFERS, SMALL)  # verdicts that something is apart
PROMPTS = 12  # of each eval config, whose responses are on the page
AXES = ("capability", "robustness", "persona", "normative")


def answer_rows(findings: pd.DataFrame, study: Study, configs: Configs) -> pd.DataFrame:
    """The findings ``last`` and ``matched`` of one model, task and regime, in the order of axes and labels. ``name``:
    of the measure, in words, as ``configs`` have it. A measure that the study only matches on is left out, and so is
    who never got there."""
    rows = findings[
        (findings["estimand"] == "last") | ((findings["estimand"] == "matched") & findings["value"].notna())
    ]
    rows = rows[~rows["measure"].isin(matched_only(rows.loc[rows["axis"] == "capability", "measure"], study))]
    order = {x: k for k, x in enumerate((*AXES, *study.labels))}
    rows = rows.sort_values("label", key=lambda c: c.map(order), kind="stable")
    rows = rows.sort_values("axis", key=lambda c: c.map(order), kind="stable", ignore_index=True)
    alone = rows.groupby(["axis", "metric"])["measure"].nunique()
    return rows.assign(
        name=[
            _name(config(configs, r.measure, r.axis), r.metric, alone[r.axis, r.metric] == 1) for r in rows.itertuples()
        ]
    )


def shown_subjects(subjects: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The base and, of every objective, the first seed's checkpoints and the other seeds' last ones."""
    order = {label: i for i, label in enumerate((BASE, *study.labels))}
    s = subjects[(subjects["bracket"] == "") & subjects["label"].isin(order)]
    s = s[s["seed"].isin((-1, *study.draws))]
    last = s.groupby(["model", "task"])["budget"].transform("max")
    s = s[s["seed"].isin((-1, study.draws[0])) | (s["budget"] == last)]
    return s.sort_values(
        ["model", "task", "seed", "budget", "label"], key=lambda c: c.map(order) if c.name == "label" else c
    )


def matched_only(capability: Iterable[str], study: Study) -> frozenset[str]:
    """The measures of capability that the study only matches on, or chooses settings by; none of them where it has no
    other to report."""
    wanted = frozenset(part.measure for part in (study.matched, study.tuned) if part)
    return wanted if {str(m).partition(" on ")[0] for m in capability} > wanted else frozenset()


def _name(about: ConfigInfo, metric: str, alone: bool) -> str:
    """As its metric is called in sentences; by the measure's name where that is not, and on the normative axis, where
    metrics (an accuracy, P(correct)) are alike and measures are not."""
    words, said = display(about), info(about, metric)
    if about.axis == "normative" or not said.words:
        return words
    return said.words if alone else f"{said.words} on {words}"


def one_seed(rows: pd.DataFrame) -> bool:
    """Whether these rest on one training seed each, so that they are about checkpoints and decide nothing of
    objectives."""
    return bool(len(rows)) and bool((rows["verdict"] == ONE_SEED).all())


def listed(words: Iterable[str]) -> str:
    some = list(dict.fromkeys(words))
    return some[0] if len(some) == 1 else f"{', '.join(some[:-1])} and {some[-1]}" if some else ""
