"""Power of a paired contrast: what difference a design detects, and how many seeds or prompts another would take.

The spread of a paired difference is that of seeds, of prompts and of the rest, as the two-way variance of ``linear``
has it. Given these, the mean squares of a study are independent multiples of χ² and the mean is normal (Searle,
Casella and McCulloch, *Variance Components* (1992), ch. 4), so that the power of the very rule that will judge the
study (``methods.pivots``) is an average over them: by quadrature for the mean squares, exact for the mean. ``shares``
gets the spread from a base rate and standard deviations in log-odds, ``means`` from standard deviations, ``pilot`` from
data.

Among many comparisons (``Level``) the spread of seeds is pooled over objectives, as ``findings`` does.

Rare outcomes are skewed, so that the mean goes with the mean squares; this is reckoned with (``_with_mean``).

With one seed the seeds' spread plays no part: power is then of a statement about this checkpoint alone. Where each
prompt has one answer, right or wrong, the sign flips of one seed are McNemar's exact test, whose power is exact, too.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import bdtr, bdtrik, binom, expit, gammaincinv, gammaln, ndtr, xlogy

from holdfast.stats.components import mean_squares, solve
from holdfast.stats.effects import ATTACKS, PROMPT_SD, Effects, gauss, intercept
from holdfast.stats.linear import two_way
from holdfast.stats.pivot import t_quantile

Array = np.ndarray
POINTS = 1024  # of the quadrature over the mean squares


class Noise(NamedTuple):
    """Variances of one seed's difference at one prompt, in the metric's unit, squared. The others are of shares:
    ``step`` is what one response adds to a prompt's score (0: no share), ``differ`` the share of prompts at which
    anything differs, the next two are the third and fourth cumulants of the prompts' and of the seeds' means, and
    ``by_prompt`` how the spread of seeds and the rest go with the prompts' difference (covariances); all 0 where these
    are normal. Of other means ``width`` is that of their range (0: none)."""

    prompt: float
    seed: float
    rest: float
    step: float = 0.0
    differ: float = 1.0
    of_prompts: tuple[float, float] = (0.0, 0.0)
    of_seeds: tuple[float, float] = (0.0, 0.0)
    by_prompt: tuple[float, float] = (0.0, 0.0)
    width: float = 0.0


class Level(NamedTuple):
    """What a comparison must hold at: ``each``, with the spread of seeds pooled over ``labels`` that share a reference,
    or the row's own where that is larger; and ``own``, by its own spread. The other labels are like the reference."""

    each: float = 0.05
    own: float = 0.05
    labels: int = 1


ALONE = Level()
# The noise that goes with a true difference and a number of seeds; None where there can be no such difference.
Model = Callable[[float, int], Noise | None]


def means(prompt_sd: float, seed_sd: float, rest_sd: float) -> Model:
    """Of a mean (P(match), harm), from the standard deviations of the *paired difference*: of prompts' means over
    seeds, of seeds' means over prompts, and of what is left of a single one."""
    noise = Noise(prompt_sd**2, seed_sd**2, rest_sd**2, width=1.0)
    return lambda difference, seeds: noise


def pilot(d: Array, answers: int = 0) -> Model:
    """From a pilot study's paired differences [S, I], complete; of a share with ``answers`` (attacks) in each of them.

    Negative components are 0. With one seed the prompts' variance has the rest in it, and of seeds nothing is known:
    that part is 0, and power is for one seed.
    """
    if len(d) == 1:
        seed, prompt, rest = 0.0, float(d.var(ddof=1)), 0.0
    else:
        found = mean_squares(d)
        seed, prompt, rest = (float(v) for v in np.maximum(solve(found, found.ms, d.shape), 0.0))
    differ = float((np.abs(d) > 1e-12).any(axis=0).mean())
    noise = Noise(prompt, seed, rest, 1 / answers if answers else 0.0, differ, width=0.0 if answers else 1.0)
    return lambda difference, seeds: noise


def shares(
    base_rate: float,
    *,
    prompt_sd: float = PROMPT_SD,
    seed_sd: float = 0.3,
    effect_sd: float = 0.0,
    attacks: tuple[float, ...] = ATTACKS,
) -> Model:
    """Of a share (ASR, accuracy) between two trained conditions, of which the reference has ``base_rate``.

    ``prompt_sd``, ``seed_sd``, ``effect_sd``: standard deviations in log-odds over prompts, over the seeds of a
    condition, and over prompts of what a condition does to each; ``attacks``: effects, (0.0,) where there are none.
    """
    effects = Effects(prompt_sd, seed_sd, attacks, effect_sd)

    def noise(difference: float, seeds: int) -> Noise | None:
        if not (0 < base_rate < 1 and 0 < base_rate + difference < 1):
            return None
        return _noise(_rates(base_rate, effects), _rates(base_rate + difference, effects), difference, seeds)

    return noise


