"""Every number of a study with its interval, test and counts, in long form."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS, Teams, alike, teams
from holdfast.analysis.cube import Places, places_of
from holdfast.analysis.human_labels import corrected
from holdfast.analysis.load import COHERENCE, human_judges, judges
from holdfast.analysis.metrics import Metric, coherence, headline, metrics
from holdfast.analysis.regimes import SHARED
from holdfast.config.study import Study
from holdfast.stats.estimate import Estimate
from holdfast.stats.methods import contrast
from holdfast.stats.multiple import holm
from holdfast.stats.paired import sign_flip
from holdfast.store.schemas import COLUMNS
from holdfast.store.tables import complete

Array = np.ndarray
_UNUSED = [
    "record",
    "subject",
    "distance",
    "measure",
    "axis",
    "measure_task",
    "forbidden",
    "sample",
    "answer",
    "reason",
]
_IDENTITY = ["model", "task", "label", "objective", "budget", "bracket", "format"]


def estimates(frame: pd.DataFrame, configs: Configs, study: Study) -> pd.DataFrame:
    """Levels and differences of the table of estimates; its columns are documented in ``store.schemas``.

    ``frame`` as from ``load``, ``configs`` as from ``load.configs``. For each subject, measure, metric, condition,
    format and judge a level, the paired difference from the base model and that from SFT, over the seeds (seed -1;
    n_seeds says how many) and, where there are several, for each. ``n_records`` and ``n_unscored`` of a difference
    count both sides. Where scores are missing, ``bound_low`` and ``bound_high`` are the ends of the interval with each
    of them at the worst for that end (Horowitz and Manski, *JASA* 95 (2000)), and of a difference ``p_missing`` tests
    whether they are missing as often on both sides. The base model's rows carry the task of a measure that belongs to
    one, else "". Where people labelled some responses, levels corrected by their labels stand beside the judges' own
    (``people``).

    Holm's correction holds within a *family*: one kind of comparison, measure, metric, condition, format and judge, for
    one model and task, over all objectives and budgets. Families of a measure's headline (its first metric, macro,
    first judge, default format, over seeds) are named so; all others are exploratory, or of the control runs.
    """
    parts = [
        _of_judge(rows, configs[str(config)], str(judge), study)
        for (config, judge), rows in frame.drop(columns=_UNUSED, errors="ignore").groupby(["cell", "judge"], sort=True)
        if judge in ("", *judges(configs[str(config)]))
    ]
    labelled = [id for id, config in sorted(configs.items()) if human_judges(config)]
    by_people = (corrected(frame[frame["cell"] == id], configs[id], study) for id in labelled)
    parts += [part for part in by_people if len(part)]
    if not parts:
        return complete("estimates", pd.DataFrame())
    table = pd.concat(parts, ignore_index=True)
    table["p_missing"] = _missing(table)
    table["family"] = _families(table, configs)
    table["p_adjusted"] = holm(table["p"].to_numpy(float), pd.factorize(table["family"])[0])
    names = [c.name for c in COLUMNS["estimates"][1] if c.name in table]
    return complete("estimates", _ordered(table, study)[names], regime=SHARED)


def _of_judge(rows: pd.DataFrame, config: ConfigInfo, judge: str, study: Study) -> pd.DataFrame:
    rows = rows.reset_index(drop=True)
    places = places_of(rows, config.summary)
    some = alike(teams(places.answerers, study))
    parts: list[dict[str, Any]] = []
    for metric, by in _metrics(rows, config, judge, study):
        filled = [metric.filled(high) for high in (False, True)] if np.isnan(metric.values).any() else []
        y, counts = [places.values(m) for m in (metric, *filled)], places.counts(metric)
        for condition, weights in places.conditions.items():
            used = weights > 0
            scored = [x[..., used] for x in y], weights[used], [x[..., used].sum(axis=-1) for x in counts]
            about = {"metric": metric.name, "condition": condition, "judge": by}
            parts += [about | _rows(one, places, used, metric, *scored, study.alpha) for one in some]
    table = _stacked(parts)
    who = places.answerers[_IDENTITY].iloc[table.pop("answerer").to_numpy()].reset_index(drop=True)
    table = pd.concat([who, table], axis=1).assign(measure=config.measure, axis=config.axis, cell=config.id)
    own = config.task or ""
    # Of a measure that belongs to a task: the base model is asked it for that task's sake, other subjects for transfer.
    table["task"] = table["task"].where(table["label"] != "base", own)
    elsewhere = (table["task"] != own) & (own != "")
    table["measure"] = table["measure"].where(~elsewhere, f"{config.measure} on {own}")
    return table[table["n_records"] > 0]


def _metrics(rows: pd.DataFrame, config: ConfigInfo, judge: str, study: Study) -> Iterator[tuple[Metric, str]]:
    for metric in metrics(rows, config.summary, study.threshold):
        if metric.name != "no_answer" or config.generates:
            yield metric, judge
    if judge == judges(config)[0]:  # once an eval config, not once a judge
        for metric in coherence(rows):
            yield metric, COHERENCE


def _stacked(parts: list[dict[str, Any]]) -> pd.DataFrame:
    """Parts of equal keys under one another; a single value stands for all rows of its part."""
    lengths = [len(p["answerer"]) for p in parts]
    columns = {}
    for key in parts[0]:
        values = [p[key] for p in parts]
        columns[key] = np.concatenate(
            [np.full(n, v) if np.ndim(v) == 0 else np.asarray(v) for v, n in zip(values, lengths, strict=True)]
        )
    return pd.DataFrame(columns)


def _rows(
    some: Teams,
    places: Places,
    used: Array,
    metric: Metric,
    y: list[Array],
    weights: Array,
    counts: list[Array],
    alpha: float,
) -> dict[str, Any]:
    """One row a team. ``y`` [A, I, G]: scores in the groups ``used`` and, where any is missing, those with every
    missing one at its lowest and at its highest; ``counts`` [A]: records and those without a score.

    Ends of the interval with missing scores at their worst are of a difference those with one side's at their lowest
    and the other's at their highest.
    """
    n, seeds = some.members.shape
    of = partial(
        contrast, weights=weights, kind=some.kind, share=metric.kind == "share", bounds=metric.bounds, alpha=alpha,
        answers=places.samples,
    )  # fmt: skip
    made = of(some.values(y[0], y[0], np.arange(n)))
    found, method, p = made.linear, made.method, made.p
    assert found is not None
    if some.kind == "difference":
        test = "t test" if seeds > 1 else "sign-flip test"
        p = p if seeds > 1 else sign_flip(found.raw[:, 0, found.present.any(axis=0)])
        method, p = f"{method}; {test}", np.where(np.isnan(made.value), np.nan, p)
    about, gone = (x[np.concatenate([some.members, some.others], axis=1)].sum(axis=1) for x in counts)
    bounds, lost = np.full((2, n), np.nan), np.flatnonzero(gone)
    if len(lost):
        _, low, high = y
        bounds[0, lost] = of(some.values(low, high, lost)).low
        bounds[1, lost] = of(some.values(high, low, lost)).high
    same = (np.abs(found.raw) < 1e-12).all(axis=(-1, -2)) & (some.kind == "difference")
    trained = (places.answerers["label"] != "base").to_numpy()[some.members[:, 0]]
    numbers = {k: getattr(made, k) for k in ("value", "low", "high", "effective_n", "n_prompts")}
    sides = {k: [getattr(t, k) for t in some.teams] for k in ("against", "seed")}
    return (
        numbers
        | sides
        | {
            "answerer": some.members[:, 0],
            "estimand": some.kind,
            "p": p,
            "method": method,
            "bound_low": bounds[0],
            "bound_high": bounds[1],
            "n_records": about,
            "n_unscored": gone,
            "n_seeds": np.where(trained, seeds, 0),
            "unit": "seed and prompt" if seeds > 1 else "prompt",
            "note": _notes(some, places, y[0], np.array(places.groups)[used], made, same),
        }
    )


def _missing(table: pd.DataFrame) -> pd.Series:
    """Of every difference, p of the same difference in the share of responses without a score: paired by prompt and
    seed. NaN where none is missing."""
    key = [*_IDENTITY, "against", "seed", "cell", "measure", "condition", "judge"]
    tested = table.loc[table["metric"] == "unscored", [*key, "p"]].rename(columns={"p": "p_missing"})
    p = table[key].merge(tested, on=key, how="left", validate="m:1")["p_missing"]
    return p.where(table["n_unscored"].gt(0) & table["against"].ne(""))


def _notes(some: Teams, places: Places, y: Array, groups: Array, made: Estimate, same: Array) -> list[str]:
    formats = places.answerers["format"].to_numpy()
    silent = np.isnan(y).all(axis=1)  # A G
    assert made.linear is not None
    notes, there = [], made.linear.groups.sum(axis=-1)
    for k, team in enumerate(some.teams):
        said = []
        if np.isnan(made.value[k]):
            said.append("nothing scored")
        elif there[k] < len(groups):
            gone = silent[list(team.members + team.others)].any(axis=0)
            said.append("without " + ", ".join(groups[gone]) + ": nothing scored")
        if made.n_prompts[k] == 1:
            said.append("one prompt: says nothing of others")
        if same[k] and not np.isnan(made.value[k]):
            said.append("the same at every prompt")
        if team.others and formats[team.members[0]] != formats[team.others[0]]:
            said.append(f"against the other's {formats[team.others[0]]} format")
        notes.append("; ".join(said))
    return notes


def _families(table: pd.DataFrame, configs: Configs) -> pd.Series:
    """The declared family of every comparison, in words; "" for levels."""
    first = {i: (headline(c.summary), next(iter(judges(c)), "")) for i, c in configs.items()}
    leads = table["cell"].map({i: f"{metric}\0{judge}" for i, (metric, judge) in first.items()})
    is_first = (table["metric"] + "\0" + table["judge"]) == leads
    is_first &= table["measure"] == table["cell"].map({i: c.measure for i, c in configs.items()})
    over = table["seed"] == OVER_SEEDS
    is_headline = is_first & (table["condition"] == "macro") & (table["format"] == DEFAULT) & over
    control = table["bracket"] != ""
    kind = pd.Series(
        np.where(control, "control runs", np.where(is_headline, "headline", "exploratory")), index=table.index
    )
    over_what = pd.Series(np.where(control, "all control runs", "all objectives × budgets"), index=table.index)
    seeds = pd.Series(np.where(over, "", ", seed " + table["seed"].astype(str)), index=table.index)
    columns = ("measure", "metric", "condition", "format", "judge", "model", "task")
    measure, metric, condition, format, judge, model, task = (table[c].astype(str) for c in columns)
    what = kind + ": " + "vs_" + table["against"] + ", " + measure + " " + metric + " (" + condition + "), "
    text = what + format + " format, judge " + judge + ", " + model + ", " + task + seeds + ": " + over_what
    return text.where(table["against"] != "", "")


def _ordered(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """In the study's order of objectives and measures, whatever order the shards were read in."""
    labels = {label: k for k, label in enumerate(["base", *study.labels])}
    measures = {m.label: k for k, m in enumerate(study.measures)}
    rank = {
        "_label": table["label"].map(labels).fillna(len(labels)),
        "_measure": table["measure"].map(measures).fillna(len(measures)),
        "_kind": table["against"].map({"": 0, "base": 1, "sft": 2}),
    }
    by = ["model", "task", "_measure", "measure", "judge", "metric", "condition", "format", "_kind"]
    order = [*by, "bracket", "_label", "label", "budget", "seed"]
    return table.assign(**rank).sort_values(order, kind="stable", ignore_index=True)
