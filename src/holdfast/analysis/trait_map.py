"""Which of many traits moved, corrected for asking about all of them, and which move alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.cluster.hierarchy import fcluster, leaves_list, linkage
from scipy.spatial.distance import squareform

from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.load import judges
from holdfast.analysis.metrics import headline
from holdfast.config.study import Study
from holdfast.stats.multiple import holm

FEWEST = 6  # traits of a measure that has a map; fewer are read one by one
ALIKE = 0.5  # correlation of the moves of two groups of traits, on average, from which they are one group
CHECKPOINTS = 4  # that a correlation is taken over at least

COLUMNS = ["model", "task", "measure", "label", "budget", "trait", "value", "low", "high", "p", "p_holm", "group"]


def trait_map(estimates: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """A row per model, task, persona measure of many traits, objective and trait: the difference from the base model at
    the last budget, over seeds, with ``p_holm`` over all traits and objectives of that measure together.

    ``group`` numbers traits that move alike, in the order in which they are shown: average linkage on 1 - r, r the
    correlation over the study's single checkpoints, cut at ``ALIKE`` (Sokal and Michener, *University of Kansas Science
    Bulletin* 38 (1958)); 0 for all of them where there are too few checkpoints.
    """
    found = [rows for config in configs.values() if config.axis == "persona" for rows in _of(estimates, config, study)]
    return pd.concat(found, ignore_index=True)[COLUMNS] if found else pd.DataFrame(columns=COLUMNS)


def _of(estimates: pd.DataFrame, config: ConfigInfo, study: Study) -> list[pd.DataFrame]:
    e = estimates[
        (estimates["measure"] == config.measure)
        & (estimates["metric"] == headline(config.summary))
        & (estimates["judge"] == judges(config)[0])
        & (estimates["format"] == DEFAULT)
        & (estimates["against"] == "base")
        & (estimates["bracket"] == "")
        & (estimates["condition"] != "macro")
    ]
    found = []
    for _, rows in e.groupby(["model", "task"], sort=False):
        traits = rows["condition"].unique()
        last = rows[(rows["seed"] == OVER_SEEDS) & (rows["budget"] == rows["budget"].max())]
        if len(traits) >= FEWEST:
            group, order = _alike(rows, list(traits))
            own = last.assign(trait=last["condition"], group=last["condition"].map(group))
            own["p_holm"] = holm(own["p"].to_numpy(float), np.zeros(len(own), dtype=int))
            place = {label: k for k, label in enumerate(study.labels)}
            rank = [own["trait"].map(order), own["label"].map(place)]
            found.append(own.iloc[np.lexsort((rank[1], rank[0]))])
    return found


def _alike(rows: pd.DataFrame, traits: list[str]) -> tuple[dict[str, int], dict[str, int]]:
    """The group of each trait and its place, neighbours first."""
    single = rows[rows["seed"] != OVER_SEEDS]
    single = single if len(single) else rows  # of one seed
    wide = single.pivot_table(index="condition", columns=["label", "seed", "budget"], values="value").reindex(traits)
    moves = wide.dropna(axis="columns").to_numpy()
    if moves.shape[1] < CHECKPOINTS:
        return dict.fromkeys(traits, 0), {t: k for k, t in enumerate(traits)}
    moves = moves - moves.mean(axis=1, keepdims=True)
    length = np.sqrt((moves**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.nan_to_num(moves @ moves.T / np.outer(length, length))  # one that never moves is like no other
    apart = np.clip(1 - r, 0, 2)
    np.fill_diagonal(apart, 0)
    tree = linkage(squareform(apart, checks=False), "average", optimal_ordering=True)
    order = leaves_list(tree)
    cut = fcluster(tree, 1 - ALIKE, "distance")
    number = {c: k for k, c in enumerate(dict.fromkeys(cut[order]))}
    return {traits[i]: number[cut[i]] for i in order}, {traits[i]: k for k, i in enumerate(order)}
