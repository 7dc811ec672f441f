"""The estimands that a study can declare, each as rows of the findings. What each is: ``docs/findings.md``.

Level, last budget, slope and area are contrasts with the base and with SFT; *apart* and *interaction* ask of all
objectives together whether they are apart at a budget and whether they diverge with it; *dissociation* and
*specificity* are statements with several conditions, each of which must hold (Berger, *Technometrics* 24 (1982): the
intersection-union test, whose p is the largest). They are refuted where the contrary of a condition is shown, at the
condition's own threshold: that a value is not 0 has no contrary that could be shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from holdfast import rng
from holdfast.analysis import coupling
from holdfast.analysis.findings import OVER_BUDGETS, Finding
from holdfast.analysis.ladder import (
    AT_BASE,
    Checkpoint,
    Ladder,
    contrast,
    contrasts,
    design,
    settings,
)
from holdfast.config.study import Study
from holdfast.stats.bootstrap import Scheme, percentile, resample
from holdfast.stats.curves import area_weights, slope_weights
from holdfast.stats.equivalence import DIFFERS
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import warning
from holdfast.stats.multiple import correlation, many_to_one

Array = np.ndarray
DRAWS = 10_000  # for the dependence of the tests of all objectives
BETWEEN_DRAWS = 2000
HALF = 0.5  # of the variance


def findings(found: list[Ladder], study: Study) -> list[Finding]:
    """All of this file and of ``coupling``."""
    parts: list[Finding] = []
    for some in settings(found):
        for ladder in some:
            parts += compared(ladder, study)
            parts += together(ladder, study)
        parts += coupling.findings(some, study)
        parts += dissociations(some, study)
        parts += specificities(some, study)
    return [*parts, *between(found, study)]


# -- against one reference -------------------------------------------------------------------------------------------


def contrast_weights(label: str, reference: str, weights: Mapping[int, float]) -> dict[Checkpoint, float]:
    """The weights over budgets of ``label``, minus the same of the reference: the base is the same at each."""
    found: dict[Checkpoint, float] = {(label, b): w for b, w in weights.items()}
    if reference == AT_BASE[0]:
        left = sum(weights.values())
        return found | ({AT_BASE: -left} if abs(left) > 1e-9 else {})  # of a slope nothing is left: the base has none
    return found | {(reference, b): -w for b, w in weights.items()}


def compared(ladder: Ladder, study: Study) -> Iterator[Finding]:
    """level, last, slope and area of every label against every reference."""
    margin, asked, weights = study.declared.interest.of(ladder.about.axis), [], []
    for label, against, reference in ladder.pairs():
        for estimand, budget, interest, over in _asked(ladder.common(label, reference), margin):
            asked.append(
                Finding(ladder.about, estimand, None, label, against, budget=budget, interest=interest, pools=True)
            )
            weights.append(contrast_weights(label, reference, over))
    yield from (replace(x, estimate=one) for x, one in zip(asked, contrasts(ladder, weights, study), strict=True))


def _asked(budgets: tuple[int, ...], margin: float) -> Iterator[tuple[str, int, float, dict[int, float]]]:
    """Of a pair that has these budgets: estimand, budget, smallest value of interest and weights over budgets."""
    for b in budgets[:-1]:  # at the last it is ``last``, once, in the answer's family
        yield "level", b, margin, {b: 1.0}
    if budgets:
        yield "last", budgets[-1], margin, {budgets[-1]: 1.0}
    if trendable(budgets):
        yield "area", OVER_BUDGETS, margin, dict(zip(budgets, area_weights(budgets), strict=True))
        slope = dict(zip(budgets, slope_weights(budgets), strict=True))
        yield "slope", OVER_BUDGETS, margin / doublings(budgets), slope


def trendable(budgets: tuple[int, ...]) -> bool:
    return len(budgets) > 1 and budgets[0] > 0


def doublings(budgets: tuple[int, ...]) -> float:
    """Of the budget over the ladder: a slope of interest adds up to the difference of interest over all of them."""
    return float(np.log2(budgets[-1] / budgets[0]))


# -- all objectives together -----------------------------------------------------------------------------------------


def together(ladder: Ladder, study: Study) -> Iterator[Finding]:
    """apart at each budget, and interaction: the clearest deviation of an objective from the mean of all of them."""
    labels, margin = ladder.labels, study.declared.interest.of(ladder.about.axis)
    budgets = ladder.budgets(*labels)
    if len(labels) < 2 or not budgets:
        return
    for b in budgets:
        yield omnibus(ladder, "apart", {b: 1.0}, study, margin, budget=b)
    if trendable(budgets):
        slope = dict(zip(budgets, slope_weights(budgets), strict=True))
        yield omnibus(ladder, "interaction", slope, study, margin / doublings(budgets))


def omnibus(
    ladder: Ladder, finding: str, weights: Mapping[int, float], study: Study, margin: float, **more: Any
) -> Finding:
    """Every objective against the mean of all, judged by the one that is most clearly apart (the smallest p, a
    statistic of the maximum type): value, p and interval are all of that one objective, p corrected and the interval
    simultaneous for their number and dependence (``multiple.many_to_one``); equivalent where all of them are."""
    n = len(ladder.labels)
    asked = [
        {(x, b): w * ((x == one) - 1 / n) for x in ladder.labels for b, w in weights.items()} for one in ladder.labels
    ]
    estimates = [x for x in contrasts(ladder, asked, study) if x is not None]
    if len(estimates) < n:
        return Finding(ladder.about, finding, None, interest=margin, **more)
    raw = np.array([x.two_sided() for x in estimates])  # by what the interval is made of, not by sign flips
    values = np.array([x.value for x in estimates])
    corrected, each = many_to_one(raw, _together(estimates), study.alpha, DRAWS)
    # Of equal p (none at all, or 1) the furthest.
    k = min(range(n), key=lambda i: (np.nan_to_num(raw[i], nan=2.0), -abs(values[i])))
    part = each / study.alpha

    def at(alpha: float) -> tuple[float, float]:
        return estimates[k].interval(alpha * part)

    names, one = ladder.labels, estimates[k]
    note = f"most clearly apart from the mean of all: {names[k]}; "
    note += f"highest {names[int(np.argmax(values))]}, lowest {names[int(np.argmin(values))]}"
    low, high = at(study.alpha)
    method = f"{one.method.split(';')[0]}, simultaneous; many-to-one"
    clearest = replace(one, low=low, high=high, ends=at, p=float(corrected[k]), method=method)
    within, worse = max(x.within(margin) for x in estimates), one.within(margin)
    about = replace(ladder.about, better="")
    return Finding(about, finding, clearest, interest=margin, note=note, within=within, worse=worse, **more)


def _together(estimates: list[Estimate]) -> Array:
    """How the contrasts err together, from their pseudo-values."""
    pseudo = np.stack([x.linear.pseudo for x in estimates if x.linear is not None])
    present = np.all([x.linear.present for x in estimates if x.linear is not None], axis=0)
    return correlation(pseudo[..., present])


# -- statements with several conditions ------------------------------------------------------------------------------


def dissociations(some: list[Ladder], study: Study) -> Iterator[Finding]:
    """Attack success is down while the persona is not: below the reference, and not below it by the difference of
    interest, at the last budget."""
    for robust in (x for x in some if x.about.axis == "robustness" and x.about.better == "lower"):
        for persona in (x for x in some if x.about.axis == "persona"):
            margin = study.declared.interest.of("persona")
            for label, against, budget, asr, trait in _pairs(robust, persona, study):
                holds = max(asr.below(0.0), trait.above(-margin))
                fails = 2 * min(asr.above(0.0), trait.below(-margin))
                method, other = "intersection-union of one-sided t tests", persona.about.measure
                yield Finding(
                    replace(robust.about, measure=f"{robust.about.measure} × {other}"), "dissociation",
                    replace(asr, p=holds, method=method, warning=_worst(asr, trait)),
                    label=label, against=against, budget=budget, fails=fails, interest=margin,
                    note=f"needs the value below 0, and {other} above {-margin:g}: it is {_spoken(trait)}",
                )  # fmt: skip


def specificities(some: list[Ladder], study: Study) -> Iterator[Finding]:
    """The persona moves while every normative measure is equivalent to the base, at the last budget."""
    normative = [x for x in some if x.about.axis == "normative"]
    margin = study.declared.interest.of("normative")
    for persona in (x for x in some if x.about.axis == "persona") if normative else ():
        for label in persona.labels:
            budgets = persona.budgets(label)
            last = {x.about.measure: _last(x, label, budgets[-1], study) for x in (persona, *normative)}
            moved, *others = last.values()
            if moved is None or any(x is None for x in others):
                continue
            known = [x for x in others if x is not None]
            holds = max(moved.p, *(x.within(margin) for x in known))
            fails = min(min(x.below(-margin), x.above(margin)) for x in known) * len(known)
            told = "; ".join(f"{x.about.measure} {_spoken(y)}" for x, y in zip(normative, known, strict=True))
            method = "intersection-union of t tests and equivalence tests"
            yield Finding(
                replace(persona.about, measure=" × ".join(last)), "specificity",
                replace(moved, p=holds, method=method, warning=_worst(moved, *known)),
                label=label, against="base", budget=budgets[-1], fails=fails, interest=margin,
                note=f"needs the value not 0, and all of these within ±{margin:g}: {told}",
            )  # fmt: skip


def _pairs(a: Ladder, b: Ladder, study: Study) -> Iterator[tuple[str, str, int, Estimate, Estimate]]:
    for label, against, reference in a.pairs():
        if common := set(a.budgets(label)) & set(b.budgets(label)):
            one, other = (_last(x, label, max(common), study, reference) for x in (a, b))
            if one is not None and other is not None:
                yield label, against, max(common), one, other


def _last(ladder: Ladder, label: str, budget: int, study: Study, reference: str = AT_BASE[0]) -> Estimate | None:
    weights = contrast_weights(label, reference, {budget: 1.0})
    return contrast(ladder, weights, study) if weights.keys() <= ladder.values.keys() else None


def _spoken(x: Estimate) -> str:
    return f"{x.value:+.3f} [{x.low:+.3f}, {x.high:+.3f}]"


def _worst(*some: Estimate) -> str:
    return " ".join(dict.fromkeys(x.warning for x in some if x.warning))


# -- do models differ more than objectives do? -------------------------------------------------------------------------


def between(found: list[Ladder], study: Study) -> Iterator[Finding]:
    """A row a measure, task and budget that two models or more and two objectives or more have.

    The change from the base is a table, model × objective. The variance of its rows' means is that between models, of
    its columns' means that between objectives, each less what the interaction gives it by chance (expected mean
    squares: Searle, Casella and McCulloch, *Variance Components* (1992), ch. 4). The value is the models' share of the
    two. Its interval is by a bootstrap over prompts, which all models share, and seeds.
    """
    for key in dict.fromkeys((x.about.task, x.about.measure) for x in found):
        some = [x for x in found if (x.about.task, x.about.measure) == key and AT_BASE in x.values]
        if len(some) < 2:
            continue
        labels = [label for label in some[0].labels if all(label in x.labels for x in some)]
        budgets = set.intersection(*(set(x.budgets(*labels)) for x in some)) if len(labels) > 1 else set()
        for budget in sorted(budgets):
            if (one := _between(some, labels, budget, study)) is not None:
                yield one


def _between(some: list[Ladder], labels: list[str], budget: int, study: Study) -> Finding | None:
    checkpoints = [(label, budget) for label in labels]
    y = np.stack([x.values[r] - x.values[AT_BASE] for x in some for r in checkpoints])  # T S I G
    y = y[:, ~np.isnan(y).all(axis=(2, 3)).any(axis=0)]
    seen = ~np.isnan(y)
    if not y.shape[1] or not seen.any(axis=(1, 2)).all():
        return None
    about = some[0].about
    name = ("between", about.task, about.measure, budget)
    scheme: Scheme = "seeds" if study.declared.prompts == "fixed" else "crossed"
    drawn = resample(y, some[0].weights, BETWEEN_DRAWS, rng.generator(*name), scheme=scheme)
    shape = (len(some), len(labels))
    level = _levels(y, some[0].weights)
    value, noise = level.reshape(shape), float(drawn.var(axis=0, ddof=1).mean())
    share = model_share(value, noise)
    low, high = percentile(model_share(drawn.reshape(-1, *shape).astype(float), 2 * noise), study.alpha)
    more = "models" if low > HALF else "objectives" if high < HALF else ""
    seeds, prompts = y.shape[1], int(seen.any(axis=(0, 1, 3)).sum())
    made = Estimate(
        float(share), float(low), float(high), n_prompts=prompts, n_seeds=seeds,
        method=f"crossed bootstrap, {BETWEEN_DRAWS} draws", warning=warning(design(study, seeds, prompts)),
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
