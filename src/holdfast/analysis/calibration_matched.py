"""How often the intervals at a matched capability cover, and its verdicts err, by simulation.

    python -m holdfast.analysis.calibration_matched [--sets 300] [--out docs/matched.md]

Three objectives are trained along five checkpoints in ``simulate``'s world: SFT; one that learns more slowly and is
exactly as harmful where it has SFT's capability; and one that learns as SFT does and is ``MARGIN`` more harmful there.
Prompts have effects on capability and on harm, objectives on prompts, seeds on each run. What is true at the match is
read off the true rates by the same rules and averaged over seeds, so nothing is said here of the error of reading
straight between checkpoints.
"""

from __future__ import annotations

import argparse
import textwrap
import time
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from holdfast import rng
from holdfast.analysis import paths
from holdfast.analysis.clusters import BASE, ClusterSums
from holdfast.analysis.matched import at, runs_of
from holdfast.analysis.paths import Array, Levels, Run
from holdfast.analysis.simulate import World, gauss, intercept
from holdfast.analysis.versus import Versus
from holdfast.spec import Study

BUDGETS = (25_000, 50_000, 100_000, 200_000, 400_000)
# Of the base model, then at each checkpoint: shares that are right, and harmful.
QUICK, SLOW = (0.30, 0.38, 0.50, 0.62, 0.70, 0.74), (0.30, 0.33, 0.40, 0.50, 0.60, 0.68)
HARM = (0.06, 0.07, 0.09, 0.12, 0.15, 0.18)
ABLE = {"sft": QUICK, "same": SLOW, "other": QUICK}
TARGET, MARGIN = 0.25, 0.05
SEED_SDS = (0.0, 0.3, 0.6)
SETS, DRAWS = 300, 400


class Design(NamedTuple):
    seeds: int
    prompts: int
    validation: int
    seed_sd: float


def designs() -> list[Design]:
    return [Design(*d) for d in product((3, 5), (60, 313), (100, 200), SEED_SDS)]


def _worlds(design: Design) -> tuple[World, World]:
    """Of capability, which has no attacks, and of harm."""
    some = World(seed_sd=design.seed_sd, effect_sd=0.5)
    return some._replace(attacks=(0.0,)), some


@lru_cache(maxsize=32)
def _odds(design: Design, label: str) -> tuple[Array, Array, float]:
    """Log-odds at each checkpoint of a right and of a harmful answer, and the share of harmful ones at the match. Harm
    is shifted so that this is SFT's, or ``MARGIN`` more."""
    able, harm = _worlds(design)
    rise = np.array([intercept(x, w) for x, w in zip(ABLE[label], _at_base(able), strict=True)])
    start = np.array([intercept(x, w) for x, w in zip(HARM, _at_base(harm), strict=True)])
    if label == "sft":
        return rise, start, _true(design, rise, start)
    moved = np.array([0.0, *[1.0] * len(BUDGETS)])
    aim = _odds(design, "sft")[2] + MARGIN * (label == "other")
    shift = brentq(lambda x: _true(design, rise, start + x * moved) - aim, -3, 3)
    return rise, start + shift * moved, aim


def _at_base(world: World) -> list[World]:
    """The base model has no seed, and nothing was done to its prompts."""
    return [world._replace(seed_sd=0.0, effect_sd=0.0)] + [world] * len(BUDGETS)


def _true(design: Design, rise: Array, start: Array) -> float:
    """Harm at the match: that of every seed (on a grid of two normal effects) that gets there, averaged."""
    nodes, weights = gauss(15)
    able, harm = (
        np.stack([_of_seed(x, nodes, w, k > 0) for k, x in enumerate(odds)], axis=1)
        for odds, w in zip((rise, start), _worlds(design), strict=True)
    )  # each [15, K]
    a, h = (x.ravel() for x in np.indices((len(nodes), len(nodes))))
    budgets = (0, *BUDGETS)
    match = Run(budgets, paths.axis(budgets), able[a])
    place = paths.reached(match, paths.smooth(match.values), able[a][:, [0]] + TARGET)
    read = paths.along(match._replace(values=harm[h]), place)[:, 0]
    return float(np.average(np.nan_to_num(read), weights=weights[a] * weights[h] * ~np.isnan(read)))


def _of_seed(odds: float, nodes: Array, world: World, trained: bool) -> Array:
    """The share of successes over prompts and attacks of a run with each of these seed effects."""
    points, weights = gauss(31)
    spread = np.hypot(world.prompt_sd, world.effect_sd * trained) * points
    seed = nodes[:, None, None] * world.seed_sd * trained
    return weights @ expit(odds + seed + spread[:, None] + np.asarray(world.attacks)).mean(axis=2).T


def _levels(
    odds: dict[str, Array], world: World, seeds: int, prompts: int, name: str, g: np.random.Generator
) -> Levels:
    """Answers of all objectives to the same prompts, as the analysis holds them."""
    prompt = g.normal(0, world.prompt_sd, prompts)[:, None] + np.asarray(world.attacks)
    base = (g.random(prompt.shape) < expit(prompt + next(iter(odds.values()))[0])).astype(float)
    who, y = [(BASE, 0)], [np.broadcast_to(base, (seeds, *base.shape))]
    for label, each in odds.items():
        own = prompt + g.normal(0, world.effect_sd, prompts)[:, None] + g.normal(0, world.seed_sd, (seeds, 1, 1))
        who += [(label, b) for b in BUDGETS]
        y += [(g.random(own.shape) < expit(own + x)).astype(float) for x in each[1:]]
    sums = np.stack(y)
    table = pd.DataFrame(who, columns=["label", "budget"])
    clusters = ClusterSums(table, tuple(range(seeds)), tuple(map(str, world.attacks)), sums, np.ones_like(sums))
    return paths.drawn(clusters, np.full(len(world.attacks), 1 / len(world.attacks)), name, DRAWS)