class _Rates(NamedTuple):
    by_prompt: Array  # P V  success rate at nodes of the prompt's effect and of the condition's on it
    seed: float  # variance of the seeds' means
    higher: tuple[float, float]  # their third and fourth cumulants
    rest: float  # variance of a seed's score at a prompt, given the prompt, without ``seed``
    shared: Array  # P V  covariance, over seeds, of the prompt's score with the mean of all prompts
    hits: Array  # P V K  distribution of the number of successes under the attacks

    def cumulants(self) -> tuple[Array, Array, Array]:
        """The second to fourth [P, V] of one seed's score at a prompt."""
        x = np.linspace(0, 1, self.hits.shape[-1])
        centred = x - (self.hits @ x)[..., None]
        two, three, four = ((self.hits * centred**r).sum(axis=-1) for r in (2, 3, 4))
        return two, three, four - 3 * two**2


@lru_cache(maxsize=256)
def _rates(share: float, effects: Effects) -> _Rates:
    (p, wp), (v, wv), (u, wu) = (
        gauss(n if sd else 1) for n, sd in ((31, effects.prompt_sd), (11, effects.effect_sd), (11, effects.seed_sd))
    )
    eta = intercept(share, effects) + effects.prompt_sd * p[:, None, None] + effects.effect_sd * v[:, None]
    f = expit((eta + effects.seed_sd * u)[..., None] + np.asarray(effects.attacks))  # P V U A
    score, binary = f.mean(axis=-1), (f * (1 - f)).sum(axis=-1) / f.shape[-1] ** 2
    by_prompt, weights = score @ wu, wp[:, None] * wv
    by_seed = np.einsum("pv,pvu->u", weights, score) - share
    shared = score @ (wu * by_seed)
    seed, third, fourth = (float(wu @ by_seed**r) for r in (2, 3, 4))
    within = float((weights * ((score**2 + binary) @ wu - by_prompt**2)).sum())
    # The attacks are taken at their mean rate: this only says how often nothing differs.
    k = np.arange(f.shape[-1] + 1)
    chance = binom(f.shape[-1], k) * score[..., None] ** k * (1 - score[..., None]) ** (f.shape[-1] - k)
    higher = (third, fourth - 3 * seed**2)
    return _Rates(by_prompt, seed, higher, max(within - seed, 0.0), shared, np.einsum("u,pvuk->pvk", wu, chance))


def _noise(a: _Rates, b: _Rates, difference: float, seeds: int) -> Noise:
    wp, wv = gauss(len(a.by_prompt))[1], gauss(a.by_prompt.shape[1])[1]
    weights = wp[:, None, None] * wv[:, None] * wv  # P V V: each condition has its own effect on the prompt

    def over(x: Array) -> float:
        return float((weights * x).sum())

    apart = b.by_prompt[:, :, None] - a.by_prompt[:, None, :] - difference
    alike = np.einsum("pvk,pwk->pvw", b.hits, a.hits) ** seeds
    # Cumulants of a prompt's mean over seeds: given the prompt they add up over sides and shrink over seeds.
    given = [
        x[:, :, None] + sign * y[:, None, :]
        for x, y, sign in zip(b.cumulants(), a.cumulants(), (1, -1, 1), strict=True)
    ]
    two, three, four = (k / seeds**r for r, k in enumerate(given, start=1))
    second = over(apart**2 + two)
    third = over(apart**3 + 3 * apart * two + three)
    fourth = over(apart**4 + 6 * apart**2 * two + 4 * apart * three + four + 3 * two**2) - 3 * second**2
    of_seeds = (b.higher[0] - a.higher[0], b.higher[1] + a.higher[1])
    shared = 2 * (b.shared[:, :, None] + a.shared[:, None, :])  # what the prompt adds to the seeds' variance
    by_prompt = (over(apart * shared), over(apart * (given[0] - shared)))
    step = 1 / (a.hits.shape[-1] - 1)
    own = (over(apart**2), a.seed + b.seed, a.rest + b.rest)
    return Noise(*own, step, 1 - over(alike), (third, fourth), of_seeds, by_prompt)


