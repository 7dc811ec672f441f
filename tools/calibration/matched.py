"""How often the intervals at a matched capability cover, and its verdicts err, by simulation; and those of couplings.

    python -m tools.calibration.matched [--sets 120] [--quick] [--out docs/matched.md]

Three objectives are trained along a ladder of checkpoints, with the effects of `stats`: SFT; one that learns at another
pace and is exactly as harmful where it has SFT's capability; one that is ``MARGIN`` more harmful there. Prompts have
effects on capability and on harm, objectives on prompts, seeds on each run. What is true at the match is read off the
true rates by the same rules and averaged over seeds. In some shapes checkpoints are hidden from the analysis: harm that
is lost or gained as soon as anything is trained, capability that jumps, so that a straight line between what is
measured is wrong.
"""

from __future__ import annotations

import argparse
import textwrap
import time
from collections.abc import Sequence
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
from holdfast.analysis.against_sft import AgainstSft
from holdfast.analysis.comparisons import About
from holdfast.analysis.coupling import less, slope
from holdfast.analysis.cube import BASE
from holdfast.analysis.ladder import AT_BASE, Checkpoint, Ladder
from holdfast.analysis.matched import at, runs_of
from holdfast.analysis.paths import Array, Levels
from holdfast.config.study import Study
from holdfast.stats import curves, resampled
from holdfast.stats.curves import Curve
from holdfast.stats.effects import Effects, gauss, intercept
from holdfast.types import Axis

BUDGETS = (25_000, 50_000, 100_000, 200_000, 400_000)
LABELS = ("sft", "same", "other")
TARGET, MARGIN = 0.25, 0.05
SEED_SDS = (0.0, 0.3, 0.6)
SETS, COUPLED, DRAWS = 120, 400, 400  # couplings need no draws, so that there are more of them
FEW = 20  # of which a share says nothing


class Shape(NamedTuple):
    """Of the base model, then at each checkpoint: shares that are right (of SFT, of the others) and harmful. ``hidden``
    are checkpoints that are not measured, so that what happens there lies between two that are."""

    budgets: tuple[int, ...]
    hidden: tuple[int, ...]
    sft: tuple[float, ...]
    same: tuple[float, ...]
    other: tuple[float, ...]
    harm: tuple[float, ...]

    @property
    def places(self) -> tuple[int, ...]:
        return (0, *sorted((*self.budgets, *self.hidden)))


_QUICK, _SLOW = (0.30, 0.38, 0.50, 0.62, 0.70, 0.74), (0.30, 0.33, 0.40, 0.50, 0.60, 0.68)
_LATE, _EARLY = (0.30, 0.30, 0.33, 0.40, 0.50, 0.60, 0.68), (0.30, 0.30, 0.75, 0.78, 0.80, 0.81, 0.82)
_JUMP = (0.30, 0.33, 0.36, 0.37, 0.68, 0.72, 0.74)
_SMALL = (3_000, 6_000, 12_000)
_LATE_TOO = (0.30, 0.30, 0.31, 0.31, 0.32, 0.33, 0.40, 0.50, 0.60, 0.68)
_EARLY_TOO = (0.30, 0.30, 0.36, 0.46, 0.60, 0.75, 0.78, 0.80, 0.81, 0.82)
SHAPES = {
    "even": Shape(BUDGETS, (), _QUICK, _SLOW, _QUICK, (0.06, 0.07, 0.09, 0.12, 0.15, 0.18)),
    "harm lost at once": Shape(BUDGETS, (1_000,), _LATE, _EARLY, _EARLY, (0.27, *[0.08] * 6)),
    "harm gained at once": Shape(BUDGETS, (1_000,), _EARLY, _LATE, _LATE, (0.06, *[0.18] * 6)),
    "lost at once, three checkpoints more": Shape(
        (*_SMALL, *BUDGETS), (1_000,), _LATE_TOO, _EARLY_TOO, _EARLY_TOO, (0.27, *[0.08] * 9)
    ),
    "capability jumps": Shape(
        BUDGETS, (99_000,), (*_QUICK[:3], 0.61, *_QUICK[3:]), _JUMP, _JUMP, (0.25, 0.22, 0.17, 0.08, 0.08, 0.07, 0.07)
    ),
}


