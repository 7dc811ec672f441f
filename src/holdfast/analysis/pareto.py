"""Which objectives belong to the front of capability and safety, and which beats which: with probabilities.

The points of a front are estimates, so that membership is uncertain. In each joint draw of prompts and seeds
(``paths``) the front is found anew; the share of draws in which a point belongs is its probability. It speaks of other
prompts and seeds such as these, and is no posterior.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from holdfast.analysis import paths
from holdfast.analysis.comparisons import Front
from holdfast.analysis.config_info import Configs
from holdfast.analysis.load import common_budgets, judges
from holdfast.analysis.matched import instruments
from holdfast.analysis.paths import BASE, Array
from holdfast.analysis.records import Records
from holdfast.config.study import Study
from holdfast.stats.resampled import dominates, on_front, over_seeds, seed_weights


def fronts(some: Sequence[Records], configs: Configs, study: Study, draws: int = paths.DRAWS) -> list[Front]:
    """Of every model, task and robustness measure with a capability beside it: the one that is reported."""
    found = []
    for rows in some:
        tools = instruments(configs, rows.task, study)
        able = rows.part(tools.capability) if tools else None
        if tools is None or able is None or not rows.measured(tools.capability):
            continue
        same = common_budgets(study, rows.subjects)
        if study.stops and not same.budgets:
            continue
        capability = paths.levels(able, study.threshold, draws)
        for config in tools.harm:
            if (part := rows.part(config)) and rows.measured(config):
                harm = paths.levels(part, study.threshold, draws)
                found.append(_front(rows, config.measure, judges(config)[0], capability, harm, same, draws))
    return found


def _front(
    rows: Records, measure: str, judge: str, capability: paths.Levels, harm: paths.Levels, study: Study, draws: int
) -> Front:
    seeds = [s for s in capability.seeds if s in harm.seeds]
    weights = seed_weights(len(seeds), draws)
    order = {label: k for k, label in enumerate((BASE, *study.labels))}
    who = [w for w in capability.who if w in harm.who and w[0] in order and (w[1] in study.ladder or w[0] == BASE)]
    who.sort(key=lambda w: (order[w[0]], w[1]))

    def joint(found: paths.Levels) -> Array:
        mine = [found.seeds.index(s) for s in seeds]
        return np.stack([over_seeds(found.of(*w)[:, mine], weights) for w in who], axis=1)

    c, h = joint(capability), joint(harm)
    points = pd.DataFrame(who, columns=["label", "budget"]).assign(capability=c[0], harm=h[0])
    points["on_front"] = on_front(c[:1], h[:1])[0]
    anywhere = on_front(c[1:], h[1:])
    for _, mine in points.groupby("label").indices.items():
        points.loc[mine, "anywhere"] = anywhere[:, mine].any(axis=1).mean()
    base, table = points["label"] == BASE, []
    budgets = sorted(set(points.loc[~base, "budget"]))
    for budget in budgets:
        some = points.index[base | (points["budget"] == budget)]
        own = ~base[some].to_numpy() | (budget == budgets[-1])  # the base model's is that at the last budget
        beats = dominates(c[1:, some], h[1:, some])
        points.loc[some[own], "probability"] = on_front(c[1:, some], h[1:, some]).mean(axis=0)[own]
        points.loc[some[own], "best"] = (beats.sum(axis=2) == len(some) - 1).mean(axis=0)[own]
        if budget == budgets[-1]:
            names, won = points.loc[some, "label"].to_list(), beats.mean(axis=0)
            pairs = [(i, j) for i in range(len(some)) for j in range(len(some)) if i != j]
            table = [(names[i], names[j], float(won[i, j])) for i, j in pairs]
    dominance = pd.DataFrame(table, columns=["label", "over", "probability"])
    return Front(rows.model, rows.task, measure, judge, len(seeds), points, dominance)
