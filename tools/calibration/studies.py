"""How often the answer of a whole study is wrong, and what it can still show, by simulation.

    python -m tools.calibration.studies [--quick] [--out docs/findings.md]

A study has SFT and five objectives, compared with the base and with SFT on accuracy, ASR (five attacks), P(match) and a
normative measure, at one budget. Prompts have effects on all, objectives on prompts, seeds on each objective. Its rows
go through ``findings.finished`` and ``recommend`` as any study's do. Three worlds: *nothing* was done by any objective,
so that each verdict of a difference is false; the five are off by the *margin*, so that each equivalence is false; in a
*trade* they have ASR 10 points lower and P(match) 5 points worse, so that each recommendation is false. A fourth, where
one objective has ASR lower by some points and is like SFT in all else, says what power is left.

Beside it *scores*: how often a difference of the margin is called equivalent where one seed's scores are bounded and
skewed, by the number of prompts.
"""

from __future__ import annotations

import argparse
import textwrap
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy.special import expit

from holdfast import rng
from holdfast.analysis.comparisons import About
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.described import better
from holdfast.analysis.findings import Finding, finished
from holdfast.analysis.recommend import recommend
from holdfast.config.study import Study
from holdfast.stats.effects import ATTACKS, Effects, intercept
from holdfast.stats.equivalence import BETTER, DIFFERS, EQUIVALENT, SMALL, WORSE, above, below, tost
from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import linearise
from holdfast.stats.methods import Design, pivots
from holdfast.stats.paired import difference
from holdfast.stats.pivot import Pivot
from tools.calibration.answers import balanced

Array = np.ndarray
OTHERS = ("dpo", "cft", "ip", "orpo", "kl")
SFT = "sft"
# Measure: axis, metric, whether a share, its attacks, SFT's and the base's mean, how many times the prompts, and what
# part of the seed effect. P(match) and normative benchmarks have more items, and move less from seed to seed.
MEASURES = {
    "accuracy": ("capability", "accuracy", True, (0.0,), 0.6, 0.3, 1, 1.0),
    "harm": ("robustness", "asr", True, ATTACKS, 0.15, 0.15, 1, 1.0),
    "persona": ("persona", "p_match", False, (0.0,), 0.3, 0.3, 3, 1 / 3),
    "facts": ("normative", "accuracy", True, (0.0,), 0.5, 0.5, 3, 1 / 3),
}
SETS = 300


class Truth(NamedTuple):
    """By measure, how far ``who`` is from SFT; ``flat``: nobody has learnt anything; ``times``: by how much the last
    objective's seed effect is larger than the others'."""

    shifts: dict[str, float]
    who: tuple[str, ...] = OTHERS
    flat: bool = False
    times: float = 1.0


TRUTHS = {
    "nothing": Truth({}, flat=True),
    "twice": Truth({}, flat=True, times=2.0),
    "thrice": Truth({}, flat=True, times=3.0),
    "margin": Truth({"accuracy": -0.05, "harm": 0.05, "persona": 0.03, "facts": -0.03}),
    "trade": Truth({"harm": -0.10, "persona": 0.05}),
}
_WRONG = ("nothing", "twice", "thrice", "margin")  # of which no recommendation is asked
GAINS = (0.05, 0.10)  # points of ASR by which one objective is better
_POWER = {f"better by {100 * x:.0f}": Truth({"harm": -x}, ("kl",)) for x in GAINS}


class Cell(NamedTuple):
    truth: str
    seeds: int
    seed_sd: float
    prompts: int


def cells() -> list[Cell]:
    """Worlds that can be wrong, under every seed effect; power at a typical one."""
    effects = ((0.15, 313), (0.3, 100), (0.3, 313))
    wrong = [Cell(t, s, sd, p) for t in TRUTHS for s in (3, 5, 10)[: 2 + TRUTHS[t].flat] for sd, p in effects]
    return wrong + [Cell(t, s, sd, 313) for t in _POWER for s, sd in ((3, 0.15), (5, 0.15), (10, 0.15), (5, 0.05))]


@lru_cache(maxsize=1)
def study() -> Study:
    measures = [{"measure": "task_accuracy"}]
    return Study.model_validate(
        {
            "name": "made up", "models": [{"name": "m", "path": "package:holdfast.miniature/model"}],
            "tasks": [{"name": "t", "task": "miniature_arithmetic"}], "budgets": (100_000,), "seeds": (0, 1, 2),
            "objectives": [{"label": x, "objective": x} for x in (SFT, *OTHERS)], "measures": measures,
        }
    )  # fmt: skip


# -- made-up studies ---------------------------------------------------------------------------------------------------


