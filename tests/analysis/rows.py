"""Frames in memory, from arrays of scores, for tests that plant exact numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.evals.measures.measure import Summary

Key = tuple[str, int]  # label, seed; the base model is ("base", -1)


def frame_of(
    scores: Mapping[Key, Any], groups: tuple[str, ...] = ("none",), *, budget: int = 100, **same
) -> pd.DataFrame:
    """``scores[label, seed]`` is [items, groups] or [items, groups, samples]; NaN is an unscored record."""
    parts = []
    for (label, seed), values in scores.items():
        y = np.asarray(values, dtype=float)
        y = y.reshape(*y.shape, *([1] * (3 - y.ndim)))
        item, group, sample = (a.ravel() for a in np.indices(y.shape))
        base = label == "base"
        parts.append(
            pd.DataFrame(
                {
                    "model": "m",
                    "task": "" if base else "t",
                    "label": label,
                    "objective": "" if base else label.split("-")[0],
                    "seed": seed,
                    "budget": 0 if base else budget,
                    "bracket": "",
                    "cell": "c",
                    "measure": "robust",
                    "axis": "robustness",
                    "measure_task": "",
                    "item": [f"i{k:04d}" for k in item],
                    "attack": np.array(groups)[group],
                    "format": "default",
                    "sample": sample,
                    "judge": "own",
                    "score": y.ravel(),
                    "verdict": "",
                    "coherent": np.nan,
                }
            ).assign(**same)
        )
    return pd.concat(parts, ignore_index=True)


def config_of(macro: tuple[str, ...] | None = None, **summary) -> dict[str, ConfigInfo]:
    about = Summary(**({"metric": "score", "by": "attack", "macro_over": macro} | summary))
    return {"c": ConfigInfo("c", "robust", "robustness", judges=("own",), summary=about)}


def study(*labels: str, **more):
    from holdfast.config.study import Study

    return Study.model_validate(
        {
            "schema": 1,
            "name": "s",
            "models": [{"name": "m", "path": "p"}],
            "tasks": [{"name": "t", "task": "jsonl"}],
            "objectives": [{"label": x, "objective": x.split("-")[0]} for x in labels or ("sft",)],
            "budgets": [100],
            "measures": [{"measure": "robust"}],
            **more,
        }
    )