class Design(NamedTuple):
    shape: str
    seeds: int
    prompts: int
    validation: int
    seed_sd: float


def designs() -> list[Design]:
    even = [Design("even", *d) for d in product((3, 5), (60, 313), (200,), SEED_SDS)]
    return even + [Design(*d) for d in product(list(SHAPES)[1:], (3, 5), (313,), (200,), SEED_SDS)]


def _worlds(design: Design | Coupled) -> tuple[Effects, Effects]:
    """Of capability, which has no attacks, and of harm."""
    some = Effects(seed_sd=design.seed_sd, effect_sd=0.5)
    return some._replace(attacks=(0.0,)), some


@lru_cache(maxsize=32)
def odds(design: Design, label: str) -> tuple[Array, Array, float]:
    """Log-odds at each place of a right and of a harmful answer, and the share of harmful ones at the match. Harm is
    shifted so that this is SFT's, or ``MARGIN`` more."""
    able, harm = _worlds(design)
    shape = SHAPES[design.shape]
    rise, start = _along(getattr(shape, label), able, shape), _along(shape.harm, harm, shape)
    if label == "sft":
        return rise, start, _true(design, rise, start)
    moved = np.array([0.0, *[1.0] * (len(start) - 1)])
    aim = odds(design, "sft")[2] + MARGIN * (label == "other")
    shift = brentq(lambda x: _true(design, rise, start + x * moved) - aim, -3, 3)
    return rise, start + shift * moved, aim


def _at_base(effects: Effects, shape: Shape) -> list[Effects]:
    """The base model has no seed, and nothing was done to its prompts."""
    return [effects._replace(seed_sd=0.0, effect_sd=0.0)] + [effects] * (len(shape.places) - 1)


def _true(design: Design, rise: Array, start: Array) -> float:
    """Harm at the match: that of every seed that gets there, averaged."""
    match, harm, weights = of_seeds(design, rise, start)
    place = curves.reached(match, curves.smooth(match.values), match.values[:, [0]] + TARGET)
    read = curves.along(harm, place)[:, 0]
    return float(np.average(np.nan_to_num(read), weights=weights * ~np.isnan(read)))


def of_seeds(design: Design, rise: Array, start: Array) -> tuple[Curve, Curve, Array]:
    """True capability and harm [D, K] of the seeds on a grid of two normal effects, and their weights [D]."""
    nodes, weights = gauss(15)
    able, harm = (
        np.stack([_of_seed(x, nodes, w, k > 0) for k, x in enumerate(log_odds)], axis=1)
        for log_odds, w in zip((rise, start), _worlds(design), strict=True)
    )  # each [15, K]
    a, h = (x.ravel() for x in np.indices((len(nodes), len(nodes))))
    places = SHAPES[design.shape].places
    at = curves.axis(places)
    return Curve(places, at, able[a]), Curve(places, at, harm[h]), weights[a] * weights[h]


def means(design: Design, label: str) -> Curve:
    """What the objective gains in capability, of all prompts and seeds: values [1, K], the base's 0."""
    shape = SHAPES[design.shape]
    gained = np.array(getattr(shape, label))
    return Curve(shape.places, curves.axis(shape.places), curves.smooth(gained[None] - gained[0]))


def _of_seed(odds: float, nodes: Array, effects: Effects, trained: bool) -> Array:
    """The share of successes over prompts and attacks of a run with each of these seed effects."""
    points, weights = gauss(31)
    spread = np.hypot(effects.prompt_sd, effects.effect_sd * trained) * points
    seed = nodes[:, None, None] * effects.seed_sd * trained
    return weights @ expit(odds + seed + spread[:, None] + np.asarray(effects.attacks)).mean(axis=2).T


