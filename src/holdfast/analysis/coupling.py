"""Coupling: how much attack success or P(match) moves per point of capability, along an objective's ladder.

The base and the budgets are points of a line, capability against safety, a line for each seed; the coupling is their
common least-squares slope (each seed has its own intercept). It is a ratio, so it is linearised by Taylor's theorem
(Särndal, Swensson and Wretman 1992, ch. 5): in a seed's share of it, in a prompt's of the one measure and in a prompt's
of the other. Seeds are crossed with the prompts of both measures; their variances add up as in ``linear.spread``.

Noise in capability draws the slope towards 0 (Fuller, *Measurement Error Models* (1987), ch. 1): by little, for the
same prompts are asked at every budget.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from holdfast.analysis.design import Design
from holdfast.analysis.findings import row
from holdfast.analysis.ladder import AT_BASE, Account, Ladder, caution, t_interval
from holdfast.analysis.linear import linearise
from holdfast.analysis.paired import Difference, t_test
from holdfast.spec import Study

Array = np.ndarray
CLEAR = 3.0  # standard errors that capability must move along the ladder for a slope on it to mean anything


class Curve(NamedTuple):
    """A measure along the rungs K of a label, base first: each seed's change from the base, and the prompts' influence
    on it."""

    change: Array  # K S
    influence: Array  # K S I, 0 where a prompt is not there; its mean over present prompts is 0
    prompts: int


class Slope(NamedTuple):
    """A slope with what each seed [S] and each prompt of capability and of safety [S, I] add to it, all of mean 0."""

    value: float
    of_seeds: Array
    of_prompts: tuple[Array, Array]
    prompts: tuple[int, int]
    clear: bool  # capability moves enough along the ladder


def rows(some: list[Ladder], study: Study) -> Iterator[dict[str, Any]]:
    """Of each label its own coupling (against the base, from which changes are counted), and its difference from
    SFT's."""
    for capability in (x for x in some if x.axis == "capability"):
        for safety in (x for x in some if x.axis in ("robustness", "persona")):
            if AT_BASE in capability.values and AT_BASE in safety.values:
                slopes = {label: slope(capability, safety, label) for label in safety.labels}
                yield from _of_pair(capability, safety, slopes, study)


def _of_pair(
    capability: Ladder, safety: Ladder, slopes: dict[str, Slope | None], study: Study
) -> Iterator[dict[str, Any]]:
    measure, margin = f"{safety.measure} × {capability.measure}", study.declared.interest.coupling
    reference = slopes.get(safety.sft)
    for label, own in slopes.items():
        if own is None:
            continue
        pairs = [("base", own)]
        if reference is not None and label != safety.sft and own.of_seeds.shape == reference.of_seeds.shape:
            pairs.append(("sft", _minus(own, reference)))
        for against, found in pairs:
            said: dict[str, Any] = {"measure": measure, "metric": f"{safety.metric} per {capability.metric}"}
            if len(set(capability.budgets(label)) & set(safety.budgets(label))) == 1:
                said["note"] = "one budget: the ratio of two changes, not a slope along a ladder"
            if not found.clear:
                note = "capability hardly moves along the ladder: a slope on it means nothing"
                said |= {"low": np.nan, "high": np.nan, "p": np.nan, "_within": np.nan, "note": note}
            made = account(found, study)
            yield row(safety, "coupling", made, label=label, against=against, interest=margin, **said)


def slope(capability: Ladder, safety: Ladder, label: str) -> Slope | None:
    """None: the two measures have no budget or no seed in common."""
    budgets = sorted(set(capability.budgets(label)) & set(safety.budgets(label)))
    rungs = [AT_BASE, *((label, b) for b in budgets)]
    if not budgets:
        return None
    y_c, y_a = (np.stack([x.values[r] for r in rungs]) for x in (capability, safety))  # K S I G
    there = ~(np.isnan(y_c).all(axis=(2, 3)) | np.isnan(y_a).all(axis=(2, 3))).any(axis=0)
    if not there.any():
        return None
    c, a = _curve(y_c[:, there], capability.weights), _curve(y_a[:, there], safety.weights)
    x, y = c.change - c.change.mean(axis=0), a.change - a.change.mean(axis=0)  # K S
    s, total = x.shape[1], float((x**2).sum())
    if total < 1e-12:
        return None
    value = float((x * y).sum()) / total
    rest = y - value * x
    of_seeds = s * (x * rest).sum(axis=0) / total
    of_c = s * np.einsum("ks,ksi->si", rest - value * x, c.influence) / total
    of_a = s * np.einsum("ks,ksi->si", x, a.influence) / total
    # How far capability moves along its own direction, and how well that is known.
    moved = np.sqrt(total)
    wobble = s * ((x**2).sum(axis=0) - total / s) / (2 * moved)
    own = Slope(moved, wobble, (s * np.einsum("ks,ksi->si", x, c.influence) / moved, of_a * 0), (c.prompts, 2), True)
    variance, _ = spread(own)
    return Slope(value, of_seeds, (of_c, of_a), (c.prompts, a.prompts), moved > CLEAR * np.sqrt(variance))