def _scores(name: str, cell: Cell, sets: int, random: np.random.Generator) -> dict[str, Array]:
    """[D, S, I] of the base (under every seed) and of each objective: means over the attacks."""
    _, _, share, attacks, trained, start, times, part = MEASURES[name]
    truth = {**TRUTHS, **_POWER}[cell.truth]
    effects = Effects(seed_sd=cell.seed_sd * part, attacks=attacks, effect_sd=0.0 if truth.flat else 0.3)
    own = start if truth.flat else trained
    shape = (sets, cell.seeds, cell.prompts * times)
    prompt = effects.prompt_sd * random.standard_normal((sets, 1, shape[2]))

    def drawn(mean: float, effects: Effects, size: tuple[int, ...]) -> Array:
        seed = effects.seed_sd * random.standard_normal((*size[:2], 1))
        odds = prompt + seed + effects.effect_sd * random.standard_normal((sets, 1, shape[2]))
        odds = odds + intercept(mean, effects)
        if not share:
            return expit(odds + 0.3 * random.standard_normal(size))
        return np.mean([random.random(size) < expit(odds + a) for a in attacks], axis=0)

    found = {
        "base": np.broadcast_to(drawn(start, effects._replace(seed_sd=0.0, effect_sd=0.0), (sets, 1, shape[2])), shape)
    }
    for label in (SFT, *OTHERS):
        own_world = effects._replace(seed_sd=effects.seed_sd * (truth.times if label == OTHERS[-1] else 1.0))
        found[label] = drawn(own + truth.shifts.get(name, 0.0) * (label in truth.who), own_world, shape)
    return found


def rows(cell: Cell, sets: int, random: np.random.Generator) -> pd.DataFrame:
    """Findings of ``sets`` studies, told apart by the model's name, with their verdicts."""
    found: list[Finding] = []
    for name, (axis, metric, share, attacks, *_) in MEASURES.items():
        y = _scores(name, cell, sets, random)
        margin, way = study().declared.interest.of(axis), better(ConfigInfo("", name, axis), metric)
        for against in ("base", SFT):
            for label in (SFT, *OTHERS):
                if label != against:
                    linear = balanced(y[label] - y[against], len(attacks))
                    made = pivots(linear, Design("difference", share, cell.seeds, cell.prompts))
                    finding = Finding(
                        About("", "t", axis, name, metric, "", way), "last", None, label=label, against=against,
                        budget=100_000, interest=margin, declared=True, pools=True,
                    )  # fmt: skip
                    found += _studies(finding, linear.value, made, cell)
    return finished(found, study())


def _studies(finding: Finding, values: Array, made: tuple[Pivot, ...], cell: Cell) -> Iterator[Finding]:
    """The finding of each of a batch of studies."""
    margin, way = finding.interest, finding.about.better
    within = tost(*made, margin=margin)
    one_sided = {"lower": below, "higher": above}.get(way)
    bound = margin if way == "lower" else -margin
    worse = within if one_sided is None else np.fmax.reduce([one_sided(d, bound) for d in made])
    p = np.fmax.reduce([d.p() for d in made])
    for i, value in enumerate(values):
        each = tuple(_of(d, i) for d in made)
        one = Estimate(value, np.nan, np.nan, float(p[i]), each, cell.prompts, cell.seeds, limit=1.0)
        low, high = one.interval(0.05)
        yield replace(
            finding, about=replace(finding.about, model=str(i)), estimate=replace(one, low=low, high=high),
            within=float(within[i]), worse=float(worse[i]),
        )  # fmt: skip


def _of(d: Pivot, i: int) -> Pivot:
    return Pivot(*(np.asarray(np.asarray(x)[i] if np.ndim(x) else x) for x in d))


# -- what came out -----------------------------------------------------------------------------------------------------


