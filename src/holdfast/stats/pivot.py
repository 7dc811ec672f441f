"""What every t interval and t test of the same number is made from, and a ratio of two numbers that may err together.

The ratio's interval is Fieller's set (*J. Royal Statistical Society B* 16 (1954)).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import stdtr, stdtrit

Array = np.ndarray


def t_quantile(df: Array | float, alpha: float) -> Array:
    """Two-sided critical value; without degrees of freedom infinite."""
    df = np.asarray(df, dtype=float)
    return np.where(df > 0, stdtrit(np.maximum(df, 1e-9), 1 - alpha / 2), np.inf)


class Pivot(NamedTuple):
    """``centre`` of the interval, its variance (NaN: unknown) and degrees of freedom.

    ``lean``: how far one more prompt that differs might move the mean. A one-sided test at a bound other than 0 must
    hold for a centre that much nearer to the bound, for differences that are rare and of one sign are skewed: with k
    of many prompts that differ, t reaches 2.3, 3.8, 5.3 (k = 0, 1, 2) where exact Poisson limits are 3.0, 4.7, 6.3, and
    3.3, 4.8, 6.3 with one prompt more.
    """

    centre: Array
    variance: Array
    df: Array
    lean: Array | float = 0.0

    def ends(self, alpha: float) -> tuple[Array, Array]:
        """Of the t interval at 1 - ``alpha``; infinite where the variance is not known."""
        with np.errstate(invalid="ignore"):
            half = t_quantile(self.df, alpha) * np.sqrt(np.maximum(self.variance, 0))
        half = np.where(np.isnan(self.variance), np.inf, half)
        return self.centre - half, self.centre + half

    def p(self) -> Array:
        """Two-sided, of 0."""
        return t_test(self.centre, self.variance, self.df)

    def scaled(self, unit: float) -> Pivot:
        """In another unit."""
        return Pivot(self.centre * unit, self.variance * unit**2, self.df, self.lean * unit)


def t_test(centre: Array, variance: Array, df: Array) -> Array:
    """Two-sided p of a mean of 0. No variance: 1 where the mean is 0, else NaN (nothing to judge it by)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        # What is left of a variance of nought by rounding is none: no t is a thousand million.
        t = np.abs(centre) / np.sqrt(np.where(variance > (1e-9 * centre) ** 2, variance, np.nan))
        p = 2 * stdtr(np.maximum(df, 1e-9), -t)
    return np.where(np.abs(centre) < 1e-12, 1.0, p)


NOWHERE = (-np.inf, np.inf)


class Ratio(NamedTuple):
    """Of two means: their variances, covariance and the degrees of freedom of these."""

    numerator: float
    denominator: float
    of_numerator: float
    of_denominator: float
    together: float
    df: float

    def ends(self, alpha: float) -> tuple[float, float]:
        """Of Fieller's set at 1 - ``alpha``; all numbers where it is not bounded."""
        t2 = float(t_quantile(self.df, alpha)) ** 2
        a = self.denominator**2 - t2 * self.of_denominator
        b = self.numerator * self.denominator - t2 * self.together
        c = self.numerator**2 - t2 * self.of_numerator
        if not a > 0:  # the denominator is not shown to be other than 0, or nothing is known
            return NOWHERE
        root = np.sqrt(max(b**2 - a * c, 0.0))
        return float((b - root) / a), float((b + root) / a)
