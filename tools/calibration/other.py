"""Do the other intervals hold? Of missing scores, variance shares, corrected rates, equal safety and equal distance.

    python -m tools.calibration.other [--sets 1000] [--out docs/calibration_other.md]

Every design has a known truth: shares of a rate whose harmful answers go unscored more often, variances of crossed
factors, a rate as people have it under a judge that errs otherwise on this subject than on the others, and the ladders
of ``calibration_matched``, read where harm is at its ceiling or the distance from the base is the same.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from holdfast import rng
from holdfast.analysis import paths
from holdfast.analysis.against_sft import AgainstSft
from holdfast.analysis.equal_distance import read
from holdfast.analysis.matched import Runs, runs_of, under
from holdfast.stats import curves, resampled
from holdfast.stats.components import intervals, mean_squares
from holdfast.stats.correction import error_rates, prediction_powered, rogan_gladen
from holdfast.stats.curves import Curve
from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import linearise
from holdfast.stats.methods import Design, cluster_wilson, estimated, rare_prompts
from holdfast.stats.paired import sign_flip
from tools.calibration import matched as ladders

Array = np.ndarray
ALPHA = 0.05
SAFETY, FAR = 0.05, np.array([0.25])  # of harm above the base's; of capability gained
Row = dict[str, Any]


def missing(sets: int, prompts: int = 200, rate: float = 0.3) -> Iterator[Row]:
    """One checkpoint against its base, one answer a prompt, no true difference; shares of harmful answers unscored."""
    for base, tuned in ((0.0, 0.0), (0.0, 0.15), (0.15, 0.15), (0.05, 0.4)):
        random = rng.generator("missing", sets, prompts, str(base), str(tuned))
        ease = random.beta(2 * rate, 2 * (1 - rate), size=(sets, 1, prompts, 1))
        truth = (random.random((2, sets, 1, prompts, 1)) < ease).astype(float)
        lost = random.random(truth.shape) < np.reshape([base, tuned], (2, 1, 1, 1, 1))
        y = np.where((truth == 1) & lost, np.nan, truth)
        ends = [np.nan_to_num(y, nan=end) for end in (0.0, 1.0)]
        level, bounds = _level(y[1]), (_level(ends[0][1]).low, _level(ends[1][1]).high)
        plain, low, high = (
            _difference(a - b) for a, b in (y[::-1], (ends[0][1], ends[1][0]), (ends[1][1], ends[0][0]))
        )
        gone = np.isnan(y).astype(float)
        unequal = sign_flip((gone[1] - gone[0])[:, 0, :, 0])
        yield {
            "harmful unscored: base, tuned": f"{base:.0%}, {tuned:.0%}",
            "level covers": _percent((level.low <= rate) & (rate <= level.high)),
            "bounds cover": _percent((bounds[0] <= rate) & (rate <= bounds[1])),
            "difference: interval without 0": _percent((plain.low > 0) | (plain.high < 0)),
            "difference: bounds without 0": _percent((low.low > 0) | (high.high < 0)),
            "found unequal": _percent(unequal < ALPHA),
        }


def _level(y: Array) -> Estimate:
    return cluster_wilson(linearise(y, np.ones(1)), (~np.isnan(y)).sum(axis=(-1, -2, -3)), ALPHA, rare_prompts(y))


def _difference(y: Array) -> Estimate:
    found = linearise(y, np.ones(1))
    return estimated(found, Design("difference", True, *y.shape[-3:-1]), alpha=ALPHA, bounds=(-1.0, 1.0))


def shares(sets: int, prompts: int = 60) -> Iterator[Row]:
    """Crossed factors without interactions; prompts of SD 1, noise of SD 0.7. Of a score, the mean over the prompts."""
    designs: tuple[tuple[tuple[int, ...], tuple[float, ...]], ...] = (
        ((6, 3), (0.3, 0.1)), ((6, 3, 2), (0.3, 0.1, 0.05)), ((3,), (0.1,)), ((2, 3, 2), (0.1, 0.1, 0.2)),
        ((2, 2, 2), (0.05, 0.05, 0.05)), ((2, 2, 2, 2), (0.1, 0.1, 0.05, 0.2)),
    )  # fmt: skip
    for levels, sds in designs:
        random, names = rng.generator("shares", *levels, sets), [*"abcd"[: len(levels)], "prompt"]
        truth = np.array([*(s**2 for s in sds), 1 / prompts, 0.49 / prompts])
        inside = np.zeros(len(truth))
        for _ in range(sets):
            y = random.normal(size=(1,) * len(levels) + (prompts,)) + 0.7 * random.normal(size=(*levels, prompts))
            for axis, (k, sd) in enumerate(zip(levels, sds, strict=True)):
                y = y + sd * random.normal(size=[k if a == axis else 1 for a in range(y.ndim)])
            low, high = intervals(y, names, mean=True, draws=1000)
            effects = mean_squares(y).effects
            at = [effects.index((k,)) for k in range(len(names))] + [effects.index(())]
            inside += (low[at] <= truth / truth.sum()) & (truth / truth.sum() <= high[at])
        covered = 100 * inside / sets
        yield {
            "levels of the factors": " × ".join(map(str, levels)),
            "factors": f"{covered[: len(levels)].min():.0f} to {covered[: len(levels)].max():.0f}",
            "prompts": f"{covered[-2]:.0f}",
            "rest": f"{covered[-1]:.0f}",
        }


def corrected(sets: int, rate: float = 0.2, labels: int = 120) -> Iterator[Row]:
    """100 prompts × 5 responses, 120 of them labelled, and as many on each of four other subjects, on which the judge
    has sensitivity 0.85 and specificity 0.95. Rogan–Gladen takes the error rates of all labels."""
    others, prompts = (0.85, 0.95), np.repeat(np.arange(100), 5)
    ones, none = np.ones(500), np.zeros(500, dtype=int)
    for own in (others, (0.7, 0.95), (0.85, 0.85), (0.95, 0.85)):
        random, inside = rng.generator("corrected", sets, str(own)), np.zeros(2)
        for _ in range(sets):
            drawn = [_judged(random, rate, labels, *(own if k == 0 else others)) for k in range(5)]
            judged, people = drawn[0]
            errors = error_rates(
                np.concatenate([f for f, _ in drawn]), np.concatenate([y for _, y in drawn]), np.ones(2500)
            )
            by_labels = prediction_powered(judged, people, prompts, ones, ones, none)
            by_errors = rogan_gladen(judged.mean(), 300, errors) if errors else by_labels
            inside += [found.low <= rate <= found.high for found in (by_labels, by_errors)]
        yield {
            "sensitivity, specificity on this subject": f"{own[0]:g}, {own[1]:g}",
            "prediction-powered": f"{100 * inside[0] / sets:.0f}",
            "Rogan–Gladen": f"{100 * inside[1] / sets:.0f}",
        }


def _judged(
    random: np.random.Generator, rate: float, labels: int, sensitivity: float, specificity: float
) -> tuple[Array, Array]:
    ease = np.repeat(random.beta(4 * rate, 4 * (1 - rate), size=100), 5)
    truth = (random.random(500) < ease).astype(float)
    judged = np.where(random.random(500) < np.where(truth == 1, sensitivity, specificity), truth, 1 - truth)
    people, some = np.full(500, np.nan), random.permutation(500)[:labels]
    people[some] = truth[some]
    return judged, people


def elsewhere(sets: int) -> Iterator[Row]:
    """Capability at equal safety and harm at equal distance, each less SFT's: of a *twin*, which has SFT's own rates,
    and of who learns at another pace (*other*), whose true gap is on the rates of all seeds. Distance is what the
    objective gains in capability, the same under every seed. Seed effects of 0.3, 150 prompts; 200 of capability."""
    for shape, seeds in product(("even", "harm gained at once", "capability jumps"), (3, 5)):
        design = ladders.Design(shape, seeds, 150, 200, 0.3)
        random, labels = (
            rng.generator("elsewhere", *(str(x) for x in design)),
            {"sft": "sft", "twin": "sft", "other": "same"},
        )
        odds = {x: ladders.odds(design, y) for x, y in labels.items()}
        moved = {x: ladders.means(design, y) for x, y in labels.items()}
        true = {x: (_capability(design, *o[:2]), _harm(design, o[1], moved[x])) for x, o in odds.items()}
        tables = [_tables(design, odds, moved, random) for _ in range(sets)]
        for k, what in enumerate(("equal safety", "equal distance")):
            found = pd.concat([t[k].loc[["twin", "other"]] for t in tables])
            gap = np.tile([true[x][k] - true["sft"][k] for x in ("twin", "other")], sets)
            said = found["verdict"].to_numpy(str)
            wrong = np.isin(said, ("better", "worse")) & (found["gap"].to_numpy() * gap <= 1e-9)
            wrong |= np.isin(said, ("equivalent", "small but real")) & (np.abs(gap) >= 0.05)
            held = (found["gap_low"].to_numpy() <= gap) & (gap <= found["gap_high"].to_numpy())
            yield {
                "at": what, "shape": shape, "seeds": seeds, "twin: gap covered": _percent(held[::2]),
                "other: true gap, points": f"{100 * gap[1]:+.1f}", "other: gap covered": _percent(held[1::2]),
                "wrong verdicts": _percent(wrong), "told nothing": _percent((found["untold"] != "").to_numpy()),
                "width, points": f"{100 * (found['gap_high'] - found['gap_low']).mean():.1f}",
            }  # fmt: skip


def _tables(
    design: ladders.Design, odds: dict[str, Any], moved: dict[str, Curve], random: np.random.Generator
) -> list[pd.DataFrame]:
    able, harm = (ladders.levels(design, {x: o[k] for x, o in odds.items()}, k, random) for k in (0, 1))
    prompt = AgainstSft(ladders.study(), "sft", resampled.seed_weights(design.seeds, ladders.DRAWS), design.prompts)
    ceiling = harm.of(paths.BASE, 0)[:, 0] + SAFETY
    safe = {x: under(runs_of(x, able.seeds, able, able, harm), ceiling) for x in odds}
    seen = [
        i for i, b in enumerate(next(iter(moved.values())).budgets) if b in (0, *ladders.SHAPES[design.shape].budgets)
    ]
    known = {x: Curve(tuple(np.take(m.budgets, seen)), m.at[seen], m.values[:, seen]) for x, m in moved.items()}
    far = {x: read([(m, harm.run(x, s)) for s in harm.seeds], FAR) for x, m in known.items()}
    return [prompt.table(safe, "capability").set_index("label"), prompt.table(far).set_index("label")]


def _capability(design: ladders.Design, rise: Array, start: Array) -> float:
    """True, where harm first exceeds its ceiling: mean over all seeds."""
    able, harm, weights = ladders.of_seeds(design, rise, start)
    runs = Runs((able,), (curves.smooth(able.values),), (able,), (harm,))
    value = under(runs, harm.values[:, 0] + SAFETY).value[:, 0, 0]
    return float(np.average(np.nan_to_num(value), weights=weights * ~np.isnan(value)))


def _harm(design: ladders.Design, start: Array, moved: Curve) -> float:
    """True, where the distance is first ``FAR``: mean over all seeds."""
    _, harm, weights = ladders.of_seeds(design, start, start)
    place = curves.reached(moved, moved.values, FAR[None])
    return float(np.average(curves.along(harm, np.broadcast_to(place, (len(weights), 1)))[:, 0], weights=weights))


def _percent(hits: Array) -> str:
    return f"{100 * np.mean(hits):.1f}"


PARTS = (
    ("Missing scores, true rate 30%, 200 prompts, no true difference, %", missing, 4),
    ("Shares of a score's variance: how often the interval holds the true one, %", shares, 1),
    ("Rates corrected by people's labels: how often the interval holds the true one, %", corrected, 2),
    ("Capability at equal safety, harm at equal distance: differences from SFT, %", elsewhere, 1),
)


def table(rows: Sequence[Row]) -> str:
    head = list(rows[0])
    lines = [head, ["---"] * len(head), *([str(v) for v in r.values()] for r in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--sets", type=int, default=250, help="data sets a design; of the quick parts several times that"
    )
    parser.add_argument("--out", type=Path, default=None, help="the document; without it, to the screen")
    args = parser.parse_args(arguments)
    about = (
        "Intervals that are no level's and no plain difference's, by `python -m tools.calibration.other "
        f"--out docs/calibration_other.md` ({args.sets} data sets a design of variance shares and of the last table, "
        f"{2 * args.sets} of corrected rates, {4 * args.sets} of missing scores). Nominal: 95%. What the designs are: "
        "the docstrings of the module."
    )
    parts = [f"## {title}\n\n{table(list(made(args.sets * times)))}" for title, made, times in PARTS]
    text = "\n\n".join(["# Calibration of other intervals", about, *parts]) + "\n"
    if args.out:
        args.out.write_text(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