def _curve(y: Array, weights: Array) -> Curve:
    """``y`` [K, S, I, G], base first. A prompt that some rung lacks is out of all."""
    gone = np.isnan(y).any(axis=(0, 1))  # I G
    change = np.where(gone, np.nan, y - y[:1])
    found = [linearise(d, weights) for d in change]
    pseudo, present = np.stack([f.pseudo for f in found]), found[0].present
    means = pseudo[..., present].mean(axis=-1)
    influence = np.where(present, pseudo - means[..., None], 0.0)
    return Curve(means, influence, int(present.sum()))


def _minus(one: Slope, other: Slope) -> Slope:
    of_prompts = tuple(a - b for a, b in zip(one.of_prompts, other.of_prompts, strict=True))
    prompts = (min(one.prompts[0], other.prompts[0]), min(one.prompts[1], other.prompts[1]))
    return Slope(
        one.value - other.value,
        one.of_seeds - other.of_seeds,
        (of_prompts[0], of_prompts[1]),
        prompts,
        one.clear and other.clear,
    )


def spread(found: Slope) -> tuple[float, float]:
    """Variance and Satterthwaite's degrees of freedom: seeds, and prompts of both measures, less what is counted
    twice."""
    s = len(found.of_seeds)
    seed = float((found.of_seeds**2).sum()) / (s - 1) / s if s > 1 else 0.0
    parts, rests = [], []
    for e, m in zip(found.of_prompts, found.prompts, strict=True):
        over, free = e.mean(axis=0), max(m - 1, 1)
        parts.append((float((over**2).sum()) / free / m, free))
        if s > 1:
            left = free * (s - 1)
            rests.append((float(((e - over) ** 2).sum()) / left / (s * m), left))
    prompt = sum(v for v, _ in parts)
    total = seed + prompt - sum(v for v, _ in rests)
    terms = [*parts, *rests, *([(seed, s - 1)] if s > 1 else [])]
    if total < max(seed, prompt):
        total, terms = (seed, [(seed, s - 1)]) if seed >= prompt else (prompt, parts)
    df = total**2 / max(sum(v**2 / n for v, n in terms), 1e-300)
    return total, max(df, 1.0)


def account(found: Slope, study: Study) -> Account:
    s, m = len(found.of_seeds), min(found.prompts)
    variance, df = spread(found)
    alone = float((found.of_seeds**2).sum()) / (s - 1) / s if s > 1 else np.nan
    design = Design("difference", False, s, m)
    fixed = study.declared.prompts == "fixed"
    crossed, seeds = _t(found.value, variance, df, study.alpha), _t(found.value, alone, s - 1.0, study.alpha)
    made = (seeds,) if fixed else (crossed, seeds) if s > 1 else (crossed,)
    p = float(np.max([t_test(d.centre, d.variance, d.df) for d in made]))
    over = "seeds" if fixed else "seeds × prompts of both measures" if s > 1 else "prompts of both measures"
    return Account(
        value=found.value,
        made=made,
        low=min(float(d.low) for d in made),
        high=max(float(d.high) for d in made),
        p=p,
        n_prompts=m,
        n_seeds=s,
        method=f"linearised slope, t over {over}" + (", or t on seed slopes if wider" if s > 1 and not fixed else ""),
        warning=caution(design, study),
    )


def _t(value: float, variance: float, df: float, alpha: float) -> Difference:
    plain = Difference(*(np.asarray(x) for x in (np.nan, np.nan, value, variance, df)))
    low, high = t_interval(plain, alpha)
    return plain._replace(low=np.asarray(low), high=np.asarray(high))
