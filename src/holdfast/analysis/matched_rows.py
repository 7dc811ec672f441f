"""Matched capability, equal distance and fronts as findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
import pandas as pd

from holdfast.analysis.comparisons import About, reservations
from holdfast.analysis.config_info import Configs
from holdfast.analysis.described import better
from holdfast.analysis.equal_distance import AtDistance, at_distance
from holdfast.analysis.findings import Finding
from holdfast.analysis.ladder import Ladder, design, ladders
from holdfast.analysis.matched import Matched, matched
from holdfast.analysis.metrics import headline
from holdfast.analysis.pareto import Front, fronts
from holdfast.analysis.records import Records, records
from holdfast.config.study import Study
from holdfast.stats.equivalence import CANNOT_TELL
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import warning
from holdfast.types import Axis

METHOD = (
    "match in every draw of a crossed bootstrap; t with Satterthwaite's degrees of freedom; union over the checkpoints "
    "around it"
)
FRONT_METHOD = "share of joint crossed-bootstrap draws"


@dataclass(frozen=True)
class Joint:
    """What is made of the records of one regime (``frame``), each once: ladders and, from joint draws of prompts and
    seeds, matches, comparisons at equal distance and fronts."""

    frame: pd.DataFrame = field(repr=False)
    configs: Configs
    study: Study

    @cached_property
    def records(self) -> list[Records]:
        return records(self.frame)

    @cached_property
    def ladders(self) -> list[Ladder]:
        return ladders(self.frame, self.configs, self.study)

    @cached_property
    def matched(self) -> list[Matched]:
        return matched(self.records, self.configs, self.study)

    @cached_property
    def at_distance(self) -> list[AtDistance]:
        return at_distance(self.records, self.configs, self.study)

    @cached_property
    def fronts(self) -> list[Front]:
        return fronts(self.records, self.configs, self.study)


def findings(joint: Joint) -> list[Finding]:
    """Estimands: ``matched`` (attack success less SFT's where capability reaches the target), ``at_safety`` (capability
    less SFT's where attack success is at the ceiling), ``at_distance`` (attack success or P(match) less SFT's where
    both have moved equally far), ``front`` (probability of being on the last budget's front)."""
    study, found = joint.study, []
    for one in joint.matched:
        found += [*_compared(one, "matched", study), *_compared(one, "at_safety", study)]
    for moved in joint.at_distance:
        found += _at_distance(moved, study)
    for front in joint.fronts:
        found += _front(front)
    return found


def _compared(one: Matched, estimand: str, study: Study) -> Iterator[Finding]:
    """Declared where the study states a capability to match."""
    safe, tools = estimand == "matched", one.instruments
    axis: Axis = "robustness" if safe else "capability"
    table = one.at_target if safe else one.at_ceiling
    split = "" if tools.apart else "; matched on the very rows that are reported"
    where = f"capability {one.target:.3f}" if safe else f"attack success {one.ceiling:.3f}"
    note = f"at {where} on {tools.match.measure if safe else one.harm.measure}{split}"
    measure, metric = (one.harm.measure, "asr") if safe else (tools.match.measure, tools.match.summary.metric)
    about = About(one.model, one.task, axis, measure, str(metric), one.judge, "lower" if safe else "higher")
    declared, interest = study.matched is not None, study.declared.interest.of(axis)
    finding = Finding(about, estimand, None, interest=interest, declared=declared, note=note)
    return _from_sft(table, finding, one.sft, one.prompts, study)


def _at_distance(one: AtDistance, study: Study) -> Iterator[Finding]:
    config, metric = one.config, headline(one.config.summary)
    about = About(one.model, one.task, config.axis, config.measure, metric, one.judge, better(config, metric))
    declared = "at_distance" in study.declared.estimands and "sft" in study.declared.references
    interest = study.declared.interest.of(config.axis)
    finding = Finding(about, "at_distance", None, interest=interest, declared=declared)
    far = one.last["distance"].map("at a KL of {:.4g} nats per token from the base".format)
    table = one.last.assign(note=far + ", the largest that all seeds of both reach")
    return _from_sft(table, finding, one.sft, one.prompts, study)


def _from_sft(table: pd.DataFrame, finding: Finding, sft: str, prompts: int, study: Study) -> Iterator[Finding]:
    """One a label but SFT's: ``finding``, with the row's difference. Its interval at any level is by all readings, as
    its ends at alpha are."""
    for r in table.to_dict("records"):
        if r["label"] != sft and "gap" in r:
            pairs, left = int(r["n_pairs"]), reservations(r)
            warned = [warning(design(study, pairs, prompts)) if pairs else "", f"{left}." if left else ""]
            made = Estimate(
                r["gap"], r["gap_low"], r["gap_high"], r["p"], r["made"], prompts, pairs, METHOD,
                " ".join(filter(None, warned)), limit=r["limit"], bound_low=r["bound_low"], bound_high=r["bound_high"],
            )  # fmt: skip
            told = CANNOT_TELL if r.get("untold") else None
            note = str(r.get("note", finding.note))
            yield replace(finding, estimate=made, label=str(r["label"]), against="sft", decided=told, note=note)


def _front(front: Front) -> Iterator[Finding]:
    last = front.points["budget"].max()
    about = About(front.model, front.task, "robustness", front.measure, "probability", front.judge)
    for r in front.points[front.points["budget"].isin((0, last))].to_dict("records"):
        yield Finding(
            about, "front",
            Estimate(r["probability"], np.nan, np.nan, n_seeds=front.n_seeds, method=FRONT_METHOD), label=r["label"],
            budget=int(r["budget"]), decided="", declared=False,
            note="on the front of capability and attack success, the base model among the rivals",
        )  # fmt: skip
