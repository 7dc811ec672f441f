"""What power and calibration assume of scores: logistic, with effects of prompts, seeds and attacks.

The log-odds of success are intercept + prompt + seed + attack (+ effect). A prompt's effect is its own under every
seed, attack and objective; a seed's belongs to one objective; attacks are fixed; ``effect`` is what one objective does
to one prompt, under every seed. Given these, answers are independent.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit

Array = np.ndarray
ATTACKS = tuple(float(x) for x in np.linspace(-0.6, 0.6, 5))
PROMPT_SD = 1.5


class Effects(NamedTuple):
    """Standard deviations in log-odds, and the attacks' effects."""

    prompt_sd: float = PROMPT_SD
    seed_sd: float = 0.0
    attacks: tuple[float, ...] = ATTACKS
    effect_sd: float = 0.0


@lru_cache(maxsize=8)
def gauss(n: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss–Hermite quadrature for a standard normal variable; weights sum to 1."""
    nodes, weights = hermegauss(n)
    return nodes, weights / weights.sum()


def rate(intercept: float, effects: Effects) -> float:
    """The share of successes over all prompts, seeds and attacks."""
    nodes, weights = gauss(61)
    sd = np.sqrt(effects.prompt_sd**2 + effects.seed_sd**2 + effects.effect_sd**2)
    return float(weights @ expit(intercept + sd * nodes[:, None] + np.asarray(effects.attacks)).mean(axis=1))


def intercept(share: float, effects: Effects) -> float:
    """The intercept that gives this share of successes."""
    return float(brentq(lambda x: rate(x, effects) - share, -25, 25, xtol=1e-10))
