"""One number, or a batch of them, and what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from holdfast.stats.equivalence import above, below, tost
from holdfast.stats.linear import Linear
from holdfast.stats.pivot import Pivot

Array = np.ndarray
Ends = Callable[[float], tuple[float, float]]
Number = Any  # a float or an array of any batch


@dataclass(frozen=True, eq=False)
class Estimate:
    """A value with its interval and the two-sided p of 0 (NaN: nothing is tested). ``pivots``: what its intervals and
    tests at any other level are made from, where they are t's; several must all agree. The methods are of one number,
    not of a batch."""

    value: Number
    low: Number
    high: Number
    p: Number = np.nan
    pivots: tuple[Pivot, ...] = ()
    n_prompts: Number = 0
    n_seeds: int = 0
    method: str = ""
    warning: str = ""
    linear: Linear | None = None
    ends: Ends | None = None  # where there are no pivots: the interval's ends at any 1 - alpha
    limit: float = np.inf  # how far the value can be from 0 at all
    bound_low: float = np.nan  # ends of the interval with missing scores at their worst; NaN: none is missing
    bound_high: float = np.nan
    effective_n: Number = np.nan  # of a level: how many independent trials its answers are worth

    @property
    def told(self) -> bool:
        """Whether there is an interval at any other level than the one of ``low`` and ``high``."""
        return bool(self.pivots) or self.ends is not None

    def interval(self, alpha: float) -> tuple[float, float]:
        """At 1 - ``alpha``: the union over the pivots', cut off at what is possible."""
        if self.ends is not None:
            return self.ends(alpha)
        low, high = union(self.pivots, alpha, (-self.limit, self.limit))
        return float(low), float(high)

    def scaled(self, unit: float) -> Estimate:
        """In another unit."""
        moved = {k: getattr(self, k) * unit for k in ("value", "low", "high", "limit")}
        return replace(self, **moved, pivots=tuple(one.scaled(unit) for one in self.pivots))

    def below(self, bound: float) -> float:
        """One-sided p that the value is at ``bound`` or above it: small where it is below."""
        if (ends := self.ends) is not None:
            return smallest(lambda alpha: ends(2 * alpha)[1] < bound)
        return float(np.fmax.reduce([below(one, bound) for one in self.pivots]))

    def above(self, bound: float) -> float:
        """One-sided p that the value is at ``bound`` or below it."""
        if (ends := self.ends) is not None:
            return smallest(lambda alpha: ends(2 * alpha)[0] > bound)
        return float(np.fmax.reduce([above(one, bound) for one in self.pivots]))

    def two_sided(self) -> float:
        """p of 0 by the t tests that agree with the interval's ends."""
        return float(np.fmax.reduce([one.p() for one in self.pivots]))

    def within(self, margin: float) -> float:
        """p of the two one-sided tests: small where the value is shown to lie within ±``margin``."""
        if (ends := self.ends) is not None:
            return smallest(lambda alpha: -margin < ends(2 * alpha)[0] and ends(2 * alpha)[1] < margin)
        return float(tost(*self.pivots, margin=margin))


def by_pivots(
    value: Number, pivots: tuple[Pivot, ...], alpha: float, limits: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """The union of the pivots' intervals at 1 - ``alpha``, cut off at ``limits``, and the largest p: each must hold."""
    low, high = union(pivots, alpha, limits)
    return Estimate(value, low, high, np.fmax.reduce([one.p() for one in pivots]), pivots)


def union(pivots: tuple[Pivot, ...], alpha: float, limits: tuple[float, float]) -> tuple[Array, Array]:
    """Of the intervals of several pivots of the same number, cut off at ``limits``."""
    lows, highs = zip(*(one.ends(alpha) for one in pivots), strict=True)
    return np.maximum(np.minimum.reduce(lows), limits[0]), np.minimum(np.maximum.reduce(highs), limits[1])


def smallest(shown: Callable[[float], bool]) -> float:
    """p by inversion of a confidence set: the smallest alpha up to a half at which something is ``shown``, 1 if at
    none. What is shown at one alpha is at every larger one."""
    low, high = 1e-9, 0.5
    if shown(low) or not shown(high):
        return low if shown(low) else 1.0
    for _ in range(40):
        half = np.sqrt(low * high)
        low, high = (low, half) if shown(half) else (half, high)
    return float(high)
