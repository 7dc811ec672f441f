"""Made-up answers with known truth, with the effects of ``stats.effects``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from holdfast.stats.effects import Effects
from holdfast.stats.linear import Linear

Array = np.ndarray


class Answers(NamedTuple):
    """Each of several objectives (O) in each of D data sets; ``raw`` [O, D, S, I, attacks] only where asked for."""

    hits: Array  # O D S I  successes under the attacks
    raw: Array | None


def answers(
    intercepts: Sequence[float],
    effects: Effects,
    sets: int,
    seeds: int,
    prompts: int,
    random: np.random.Generator,
    *,
    raw: bool = False,
) -> Answers:
    """Objectives with these intercepts answer the same prompts; their seed effects are independent."""
    prompt = random.standard_normal((sets, 1, prompts), dtype=np.float32) * np.float32(effects.prompt_sd)
    hits = np.zeros((len(intercepts), sets, seeds, prompts), dtype=np.float32)
    kept = []
    for o, start in enumerate(intercepts):
        seed = random.standard_normal((sets, seeds, 1), dtype=np.float32) * np.float32(effects.seed_sd)
        effect = random.standard_normal((sets, 1, prompts), dtype=np.float32) * np.float32(effects.effect_sd)
        odds = np.exp(prompt + seed + effect + np.float32(start))
        for attack in effects.attacks:
            # u < odds / (1 + odds), with one exponential for all attacks.
            mine = odds * np.float32(np.exp(attack))
            hit = random.random(mine.shape, dtype=np.float32) * (1 + mine) < mine
            hits[o] += hit
            if raw:
                kept.append(hit)
    shape = (len(intercepts), len(effects.attacks), sets, seeds, prompts)
    return Answers(hits, np.moveaxis(np.array(kept).reshape(shape), 1, -1) if raw else None)


def balanced(y: Array, groups: int) -> Linear:
    """``linearise`` of complete answers [..., S, I] that are means over ``groups`` that weigh alike: then the
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