def _answers(
    log_odds: dict[str, Array], shape: Shape, effects: Effects, seeds: int, prompts: int, g: np.random.Generator
) -> dict[Checkpoint, Array]:
    """Of all objectives to the same prompts, at the checkpoints that are measured: each [S, I, attacks]."""
    prompt = g.normal(0, effects.prompt_sd, prompts)[:, None] + np.asarray(effects.attacks)
    base = (g.random(prompt.shape) < expit(prompt + next(iter(log_odds.values()))[0])).astype(float)
    found = {AT_BASE: np.broadcast_to(base, (seeds, *base.shape))}
    for label, each in log_odds.items():
        own = prompt + g.normal(0, effects.effect_sd, prompts)[:, None] + g.normal(0, effects.seed_sd, (seeds, 1, 1))
        for budget, x in zip(shape.places, each, strict=True):
            if budget in shape.budgets:
                found[label, budget] = (g.random(own.shape) < expit(own + x)).astype(float)
    return found


def levels(design: Design, log_odds: dict[str, Array], which: int, random: np.random.Generator) -> Levels:
    """Answers of capability (0) or harm (1), as the analysis holds them."""
    effects, prompts = _worlds(design)[which], (design.validation, design.prompts)[which]
    answers = _answers(log_odds, SHAPES[design.shape], effects, design.seeds, prompts, random)
    y = np.stack(list(answers.values()))
    drawn = paths.drawn(y, np.full(y.shape[3], 1 / y.shape[3]), ("able", "harm")[which], DRAWS)
    return Levels({who: k for k, who in enumerate(answers)}, tuple(range(y.shape[1])), drawn, y.shape[2])


def once(design: Design, study: Study, random: np.random.Generator) -> pd.DataFrame:
    """The table at the target of one data set."""
    known = {x: odds(design, x) for x in LABELS}
    match, unsafe = (levels(design, {x: (o[0], o[1])[k] for x, o in known.items()}, k, random) for k in (0, 1))
    prompt = AgainstSft(study, "sft", resampled.seed_weights(design.seeds, DRAWS), min(match.prompts, unsafe.prompts))
    goal = match.of(BASE, 0)[:, [0]] + TARGET
    return prompt.table({x: at(runs_of(x, match.seeds, match, match, unsafe), goal) for x in LABELS}).set_index("label")


def simulate(design: Design, sets: int) -> dict[str, float]:
    """Shares of data sets. ``level``, ``none`` and ``margin``: the interval holds the truth, of levels and of a gap of
    0 and of the margin; ``p``: below 5% where there is no gap; ``verdict``: worse or better there; ``equivalent``:
    where the gap is the margin; ``worse``: there; ``untold``: nothing is told of where there is none. And the mean
    width and value of that gap."""
    random = rng.generator("calibration of matched capability", *(str(x) for x in design))
    true = {x: odds(design, x)[2] for x in LABELS}
    found = []
    for _ in range(sets):
        table = once(design, study(), random)
        same, other = table.loc["same"], table.loc["other"]
        found.append(
            {
                "level": np.mean([table.loc[x, "low"] <= true[x] <= table.loc[x, "high"] for x in LABELS]),
                "none": same["gap_low"] <= 0 <= same["gap_high"],
                "margin": other["gap_low"] <= MARGIN <= other["gap_high"],
                "p": same["p"] < 0.05,
                "verdict": same["verdict"] in ("worse", "better"),
                "equivalent": other["verdict"] == "equivalent",
                "worse": other["verdict"] == "worse",
                "untold": same["untold"] != "",
                "bias": same["gap"],
                "width": same["gap_high"] - same["gap_low"],
            }
        )
    return pd.DataFrame(found).astype(float).mean().to_dict()


