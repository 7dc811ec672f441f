"""Do models differ more than objectives do? At each budget, of what a study with several models found.

The change from the base is a table, model × objective. The variance of its rows' means is that between models, of its
columns' means that between objectives, each less what the interaction gives it by chance (expected mean squares:
Searle, Casella and McCulloch, *Variance Components* (1992), ch. 4). The value is the models' share of the two. Its
interval is by a bootstrap over prompts, which all models share, and seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from holdfast import rng
from holdfast.analysis.findings import Finding
from holdfast.analysis.ladder import AT_BASE, Ladder, design
from holdfast.config.study import Study
from holdfast.stats.bootstrap import Scheme, percentile, resample
from holdfast.stats.equivalence import DIFFERS
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import warning

Array = np.ndarray
DRAWS = 2000
HALF = 0.5


def findings(found: list[Ladder], study: Study) -> Iterator[Finding]:
    """A row a measure, task and budget that two models or more and two objectives or more have."""
    for key in dict.fromkeys((x.about.task, x.about.measure) for x in found):
        some = [x for x in found if (x.about.task, x.about.measure) == key and AT_BASE in x.values]
        if len(some) < 2:
            continue
        labels = [label for label in some[0].labels if all(label in x.labels for x in some)]
        budgets = set.intersection(*(set(x.budgets(*labels)) for x in some)) if len(labels) > 1 else set()
        for budget in sorted(budgets):
            if (one := _found(some, labels, budget, study)) is not None:
                yield one


def _found(some: list[Ladder], labels: list[str], budget: int, study: Study) -> Finding | None:
    checkpoints = [(label, budget) for label in labels]
    y = np.stack([x.values[r] - x.values[AT_BASE] for x in some for r in checkpoints])  # T S I G
    y = y[:, ~np.isnan(y).all(axis=(2, 3)).any(axis=0)]
    seen = ~np.isnan(y)
    if not y.shape[1] or not seen.any(axis=(1, 2)).all():
        return None
    about = some[0].about
    name = ("between", about.task, about.measure, budget)
    scheme: Scheme = "seeds" if study.declared.prompts == "fixed" else "crossed"
    drawn = resample(y, some[0].weights, DRAWS, rng.generator(*name), scheme=scheme)
    shape = (len(some), len(labels))
    level = _levels(y, some[0].weights)
    value, noise = level.reshape(shape), float(drawn.var(axis=0, ddof=1).mean())
    share = model_share(value, noise)
    low, high = percentile(model_share(drawn.reshape(-1, *shape).astype(float), 2 * noise), study.alpha)
    more = "models" if low > HALF else "objectives" if high < HALF else ""
    seeds, prompts = y.shape[1], int(seen.any(axis=(0, 1, 3)).sum())
    made = Estimate(
        float(share), float(low), float(high), n_prompts=prompts, n_seeds=seeds,
        method=f"crossed bootstrap, {DRAWS} draws", warning=warning(design(study, seeds, prompts)),
    )  # fmt: skip
    return Finding(
        replace(about, model="", metric=f"models' share of the variance of {about.metric}"), "between", made,
        budget=budget, decided=DIFFERS if more else None,
        note=(f"{more} differ more" if more else "neither is shown to differ more") + "; of these models alone",
    )  # fmt: skip


def _levels(y: Array, weights: Array) -> Array:
    """[T] of ``y`` [T, S, I, G]."""
    means = np.nanmean(y, axis=2)  # T S G
    return np.asarray((means @ (weights / weights.sum())).mean(axis=-1))


def model_share(changes: Array, noise: float) -> Array:
    """Of ``changes`` [..., models, objectives], each with sampling variance ``noise``: variance between models over
    that and variance between objectives. 1/2 where there is neither."""
    m, o = changes.shape[-2:]
    grand = changes.mean(axis=(-1, -2), keepdims=True)
    by_model, by_objective = changes.mean(axis=-1, keepdims=True), changes.mean(axis=-2, keepdims=True)
    rest = ((changes - by_model - by_objective + grand) ** 2).sum(axis=(-1, -2)) / ((m - 1) * (o - 1))
    rest = np.maximum(rest, noise)
    models = np.maximum(changes.mean(axis=-1).var(axis=-1, ddof=1) - rest / o, 0.0)
    objectives = np.maximum(changes.mean(axis=-2).var(axis=-1, ddof=1) - rest / m, 0.0)
    total = models + objectives
    return np.where(total > 0, models / np.where(total > 0, total, 1.0), HALF)
