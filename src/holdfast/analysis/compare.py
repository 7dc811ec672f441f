"""Two finished studies side by side: what was held equal, and which headline estimates differ, by how much.

Sources: Zou and Donner, *Statistics in Medicine* 27 (2008), after Newcombe, *Statistics in Medicine* 17 (1998): the
interval of a difference from the intervals of two independent estimates (MOVER). Paired differences: ``paired``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from holdfast.analysis import design_differences, estimates_file
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.cube import BASE, Cube, headline_cube
from holdfast.analysis.estimates_file import headlines
from holdfast.analysis.load import configs, judges, load_records
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import contrast
from holdfast.stats.multiple import holm
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

Array = np.ndarray
_WHO = ["estimand", "against", "model", "task", "label", "budget", "measure", "metric"]
_NUMBERS = ["value", "low", "high"]


def independent(a: tuple[float, float, float], b: tuple[float, float, float], alpha: float = 0.05) -> Estimate:
    """b minus a of two independent estimates, each (value, low, high) with its interval at 1 - ``alpha``.

    The interval is MOVER's; p is the normal one that is below ``alpha`` exactly where the interval leaves out 0.
    """
    value = b[0] - a[0]
    down = np.hypot(b[0] - b[1], a[2] - a[0])
    up = np.hypot(b[2] - b[0], a[0] - a[1])
    side = down if value > 0 else up
    z = abs(value) / side * ndtri(1 - alpha / 2) if side > 0 else np.inf * abs(value)
    p = 1.0 if value == 0 else float(2 * ndtr(-z))
    return Estimate(float(value), float(value - down), float(value + up), p)


@dataclass(frozen=True)
class Comparison:
    """``held``: part, what, a, b, equal; ``estimates``: one row per estimate that both studies have; ``value`` is b's
    minus a's; ``alone``: what only one of them has."""

    a: str
    b: str
    held: pd.DataFrame
    estimates: pd.DataFrame
    alone: tuple[str, ...]
    alpha: float

    def as_json(self) -> dict[str, Any]:
        plain = self.estimates.astype(object).where(self.estimates.notna(), None)
        return {
            "a": self.a,
            "b": self.b,
            "alpha": self.alpha,
            "held": self.held.to_dict("records"),
            "estimates": plain.to_dict("records"),
            "alone": list(self.alone),
        }


def compare(a: Path, b: Path) -> Comparison:
    """Raises ``UserError`` where a folder is no finished study, or the two have no headline estimate in common.

    Models and tasks are matched by label; where both studies have one only, that one. Differences are paired by prompt
    (and by training seed) where both asked the same prompts under the same attacks with the same seeds, else the two
    are taken as independent. Holm's correction: per kind of estimate, measure and metric.
    """
    one = Side.of(a)
    two = Side.of(b).renamed(one)
    alpha = one.study.alpha
    both = one.lead.merge(two.lead, on=_WHO, suffixes=("_a", "_b"))
    if both.empty:
        raise UserError(
            f"{a} and {b} have no estimate in common: no objective was measured by the same measure at the same budget"
        )
    table = pd.DataFrame([_row(one, two, r, alpha) for r in both.to_dict("records")])
    families = table.groupby(["against", "measure", "metric"], sort=False).ngroup()
    table["p_adjusted"] = holm(table["p"].to_numpy(float), families.to_numpy())
    table["differs"] = table["p_adjusted"] < alpha
    keys = [set(map(tuple, side.lead[["label", "budget", "measure"]].astype(str).to_numpy())) for side in (one, two)]
    alone = tuple(
        f"{name}: {' · '.join(k)}"
        for name, only in ((str(a), keys[0] - keys[1]), (str(b), keys[1] - keys[0]))
        for k in sorted(only)
    )
    return Comparison(
        str(a), str(b), design_differences.table(one.folder, two.folder, one.study, two.study), table, alone, alpha
    )


def _row(one: Side, two: Side, r: Mapping[Any, Any], alpha: float) -> dict[str, Any]:
    about = {k: r[k] for k in _WHO} | {"judge_a": r["judge_a"], "judge_b": r["judge_b"]}
    sides = {f"{side}{'' if k == 'value' else f'_{k}'}": r[f"{k}_{side}"] for side in "ab" for k in _NUMBERS}
    if one.who(about) == two.who(about) and _config_of(one, about) == _config_of(two, about):
        # Answers are kept by content: there is one set of them, in two folders.
        same = {"value": 0.0, "low": 0.0, "high": 0.0, "p": np.nan}
        counts = {n: int(r[f"{n}_a"]) for n in ("n_prompts", "n_seeds")}
        return {**about, **sides, **same, "how": "the very same answers", **counts}
    found, how, prompts, seeds = _paired(one, two, about, alpha)
    if found is None:
        a, b = ((r[f"value_{s}"], r[f"low_{s}"], r[f"high_{s}"]) for s in "ab")
        found = independent(a, b, alpha)  # type: ignore[arg-type]
        prompts, seeds = (min(int(r[f"{n}_a"]), int(r[f"{n}_b"])) for n in ("n_prompts", "n_seeds"))
    return {
        **about,
        **sides,
        **{k: float(getattr(found, k)) for k in (*_NUMBERS, "p")},
        "how": how,
        "n_prompts": prompts,
        "n_seeds": seeds,
    }


def _config_of(side: Side, r: Mapping[str, Any]) -> list[str]:
    return sorted(c.id for c in side.about.values() if c.measure == r["measure"])


