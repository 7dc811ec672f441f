"""Matched capability, equal distance and fronts as rows of the findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import Configs
from holdfast.analysis.described import better
from holdfast.analysis.distance import AtDistance, at_distance
from holdfast.analysis.findings import OVER_LADDER, finished, no_worse
from holdfast.analysis.ladder import caution
from holdfast.analysis.matched import Matched, matched
from holdfast.analysis.metrics import headline
from holdfast.analysis.pareto import Front, fronts
from holdfast.analysis.records import Records, records
from holdfast.analysis.versus import reservations
from holdfast.config.study import Study
from holdfast.stats.design import Design
from holdfast.stats.equivalence import CANNOT_TELL
from holdfast.stats.estimate import Estimate

METHOD = (
    "match in every draw of a crossed bootstrap; t with Satterthwaite's degrees of freedom; union over the checkpoints "
    "around it"
)
FRONT_METHOD = "share of joint crossed-bootstrap draws"


@dataclass(frozen=True)
class Joint:
    """What joint draws of prompts and seeds say of the records of one regime (``frame``), each made once."""

    frame: pd.DataFrame = field(repr=False)
    configs: Configs
    study: Study

    @cached_property
    def records(self) -> list[Records]:
        return records(self.frame)

    @cached_property
    def matched(self) -> list[Matched]:
        return matched(self.records, self.configs, self.study)

    @cached_property
    def at_distance(self) -> list[AtDistance]:
        return at_distance(self.records, self.configs, self.study)

    @cached_property
    def fronts(self) -> list[Front]:
        return fronts(self.records, self.configs, self.study)


def rows(joint: Joint) -> pd.DataFrame:
    """Kinds: ``matched`` (attack success less SFT's where capability reaches the target), ``at_safety`` (capability
    less SFT's where attack success is at the ceiling), ``at_distance`` (attack success or P(match) less SFT's where
    both have moved equally far), ``front`` (probability of being on the last budget's front)."""
    parts: list[dict[str, Any]] = []
    study = joint.study
    for one in joint.matched:
        parts += _compared(one, "matched", study) + _compared(one, "at_safety", study)
    for moved in joint.at_distance:
        parts += _at_distance(moved, study)
    for front in joint.fronts:
        parts += _front(front)
    return finished(parts, study)


def _compared(one: Matched, finding: str, study: Study) -> list[dict[str, Any]]:
    """Declared where the study states a capability to match."""
    safe = finding == "matched"
    table = one.at_target if safe else one.at_ceiling
    axis = "robustness" if safe else "capability"
    table = table.assign(note=_note(one, safe)) if len(table) else table
    about = {
        "estimand": finding, "model": one.model, "task": one.task, "axis": axis, "judge": one.judge,
        "measure": one.harm.measure if safe else one.instruments.match.measure,
        "metric": "asr" if safe else one.instruments.match.summary.metric,
        "interest": study.declared.interest.of(axis), "n_prompts": one.prompts, "_way": "lower" if safe else "higher",
    }  # fmt: skip
    declared = study.matched is not None
    return list(_from_sft(table, about, one.harm.measure, one.sft, study, declared=declared))


def _at_distance(one: AtDistance, study: Study) -> list[dict[str, Any]]:
    axis = one.config.axis
    metric = headline(one.config.summary)
    about = {
        "estimand": "at_distance", "model": one.model, "task": one.task, "axis": axis, "judge": one.judge,
        "measure": one.config.measure, "metric": metric, "_way": better(one.config, metric),
        "interest": study.declared.interest.of(axis), "n_prompts": one.prompts,
    }  # fmt: skip
    far = one.last["distance"].map("at a KL of {:.4g} nats per token from the base".format)
    table = one.last.assign(note=far + ", the largest that all seeds of both reach")
    declared = "at_distance" in study.declared.estimands and "sft" in study.declared.references
    return list(_from_sft(table, about, one.config.measure, one.sft, study, declared=declared))


def _from_sft(
    table: pd.DataFrame, about: dict[str, Any], measure: str, sft: str, study: Study, *, declared: bool
) -> Iterator[dict[str, Any]]:
    """A row per label but SFT."""
    about |= {"against": "sft", "condition": "macro", "budget": OVER_LADDER, "declared": declared, "method": METHOD}
    about |= {"_fails": np.nan, "_decided": None}
    way = about["_way"]
    for r in table.to_dict("records"):
        if r["label"] != sft and "gap" in r:
            pairs = int(r["n_pairs"])
            numbers = {"value": r["gap"], "low": r["gap_low"], "high": r["gap_high"], "n_seeds": pairs}
            design = Design("difference", False, pairs, about["n_prompts"])
            warned = [caution(design, study) if pairs else "", f"{left}." if (left := reservations(r)) else ""]
            said: dict[str, Any] = {
                "unit": "seed and prompt" if pairs > 1 else "prompt",
                "warning": " ".join(filter(None, warned)),
            }
            found = _estimate(r, about, pairs)
            if r.get("untold"):
                said["_decided"] = CANNOT_TELL
            said |= {"_at": found.interval, "_within": found.within(about["interest"])}
            said["_worse"] = no_worse(found, about["interest"], way)
            yield about | numbers | said | {k: r[k] for k in ("label", "p", "note", "bound_low", "bound_high")}


def _estimate(r: dict[str, Any], about: dict[str, Any], pairs: int) -> Estimate:
    """Of a row, for its interval at any level: by all readings, as its ends at alpha are."""
    ends = (r["gap_low"], r["gap_high"])
    return Estimate(r["gap"], *ends, r["p"], r["made"], about["n_prompts"], pairs, METHOD, limit=r["limit"])


def _note(one: Matched, safe: bool) -> str:
    split = "" if one.instruments.apart else "; matched on the very rows that are reported"
    where = f"capability {one.target:.3f}" if safe else f"attack success {one.ceiling:.3f}"
    return f"at {where} on {one.instruments.match.measure if safe else one.harm.measure}{split}"


def _front(front: Front) -> list[dict[str, Any]]:
    last = front.points["budget"].max()
    rows = front.points[(front.points["budget"] == last) | (front.points["budget"] == 0)]
    about = {
        "estimand": "front", "model": front.model, "task": front.task, "against": "", "axis": "robustness",
        "measure": front.measure, "metric": "probability", "judge": front.judge, "condition": "macro", "p": np.nan,
        "declared": False, "_decided": "", "method": FRONT_METHOD, "n_seeds": front.n_seeds, "_at": None, "_way": "",
        "unit": "seed and prompt" if front.n_seeds > 1 else "prompt", "n_prompts": 0, "warning": "",
        "note": "on the front of capability and attack success, the base model among the rivals",
    }  # fmt: skip
    return [
        about | {"label": r["label"], "budget": int(r["budget"]), "value": r["probability"]}
        for r in rows.to_dict("records")
    ]
