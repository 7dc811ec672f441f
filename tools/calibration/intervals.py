"""How often every interval covers and every test errs, by simulation: the table behind ``methods.default_method``.

    python -m tools.calibration.intervals [--quick] [--out docs]

Answers are drawn with the effects of `stats`: of prompts with SD 1.5 in log-odds under five attacks, of seeds with SD 0
to 0.6 that each objective has of its own. Differences are paired by prompt and seed: without effect, and with one of
half a log-odd. ``--out`` is the folder of ``statistics.md`` (a summary between marker comments),
``calibration.md`` (by seed effect) and ``calibration.csv`` (everything).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from holdfast import rng
from holdfast.stats.bootstrap import percentile, resample
from holdfast.stats.curves import over_budgets, slope_weights
from holdfast.stats.effects import Effects, intercept, rate
from holdfast.stats.equivalence import tost
from holdfast.stats.estimate import Estimate
from holdfast.stats.linear import Linear, spread
from holdfast.stats.methods import (
    Design,
    cluster_wilson,
    estimated,
    pivots,
    seed_t,
    two_way_t,
)
from holdfast.stats.multiple import correlation, holm, many_to_one
from holdfast.stats.paired import sign_flip
from tools.calibration.answers import answers, balanced
from tools.calibration.rivals import bonett_price, independent_wilson, mcnemar, nested, newcombe, t_interval

Array = np.ndarray
RATES = (0.02, 0.05, 0.1, 0.25, 0.5)
SEED_SDS = (0.0, 0.15, 0.3, 0.6)
SEEDS = (1, 2, 3, 5, 10)
PROMPTS = (24, 60, 313)
SHIFT = 0.5
SETS, BOOT_SETS, DRAWS = 3000, 1000, 400
CHUNK = 1000


class Cell(NamedTuple):
    rate: float
    seed_sd: float
    seeds: int
    prompts: int


def cells() -> list[Cell]:
    """Every design."""
    return [Cell(r, sd, s, i) for s, i, sd, r in product(SEEDS, PROMPTS, SEED_SDS, RATES)]


def in_families() -> list[Cell]:
    """Those with a family of comparisons or a trend: ASR 10%."""
    return [c for c in cells() if c.rate == 0.1 and c.seeds in (3, 5, 10) and c.prompts in (60, 313)]


def possible(table: pd.DataFrame) -> pd.DataFrame:
    """Without one seed and a seed effect: one seed is about its checkpoint, and no method can speak of others."""
    return table[(table["seeds"] > 1) | (table["seed_sd"] == 0)]


def simulate(cell: Cell, sets: int, boot_sets: int) -> pd.DataFrame:
    """Columns: those of ``Cell``, kind (level, no difference, difference, test), method, covers (of a test: how often
    it errs), width. Bootstraps are done on the first ``boot_sets`` data sets."""
    rows = []
    for at in range(0, sets, CHUNK):
        size, random = min(CHUNK, sets - at), rng.generator("calibration", *(str(x) for x in cell), at)
        for kind, method, covers, width in _chunk(cell, size, max(0, min(size, boot_sets - at)), random):
            rows.append({"kind": kind, "method": method, "covers": covers.mean(), "width": width, "n": len(covers)})
    table = pd.DataFrame(rows)
    weighted = table.assign(covers=table["covers"] * table["n"], width=table["width"] * table["n"])
    sums = weighted.groupby(["kind", "method"], sort=False)[["covers", "width", "n"]].sum()
    means = sums[["covers", "width"]].div(sums["n"], axis=0).reset_index()
    return pd.concat([pd.DataFrame([cell] * len(means), columns=list(Cell._fields)), means], axis=1)


def _chunk(cell: Cell, sets: int, boots: int, random: np.random.Generator) -> Iterator[tuple[str, str, Array, float]]:
    effects = Effects(seed_sd=cell.seed_sd)
    groups = len(effects.attacks)
    start = intercept(cell.rate, effects)
    drawn = answers((start, start, start + SHIFT), effects, sets, cell.seeds, cell.prompts, random, raw=cell.seeds == 1)
    y = drawn.hits / np.float32(groups)
    n = cell.seeds * cell.prompts * groups
    level = balanced(y[0], groups)
    for name, found in _levels(level, n, boots, random):
        yield _covered("level", name, found, cell.rate)
    for k, kind, aim in ((1, "no difference", 0.0), (2, "difference", rate(start + SHIFT, effects) - cell.rate)):
        d = balanced(y[k] - y[0], groups)
        pair = (y[k].mean(axis=(1, 2)), y[0].mean(axis=(1, 2)))
        for name, found in _differences(d, pair, n, boots, random):
            yield _covered(kind, name, found, aim)
            if kind == "no difference":
                p = found.p if np.ndim(found.p) else np.where((found.low > 0) | (found.high < 0), 0.0, 1.0)
                yield "test", name, np.asarray(p) < 0.05, np.nan
        if kind == "no difference" and boots:
            p = sign_flip(d.raw[:boots].mean(axis=1), 999)
            yield "test", "sign flips of prompts", p < 0.05, np.nan
        if kind == "difference":
            design = Design("difference", True, cell.seeds, cell.prompts)
            yield "test", "equivalence (at the margin)", tost(*pivots(d, design), margin=aim) < 0.05, np.nan
    if drawn.raw is not None:
        one, two = drawn.raw[1], drawn.raw[0]
        b, c = (one & ~two), (two & ~one)
        yield "test", "McNemar, one attack", mcnemar(*(x[..., 0].sum(axis=(1, 2)) for x in (b, c))) < 0.05, np.nan
        yield "test", "McNemar, all answers", mcnemar(*(x.sum(axis=(1, 2, 3)) for x in (b, c))) < 0.05, np.nan


def _levels(level: Linear, n: int, boots: int, random: np.random.Generator) -> Iterator[tuple[str, Estimate]]:
    seeds, prompts = level.pseudo.shape[-2:]
    yield "independent Wilson", independent_wilson(level.value, n)
    yield "cluster Wilson", cluster_wilson(level, n)
    yield "two-way t", two_way_t(level, (0.0, 1.0))
    if seeds > 1:
        yield "seed t", seed_t(level, (0.0, 1.0))
    yield from _bootstraps(level, boots, random)
    yield "default", estimated(level, Design("level", True, seeds, prompts), n=n)


def _differences(
    d: Linear, pair: tuple[Array, Array], n: int, boots: int, random: np.random.Generator
) -> Iterator[tuple[str, Estimate]]:
    seeds, prompts = d.pseudo.shape[-2:]
    yield "independent Newcombe", newcombe(*pair, n)
    yield "Bonett–Price", bonett_price(d)
    yield "two-way t", two_way_t(d, (-1.0, 1.0))
    if seeds > 1:
        yield "seed t", seed_t(d, (-1.0, 1.0))
    yield from _bootstraps(d, boots, random)
    yield "default", estimated(d, Design("difference", True, seeds, prompts))


def _bootstraps(found: Linear, boots: int, random: np.random.Generator) -> Iterator[tuple[str, Estimate]]:
    """The draws are shared by all data sets of a chunk: what is random here is the data."""
    if not boots:
        return
    pseudo = found.pseudo[:boots]
    scores = pseudo.astype(np.float32)[..., None]
    crossed = resample(scores, np.ones(1), DRAWS, random)
    yield "crossed bootstrap", Estimate(found.value[:boots], *percentile(crossed))
    df = spread(pseudo, found.present[:boots]).df
    yield "crossed bootstrap t", Estimate(found.value[:boots], *t_interval(found.value[:boots], crossed, df))
    if pseudo.shape[-2] > 1:
        yield "nested bootstrap", Estimate(found.value[:boots], *percentile(nested(pseudo, DRAWS, random)))


def _covered(kind: str, name: str, found: Estimate, aim: float) -> tuple[str, str, Array, float]:
    slack = 1e-7  # of single precision
    return kind, name, (found.low <= aim + slack) & (aim - slack <= found.high), float(np.mean(found.high - found.low))


# -- many comparisons, and trends -------------------------------------------------------------------------------------


def families(cell: Cell, sets: int) -> pd.DataFrame:
    """As ``simulate``, of kind *family*: how often five objectives, none of which differs from the reference, are
    called different at least once; and *trend*: how often one over four budgets is found where there is none."""
    parts = []
    for at in range(0, sets, CHUNK):
        random = rng.generator("calibration of families", *(str(x) for x in cell), at)
        parts.append(_families(cell, min(CHUNK, sets - at), random))
    errs = {key: np.concatenate([part[key] for part in parts]).mean() for key in parts[0]}
    rows = [{**cell._asdict(), "kind": k, "method": m, "covers": x, "width": np.nan} for (k, m), x in errs.items()]
    return pd.DataFrame(rows)


def _families(cell: Cell, sets: int, random: np.random.Generator) -> dict[tuple[str, str], Array]:
    effects = Effects(seed_sd=cell.seed_sd)
    groups = len(effects.attacks)
    y = answers([intercept(cell.rate, effects)] * 6, effects, sets, cell.seeds, cell.prompts, random).hits / groups
    d = y[1:] - y[0]  # 5 D S I
    design = Design("difference", True, cell.seeds, cell.prompts)
    of_default, of_two_way = (
        np.asarray(found.p).T for found in (estimated(balanced(d, groups), design), bonett_price(balanced(d, groups)))
    )
    numbers = np.repeat(np.arange(sets), len(d))
    rho = correlation(np.moveaxis(d, 0, 1))
    slopes = balanced(over_budgets(y[:4], slope_weights((1, 2, 4, 8))), groups)

    def by_holm(p: Array) -> Array:
        return holm(p.ravel(), numbers).reshape(p.shape)

    tested = {
        ("family", "uncorrected"): of_default,
        ("family", "Holm, two-way t alone"): by_holm(of_two_way),
        ("family", "Holm"): by_holm(of_default),
        ("family", "many to one"): np.array(
            [many_to_one(*x, draws=4000)[0] for x in zip(of_default, rho, strict=True)]
        ),
        ("trend", "two-way t"): two_way_t(slopes).p,
        ("trend", "seed t"): seed_t(slopes).p,
        ("trend", "default"): estimated(slopes, design._replace(share=False)).p,
    }
    return {key: np.asarray(p).reshape(sets, -1).min(axis=1) < 0.05 for key, p in tested.items()}


# -- the documents ----------------------------------------------------------------------------------------------------

BY = ["seeds", "prompts"]
BEGIN, END = "<!-- calibration: begin -->", "<!-- calibration: end -->"
KINDS = {
    "level": "Levels: coverage, %",
    "no difference": "Paired differences, none in truth: coverage, %",
    "difference": "Paired differences, half a log-odd in truth: coverage, %",
    "test": "Tests where nothing differs: how often p < 0.05, %",
    "family": "Five objectives like their reference: how often any is called different, %",
    "trend": "Slopes over four budgets where there is none: how often p < 0.05, %",
}


def ranges(table: pd.DataFrame, kind: str, by: list[str]) -> str:
    """Markdown: a row for each group of designs, a column a method: worst and best over the designs of the group."""
    some = table[table["kind"] == kind]
    methods = list(dict.fromkeys(some.sort_values("seeds", ascending=False, kind="stable")["method"]))
    some = some.assign(method=pd.Categorical(some["method"], methods))
    found = some.groupby([*by, "method"], observed=True)["covers"].agg(["min", "max"])
    lines = [
        f"| {' | '.join([*(b.replace('_', ' ') for b in by), *methods])} |",
        "|---" * (len(by) + len(methods)) + "|",
    ]
    for key, part in found.groupby(level=by):
        at = part.droplevel(by)
        lines.append("| " + " | ".join([*map(_plain, key), *(_range(at, m) for m in methods)]) + " |")
    return "\n".join(lines)


def _plain(x: float) -> str:
    return f"{x:g}"


def _range(at: pd.DataFrame, method: str) -> str:
    if method not in at.index:
        return "–"
    low, high = (f"{100 * at.loc[method, c]:.1f}" for c in ("min", "max"))
    return low if low == high else f"{low}–{high}"


def widths(table: pd.DataFrame) -> str:
    """Markdown: mean width of each method's interval, in points, at ASR 10% and a seed effect of 0.3 (one seed: 0)."""
    fair = (table["rate"] == 0.1) & ((table["seed_sd"] == 0.3) | (table["seeds"] == 1))
    some = table[fair & table["kind"].isin(["level", "difference"])]
    methods = list(dict.fromkeys(some.sort_values("seeds", ascending=False, kind="stable")["method"]))
    wide = some.pivot_table(index=["kind", "seeds", "prompts"], columns="method", values="width")[methods] * 100
    lines = [f"| kind | seeds | prompts | {' | '.join(methods)} |", "|---" * (3 + len(methods)) + "|"]
    for (kind, seeds, prompts), row in wide.iterrows():
        said = ["–" if np.isnan(v) else f"{v:.1f}" for v in row]
        lines.append(f"| {kind} | {seeds} | {prompts} | " + " | ".join(said) + " |")
    return "\n".join(lines)