# -- one side ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Side:
    folder: StudyFolder
    study: Study
    about: Configs  # eval configs by id
    lead: pd.DataFrame  # headline estimates over seeds

    @classmethod
    def of(cls, root: Path) -> Side:
        folder = StudyFolder(root)
        study = loading.finished(folder)
        # What the estimates were made from is compared, too, where it is not the same: a damaged file is named first.
        tables.read(folder.record_shards(), "records", ["id"])
        tables.read(folder.judgement_shards(), "judgements", ["record"])
        about = configs(folder)
        lead = headlines(estimates_file.read(folder), about)
        return cls(folder, study, about, lead[lead["bracket"] == ""])

    def renamed(self, other: Side) -> Side:
        """With the other's labels of model and task, where each has but one."""
        lead = self.lead
        for column, mine, its in (
            ("model", [m.name for m in self.study.models], [m.name for m in other.study.models]),
            ("task", list(self.study.courses), list(other.study.courses)),
        ):
            if len(mine) == len(its) == 1:
                lead = lead.assign(**{column: lead[column].replace(mine[0], its[0])})
        return Side(self.folder, self.study, self.about, lead)

    @cached_property
    def frame(self) -> pd.DataFrame:
        frame = load_records(self.folder)
        return frame[(frame["format"] == DEFAULT) & (frame["bracket"] == "")]

    @cached_property
    def subjects(self) -> pd.DataFrame:
        found = tables.read(self.folder.subjects, "subjects")
        return found[found["bracket"] == ""]

    def who(self, r: Mapping[str, Any]) -> set[str]:
        """The subjects that an estimate is about, those it is compared with among them."""
        labels = {r["label"], {"base": BASE, "sft": self.study.sft()}.get(r["against"], r["label"])}
        s = self.subjects
        return set(s.loc[s["label"].isin(labels) & ((s["budget"] == r["budget"]) | (s["label"] == BASE)), "subject"])

    @cached_property
    def _cubes(self) -> dict[str, Cube]:
        return {}

    def cube(self, measure: str) -> Cube | None:
        """Of a measure's headline metric; None for a measure of several eval configs (another task's)."""
        mine = [c for c in self.about.values() if c.measure == measure]
        if len(mine) != 1:
            return None
        if measure not in self._cubes:
            rows = self.frame[(self.frame["cell"] == mine[0].id) & (self.frame["judge"] == judges(mine[0])[0])]
            self._cubes[measure] = headline_cube(rows.reset_index(drop=True), mine[0], self.study.threshold)[1]
        return self._cubes[measure]


def _paired(one: Side, two: Side, r: Mapping[str, Any], alpha: float) -> tuple[Estimate | None, str, int, int]:
    """The paired difference; or None, and why the two must be taken as independent."""
    x, y = one.cube(r["measure"]), two.cube(r["measure"])
    if x is None or y is None:
        return None, "independent: the measure stands in several cells", 0, 0
    if x.items != y.items:
        return None, "independent: other prompts", 0, 0
    if _macro(x) != _macro(y) or x.metric.kind != y.metric.kind:
        return None, "independent: other attacks, or another scale", 0, 0
    base = r["label"] == BASE
    if not base and x.seeds != y.seeds:
        return None, "independent: other training seeds", 0, 0
    apart = _gap(x, y, one, two, r)
    if apart is None:
        return None, "independent: several subjects of this label", 0, 0
    gaps, level = apart
    low, high = x.metric.bounds
    wide, share = ((low, high), x.metric.kind == "share") if level else ((2 * low, 2 * high), False)
    made = contrast(gaps, np.array(list(_macro(x).values())), "difference", share=share, bounds=wide, alpha=alpha)
    seeds, gap = 0 if base else len(x.seeds), made.scaled(1.0)
    return gap, "paired by seed and prompt" if seeds > 1 else "paired by prompt", int(made.n_prompts), seeds


def _macro(cube: Cube) -> dict[str, float]:
    """Each group of the macro mean, and its weight."""
    assert cube.weights is not None, "asked of what was estimated"
    return {g: w for g, w in zip(cube.groups, cube.weights, strict=True) if w > 0}


def _gap(x: Cube, y: Cube, one: Side, two: Side, r: Mapping[str, Any]) -> tuple[Array, bool] | None:
    """[S, I, G]: b's score minus a's, of a difference the differences' difference; and whether it is one of scores, as
    it is also where both studies have the same reference."""
    a, b = (_read(s, r, r["label"]) for s in (x, y))
    if a is None or b is None:
        return None
    if r["against"] == "":
        return b - a, True
    a0, b0 = (_read(s, r, BASE if r["against"] == "base" else side.study.sft()) for s, side in ((x, one), (y, two)))
    if a0 is None or b0 is None:
        return None
    if np.array_equal(a0, b0, equal_nan=True):
        return b - a, True
    return (b - b0) - (a - a0), False


def _read(cube: Cube, r: Mapping[str, Any], label: str) -> Array | None:
    """[S, I, G] of a label at the estimate's budget; the base model's, which is the same under every seed, once. None
    where several models or tasks share the label."""
    who = cube.who
    at = np.flatnonzero((who["label"] == label) & ((who["budget"] == int(r["budget"])) | (label == BASE)))
    if len(at) != 1:
        return None
    there = cube.values[at[0]][..., [cube.groups.index(g) for g in _macro(cube)]]
    return there[:1] if label == BASE else there
