"""Safety at a stated capability, and capability at a stated safety, instead of either at an arbitrary step.

Each run is matched by itself: where its smoothed capability (``curves.smooth``) on the *matching* measure first reaches
the target, its attack success and its reported capability are read off, straight between checkpoints. The match is made
anew in every draw of prompts and seeds, so that its own uncertainty is part of every interval. So is all that attack
success does between the two checkpoints around it (``versus``): harm may be lost at once, capability may jump.

After Vishnubhotla et al. (arXiv 2606.03648), who ask that methods be compared at a stated capability; interpolation,
smoothing and intervals are choices made here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pandas as pd

from holdfast.analysis import paths
from holdfast.analysis.against_sft import AgainstSft, Pairs
from holdfast.analysis.answer_rows import matched_only
from holdfast.analysis.comparisons import STEPS, SURE, Instruments, Matched
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.described import better
from holdfast.analysis.load import judges
from holdfast.analysis.metrics import headline
from holdfast.analysis.paths import BASE, Array, Levels
from holdfast.analysis.records import Records, records
from holdfast.config.study import Study
from holdfast.stats import curves, resampled
from holdfast.stats.curves import Curve, Reads


def matched(some: Sequence[Records], configs: Configs, study: Study, draws: int = paths.DRAWS) -> list[Matched]:
    """Of every model, task and robustness measure that has a capability measured beside it."""
    found = []
    for rows in some:
        tools = instruments(configs, rows.task, study)
        if tools is None or not all(rows.measured(c) for c in (tools.match, tools.capability)):
            continue
        found += [_matched(rows, tools, config, study, draws) for config in tools.harm if rows.measured(config)]
    return found


def reported(configs: Configs, task: str, study: Study) -> list[ConfigInfo]:
    """The configs of a task whose first judge's headline a conclusion is about, in the study's order: of measures of
    harm those of attack success. The measure that is there to be matched on is among them."""
    order = {m.label: k for k, m in enumerate(study.measures)}
    mine = [c for c in configs.values() if c.task in ("", task) and judges(c) and not c.varies]
    mine = [c for c in mine if c.axis != "robustness" or headline(c.summary) == "asr"]
    return sorted(mine, key=lambda c: order.get(c.measure, len(order)))


def instruments(configs: Configs, task: str, study: Study) -> Instruments | None:
    """What capability is matched on, what is reported, and what harm is measured by; None where either is missing. Of
    capability more is better, and of harm less: what says otherwise of itself is neither."""
    mine = reported(configs, task, study)
    able = [c for c in mine if c.axis == "capability" and better(c, headline(c.summary)) == "higher"]
    apart = matched_only([c.measure for c in able], study)
    able.sort(key=lambda c: c.measure in apart)
    harm = tuple(c for c in mine if c.axis == "robustness" and better(c, "asr") == "lower")
    if not able or not harm:
        return None
    wanted = study.matched.measure if study.matched else ""
    match = next((c for c in able if c.measure == wanted), None)
    shown = next((c for c in able if c is not match), able[0])
    return Instruments(match or shown, shown, harm)


# -- one of them -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Runs:
    """The runs of one label, by seed: capability on the matching rows and on the reported ones, and harm."""

    match: tuple[Curve, ...]
    rising: tuple[Array, ...]  # D K, each run's smoothed capability
    reported: tuple[Curve, ...]
    harm: tuple[Curve, ...]


def _matched(rows: Records, tools: Instruments, config: ConfigInfo, study: Study, draws: int) -> Matched:
    def levels(c: ConfigInfo) -> tuple[Levels, tuple[Levels, Levels] | None]:
        part = rows.part(c)
        assert part is not None, "asked of what was measured"
        return paths.levels(part, study.threshold, draws), paths.worst(part, study.threshold, draws)

    (match, able), (harm, harms) = levels(tools.match), levels(config)
    reported = levels(tools.capability)[0] if tools.apart else match
    seeds = tuple(s for s in match.seeds if s in harm.seeds)
    weights = resampled.seed_weights(len(seeds), draws)
    labels = [x for x in study.labels if any(a == x for a, _ in match.who) and any(a == x for a, _ in harm.who)]
    runs = {label: runs_of(label, seeds, match, reported, harm) for label in labels}
    sft = study.sft(runs)
    base = match.base()
    target, void = _target(study, base)
    ceiling = harm.base(0.0) + _safety(study)
    wide = 2 * study.declared.interest.of("capability")  # a rise between checkpoints that the match must speak of
    prompt = AgainstSft(study, sft, weights, min(harm.prompts, match.prompts), harm.width, wide)
    whole, ends = able is None and harms is None, (able or (match, match), harms or (harm, harm))

    def filled(label: str, up: bool, harmful: bool) -> Reads:
        """At the target, with the missing scores of capability at their highest and the base's at their lowest, or the
        other way, and those of harm."""
        r = runs_of(label, seeds, ends[0][up], reported, ends[1][harmful])
        return at(r, _target(study, ends[0][not up].base())[0][:, None])

    def at_worst(label: str) -> tuple[Pairs, Pairs]:
        ways = list(product((False, True), repeat=2))
        lows, highs = ([(filled(label, a, h), filled(sft, b, not h)) for a, b in ways] for h in (False, True))
        return lows, highs

    def gained(label: str, up: bool) -> Reads:
        """Under the ceiling, with the missing scores so that it has most capability there, or least."""
        r = runs_of(label, seeds, ends[0][up], reported, ends[1][not up])
        return under(r, ends[1][up].base(0.0) + _safety(study))

    def gained_at_worst(label: str) -> tuple[Pairs, Pairs]:
        return [(gained(label, False), gained(sft, True))], [(gained(label, True), gained(sft, False))]

    there = np.isfinite(target[0]) and not void  # where the base meets the target nobody had to learn anything
    at_target = prompt.table(
        {label: at(r, target[:, None]) for label, r in runs.items()} if there else {}, worst=None if whole else at_worst
    )
    at_ceiling = replace(prompt, width=match.width, better="higher").table(
        {label: under(r, ceiling) for label, r in runs.items()}, "capability", worst=None if whole else gained_at_worst
    )
    return Matched(
        rows.model, rows.task, tools, config, judges(config)[0], sft, float(target[0]), void, float(ceiling[0]),
        prompt.prompts, at_target.drop(columns="level"), at_ceiling.drop(columns="level"), _gaps(prompt, runs, base),
    )  # fmt: skip


def _safety(study: Study) -> float:
    return study.matched.safety if study.matched else 0.05


def _target(study: Study, base: Array) -> tuple[Array, bool]:
    """[D]: the target, which moves with the base model where it is relative to it; and whether the base meets it."""
    if study.matched is None:
        return np.full(len(base), np.nan), False
    goal = study.matched
    target = base + goal.target if goal.relative == "base" else np.full(len(base), goal.target)
    return target, bool(base[0] >= target[0])


def runs_of(label: str, seeds: tuple[int, ...], match: Levels, reported: Levels, harm: Levels) -> Runs:
    each = [[x.run(label, s) for s in seeds] for x in (match, reported, harm)]
    return Runs(tuple(each[0]), tuple(curves.smooth(r.values) for r in each[0]), tuple(each[1]), tuple(each[2]))


def at(r: Runs, target: Array) -> Reads:
    """Attack success, and the reported capability, at levels of capability [D, M]."""
    places = [curves.reached(m, up, target) for m, up in zip(r.match, r.rising, strict=True)]
    capability = np.stack([curves.along(c, at) for c, at in zip(r.reported, places, strict=True)], axis=1)
    return curves.reads(r.harm, _rising(r), places)._replace(capability=capability)


def _rising(r: Runs) -> list[Curve]:
    return [m._replace(values=up) for m, up in zip(r.match, r.rising, strict=True)]


def under(r: Runs, ceiling: Array) -> Reads:
    """The most capability that each run offers before its attack success first exceeds the ceiling [D]. Capability is
    the smoothed one of the matching rows, so that it does not fall on the way; the checkpoints around it are those at
    which harm was measured."""
    coarse, rising, places = [], _rising(r), []
    for m, h in zip(rising, r.harm, strict=True):
        over = h.values > ceiling[:, None] + 1e-9
        k = np.where(over.any(axis=1), over.argmax(axis=1), len(h.at))
        last, before = np.minimum(k, len(h.at) - 1), np.clip(k - 1, 0, None)
        high, low = (np.take_along_axis(h.values, j[:, None], axis=1)[:, 0] for j in (last, before))
        crossed = (k > 0) & (k < len(h.at))
        share = np.where(crossed, (ceiling - low) / np.where(crossed & (high > low), high - low, 1.0), 1.0)
        # Where harm is at the ceiling at a checkpoint it is exceeded somewhere after it.
        end = h.at[before] + np.clip(share, 1e-7, 1) * (h.at[last] - h.at[before])
        places.append(np.where(k == 0, np.nan, np.minimum(end, m.at[-1]))[:, None])  # the base model is above it
        there = np.minimum(h.at, m.at[-1])
        coarse.append(Curve(h.budgets, h.at, curves.along(m, np.broadcast_to(there, (len(over), len(there))))))
    value = np.stack([curves.along(m, end) for m, end in zip(rising, places, strict=True)], axis=1)
    return curves.reads(coarse, rising, places)._replace(value=value)


def _gaps(prompt: AgainstSft, runs: Mapping[str, Runs], base: Array) -> pd.DataFrame:
    """Attack success less SFT's at every level of capability that all seeds of both reach in nearly every draw."""
    if not runs or np.isnan(base[0]):
        return prompt.table({})
    most = max(float(up[0, -1]) for r in runs.values() for up in r.rising)
    grid = np.linspace(float(base[0]), max(most, float(base[0])), STEPS)
    table = prompt.table({label: at(r, np.broadcast_to(grid, (len(base), STEPS))) for label, r in runs.items()})
    table["level"] = grid[table["level"]]
    table = table[(table["share"] >= SURE) & (table["n_reached"] == table["n_seeds"])].reset_index(drop=True)
    if "gap" not in table:
        return table.assign(gap=np.nan, gap_low=np.nan, gap_high=np.nan)
    both = (table["gap_share"] >= SURE) & (table["n_pairs"] == table["n_seeds"])
    return table.assign(**{k: table[k].where(both) for k in ("gap", "gap_low", "gap_high", "p")})