def simulate(cell: Cell, sets: int) -> dict[str, float]:
    """Shares of studies whose answer holds a false difference, a false equivalence, a verdict of better on ASR against
    SFT, and whose recommendation is not SFT."""
    random = rng.generator("calibration of studies", *(str(x) for x in cell))
    table = rows(cell, sets if cell.truth in _WRONG else sets // 2, random)
    truth = {**TRUTHS, **_POWER}[cell.truth]
    apart = table["verdict"].isin([BETTER, WORSE, DIFFERS, SMALL])
    alike = table["verdict"].isin([EQUIVALENT, SMALL])
    off = (table["against"] == SFT) & table["label"].isin(truth.who) & table["measure"].isin(list(truth.shifts))
    shown = (table["verdict"] == BETTER) & (table["measure"] == "harm") & (table["against"] == SFT)
    asked = table.groupby("model") if cell.truth not in _WRONG else ()
    recommended = [bool(recommend(some, study(), {}).chosen) for _, some in asked]
    learnt = ~(table["verdict"] == BETTER) & (table["measure"] == "accuracy") & (table["against"] == "base")

    def any_of(keep: pd.Series) -> float:
        return float(keep.groupby(table["model"]).any().mean())

    return {
        "false difference": any_of(apart) if truth.flat else np.nan,
        "false equivalence": any_of(alike & off) if cell.truth == "margin" else np.nan,
        "false recommendation": float(np.mean(recommended)) if cell.truth == "trade" else np.nan,
        "learnt": 1 - any_of(learnt) if not truth.flat else np.nan,
        "better": any_of(shown) if cell.truth not in _WRONG else np.nan,
        "recommended": float(np.mean(recommended)) if cell.truth in _POWER else np.nan,
    }


def _rare(r: np.random.Generator, shape: tuple[int, ...], mean: float) -> Array:
    return (r.random(shape) < mean).astype(float)


def _nearly(r: np.random.Generator, shape: tuple[int, ...], mean: float) -> Array:
    return _rare(r, shape, mean) + 1e-3 * r.standard_normal(shape)


def _skewed(r: np.random.Generator, shape: tuple[int, ...], mean: float) -> Array:
    return r.beta(0.2, 0.2 * (1 - mean) / mean, shape)


def _inflated(r: np.random.Generator, shape: tuple[int, ...], mean: float) -> Array:
    return np.where(r.random(shape) < 0.3, r.beta(0.5, 0.5 * (0.3 - mean) / mean, shape), 0.0)


KINDS: dict[str, Callable[[np.random.Generator, tuple[int, ...], float], Array]] = {
    "a twentieth of prompts lose all, the rest nothing": _rare,
    "the same, the rest by a thousandth": _nearly,
    "beta (0.2, 3.8)": _skewed,
    "beta (0.5, 2.5) at 30% of prompts, else 0": _inflated,
}
PROMPTS = (3, 10, 34, 60, 100, 313, 1000)


def scores(sets: int) -> pd.DataFrame:
    """How often one seed's difference of 0.05 is called equivalent at that margin; where there is none (the first kind
    at every prompt the same), how often it is."""
    found: list[dict[str, Any]] = []
    for m in PROMPTS:
        random = rng.generator("calibration of bounded scores", m)
        shape = (sets, 1, m, 1)
        for kind, draw in KINDS.items():
            found.append({"kind": kind, "prompts": m, "equivalent": _equal(draw(random, shape, 0.05))})
        found.append({"kind": "none differs in truth", "prompts": m, "equivalent": _equal(np.zeros((1, 1, m, 1)))})
    return pd.DataFrame(found)


def _equal(d: Array) -> float:
    return float(
        (tost(*difference(linearise(d, np.ones(1)), share=False, width=1.0).pivots, margin=0.05) < 0.05).mean()
    )


# -- the document ------------------------------------------------------------------------------------------------------

BEGIN, END = "<!-- studies: begin -->", "<!-- studies: end -->"


def _table(found: pd.DataFrame) -> Iterator[str]:
    names = {"seed_sd": "seed effect"}
    yield f"| {' | '.join(names.get(c, c) for c in found)} |"
    yield "|---" * found.shape[1] + "|"
    for r in found.itertuples(index=False):
        yield "| " + " | ".join(x if isinstance(x, str) else f"{x:g}" for x in r) + " |"


def document(studies: pd.DataFrame, bounded: pd.DataFrame, about: str) -> str:
    """Markdown: shares in per cent."""
    shares = [c for c in studies if c not in Cell._fields]
    said = studies.assign(**{c: [("–" if np.isnan(x) else f"{100 * x:.1f}") for x in studies[c]] for c in shares})
    wide = bounded.pivot_table(index="kind", columns="prompts", values="equivalent", sort=False)
    wide = wide.map(lambda x: f"{100 * x:.1f}").reset_index()
    wide.columns = wide.columns.map(str)
    parts = ["**Whole studies: share of studies, %**", "\n".join(textwrap.wrap(about, 120)), "\n".join(_table(said))]
    parts += ["**One seed, bounded scores, 5 points in truth: called equivalent at that margin, %, by prompts**"]
    return "\n\n".join([*parts, "\n".join(_table(wide))])


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a twentieth of the studies")
    parser.add_argument("--out", type=Path, default=None, help="the document; without it, to the screen")
    args = parser.parse_args(arguments)
    sets, clock = SETS // (20 if args.quick else 1), time.process_time()
    studies = pd.DataFrame([{**c._asdict(), **simulate(c, sets)} for c in cells()])
    bounded = scores(10 * sets)
    about = (
        f"By `python -m tools.calibration.studies{' --quick' * args.quick} --out docs/findings.md`, "
        f"{(time.process_time() - clock) / 60:.0f} minutes of CPU: {sets} studies a row, half as many where somebody "
        f"may be recommended, so that 5% is uncertain by about ±{196 * np.sqrt(0.05 * 0.95 / sets):.1f} and "
        f"±{196 * np.sqrt(0.05 * 0.95 / (sets / 2)):.1f} points. SFT and five objectives, four measures, 44 "
        "comparisons in one family. Seed effects in log-odds of accuracy and ASR, a third of it on P(match) and the "
        "normative measure, which have three times the prompts. *nothing*: no objective did anything; *twice*, "
        "*thrice*: nor here, and one has so many times the others' seed effect; *margin*: five are off by just what "
        "matters on every measure; *trade*: five have ASR 10 points lower and P(match) 5 points worse than "
        "SFT; *better by x*: one has ASR lower by x points, from 15%, and is like SFT in all else. Learnt: all six are "
        "shown to have gained on the base (30 points in truth). Better: somebody is shown better than SFT on ASR."
    )
    text = document(studies, bounded, about)
    if not args.out:
        print(text)
        return
    page = args.out.read_text() if args.out.exists() else "# Findings\n"
    if BEGIN not in page:
        page = f"{page.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, _, rest = page.partition(BEGIN)
    args.out.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
