"""Made-up answers with known truth, for calibration and power: logistic scores with prompt, seed and attack effects.

The log-odds of success are intercept + prompt + seed + attack (+ effect). A prompt's effect is its own under every
seed, attack and objective; a seed's belongs to one objective; attacks are fixed; ``effect`` is what one objective does
to one prompt, under every seed. Given these, answers are independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.optimize import brentq
from scipy.special import expit

from holdfast.stats.linear import Linear

Array = np.ndarray
ATTACKS = tuple(float(x) for x in np.linspace(-0.6, 0.6, 5))
PROMPT_SD = 1.5


class World(NamedTuple):
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


def rate(intercept: float, world: World) -> float:
    """The share of successes over all prompts, seeds and attacks."""
    nodes, weights = gauss(61)
    sd = np.sqrt(world.prompt_sd**2 + world.seed_sd**2 + world.effect_sd**2)
    return float(weights @ expit(intercept + sd * nodes[:, None] + np.asarray(world.attacks)).mean(axis=1))


def intercept(share: float, world: World) -> float:
    """The intercept that gives this share of successes."""
    return float(brentq(lambda x: rate(x, world) - share, -25, 25, xtol=1e-10))


class Answers(NamedTuple):
    """Each of several objectives (O) in each of D data sets; ``raw`` [O, D, S, I, attacks] only where asked for."""

    hits: Array  # O D S I  successes under the attacks
    raw: Array | None


def answers(
    intercepts: Sequence[float],
    world: World,
    sets: int,
    seeds: int,
    prompts: int,
    random: np.random.Generator,
    *,
    raw: bool = False,
) -> Answers:
    """Objectives with these intercepts answer the same prompts; their seed effects are independent."""
    prompt = random.standard_normal((sets, 1, prompts), dtype=np.float32) * np.float32(world.prompt_sd)
    hits = np.zeros((len(intercepts), sets, seeds, prompts), dtype=np.float32)
    kept = []
    for o, start in enumerate(intercepts):
        seed = random.standard_normal((sets, seeds, 1), dtype=np.float32) * np.float32(world.seed_sd)
        effect = random.standard_normal((sets, 1, prompts), dtype=np.float32) * np.float32(world.effect_sd)
        odds = np.exp(prompt + seed + effect + np.float32(start))
        for attack in world.attacks:
            # u < odds / (1 + odds), with one exponential for all attacks.
            mine = odds * np.float32(np.exp(attack))
            hit = random.random(mine.shape, dtype=np.float32) * (1 + mine) < mine
            hits[o] += hit
            if raw:
                kept.append(hit)
    shape = (len(intercepts), len(world.attacks), sets, seeds, prompts)
    return Answers(hits, np.moveaxis(np.array(kept).reshape(shape), 1, -1) if raw else None)


def balanced(y: Array, groups: int) -> Linear:
    """``linear.linearise`` of complete answers [..., S, I] that are means over ``groups`` that weigh alike: then the
    pseudo-values are the answers themselves. Test: equal to ``linearise``."""
    y = np.asarray(y, dtype=float)
    m = y.shape[-1]
    batch = y.shape[:-2]
    return Linear(
        value=y.mean(axis=(-1, -2)),
        pseudo=y,
        raw=y,
        present=np.ones((*batch, m), dtype=bool),
        shares=np.full((*batch, m), 1 / m),
        groups=np.ones((*batch, groups), dtype=bool),
        step=np.full(batch, 1 / groups),
    )
