"""Safety at equal distance moved: is an objective safer than SFT, or did it merely move less?

Distance is KL(policy ‖ base) on fixed held-out prompts, which training leaves with every checkpoint; the base is at 0.
On its way each run is placed where its distance, smoothed so that it never falls, first is the one asked for; harm is
read there, straight between checkpoints, as at a matched capability. The distance itself has no noise of prompts, for
its prompts are fixed. Each objective is compared with SFT at distances of its own, up to the largest that every seed of
both reaches: who hardly moved is compared with SFT where SFT had hardly moved.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from holdfast.analysis import paths
from holdfast.analysis.against_sft import AgainstSft, Pairs
from holdfast.analysis.comparisons import STEPS, AtDistance
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.described import better
from holdfast.analysis.load import judges
from holdfast.analysis.matched import reported
from holdfast.analysis.metrics import headline
from holdfast.analysis.paths import BASE, Array
from holdfast.analysis.records import Records
from holdfast.config.study import Study
from holdfast.stats import curves, resampled
from holdfast.stats.curves import Curve, Reads


def at_distance(some: Sequence[Records], configs: Configs, study: Study, draws: int = paths.DRAWS) -> list[AtDistance]:
    """Of every model and task whose checkpoints have a distance, each measure of robustness and persona whose metric
    has a range: without one, an interval from few runs has no ends."""
    found = []
    for rows in some:
        if "distance" not in rows.subjects or rows.subjects["distance"].fillna(0.0).eq(0).all():
            continue
        for config in reported(configs, rows.task, study):
            if config.axis in ("robustness", "persona") and rows.measured(config):
                one = _compared(rows, config, study, draws)
                found += [one] if one is not None else []
    return found


def _compared(rows: Records, config: ConfigInfo, study: Study, draws: int) -> AtDistance | None:
    part = rows.part(config)
    assert part is not None, "asked of what was measured"
    harm, filled = paths.levels(part, study.threshold, draws), paths.worst(part, study.threshold, draws)
    labels = [x for x in study.labels if any(a == x for a, _ in harm.who)]
    sft = study.sft(labels)
    if not sft or (BASE, 0) not in harm.who or not np.isfinite(harm.width):
        return None
    runs = {x: [(_moved(rows, x, s), harm.run(x, s)) for s in harm.seeds] for x in labels}
    ends = {x: min((end for one in some if (end := _reach(*one)) > 0), default=0.0) for x, some in runs.items()}
    found: dict[str, Reads] = {}
    others: dict[str, Reads] = {}
    far: dict[str, Array] = {}
    for label in (x for x in labels if x != sft and min(ends[x], ends[sft]) > 0):
        far[label] = min(ends[label], ends[sft]) * (np.arange(1, STEPS + 1) / STEPS) ** 2  # most happens near 0
        found[label], others[label] = read(runs[label], far[label]), read(runs[sft], far[label])
        found[label] = found[label]._replace(value=np.where(np.isnan(others[label].value), np.nan, found[label].value))
    if not found:
        return None
    weights = resampled.seed_weights(len(harm.seeds), draws)

    def at_worst(label: str) -> tuple[Pairs, Pairs]:
        assert filled is not None, "asked where scores are missing"
        low_high = filled

        def of(x: str, high: int) -> Reads:
            some = zip(harm.seeds, runs[x], strict=True)
            return read([(moved, low_high[high].run(x, seed)) for seed, (moved, _) in some], far[label])

        lows, highs = ([(of(label, k), of(sft, 1 - k))] for k in (0, 1))
        return lows, highs

    prompt = AgainstSft(study, sft, weights, harm.prompts, harm.width, better=better(config, headline(config.summary)))
    table = prompt.table(found, config.axis, others, worst=at_worst if filled else None)
    table["level"] += 1
    table["distance"] = [far[x][k - 1] for x, k in zip(table["label"], table["level"], strict=True)]
    table["sft"] = table["value"] - table["gap"]
    return AtDistance(rows.model, rows.task, config, judges(config)[0], sft, harm.prompts, table)


def _moved(rows: Records, label: str, seed: int) -> Curve:
    """A run's distance at its checkpoints (values [1, K]), the base first; smoothed, so that it never falls."""
    mine = rows.subjects[(rows.subjects["label"] == label) & (rows.subjects["seed"] == seed)]
    known = mine.dropna(subset=["distance"]).sort_values("budget")
    budgets = (0, *(int(b) for b in known["budget"]))
    return Curve(budgets, curves.axis(budgets), curves.smooth(np.array([[0.0, *known["distance"]]])))


def _reach(moved: Curve, harm: Curve) -> float:
    """How far the run is where harm was last measured; 0 where it never was, or distance never known."""
    last = min(moved.at[-1], harm.at[-1] if len(harm.at) else 0.0)
    return float(curves.along(moved, np.array([[last]]))[0, 0])


def read(runs: Sequence[tuple[Curve, Curve]], far: Array) -> Reads:
    """Harm where each run first is ``far`` [M] from the base."""
    moved, harm = [m for m, _ in runs], [h for _, h in runs]
    places = [
        np.broadcast_to(curves.reached(m, m.values, far[None]), (len(h.values), len(far)))
        for m, h in zip(moved, harm, strict=True)
    ]
    return curves.reads(harm, moved, places)