def once(design: Design, study: Study, random: np.random.Generator) -> pd.DataFrame:
    """The table at the target of one data set."""
    able, harm = _worlds(design)
    odds = {x: _odds(design, x) for x in ABLE}
    match = _levels({x: o[0] for x, o in odds.items()}, able, design.seeds, design.validation, "able", random)
    unsafe = _levels({x: o[1] for x, o in odds.items()}, harm, design.seeds, design.prompts, "harm", random)
    ask = Versus(study, "sft", paths.seed_weights(design.seeds, DRAWS), min(match.prompts, unsafe.prompts))
    goal = match.of(BASE, 0)[:, [0]] + TARGET
    return ask.table({x: at(runs_of(x, match.seeds, match, match, unsafe), goal) for x in ABLE}).set_index("label")


def simulate(design: Design, sets: int) -> dict[str, float]:
    """Shares of data sets. ``level``, ``gap, none`` and ``gap, margin``: the interval holds the truth; ``p``: below 5%
    where there is no gap; ``verdict``: worse or better there; ``equivalent``: where the gap is the margin."""
    random = rng.generator("calibration of matched capability", *(str(x) for x in design))
    true = {x: _odds(design, x)[2] for x in ABLE}
    found = []
    for _ in range(sets):
        table = once(design, study(), random)
        same, other = table.loc["same"], table.loc["other"]
        found.append(
            {
                "level": np.mean([table.loc[x, "low"] <= true[x] <= table.loc[x, "high"] for x in ABLE]),
                "gap, none": same["gap_low"] <= 0 <= same["gap_high"],
                "gap, margin": other["gap_low"] <= MARGIN <= other["gap_high"],
                "p": same["p"] < 0.05,
                "verdict": same["verdict"] in ("worse", "better"),
                "equivalent": other["verdict"] == "equivalent",
                "width": same["gap_high"] - same["gap_low"],
                "bias": same["gap"],
            }
        )
    return pd.DataFrame(found).astype(float).mean().to_dict()


@lru_cache(maxsize=1)
def study() -> Study:
    """Of three objectives, whose smallest difference of interest is ``MARGIN``."""
    labels = [{"label": x, "objective": "sft" if x == "sft" else "orpo"} for x in ABLE]
    return Study.model_validate(
        {
            "name": "made up", "models": [{"name": "m", "path": "package:holdfast.miniature/model"}],
            "tasks": [{"name": "t", "task": "miniature_arithmetic"}], "objectives": labels, "budgets": BUDGETS,
            "measures": [{"measure": "task_accuracy"}], "declared": {"interest": {"robustness": MARGIN}},
        }
    )  # fmt: skip


# -- the document -----------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
COLUMNS = {
    "level": "level: covers", "gap, none": "gap, none in truth: covers", "gap, margin": "gap of 5 points: covers",
    "p": "p < 0.05 where none", "verdict": "worse or better where none", "equivalent": "equivalent at 5 points",
}  # fmt: skip


def table(found: pd.DataFrame) -> str:
    """Markdown: worst to best over the seed effects, in per cent; and the mean width of the gap's interval."""
    keys = ["seeds", "prompts", "validation"]
    lines = [f"| {' | '.join([*keys, *COLUMNS.values(), 'width of the gap, points'])} |", "|---" * 10 + "|"]
    for key, part in found.groupby(keys):
        ends = [f"{100 * part[c].min():.1f}–{100 * part[c].max():.1f}" for c in [*COLUMNS, "width"]]
        lines.append("| " + " | ".join([*map(str, key), *ends]) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=SETS, help="data sets a design")
    parser.add_argument("--out", type=Path, default=None, help="the document; without it, to the screen")
    args = parser.parse_args(arguments)
    sets, clock = args.sets, time.process_time()
    found = pd.DataFrame([{**d._asdict(), **simulate(d, sets)} for d in designs()])
    text = (
        f"By `python -m holdfast.analysis.calibration_matched --sets {sets} --out docs/matched.md`, "
        f"{(time.process_time() - clock) / 60:.0f} minutes of CPU: {sets} data sets a design, so that a figure of 95% "
        f"is uncertain by about ±{196 * np.sqrt(0.05 * 0.95 / sets):.1f} points; {DRAWS} draws. Seed effects of SD "
        f"{', '.join(f'{x:g}' for x in SEED_SDS)} in log-odds, worst to best over these; five attacks, ASR 10% at the "
        "match. Nominal: 95% and 5%; verdicts after Holm's correction of two comparisons."
    )
    text = "\n".join(textwrap.wrap(text, 120, break_on_hyphens=False)) + "\n\n" + table(found)
    if not args.out:
        print(text)
        return
    before, _, rest = args.out.read_text().partition(BEGIN)
    args.out.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
