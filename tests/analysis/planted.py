"""Studies with planted truths, as records in memory or on disk, drawn anew each time: log-odds of prompts, seeds,
objectives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rows import config_of, frame_of, study
from scipy.special import expit

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import SUBJECT, load_records
from holdfast.analysis.load import configs as read_configs
from holdfast.store import files, tables
from holdfast.store.folder import StudyFolder

ATTACKS = ("a", "b", "c", "d", "e")
MEASURES = {"accurate": "capability", "robust": "robustness", "persona": "persona", "facts": "normative"}
SHARES = ("capability", "robustness")
Effects = Mapping[str, Sequence[float]]  # of a label: log-odds against the base, at each budget


def configs(*measures: str) -> dict[str, ConfigInfo]:
    found = {}
    for name in measures or MEASURES:
        macro = ATTACKS if MEASURES[name] == "robustness" else None
        about = config_of(macro, metric={"persona": "p_match"}.get(MEASURES[name], "score"))["c"]
        summary = replace(about.summary, threshold=MEASURES[name] == "robustness")
        found[name] = about.but(id=name, measure=name, axis=MEASURES[name], summary=summary)
    return found


def frame(
    effects: Mapping[str, Effects],
    random: np.random.Generator,
    *,
    budgets: Sequence[int],
    seeds: int,
    prompts: int,
    base: float = -1.0,
    seed_sd: float = 0.2,
    prompt_sd: float = 1.0,
    model: str = "m",
) -> pd.DataFrame:
    """``effects``: by measure and label. Answers of shares are drawn; P(match) is a probability with a little noise."""
    parts = []
    for measure, by_label in effects.items():
        groups = ATTACKS if MEASURES[measure] == "robustness" else ("none",)
        prompt = prompt_sd * random.standard_normal((prompts, 1))
        draw = _share if MEASURES[measure] in SHARES else _mean
        same = {"cell": measure, "measure": measure, "axis": MEASURES[measure], "model": model}
        parts.append(frame_of({("base", -1): draw(base + prompt, len(groups), random)}, groups, **same))
        for label, steps in by_label.items():
            seed = seed_sd * random.standard_normal(seeds)
            for budget, step in zip(budgets, steps, strict=True):
                scores = {
                    (label, s): draw(base + prompt + step + (seed[s] if step else 0.0), len(groups), random)
                    for s in range(seeds)
                }
                parts.append(frame_of(scores, groups, budget=budget, **same))
    return pd.concat(parts, ignore_index=True)


def _share(logit: np.ndarray, groups: int, random: np.random.Generator) -> np.ndarray:
    return (random.random((len(logit), groups)) < expit(logit)).astype(float)


def _mean(logit: np.ndarray, groups: int, random: np.random.Generator) -> np.ndarray:
    return expit(logit + 0.1 * random.standard_normal((len(logit), groups)))


def asked(*labels: str, budgets: Sequence[int], seeds: int, **more: Any):
    return study(*labels, budgets=list(budgets), seeds=list(range(seeds)), **more)


def on_disk(
    root: Path, rows: pd.DataFrame, configs: Mapping[str, ConfigInfo]
) -> tuple[pd.DataFrame, dict[str, ConfigInfo]]:
    """The same written under ``root`` as the stages before analysis write it, and read back: frame and eval configs."""
    folder = StudyFolder(root)
    rows = rows.assign(subject="s" + rows.groupby(SUBJECT, sort=False).ngroup().astype(str))
    empty = {"params": "{}", "trajectory": "", "adapter": "", "weights": ""}
    tables.write(folder.subjects, "subjects", rows[["subject", *SUBJECT]].drop_duplicates(), **empty)
    for config, mine in rows.groupby("cell", sort=False):
        _write_config(folder, configs[config], mine)
    return load_records(folder), read_configs(folder)


def _write_config(folder: StudyFolder, about: ConfigInfo, rows: pd.DataFrame) -> None:
    measure, config = about.measure, about.id
    at, key = folder.config(measure, config), ["item", "attack", "format", "sample"]
    files.write_json(at.config_json, {"cell": about.id, **asdict(about)})
    items = pd.DataFrame({"id": rows["item"].unique()}).assign(reference="", fields="{}", forbidden=False)
    items["prompt"] = [[{"role": "user", "content": i}] for i in items["id"]]
    tables.write(at.items, "items", items, measure=measure, cell=config)
    wrote = {"response": "", "plain": "", "n_tokens": 1, "finish": "stop", "measure": measure}
    said = {"label": "", "reason": None, "details": "{}", "judge_id": "", "rubric": "", "words": ""}
    ids = config + rows.groupby(["subject", *key], sort=False).ngroup().astype(str)
    lists = pd.Series([[]] * len(rows), index=rows.index)
    records = rows[["subject", *key]].assign(id=ids, **wrote, continuations=lists, logps=lists)
    for subject, mine in records[~ids.duplicated()].groupby("subject", sort=False):
        tables.write(at.shard(subject, 0), "records", mine)
    spoke = rows[["subject", "judge", "score"]].assign(record=ids, **said)
    for (subject, judge), some in spoke.groupby(["subject", "judge"]):
        tables.write(folder.judgement(measure, config, judge, subject, 0), "judgements", some.drop(columns="subject"))
