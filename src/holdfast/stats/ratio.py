"""A ratio of two estimates that may err together: Fieller's set.

Source: Fieller, *J. Royal Statistical Society B* 16 (1954).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from holdfast.stats.pivot import t_quantile

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
