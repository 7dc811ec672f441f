"""A study's estimates in the layout of lm-eval's results: one ``results_*.json`` for each subject.

    DIR/<model>__<task>__<objective>__<budget>__seed<n>/results_<date>.json

A measure is a task, its attacks or traits are subtasks of it, and the judge stands where lm-eval has the filter: the
measure's own rule is ``none``. lm-eval's standard errors come from items as if they were independent; ours do not, so
``_stderr`` is ``N/A`` and the intervals, with their method, are under ``holdfast``.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast import __version__
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.described import config, info
from holdfast.analysis.load import configs
from holdfast.interop.finished import estimates
from holdfast.store.defuse import file_name
from holdfast.store.files import write_json
from holdfast.store.folder import StudyFolder

SUBJECT = ["model", "task", "label", "budget"]


def write(root: Path, to: Path) -> list[Path]:
    """One file for each subject of the study proper; returns them. Raises ``UserError`` where nothing is estimated."""
    folder = StudyFolder(root)
    found = estimates(folder)
    when = folder.estimates_parquet.stat().st_mtime
    about = configs(folder)
    written = []
    for name, rows in _subjects(found):
        results = _results(name, rows, about, when)
        # The name that lm-eval would have given the file; the same estimates have the same.
        day = datetime.fromtimestamp(when, UTC).strftime("%Y-%m-%dT%H-%M-%S.%f")
        path = to / file_name(results["model_name_sanitized"]) / f"results_{day}.json"
        write_json(path, results, seal=False)
        written.append(path)
    return written


def _subjects(found: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Levels of each base model and checkpoint. Over the seeds there is no one model, unless there is one seed."""
    levels = found[(found["against"] == "") & (found["bracket"] == "")]
    levels = levels[(levels["format"] == DEFAULT) & levels["value"].notna()]
    trained = levels["label"] != "base"
    for model, rows in levels[~trained].groupby("model"):
        yield str(model), rows
    for key, rows in levels[trained].groupby(SUBJECT):
        seeds = sorted(set(rows["seed"]) - {OVER_SEEDS}) or [OVER_SEEDS]
        for seed in seeds:
            model, task, label, budget = key
            name = f"{model}/{task}/{label}/{budget}" + (f"/seed{seed}" if seed != OVER_SEEDS else "")
            yield name, rows[rows["seed"] == seed]


def _results(name: str, rows: pd.DataFrame, about: Configs, when: float) -> dict[str, Any]:
    results: dict[str, dict[str, Any]] = {}
    intervals: dict[str, dict[str, Any]] = {}
    samples: dict[str, dict[str, int]] = {}
    subtasks: dict[str, list[str]] = {}
    of: dict[str, ConfigInfo] = {}  # each task's
    for row in rows.to_dict("records"):
        measure, condition = str(row["measure"]), str(row["condition"])
        whole = condition == "macro"
        task = measure if whole else f"{measure}_{condition}"
        of[task] = config(about, measure, row["axis"])
        subtasks.setdefault(measure, [])
        if not whole and task not in subtasks[measure]:
            subtasks[measure].append(task)
        judge = "none" if row["judge"] == "own" else str(row["judge"])
        entry = results.setdefault(task, {"alias": task if whole else f" - {condition}"})
        entry |= {f"{row['metric']},{judge}": row["value"], f"{row['metric']}_stderr,{judge}": "N/A"}
        counts = {"original": int(row["n_prompts"]), "effective": int(row["n_records"] - row["n_unscored"])}
        samples.setdefault(task, counts)
        intervals.setdefault(task, {})[f"{row['metric']},{judge}"] = {
            key: _plain(row[key]) for key in ("low", "high", "method", "unit", "n_seeds", "n_unscored", "note")
        }
    return {
        "results": results,
        "groups": {measure: results[measure] for measure, parts in subtasks.items() if parts and measure in results},
        "group_subtasks": subtasks,
        "configs": {task: _config(task, of[task]) for task in results},
        "versions": {task: of[task].identity.get("version", "N/A") for task in results},
        "n-shot": {task: int(of[task].identity.get("params", {}).get("shots", 0)) for task in results},
        "higher_is_better": {task: _better(entry, of[task]) for task, entry in results.items()},
        "n-samples": samples,
        "config": {"model": "holdfast", "model_args": {"pretrained": name}, "limit": None, "bootstrap_iters": 0},
        "git_hash": None,
        "date": when,
        "lm_eval_version": None,
        "model_source": "holdfast",
        "model_name": name,
        "model_name_sanitized": re.sub(r"[\"<>:/|\\?*\[\]]+", "__", name),
        "task_hashes": {task: of[task].id for task in results},
        "holdfast": {"version": __version__, "intervals": intervals},
    }


def _config(task: str, config: ConfigInfo) -> dict[str, Any]:
    identity = config.identity
    return {
        "task": task,
        "tag": config.axis,
        "metric_list": [{"metric": config.summary.metric}],
        "generation_kwargs": config.sampling,
        "metadata": {"version": identity.get("version", "N/A"), "params": identity.get("params", {})},
    }


def _better(entry: Mapping[str, Any], config: ConfigInfo) -> dict[str, bool]:
    """Of the metrics that have a good direction."""
    ways = {metric: info(config, metric).better for metric in (key.partition(",")[0] for key in entry)}
    return {metric: way == "higher" for metric, way in ways.items() if way}


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