def power(model: Model, difference: float, seeds: int, prompts: int, level: Level = ALONE) -> float:
    """The probability that the default test calls the true ``difference`` one, in either direction. NaN: there can be
    no such difference."""
    noise = model(difference, seeds)
    if noise is None:
        return float("nan")
    if seeds == 1 and noise.step == 1:
        return _mcnemar(noise.prompt + noise.rest + difference**2, difference, prompts, level.each)
    of_prompt, of_seed = noise.prompt + noise.rest / seeds, noise.seed + noise.rest / prompts
    chi_prompt, shift, known = _with_mean(of_prompt, *noise.of_prompts, prompts, 1)
    several = _with_mean(of_seed, *noise.of_seeds, seeds, 0) if seeds > 1 else (np.ones(POINTS), 0.0, 0.0)
    chis = (several[0], chi_prompt, _chi((seeds - 1) * (prompts - 1), 2))
    others = _of_others(model(0.0, seeds) or noise, seeds, prompts, level.labels)
    aim, total = difference + shift + several[1], of_prompt / prompts + (noise.seed / seeds if seeds > 1 else 0.0)
    error = np.sqrt(max(total - known - several[2], 0.0))

    def least(away: Array | float) -> Array:
        """What the mean must exceed to be called a difference, where it is so far from its expectation: the prompts
        that have drawn it there have seeds' and rest's variances of their own (least squares)."""
        drawn = away / total / prompts if total else 0.0
        seed, rest = (np.maximum(v + c * drawn, 0.0) for v, c in zip(noise[1:3], noise.by_prompt, strict=True))
        return _least(noise, seed, rest, chis, others, difference, seeds, prompts, level)

    if error == 0:
        return float(np.mean(least(aim - difference) < np.abs(aim)))
    low, middle, high = (least(aim - difference + k * error) for k in (-1, 0, 1))
    tilt = np.clip((high - low) / (2 * error), -0.9, 0.9)
    up, down = (aim - middle) / (1 - tilt), (-aim - middle) / (1 + tilt)
    return float(np.mean(ndtr(up / error) + ndtr(down / error)))


def _least(
    noise: Noise,
    seed: Array,
    rest: Array,
    chis: tuple[Array, Array, Array],
    others: Array,
    difference: float,
    s: int,
    m: int,
    level: Level,
) -> Array:
    """The smallest mean that the default test calls a difference, given the mean squares' χ² and the variances of seeds
    and rest. The prompts' mean square goes with the mean by its χ² alone."""
    ms_seed, ms_prompt = (m * seed + rest) * chis[0], (s * noise.prompt + noise.rest) * chis[1]
    ms_rest, shrunk = rest * chis[2], 1.0
    of_seeds = ms_seed / (s * m)
    if noise.step:  # two imagined prompts, as ``paired.difference`` adds them
        differ = m * noise.differ
        edge = (differ * noise.step**2 + 1) / (differ + 1)
        shrunk, n = m / (m + 2), m + 2
        ms_prompt = ((m - 1) * ms_prompt + s * (2 * edge + difference**2 * 2 * shrunk)) / (n - 1)
        ms_rest = ((m - 1) * ms_rest + ms_seed * 2 / n) / (n - 1)
        ms_seed, m = ms_seed * shrunk, n
    elif noise.width:  # around the mean itself, as far off as the differences are large; these taken as normal
        sd = np.sqrt(noise.prompt + noise.seed + noise.rest) / noise.width
        k, cubes = m * np.sqrt(2 / np.pi) * sd, m * 2 * np.sqrt(2 / np.pi) * sd**3
        n = m + 2
        ms_prompt = ((m - 1) * ms_prompt + s * 2 * noise.width**2 * (cubes + 1) / (k + 1)) / (n - 1)
        ms_rest, ms_seed, m = ms_rest * (m - 1) / (n - 1), ms_seed * n / m, n
    if s == 1:
        variance, df = ms_prompt / m, np.full(POINTS, m - 1.0)
    else:
        variance, df = two_way(ms_seed, ms_prompt, ms_rest, s, np.asarray(float(m)))
    k, own = level.labels, level.own if level.labels > 1 else level.each
    alone = t_quantile(df, own if s > 1 else level.each) * np.sqrt(variance) / shrunk
    if s == 1:
        return np.asarray(alone)
    by_seeds = t_quantile(s - 1.0, own) * np.sqrt(of_seeds)
    if k < 2:
        return np.maximum(alone, by_seeds)
    pooled, known = np.maximum((of_seeds + (k - 1) * others) / k, of_seeds), (s - 1.0) * 4 * k / (k + 3)
    by_prompt = np.maximum(variance - of_seeds, 0.0)
    parts, total = pooled**2 / known + by_prompt**2 / max(m - 1, 1), pooled + by_prompt
    df = np.where(parts > 0, total**2 / np.where(parts > 0, parts, 1.0), known)
    together = t_quantile(df, level.each) * np.sqrt(total) / shrunk, t_quantile(known, level.each) * np.sqrt(pooled)
    return np.max([alone, by_seeds, *together], axis=0)