def summary(table: pd.DataFrame, about: str) -> str:
    """Markdown: worst and best over seed effects and rates."""
    fair = possible(table)
    return "\n\n".join([about, *(f"**{KINDS[k]}**\n\n{ranges(fair, k, BY)}" for k in _kinds(table))])


def _kinds(table: pd.DataFrame) -> list[str]:
    return [k for k in KINDS if k in set(table["kind"])]


def write(table: pd.DataFrame, about: str, out: Path) -> None:
    """The three documents. Without markers in ``statistics.md`` the summary goes to its end."""
    page = out / "statistics.md"
    text = page.read_text() if page.exists() else "# Statistics\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    before, rest = text.split(BEGIN)
    page.write_text(f"{before}{BEGIN}\n{summary(table, about)}\n{END}{rest.split(END)[1]}")
    full = [f"## {KINDS[k]}\n\n{ranges(table, k, [*BY, 'seed_sd'])}" for k in _kinds(table)]
    full += [f"## Width of the intervals, points (ASR 10%, seed effect 0.3)\n\n{widths(table)}"]
    (out / "calibration.md").write_text("\n\n".join(["# Calibration", about, *full]) + "\n")
    wide = table.pivot_table(
        index=["kind", *Cell._fields], columns="method", values="covers", sort=False, observed=True
    ).round(4)
    wide.to_csv(out / "calibration.csv")


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the data sets")
    parser.add_argument("--out", type=Path, default=None, help="folder of the documents; without it, to the screen")
    args = parser.parse_args(arguments)
    began, clock = time.perf_counter(), time.process_time()
    few = 50 if args.quick else 1
    parts = []
    for cell in cells():
        parts.append(simulate(cell, SETS // few, BOOT_SETS // few))
        print(f"\r{len(parts)} of {len(cells())} designs", end="", flush=True)
    parts += [families(cell, SETS // few) for cell in in_families()]
    table = pd.concat(parts, ignore_index=True)
    took = f"{(time.perf_counter() - began) / 60:.1f} minutes ({(time.process_time() - clock) / 60:.1f} of CPU)"
    flag = " --quick" if args.quick else ""
    about = (
        f"By `python -m tools.calibration.intervals{flag} --out docs`, {took}: {SETS // few:,} data sets a design, "
        f"{BOOT_SETS // few:,} for bootstraps ({DRAWS} draws) and sign flips, so that a figure is uncertain by about "
        f"±{196 * np.sqrt(0.05 * 0.95 / (SETS // few)):.1f} and ±{196 * np.sqrt(0.05 * 0.95 / (BOOT_SETS // few)):.1f} "
        f"points. ASR {', '.join(f'{r:g}' for r in RATES)}; prompt effects of SD 1.5 and seed effects of SD "
        f"{', '.join(f'{s:g}' for s in SEED_SDS)} in log-odds; five attacks. Worst to best over these (families "
        "and slopes: ASR 0.1). With one seed the seed effect is 0 here, for the interval is about that checkpoint; "
        "`calibration.md` has what it is worth for others. Nominal: 95% and 5%."
    )
    print(f"\r{took}")
    if args.out:
        write(table, about, args.out)
    else:
        print(summary(table, about))


if __name__ == "__main__":
    main()