@lru_cache(maxsize=1)
def study() -> Study:
    """Of three objectives, whose smallest difference of interest is ``MARGIN``."""
    labels = [{"label": x, "objective": "sft" if x == "sft" else "orpo"} for x in LABELS]
    return Study.model_validate(
        {
            "name": "made up", "models": [{"name": "m", "path": "package:holdfast.miniature/model"}],
            "tasks": [{"name": "t", "task": "miniature_arithmetic"}], "objectives": labels, "budgets": BUDGETS,
            "measures": [{"measure": "task_accuracy"}], "declared": {"interest": {"robustness": MARGIN}},
        }
    )  # fmt: skip


# -- coupling ----------------------------------------------------------------------------------------------------------

SLOPES = {"sft": 0.3, "same": 0.3, "other": 0.0}  # points of ASR per point of capability
MOVES = (0.0, 0.06, 0.1, 0.2)  # points of capability along the ladder, evenly


class Coupled(NamedTuple):
    moves: float
    seeds: int
    prompts: int
    seed_sd: float


def couplings() -> list[Coupled]:
    return [Coupled(*d) for d in product(MOVES, (3, 5), (100, 300), SEED_SDS)]


def coupled(design: Coupled, sets: int) -> dict[str, float]:
    """Shares of data sets. ``told``: the slope of SFT is; ``holds``: its set has the truth, or no end; ``covers``: of
    those that are told, the truth (NaN: of fewer than ``FEW``); ``value``: their median slope; ``zero``: a slope of 0
    is told not to be; ``shown``: one of 0.3 is; ``less``: the interval of no difference from SFT holds it, or has no
    end; ``both``: it has ends. Where capability does not move there is no truth."""
    random = rng.generator("calibration of couplings", *(str(x) for x in design))
    ladder, moved = Shape(BUDGETS, (), (), (), (), ()), np.linspace(0, design.moves, len(BUDGETS) + 1)
    both = {
        "capability": dict.fromkeys(LABELS, 0.5 + moved),
        "robustness": {x: 0.1 + k * moved for x, k in SLOPES.items()},
    }
    worlds = dict(zip(both, _worlds(design), strict=True))
    odds = {
        axis: {x: _along(levels, worlds[axis], ladder) for x, levels in some.items()} for axis, some in both.items()
    }
    rows = []
    for _ in range(sets):
        able, harm = (
            _ladder(axis, _answers(o, ladder, worlds[axis], design.seeds, design.prompts, random))
            for axis, o in odds.items()
        )
        own, same, zero = (slope(able, harm, x, study()) for x in LABELS)
        assert own is not None
        assert same is not None
        assert zero is not None
        (low, high), (least, most), apart = own.ends(0.05), zero.ends(0.05), less(same, own)(0.05)
        told = np.isfinite(high - low)
        rows.append(
            {
                "told": told,
                "holds": not told or low <= 0.3 <= high,
                "covers": float(low <= 0.3 <= high) if told else np.nan,
                "value": own.value if told else np.nan,
                "zero": not least <= 0 <= most,
                "shown": not low <= 0 <= high,
                "less": apart[0] <= 0 <= apart[1],
                "both": np.isfinite(apart[1] - apart[0]),
            }
        )
    table = pd.DataFrame(rows).astype(float)
    few = dict.fromkeys(("covers", "value"), np.nan) if table["told"].sum() < FEW else {}
    return table.mean().to_dict() | {"value": float(table["value"].median())} | few


def _along(levels: Sequence[float] | Array, effects: Effects, shape: Shape) -> Array:
    return np.array([intercept(x, w) for x, w in zip(levels, _at_base(effects, shape), strict=True)])


