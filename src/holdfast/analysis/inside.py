"""What was read in hidden states beside the score: how far from the base each layer is, and whether a trait's
projection moves as self-report does."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from holdfast import rng
from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.cube import BASE
from holdfast.analysis.load import judges
from holdfast.analysis.metrics import headline
from holdfast.analysis.paths import DRAWS
from holdfast.config.study import Study
from holdfast.stats.bootstrap import percentile
from holdfast.store import tables
from holdfast.store.folder import StudyFolder, present

Array = np.ndarray
CHANGE = "change "  # and a layer's number: of a reading, what stands there by layer (``models.directions``)
FEWEST = 4  # checkpoints that a correlation is taken over, and runs that an interval of it is taken over
_WHO = ["label", "seed", "budget", "bracket"]
_RUN = ["label", "seed", "bracket"]
_TOLD = ["chosen", "separation", "n_prompts"]
LAYERS = ["model", "task", "label", "budget", "measure", "layer", "value", *_TOLD, "n_seeds"]
AGREED = ["model", "task", "trait", "measure", "probe", "value", "low", "high", "subjects", "runs"]


def read_inside(configs: Configs) -> list[ConfigInfo]:
    """The eval configs in which hidden states were read."""
    return [config for config in configs.values() if headline(config.summary) == "projection"]


def layers(folder: StudyFolder, configs: Configs, frame: pd.DataFrame) -> pd.DataFrame:
    """A row per reading measure, objective, budget and layer: ``value``, the mean over prompts and then over seeds of
    how far the states are from the base's, of their norm. ``chosen``: the layer whose projection is the score;
    ``separation``: d' of the base's held-out conversations there."""
    found = [row for config in read_inside(configs) for row in _changes(folder, config, frame)]
    each = pd.DataFrame(found, columns=["model", "task", *_WHO, "measure", "layer", "value", *_TOLD])
    same = ["model", "task", "label", "budget", "measure", "layer", *_TOLD]
    mean = each.groupby(same, sort=False)["value"].agg(["mean", "size"]).reset_index()
    return mean.rename(columns={"mean": "value", "size": "n_seeds"})[LAYERS]


def _changes(folder: StudyFolder, config: ConfigInfo, frame: pd.DataFrame) -> Iterator[dict[str, object]]:
    mine = frame[(frame["cell"] == config.id) & (frame["bracket"] == "") & (frame["label"] != BASE)]
    kept = set(mine["item"])
    at = folder.config(config.measure, config.id)
    for who in mine[["subject", "model", "task", *_WHO]].drop_duplicates().to_dict("records"):
        shards = present(at.of(str(who.pop("subject"))))
        records = tables.read(shards, "records", ["item", "format", "finish", "continuations", "logps"])
        records = records[(records["format"] == DEFAULT) & (records["finish"] == "read") & records["item"].isin(kept)]
        if records.empty:
            continue
        names = list(records["continuations"].iloc[0])
        means = dict(zip(names, np.stack(records["logps"].to_numpy()).mean(axis=0), strict=True))
        about = {"chosen": round(means["layer"]), "separation": means["separation"], "n_prompts": len(records)}
        for name in (n for n in names if n.startswith(CHANGE)):
            yield {**who, "measure": config.measure, "layer": int(name[len(CHANGE) :]), "value": means[name], **about}


def agreement(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """A row per model, task, trait, measure of P(match) on it and ``probe``, a measure that reads its direction:
    Spearman's correlation of the two drifts from the base model over the trained subjects, control runs that are to
    move among them. Its interval is by a bootstrap over runs, whose checkpoints stay together; NaN where there are
    fewer than ``FEWEST`` runs, and no row where there are fewer subjects."""
    if "f_trait" not in frame:
        return pd.DataFrame(columns=AGREED)
    said = [c for c in configs.values() if headline(c.summary) == "p_match" and c.summary.by == "trait"]
    probes, found = read_inside(configs), []
    frame = frame[(frame["format"] == DEFAULT) & frame["cell"].isin([c.id for c in (*said, *probes)])]
    for (model, task), self_report, probe in product(_settings(frame), said, probes):
        # Control runs are of the model, whatever rows they were trained on.
        of_task = frame["task"].isin(("", task)) | (frame["bracket"] != "")
        rows = frame[(frame["model"] == model) & of_task]
        for trait in rows.loc[rows["cell"] == probe.id, "f_trait"].dropna().unique():
            one, other = _drift(rows, self_report, trait), _drift(rows, probe, trait)
            both = pd.concat([one.rename("said"), other.rename("read")], axis=1, join="inner").dropna()
            if len(both) >= FEWEST:
                name = f"{model} {task} {trait} {self_report.measure} {probe.measure}"
                about = {"model": model, "task": task, "trait": trait, "measure": self_report.measure}
                found.append({**about, "probe": probe.measure, **_correlated(both, study.alpha, name)})
    return pd.DataFrame(found, columns=AGREED)


def _settings(frame: pd.DataFrame) -> list[tuple[str, str]]:
    trained = frame.loc[(frame["label"] != BASE) & (frame["bracket"] == ""), ["model", "task"]].drop_duplicates()
    return list(trained.astype(str).itertuples(index=False, name=None))


def _drift(rows: pd.DataFrame, config: ConfigInfo, trait: str) -> pd.Series:
    """By subject: its mean score on the trait less the base model's. The sides of a direction count alike."""
    mine = rows[(rows["cell"] == config.id) & (rows["judge"] == judges(config)[0]) & (rows["f_trait"] == trait)]
    side = mine["f_side"].astype(str) if config.summary.by == "side" else mine["f_trait"].astype(str)
    who = [mine[c].astype(str) if c in ("label", "bracket") else mine[c] for c in _WHO]
    each = mine["score"].groupby([*who, side], sort=False).mean().unstack()
    means = each.mean(axis=1, skipna=False)
    base = means[means.index.get_level_values("label") == BASE]
    moved = means[(means.index.get_level_values("label") != BASE) & (means.index.get_level_values("bracket") != "noop")]
    return moved - (float(base.iloc[0]) if len(base) else np.nan)


def _correlated(both: pd.DataFrame, alpha: float, name: str) -> dict[str, object]:
    run = both.reset_index()[_RUN].astype(str).agg(" ".join, axis=1)
    numbers, runs = pd.factorize(run)
    x, y = both["said"].to_numpy(), both["read"].to_numpy()
    low = high = np.nan
    if len(runs) >= FEWEST:
        random = rng.generator("inside", name)
        own = [np.flatnonzero(numbers == k) for k in range(len(runs))]
        drawn = (np.concatenate([own[k] for k in random.integers(0, len(runs), len(runs))]) for _ in range(DRAWS))
        low, high = map(float, percentile(np.array([spearman(x[at], y[at]) for at in drawn]), alpha))
    return {"value": spearman(x, y), "low": low, "high": high, "subjects": len(both), "runs": len(runs)}


def spearman(x: Array, y: Array) -> float:
    """Rank correlation, ties at their mean rank (Spearman, *American Journal of Psychology* 15 (1904)); NaN where one
    of the two does not vary."""
    a, b = (rankdata(v) - (len(v) + 1) / 2 for v in (x, y))
    size = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / size if size > 0 else float("nan")
