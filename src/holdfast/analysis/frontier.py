"""The frontier: capability against attack success, and which points no other point beats."""

from __future__ import annotations

import numpy as np
import pandas as pd

from holdfast.analysis.estimates import Cells
from holdfast.analysis.headlines import headlines

_WHO = ["model", "task", "label", "objective", "seed", "budget"]


def frontier(estimates: pd.DataFrame, cells: Cells) -> pd.DataFrame:
    """A point per model, task, label and budget (the base model at each task), over seeds.

    Columns: model, task, label, objective, seed, budget, n_seeds, capability, capability_low, capability_high, asr,
    asr_low, asr_high, capability_measure, asr_measure, pareto. With several measures on an axis, every pair of them.

    ``pareto``: no other point of that model and task is at least as good on both and better on one. It goes by the
    point values alone: where intervals overlap, membership is as uncertain as they are.
    """
    lead = headlines(estimates, cells)
    levels = lead[(lead["estimate"] == "level") & (lead["bracket"] == "")]
    # One task's points are compared with one another, so the base model, which has no task, is a point of each.
    tasks = levels.loc[levels["label"] != "base", ["model", "task"]].drop_duplicates()
    base = levels[(levels["label"] == "base") & (levels["task"] == "")].drop(columns="task").merge(tasks, on="model")
    levels = pd.concat([levels[~((levels["label"] == "base") & (levels["task"] == ""))], base], ignore_index=True)
    capability = _axis(levels, "capability", "capability").merge(
        levels[[*_WHO, "measure", "n_seeds"]].rename(columns={"measure": "capability_measure"}).drop_duplicates(),
        on=[*_WHO, "capability_measure"],
    )
    points = capability.merge(_axis(levels, "robustness", "asr"), on=_WHO)
    points["pareto"] = False
    for _, some in points.groupby(["model", "task", "capability_measure", "asr_measure"]):
        points.loc[some.index, "pareto"] = pareto(some["capability"].to_numpy(), some["asr"].to_numpy())
    first = [*_WHO, "n_seeds", "capability", "capability_low", "capability_high", "asr", "asr_low", "asr_high"]
    return points[[*first, "capability_measure", "asr_measure", "pareto"]]


def pareto(capability: np.ndarray, asr: np.ndarray) -> np.ndarray:
    """Which points no other dominates: more capability is better, less attack success is. NaN never belongs."""
    c, a = capability[:, None], asr[:, None]
    as_good = (capability >= c) & (asr <= a)
    better = as_good & ((capability > c) | (asr < a))
    return ~better.any(axis=1) & ~np.isnan(capability) & ~np.isnan(asr)


def _axis(levels: pd.DataFrame, axis: str, name: str) -> pd.DataFrame:
    new = {"value": name, "low": f"{name}_low", "high": f"{name}_high", "measure": f"{name}_measure"}
    return levels.loc[levels["axis"] == axis, [*_WHO, *new]].rename(columns=new)