def _ladder(axis: Axis, answers: dict[Checkpoint, Array]) -> Ladder:
    seeds, _, attacks = answers[AT_BASE].shape
    return Ladder(
        About("m", "t", axis, axis, "asr" if axis == "robustness" else "accuracy", "own"), True, 1.0,
        np.full(attacks, 1 / attacks), LABELS, "sft", tuple(range(seeds)), answers,
    )  # fmt: skip


# -- the document -----------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
COLUMNS = {
    "level": "level: covers", "none": "gap, none in truth: covers", "margin": "gap of 5 points: covers",
    "p": "p < 0.05 where none", "verdict": "worse or better where none", "equivalent": "equivalent at 5 points",
    "worse": "worse at 5 points", "untold": "told nothing", "bias": "gap read where none", "width": "width of the gap",
}  # fmt: skip
OF_COUPLINGS = {
    "told": "told", "holds": "has the truth, or no end", "covers": "has it where told", "value": "median where told",
    "zero": "slope of 0 told not 0", "shown": "slope of 0.3 told not 0", "less": "no difference: held, or no end",
    "both": "difference told",
}  # fmt: skip


def table(found: pd.DataFrame, keys: list[str], columns: dict[str, str]) -> str:
    """Markdown: worst to best over the seed effects, in per cent or points."""
    lines = [f"| {' | '.join([*keys, *columns.values()])} |", "|---" * (len(keys) + len(columns)) + "|"]
    for key, part in found.groupby(keys, sort=False):
        ends = [(100 * part[c].min(), 100 * part[c].max()) for c in columns]
        said = ["–" if np.isnan(a) else f"{a:.1f}{' to ' if a < 0 else '–'}{b:.1f}" for a, b in ends]
        lines.append("| " + " | ".join([*map(str, key), *said]) + " |")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sets", type=int, default=SETS, help="data sets a design")
    parser.add_argument("--quick", action="store_true", help="a tenth of the data sets, and one seed effect")
    parser.add_argument("--out", type=Path, default=None, help="the document; without it, to the screen")
    args = parser.parse_args(arguments)
    sets, clock = max(args.sets // 10, 1) if args.quick else args.sets, time.process_time()
    kept, many = SEED_SDS[1:2] if args.quick else SEED_SDS, -(-sets * COUPLED // SETS)
    found = pd.DataFrame([{**d._asdict(), **simulate(d, sets)} for d in designs() if d.seed_sd in kept])
    slopes = pd.DataFrame([{**d._asdict(), **coupled(d, many)} for d in couplings() if d.seed_sd in kept])
    said = f" --sets {args.sets}" * (args.sets != SETS)
    lead = (
        f"By `python -m tools.calibration.matched{' --quick' * args.quick}{said} --out docs/matched.md`, "
        f"{(time.process_time() - clock) / 60:.0f} minutes of CPU: {sets} data sets a design, so that a figure of 95% "
        f"is uncertain by about ±{196 * np.sqrt(0.05 * 0.95 / sets):.1f} points; {DRAWS} draws. Seed effects of SD "
        f"{', '.join(f'{x:g}' for x in kept)} in log-odds, worst to best over these; five attacks. Nominal: 95% and "
        "5%; verdicts after Bonferroni's correction of two comparisons."
    )
    about = (
        f"Couplings, {many} data sets a design: capability moves evenly over five budgets from 50%, ASR from 10% "
        "by 0.3 per point of capability, or not at all; as many prompts of both. What has no end is not told; of "
        f"fewer than {FEW} that are told no share is given. A slope is in hundredths."
    )
    text = "\n\n".join(
        [
            "\n".join(textwrap.wrap(lead, 120, break_on_hyphens=False)),
            table(found, ["shape", "seeds", "prompts", "validation"], COLUMNS),
            "\n".join(textwrap.wrap(about, 120, break_on_hyphens=False)),
            table(slopes, ["moves", "seeds", "prompts"], OF_COUPLINGS),
        ]
    )
    if not args.out:
        print(text)
        return
    before, _, rest = args.out.read_text().partition(BEGIN)
    args.out.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
