"""Coupling: how much attack success or P(match) moves per point of capability, along an objective's ladder.

The base and the budgets are points of a line, capability against safety. Both are known with error, and regressing the
one on the other draws the slope towards 0 by what error there is in capability (Fuller, *Measurement Error Models*
(1987), ch. 1: where capability moves by 6 points, a slope of 0.30 to 0.1). So the budget, which has no error, serves as
the instrument (Fuller, section 1.4): both measures' slopes over it are taken, as any contrast of the ladder is, and the
coupling is their ratio, *safety per budget* over *capability per budget*. Where the points are on a line this is its
slope, whatever the noise.

Its confidence set is Fieller's (*J. Royal Statistical Society B* 16 (1954)): all slopes b at which safety less b times
capability is not shown to change over the budgets. Where capability is not shown to move that set has no end, and
nothing is said. What is told is therefore selected: where capability hardly moves, by those that saw it move more than
it does, and of sets at 1 - alpha more than alpha miss the truth. A stricter gate makes that no rarer (Angrist and
Kolesár, *J. Econometrics* 240 (2024), on screening by the first stage), a stricter set does (Benjamini and Yekutieli,
*JASA* 100 (2005), on intervals of what was selected): sets stand at 1 - alpha / ``STRICTER``. A difference from SFT has
the ends that two sets leave (Zou and Donner, *Statistics in Medicine* 27 (2008)), where both are told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from holdfast.analysis.findings import Finding
from holdfast.analysis.ladder import AT_BASE, Checkpoint, Ladder, contrast, design
from holdfast.config.study import Study
from holdfast.stats.curves import axis
from holdfast.stats.equivalence import CANNOT_TELL
from holdfast.stats.estimate import Ends, Estimate, smallest
from holdfast.stats.methods import warning
from holdfast.stats.pivot import NOWHERE, Ratio

STRICTER = 5  # of those told 93% hold wherever one in 7 is told (alpha / 5 may miss), and in all that was simulated


@dataclass(frozen=True)
class Slope:
    """A coupling: ``harm`` over ``moved``, the contrasts of safety and of capability with the same weights. ``worst``:
    the same with the missing scores of either measure at either worst; empty where none is missing."""

    harm: Estimate
    moved: Estimate
    parts: tuple[Ratio, ...]
    worst: tuple[Slope, ...] = ()

    @property
    def value(self) -> float:
        return float(self.harm.value / self.moved.value) if abs(self.moved.value) > 1e-12 else np.nan

    def set(self, alpha: float) -> tuple[float, float]:
        """Ends of Fieller's set at 1 - ``alpha``: of the union over the pivots, for each must hold."""
        some = [x.ends(alpha) for x in self.parts]
        return min(a for a, _ in some), max(b for _, b in some)

    def ends(self, alpha: float) -> tuple[float, float]:
        """Of the interval of which, where it has ends, 1 - ``alpha`` hold the truth."""
        return self.set(alpha / STRICTER)


def findings(some: list[Ladder], study: Study) -> Iterator[Finding]:
    """Of each label its own coupling (against the base, from which changes are counted), and its difference from
    SFT's."""
    for capability in (x for x in some if x.about.axis == "capability"):
        for safety in (x for x in some if x.about.axis in ("robustness", "persona")):
            if AT_BASE in capability.values and AT_BASE in safety.values:
                slopes = {label: slope(capability, safety, label, study) for label in safety.labels}
                yield from _of_pair(capability, safety, slopes, study)


def _of_pair(capability: Ladder, safety: Ladder, slopes: dict[str, Slope | None], study: Study) -> Iterator[Finding]:
    a, b = safety.about, capability.about
    about = replace(a, measure=f"{a.measure} × {b.measure}", metric=f"{a.metric} per {b.metric}")
    margin = study.declared.interest.coupling(a.axis)
    reference = slopes.get(safety.sft)
    for label, own in slopes.items():
        if own is None:
            continue
        asked: list[tuple[str, tuple[Slope, ...], float, Ends]] = [("base", (own,), own.value, own.ends)]
        if reference is not None and label != safety.sft and own.harm.n_seeds == reference.harm.n_seeds:
            asked.append(("sft", (own, reference), own.value - reference.value, less(own, reference)))
        for against, both, value, ends in asked:
            low, high, lost = _bounds(both, study.alpha)
            made = replace(estimated(value, ends, both, study), bound_low=low, bound_high=high)
            finding = Finding(about, "coupling", made, label, against, interest=margin)
            if len(set(capability.budgets(label)) & set(safety.budgets(label))) == 1:
                finding = replace(finding, note="one budget: the ratio of two changes, not a slope along a ladder")
            if lost:
                finding = replace(finding, note=lost, decided=CANNOT_TELL)
            if not np.isfinite([made.low, made.high]).all():
                made = replace(made, value=np.nan, low=np.nan, high=np.nan, p=np.nan)
                finding = replace(finding, estimate=made, within=np.nan, note=_unmoved(both, study.alpha))
            yield finding


def _unmoved(both: tuple[Slope, ...], alpha: float) -> str:
    ps = [f"p {x.moved.two_sided():.2g}" for x in both if not np.isfinite(x.ends(alpha)).all()]
    return (
        f"capability is not shown clearly enough to move along the ladder ({' and '.join(ps)}, which must be below "
        f"{alpha / STRICTER:g}): no slope on it can be told"
    )


