"""Which method a design gets, and when no method is good enough.

The rule is read off the simulations in ``docs/calibration.md``; a slow test holds it to them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Literal, NamedTuple

import numpy as np

from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import Linear
from holdfast.stats.methods import cluster_wilson, seed_means, seed_t, two_way_t, wider
from holdfast.stats.paired import difference
from holdfast.stats.pivot import Pivot

Array = np.ndarray
FEW_SEEDS = 6  # with fewer, 95% limits of the seeds' variance (by χ²) are a factor of 23 apart, or more
FEW_PROMPTS = 24  # the fewest that were simulated


class Design(NamedTuple):
    """``share``: every score is 0 or 1. ``seeds``: training runs averaged over; 0 for the base model: it has none."""

    kind: Literal["level", "difference"]
    share: bool
    seeds: int
    prompts: int


def default_method(design: Design) -> str:
    """The method's name, as the page gives it."""
    if design.kind == "level":
        own = "Wilson on the cluster-effective n" if design.share else "t clustered by prompt"
    else:
        own = "paired Bonett–Price" if design.share else "paired t"
    if design.seeds < 2:
        return own if design.kind == "level" else f"{own} by prompt"
    return f"{own}, seeds × prompts, or t on seed means if wider"


def pivots(found: Linear, design: Design, width: float = 1.0, alpha: float = 0.05) -> tuple[Pivot, ...]:
    """What a paired difference is judged by: the two-way pivot and, of several seeds, that of the seeds' means. An
    interval is their union, a p the largest: Satterthwaite's degrees of freedom alone promise too much, with few seeds
    everywhere and far out in the tail, where many comparisons at once are decided, with more of them too."""
    own = difference(found, share=design.share, width=width, alpha=alpha)
    return (*own.pivots, seed_means(found)) if design.seeds > 1 else own.pivots


def default_interval(
    found: Linear,
    design: Design,
    *,
    n: Array | int = 0,
    rare: Array | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    alpha: float = 0.05,
) -> Estimate:
    """The default interval of a linearised estimate and, of a difference, the p of none.

    ``n``, ``rare``: of a share's level, as in ``methods.cluster_wilson``; ``bounds``: of the metric.
    """
    width = bounds[1] - bounds[0]
    if design.kind == "level":
        own = cluster_wilson(found, n, alpha, rare) if design.share else two_way_t(found, bounds, alpha)
        limits = bounds
    else:
        own = difference(found, share=design.share, width=width, alpha=alpha)
        limits = (-width, width)
    made = wider(own, seed_t(found, limits, alpha)) if design.seeds > 1 else own
    return made if design.kind == "difference" else replace(made, p=np.nan)


def warning(design: Design) -> str | None:
    """What must stand beside an interval of this design; None where by the simulations it covers as it should."""
    said = []
    if design.seeds == 1:
        said.append(
            "One seed: the interval is about other prompts for this checkpoint, not about another training run."
        )
    if design.seeds == 2:
        said.append("Two seeds: the interval covers, and is several times as wide as with three.")
    if 0 < design.prompts < FEW_PROMPTS:
        said.append(f"Fewer than {FEW_PROMPTS} prompts: how well the interval covers has not been simulated.")
    return " ".join(said) or None
