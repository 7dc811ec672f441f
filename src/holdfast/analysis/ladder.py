"""A measure's headline along the budgets of one model and task, and every contrast of it as one linear functional.

A contrast is a weight for each checkpoint (label and budget, or the base): level, slope, area and last budget, against
the base, SFT or the mean of all objectives, are weights and nothing else. They are taken prompt by prompt and seed by
seed, before anything is averaged, so that each contrast is paired by both and has the interval and test of any paired
difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from holdfast.analysis.answer_rows import matched_only
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import DEFAULT, sft_of
from holdfast.analysis.cube import BASE, headline_cube
from holdfast.analysis.described import better
from holdfast.analysis.load import common_budgets, judges
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Better
from holdfast.stats import methods
from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import Linear, linearise
from holdfast.stats.methods import Design
from holdfast.stats.paired import sign_flip

Array = np.ndarray
Checkpoint = tuple[str, int]  # label and budget
AT_BASE: Checkpoint = (BASE, 0)


@dataclass(frozen=True)
class Ladder:
    """``values``: of each checkpoint [S, I, G], NaN where nothing was scored; the base stands under every seed.
    ``sft``: the label that SFT goes by, "" where there is none."""

    model: str
    task: str
    axis: str
    measure: str
    metric: str
    judge: str
    share: bool
    width: float  # of the metric's range
    weights: Array  # [G]
    labels: tuple[str, ...]  # in the study's order, without the base
    sft: str
    seeds: tuple[int, ...]
    values: Mapping[Checkpoint, Array]
    worst: Mapping[Checkpoint, tuple[Array, Array]] = field(
        default_factory=dict
    )  # where any score is missing: the values
    # with every missing one at its lowest, and at its highest
    better: Better = ""  # which way is good

    def budgets(self, *labels: str) -> tuple[int, ...]:
        """Those that all the labels have, ascending."""
        own = [{b for label, b in self.values if label == one} for one in labels]
        return tuple(sorted(set.intersection(*own))) if own else ()

    @property
    def prompts(self) -> int:
        return max((v.shape[1] for v in self.values.values()), default=0)

    def reference(self, name: str) -> str:
        """The label of ``base`` or ``sft``; "" where it was not measured."""
        return self.sft if name == "sft" else BASE if AT_BASE in self.values else ""


def ladders(frame: pd.DataFrame, configs: Configs, study: Study) -> list[Ladder]:
    """Of every headline (first metric, macro mean, first judge, default format), each model and task; without
    control runs and without what a subject does on a task that it was not trained on. Checkpoints and
    measures that are there to match or to choose by alone are none of a ladder's, and no budget is that some run ended
    before (``common_budgets``)."""
    found = []
    runs = frame[frame["bracket"] == ""].drop_duplicates("subject") if study.stops else frame[:0]
    declared = (frame["label"] == BASE) | frame["budget"].isin(study.ladder)
    apart = matched_only([c.measure for c in configs.values() if c.axis == "capability"], study)
    for config in configs.values():
        if config.measure in apart:
            continue
        judge = judges(config)[0]
        own = (frame["cell"] == config.id) & (frame["judge"] == judge) & (frame["bracket"] == "") & declared
        rows = frame[own & (frame["format"] == DEFAULT)].reset_index(drop=True)
        if rows.empty:
            continue
        places, cube = headline_cube(rows, config, study.threshold)
        metric, weights, who = cube.metric, cube.weights, cube.who
        if weights is None:
            continue
        filled = [metric.filled(high) for high in (False, True)] if np.isnan(metric.values).any() else []
        values, *ends = (x.values[..., weights > 0] for x in (cube, *map(places.cube, filled)))
        trained = who[who["label"] != BASE]
        for (model, task), some in trained.groupby(["model", "task"], sort=False):
            if config.task and config.task != task:
                continue
            there = set(some["label"])
            base = who.index[(who["model"] == model) & (who["label"] == BASE)]
            same = common_budgets(study, runs[(runs["model"] == model) & (runs["task"] == task)]).ladder
            some = some[some["budget"].isin(same)]
            if some.empty:
                continue
            at = {(str(r["label"]), int(r["budget"])): i for i, r in some.iterrows()}
            if len(base):
                at[AT_BASE] = base[0]
            found.append(
                Ladder(
                    model=str(model),
                    task=str(task),
                    axis=config.axis,
                    measure=config.measure,
                    metric=metric.name,
                    better=better(config, metric.name),
                    judge=judge,
                    share=metric.kind == "share",
                    width=metric.bounds[1] - metric.bounds[0],
                    weights=weights[weights > 0],
                    labels=tuple(label for label in study.labels if label in there),
                    sft=sft_of(some.assign(bracket=""), study),
                    seeds=cube.seeds,
                    values={checkpoint: values[i] for checkpoint, i in at.items()},
                    worst={checkpoint: (ends[0][i], ends[1][i]) for checkpoint, i in at.items()} if ends else {},
                )
            )
    return _in_order(found, study)


def _in_order(found: list[Ladder], study: Study) -> list[Ladder]:
    models = {m.name: k for k, m in enumerate(study.models)}
    tasks = {t: k for k, t in enumerate(study.courses)}
    measures = {m.label: k for k, m in enumerate(study.measures)}
    last = len(study.measures)
    return sorted(
        found, key=lambda x: (models.get(x.model, 0), tasks.get(x.task, 0), measures.get(x.measure, last), x.measure)
    )


def settings(found: list[Ladder]) -> Iterator[list[Ladder]]:
    """All measures of one model and task together."""
    for key in dict.fromkeys((x.model, x.task) for x in found):
        yield [x for x in found if (x.model, x.task) == key]


def contrasts(ladder: Ladder, asked: Sequence[Mapping[Checkpoint, float]], study: Study) -> list[Estimate | None]:
    """Of each, the sum of the checkpoints' values by its weights. Seeds that lack a checkpoint are left out; None: no
    seed has them all.

    A share's imagined prompts (``paired.difference``) differ by one response, and that moves the sum by the largest
    weight: the sum is judged in that unit.
    """
    made: list[tuple[Linear, float, float] | None] = []
    for weights in asked:
        unit = max(abs(w) for w in weights.values())
        y = np.sum([np.multiply(ladder.values[checkpoint], w / unit) for checkpoint, w in weights.items() if w], axis=0)
        y = y[~np.isnan(y).all(axis=(-1, -2))]
        found = linearise(y, ladder.weights) if len(y) else None
        width = ladder.width * max(abs(sum(w for w in weights.values() if w * s > 0)) for s in (1, -1)) / unit
        made.append((found, width, unit) if found is not None and not np.isnan(found.value) else None)
    flipped = {k: x[0].raw[0] for k, x in enumerate(made) if x and len(x[0].raw) == 1}  # raw is 0 for absent prompts
    signs = dict(zip(flipped, sign_flip(np.stack(list(flipped.values()))), strict=True)) if flipped else {}
    every = [x and estimated(x[0], ladder.share, x[1], x[2], study, signs.get(k, np.nan)) for k, x in enumerate(made)]
    if not ladder.worst:
        return every
    return [x and _bounded(x, ladder, weights, study) for x, weights in zip(every, asked, strict=True)]


def _bounded(found: Estimate, ladder: Ladder, weights: Mapping[Checkpoint, float], study: Study) -> Estimate:
    """With the ends of its interval where each missing score is at the worst for that end, and a warning where a
    comparison lacks more scores on one side than on the other. As it is where none is missing."""
    used = {checkpoint: w for checkpoint, w in weights.items() if w}
    lost = {checkpoint: ladder.worst[checkpoint][1] - ladder.worst[checkpoint][0] for checkpoint in used}
    if not any(np.nansum(x) > 0 for x in lost.values()):
        return found
    unit = max(abs(w) for w in used.values())

    def of(values: Mapping[Checkpoint, Array]) -> Estimate | None:
        y = np.sum([np.multiply(values[checkpoint], w / unit) for checkpoint, w in used.items()], axis=0)
        y = y[~np.isnan(y).all(axis=(-1, -2))]
        linear = linearise(y, ladder.weights) if len(y) else None
        return estimated(linear, ladder.share, found.limit / unit, unit, study, np.nan) if linear else None

    low, high = (
        of({checkpoint: ladder.worst[checkpoint][int((w > 0) is up)] for checkpoint, w in used.items()})
        for up in (False, True)
    )
    assert low is not None, "filled in, it is measured wherever it was"
    assert high is not None, "filled in, it is measured wherever it was"
    warning, unequal = found.warning, of(lost) if abs(sum(used.values())) < 1e-9 else None
    if unequal is not None and unequal.two_sided() < study.alpha:
        warning = f"{warning} Scores are missing more often on one side of some comparison.".strip()
    return replace(found, bound_low=low.low, bound_high=high.high, warning=warning)


def contrast(ladder: Ladder, weights: Mapping[Checkpoint, float], study: Study) -> Estimate | None:
    """One of ``contrasts``."""
    return contrasts(ladder, [weights], study)[0]


def estimated(found: Linear, share: bool, width: float, unit: float, study: Study, flipped: float) -> Estimate:
    """A linearised number in its default method, multiplied by ``unit``; of fixed prompts, by the seeds alone.
    ``flipped``: p by sign flips, which a single seed is judged by, so far as its interval agrees."""
    about = design(study, found.pseudo.shape[-2], int(found.present.sum()), share)
    made = methods.estimated(found, about, bounds=(0.0, width), alpha=study.alpha).scaled(unit)
    p, test = made.two_sided(), "t test"
    if about.seeds == 1 and not about.fixed:
        # Flips see no prompt that was not drawn; the interval does. A p beside it that says other than it does is none.
        p, test = float(np.fmax(p, flipped)), "sign-flip test, or t of the interval if larger"
    return replace(made, p=p, method=f"{made.method}; {test}", warning=methods.warning(about))


def design(study: Study, seeds: int, prompts: int, share: bool = False) -> Design:
    """Of a difference in a study."""
    return Design("difference", share, seeds, prompts, study.declared.prompts == "fixed")