# -- which checkpoints are measured in full ----------------------------------------------------------------------------


def choose(frame: pd.DataFrame, configs: Configs, study: Study, *, both: bool = False) -> dict[str, float]:
    """Subject: its smoothed capability on the matching rows; of every run the first checkpoint that reaches the target
    and, with ``both``, the one before it, so that harm is known at both ends of what the match lies in.

    Runs that never reach it, and all of them where the base model already does, have none.
    """
    assert study.matched is not None
    chosen: dict[str, float] = {}
    for rows in records(frame):
        own = [c for c in configs.values() if c.measure == study.matched.measure and not c.varies]
        parts = [part for c in own if c.task in ("", rows.task) and (part := rows.part(c)) is not None]
        if not parts:
            continue
        found = paths.levels(parts[0], study.threshold, draws=0)
        if (BASE, 0) not in found.who:
            continue
        target, void = _target(study, found.of(BASE, 0)[:, 0])
        names = rows.subjects.set_index(["label", "seed", "budget"])["subject"]
        for label, seed in {(a, s) for a, s, _ in names.index if a != BASE}:
            one = found.run(label, seed)
            rising = curves.smooth(one.values)[0]
            enough = [k for k, v in enumerate(rising) if v >= target[0] - 1e-9 and one.budgets[k] > 0]
            if enough and not void:
                first = enough[0]
                for k in (first - 1, first) if both else (first,):
                    if one.budgets[k] > 0:
                        chosen[str(names[label, seed, one.budgets[k]])] = float(rising[k])
    return dict(sorted(chosen.items()))