def _of_others(noise: Noise, s: int, m: int, labels: int) -> Array:
    """Mean, over the other labels, of the variance of seeds' means: χ² with so many degrees of freedom that with the
    label's own it has those of ``findings``' pooled one."""
    if labels < 2 or s < 2:
        return np.zeros(POINTS)
    chi = _chi((s - 1) * (labels - 1) ** 2 / (labels * (labels + 3) / 4 - 1), 3)
    return (noise.seed + noise.rest / m) / s * chi


def _mcnemar(differ: float, difference: float, prompts: int, alpha: float) -> float:
    """Power of McNemar's exact test, where a share ``differ`` of prompts has different answers, up and down by chance
    with a mean of ``difference``: of how many differ, and of how many of these go up, every case is gone through
    (Duffy, *Biometrics* 40 (1984))."""
    differ = min(max(differ, abs(difference), 1e-12), 1.0)
    far = 8 * np.sqrt(prompts * differ * (1 - differ)) + 8
    n = np.arange(max(0, int(prompts * differ - far)), min(prompts, int(prompts * differ + far)) + 1.0)
    ways = gammaln(prompts + 1) - gammaln(n + 1) - gammaln(prompts - n + 1)
    chance = np.exp(ways + xlogy(n, differ) + xlogy(prompts - n, 1 - differ))
    # The fewer of the two kinds may be so many: the most of which P(X ≤ k) ≤ α / 2 for a fair coin.
    most = np.where(0.5**n < alpha / 2, np.floor(bdtrik(alpha / 2, np.maximum(n, 1), 0.5)), -1.0)
    up = (1 + difference / differ) / 2
    each = np.where(most >= 0, bdtr(np.maximum(most, 0), n, up) + bdtr(np.maximum(most, 0), n, 1 - up), 0.0)
    return float((chance * each).sum())


def _with_mean(variance: float, third: float, fourth: float, n: int, which: int) -> tuple[Array, Array | float, float]:
    """Of ``n`` numbers with these cumulants: mean square over ``variance``, at the points; how far the mean is then
    from its expectation; and how much of the mean's variance that explains.

    The mean of a skewed distribution goes with its mean square, and one with long tails has an uncertain mean square:
    Cov = κ₃/n, Var = κ₄/n + 2σ⁴/(n - 1) (Cramér, *Mathematical Methods of Statistics* (1946), ch. 27).
    """
    if variance <= 0:
        return np.ones(POINTS), 0.0, 0.0
    uncertain = max(fourth / n + 2 * variance**2 / (n - 1), 1e-30)
    chi = _chi(2 * variance**2 / uncertain, which)
    slope = third / n / uncertain
    return chi, slope * variance * (chi - 1), slope * third / n


@lru_cache(maxsize=64)
def _chi(df: float, which: int) -> Array:
    """χ² over its degrees of freedom at points that fill the cube of the mean squares evenly (Richtmyer's sequence;
    Niederreiter, *Random Number Generation and Quasi-Monte Carlo Methods* (1992), ch. 4); the same for every design, so
    that power moves smoothly with it."""
    if df <= 0:
        return np.ones(POINTS)
    u = ((np.arange(POINTS) + 0.5) * np.sqrt((2, 3, 5, 7)[which])) % 1
    return gammaincinv(df / 2, u) * 2 / df


def detectable(model: Model, seeds: int, prompts: int, target: float = 0.8, level: Level = ALONE) -> float:
    """The smallest difference that is detected upwards with probability ``target``. NaN where not even the largest
    possible one is."""

    def short(size: float) -> float:
        return power(model, size, seeds, prompts, level) - target

    low, high = 0.0, 1e-4
    while short(high) < 0:
        low, high = high, high * 2
        if high > 1e9:
            return float("nan")
    while np.isnan(short(high)):  # past the largest possible difference: half-way back
        middle = (low + high) / 2
        if middle - low < 1e-5:
            return float("nan")
        low, high = (middle, high) if short(middle) < 0 else (low, middle)
    return float(brentq(short, low, high, xtol=1e-6)) if low else high


def seeds_for(
    model: Model, difference: float, prompts: int, target: float = 0.8, level: Level = ALONE, most: int = 1000
) -> int | None:
    """The fewest seeds, two at least, with which ``difference`` is detected with probability ``target``; None: not with
    ``most`` of them, for these prompts alone leave too much open."""
    return _fewest(lambda n: power(model, difference, n, prompts, level) >= target, most)


def prompts_for(
    model: Model, difference: float, seeds: int, target: float = 0.8, level: Level = ALONE, most: int = 100_000
) -> int | None:
    """The fewest prompts, two at least; None: not with ``most`` of them, for so few seeds leave too much open."""
    return _fewest(lambda n: power(model, difference, seeds, n, level) >= target, most)


def _fewest(enough: Callable[[int], bool], most: int) -> int | None:
    low, high = 1, 2
    while not enough(high):
        low, high = high, high * 2
        if high > most:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
