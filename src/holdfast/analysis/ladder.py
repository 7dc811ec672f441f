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
from holdfast.analysis.comparisons import About
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import AGAINST, DEFAULT, sft_of
from holdfast.analysis.cube import BASE, headline_cube, scored
from holdfast.analysis.described import better
from holdfast.analysis.load import common_budgets, judges
from holdfast.config.study import Study
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import Design, warning
from holdfast.stats.methods import contrast as contrast_of
from holdfast.stats.paired import sign_flip

Array = np.ndarray
Checkpoint = tuple[str, int]  # label and budget
AT_BASE: Checkpoint = (BASE, 0)


@dataclass(frozen=True)
class Ladder:
    """``values``: of each checkpoint [S, I, G], NaN where nothing was scored; the base stands under every seed.
    ``sft``: the label that SFT goes by, "" where there is none."""

    about: About
    share: bool
    width: float  # of the metric's range
    weights: Array  # [G]
    labels: tuple[str, ...]  # in the study's order, without the base
    sft: str
    seeds: tuple[int, ...]
    values: Mapping[Checkpoint, Array]
    # Where any score is missing: the values with every missing one at its lowest, and at its highest.
    worst: Mapping[Checkpoint, tuple[Array, Array]] = field(default_factory=dict)

    def budgets(self, *labels: str) -> tuple[int, ...]:
        """Those that all the labels have, ascending."""
        own = [{b for label, b in self.values if label == one} for one in labels]
        return tuple(sorted(set.intersection(*own))) if own else ()

    def common(self, label: str, reference: str) -> tuple[int, ...]:
        """The budgets at which a label can be compared: the base is the same at each."""
        return self.budgets(label) if reference == BASE else self.budgets(label, reference)

    @property
    def prompts(self) -> int:
        return max((v.shape[1] for v in self.values.values()), default=0)

    def pairs(self) -> Iterator[tuple[str, str, str]]:
        """Who is compared with whom: label, ``base`` or ``sft``, the label that this goes by here."""
        for against in AGAINST:
            reference = self.reference(against)
            yield from ((label, against, reference) for label in self.labels if reference not in ("", label))

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
    declared = (frame["bracket"] == "") & (frame["format"] == DEFAULT)
    declared &= frame["budget"].isin(study.ladder) | (frame["label"] == BASE)
    apart = matched_only([c.measure for c in configs.values() if c.axis == "capability"], study)
    for config in configs.values():
        if config.measure in apart:
            continue
        judge = judges(config)[0]
        own = (frame["cell"] == config.id) & (frame["judge"] == judge) & declared
        rows = scored(frame)[own].reset_index(drop=True)
        if rows.empty:
            continue
        places, cube = headline_cube(rows, config, study.threshold)
        metric, weights, who = cube.metric, cube.weights, cube.who
        if weights is None:
            continue
        way = better(config, metric.name)
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
                    about=About(str(model), str(task), config.axis, config.measure, metric.name, judge, way),
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

    def place(x: About) -> tuple[int, int, int, str]:
        return models.get(x.model, 0), tasks.get(x.task, 0), measures.get(x.measure, last), x.measure

    return sorted(found, key=lambda x: place(x.about))


def settings(found: list[Ladder]) -> Iterator[list[Ladder]]:
    """All measures of one model and task together."""
    for key in dict.fromkeys((x.about.model, x.about.task) for x in found):
        yield [x for x in found if (x.about.model, x.about.task) == key]


def contrasts(ladder: Ladder, asked: Sequence[Mapping[Checkpoint, float]], study: Study) -> list[Estimate | None]:
    """Of each, the sum of the checkpoints' values by its weights. Seeds that lack a checkpoint are left out; None: no
    seed has them all. A single seed is judged by sign flips, which see no prompt that was not drawn, and by the t of
    its interval, which does: a p that says other than the interval is none."""
    made = [_summed(ladder, ladder.values, weights, study) for weights in asked]
    alone = [x.linear.raw[0] for x in made if x and x.linear and len(x.linear.raw) == 1]  # 0 for absent prompts
    flipped = iter(sign_flip(np.stack(alone)) if alone else ())
    found: list[Estimate | None] = []
    for x, weights in zip(made, asked, strict=True):
        if x is not None:
            about, p, test = design(study, x.n_seeds, int(x.n_prompts), ladder.share), float(x.p), "t test"
            by_flips = next(flipped) if about.seeds == 1 else np.nan
            if about.seeds == 1 and not about.fixed:
                p, test = float(np.fmax(p, by_flips)), "sign-flip test, or t of the interval if larger"
            x = replace(x, p=p, method=f"{x.method}; {test}", warning=warning(about))
            x = _bounded(x, ladder, weights, study) if ladder.worst else x
        found.append(x)
    return found


def _summed(
    ladder: Ladder, values: Mapping[Checkpoint, Array], weights: Mapping[Checkpoint, float], study: Study
) -> Estimate | None:
    """A share's imagined prompts (``paired.difference``) differ by one response, and that moves the sum by the largest
    weight: the sum is judged in that unit."""
    used = {checkpoint: w for checkpoint, w in weights.items() if w}
    unit = max(abs(w) for w in used.values())
    y = np.sum([np.multiply(values[checkpoint], w / unit) for checkpoint, w in used.items()], axis=0)
    y = y[~np.isnan(y).all(axis=(-1, -2))]
    if not len(y):
        return None
    wide = (0.0, ladder.width * max(abs(sum(w for w in used.values() if w * s > 0)) for s in (1, -1)) / unit)
    fixed = study.declared.prompts == "fixed"
    made = contrast_of(
        y, ladder.weights, "difference", share=ladder.share, bounds=wide, alpha=study.alpha, fixed=fixed
    ).scaled(unit)
    return None if np.isnan(made.value) else made


def _bounded(found: Estimate, ladder: Ladder, weights: Mapping[Checkpoint, float], study: Study) -> Estimate:
    """With the ends of its interval where each missing score is at the worst for that end, and a warning where a
    comparison lacks more scores on one side than on the other. As it is where none is missing."""
    lost = {at: ladder.worst[at][1] - ladder.worst[at][0] for at, w in weights.items() if w}
    if not any(np.nansum(x) > 0 for x in lost.values()):
        return found
    low, high = (
        _summed(ladder, {at: ladder.worst[at][int((w > 0) is up)] for at, w in weights.items() if w}, weights, study)
        for up in (False, True)
    )
    assert low is not None, "filled in, it is measured wherever it was"
    assert high is not None, "filled in, it is measured wherever it was"
    said = found.warning
    unequal = _summed(ladder, lost, weights, study) if abs(sum(weights.values())) < 1e-9 else None
    if unequal is not None and unequal.two_sided() < study.alpha:
        said = f"{said} Scores are missing more often on one side of some comparison.".strip()
    return replace(found, bound_low=low.low, bound_high=high.high, warning=said)


def contrast(ladder: Ladder, weights: Mapping[Checkpoint, float], study: Study) -> Estimate | None:
    """One of ``contrasts``."""
    return contrasts(ladder, [weights], study)[0]


def design(study: Study, seeds: int, prompts: int, share: bool = False) -> Design:
    """Of a difference in a study."""
    return Design("difference", share, seeds, prompts, study.declared.prompts == "fixed")