def _bounds(both: tuple[Slope, ...], alpha: float) -> tuple[float, float, str]:
    """Ends over all that missing scores could be (NaN: none is missing); without ends, why there is no verdict."""
    if not any(x.worst for x in both):
        return np.nan, np.nan, ""
    ways = product(*(x.worst or (x,) for x in both))
    ends = [less(*w)(alpha) if len(w) > 1 else w[0].ends(alpha) for w in ways]
    low, high = min(a for a, _ in ends), max(b for _, b in ends)
    # From one sign to the other capability passes 0, where the ratio has no bound.
    same = all(len({w.moved.value > 0 for w in (x, *x.worst)}) == 1 for x in both)
    if same and np.isfinite([low, high]).all():
        return low, high, ""
    note = "scores are missing, and by some that they could be capability does not move the same way: no verdict"
    return np.nan, np.nan, note


def slope(capability: Ladder, safety: Ladder, label: str, study: Study) -> Slope | None:
    """None: the two measures have no budget or no seed in common."""
    budgets = sorted(set(capability.budgets(label)) & set(safety.budgets(label)))
    checkpoints = [AT_BASE, *((label, b) for b in budgets)]
    if not budgets:
        return None
    gone = [np.isnan(x.values[r]).all(axis=(1, 2)) for x in (capability, safety) for r in checkpoints]
    there = ~np.any(gone, axis=0)  # S
    weights = instrument(checkpoints)

    def taken(x: Ladder, up: bool | None = None) -> Estimate | None:
        """The contrast, with missing scores so that it is at its highest (``up``), its lowest, or (None) as it is."""
        values = {r: x.values[r] if up is None else x.worst[r][int((w > 0) is up)] for r, w in weights.items()}
        return contrast(replace(x, values={r: v[there] for r, v in values.items()}, worst={}), weights, study)

    def of(up: bool | None, harmful: bool | None) -> Slope | None:
        moved, harm = taken(capability, up), taken(safety, harmful)
        return _slope(moved, harm, max(abs(w) for w in weights.values())) if moved and harm else None

    found = of(None, None) if there.any() else None
    lost = [any(np.nansum(x.worst[r][1] - x.worst[r][0]) > 0 for r in checkpoints) if x.worst else False
            for x in (capability, safety)]  # fmt: skip
    if found is None or not any(lost):
        return found
    worst = [of(*w) for w in product(*((False, True) if missing else (None,) for missing in lost))]
    return replace(found, worst=tuple(x for x in worst if x is not None))


def _slope(moved: Estimate, harm: Estimate, unit: float) -> Slope:
    by_seed = [unit * x.linear.pseudo[:, x.linear.present].mean(axis=-1) for x in (harm, moved) if x.linear is not None]
    seeds = len(by_seed[0])
    together = float(np.cov(*by_seed)[0, 1]) / seeds if seeds > 1 else 0.0
    parts = tuple(
        Ratio(*(float(x) for x in (a.centre, c.centre, a.variance, c.variance, together, np.fmin(a.df, c.df))))
        for a, c in zip(harm.pivots, moved.pivots, strict=True)
    )
    return Slope(harm, moved, parts)


def instrument(checkpoints: list[Checkpoint]) -> dict[Checkpoint, float]:
    """The least-squares slope over log2(1 + tokens / 1000), on which the base has a place, too."""
    x = axis(tuple(b for _, b in checkpoints))
    x = x - x.mean()
    return dict(zip(checkpoints, (float(w) for w in x / (x**2).sum()), strict=True))


def less(one: Slope, other: Slope) -> Ends:
    """The ends of ``one`` - ``other``, from how far each set reaches beyond its value; none where either is not told.
    As if independent, which is wide where both lean on the same base, prompts and seeds; where capability moves up in
    the one and down in the other the same error pulls them apart, and the reaches are added."""

    def ends(alpha: float) -> tuple[float, float]:
        if not np.isfinite([one.ends(alpha), other.ends(alpha)]).all():
            return NOWHERE
        (low, high), (least, most) = one.set(alpha), other.set(alpha)
        value = one.value - other.value
        add = np.hypot if one.moved.value * other.moved.value > 0 else np.add
        down, up = add(one.value - low, most - other.value), add(high - one.value, other.value - least)
        return float(value - down), float(value + up)

    return ends


def estimated(value: float, ends: Ends, of: tuple[Slope, ...], study: Study) -> Estimate:
    """``of``: the slopes that it is made of."""
    s, m = (min(getattr(y, n) for x in of for y in (x.harm, x.moved)) for n in ("n_seeds", "n_prompts"))
    fixed = study.declared.prompts == "fixed"
    over = "seeds" if fixed else "seeds × prompts of both measures" if s > 1 else "prompts of both measures"
    low, high = ends(study.alpha)
    return Estimate(
        value=value,
        low=low,
        high=high,
        p=smallest(lambda alpha: not ends(alpha)[0] <= 0 <= ends(alpha)[1]),
        n_prompts=m,
        n_seeds=s,
        method=f"ratio of slopes over budgets, Fieller’s set over {over}"
        + (", or over seeds if wider" if s > 1 and not fixed else ""),
        warning=warning(design(study, s, m)),
        ends=ends,
    )
