"""Every number of a study with its interval, test and counts, in long form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo, Configs
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS, Team, teams
from holdfast.analysis.cube import Places, places_of
from holdfast.analysis.human_labels import corrected
from holdfast.analysis.load import COHERENCE, judges
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
        for (config, judge), rows in frame.groupby(["cell", "judge"], sort=True)
        if judge in ("", *judges(configs[str(config)]))
    ]
    by_people = (corrected(rows, configs[str(config)], study) for config, rows in frame.groupby("cell", sort=True))
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
    jobs: dict[tuple[bool, int], list[Team]] = defaultdict(list)
    for team in teams(places.answerers, study):
        jobs[bool(team.others), len(team.members)].append(team)
    parts: list[dict[str, Any]] = []
    for metric, by in _metrics(rows, config, judge, study):
        y, (about, gone) = places.values(metric), places.counts(metric)
        worst = [places.values(metric.filled(high)) for high in (False, True)] if gone.any() else []
        for condition, weights in places.conditions.items():
            columns = weights > 0
            for some in jobs.values():
                part = _rows(places, y[..., columns], weights[columns], some, metric, study.alpha)
                sides = np.array([t.members + t.others for t in some])
                counts = {
                    "n_records": about[..., columns].sum(axis=-1)[sides].sum(axis=1),
                    "n_unscored": gone[..., columns].sum(axis=-1)[sides].sum(axis=1),
                }
                lost = np.flatnonzero(counts["n_unscored"])
                ends = [y_worst[..., columns] for y_worst in worst] if len(lost) else []
                part |= _bounds(places, ends, weights[columns], some, lost, metric, study.alpha)
                note = _notes(places, y[..., columns], np.array(places.groups)[columns], some, part)
                fixed = {"metric": metric.name, "condition": condition, "judge": by}
                parts.append(fixed | part | counts | {"note": note})
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


def _rows(places: Places, y: Array, weights: Array, some: list[Team], metric: Metric, alpha: float) -> dict[str, Any]:
    """One row a team. The teams here are alike in size and in whether they are compared: batch × S × I × G."""
    members, paired = np.array([t.members for t in some]), bool(some[0].others)
    values = y[members] - y[np.array([t.others for t in some])] if paired else y[members]
    made = _made(values, weights, places, metric, alpha, paired=paired)
    found = made.linear
    assert found is not None
    method, p = _tested(made) if paired else (made.method, made.p)
    trained = (places.answerers["label"] != "base").to_numpy()[members[:, 0]]
    return {
        "answerer": members[:, 0],
        "estimand": "difference" if paired else "level",
        "against": [t.against for t in some],
        "seed": [t.seed for t in some],
        "value": made.value,
        "low": made.low,
        "high": made.high,
        "p": p,
        "effective_n": made.effective_n,
        "method": method,
        "n_prompts": made.n_prompts,
        "n_seeds": np.where(trained, members.shape[1], 0),
        "unit": "seed and prompt" if members.shape[1] > 1 else "prompt",
        "groups": found.groups.sum(axis=-1),
        "same": (np.abs(found.raw) < 1e-12).all(axis=(-1, -2)) & paired,
    }


def _bounds(
    places: Places, worst: list[Array], weights: Array, some: list[Team], lost: Array, metric: Metric, alpha: float
) -> dict[str, Array]:
    """Ends of the interval of ``_rows`` where all that is missing was at its lowest, and at its highest; of a
    difference, one side at its lowest and the other at its highest.

    ``worst``: answers filled in so, twice A × I × G; ``lost``: places in ``some`` of the teams with missing scores.
    """
    found = {"bound_low": np.full(len(some), np.nan), "bound_high": np.full(len(some), np.nan)}
    if len(lost):
        members = np.array([some[k].members for k in lost])
        others = np.array([some[k].others for k in lost]) if some[0].others else None
        for end, mine, its, name in (("low", 0, 1, "bound_low"), ("high", 1, 0, "bound_high")):
            values = worst[mine][members] - (0.0 if others is None else worst[its][others])
            made = _made(values, weights, places, metric, alpha, paired=others is not None)
            found[name][lost] = getattr(made, end)
    return found


def _missing(table: pd.DataFrame) -> pd.Series:
    """Of every difference, p of the same difference in the share of responses without a score: paired by prompt and
    seed. NaN where none is missing."""
    key = [*_IDENTITY, "against", "seed", "cell", "measure", "condition", "judge"]
    tested = table.loc[table["metric"] == "unscored", [*key, "p"]].rename(columns={"p": "p_missing"})
    p = table[key].merge(tested, on=key, how="left", validate="m:1")["p_missing"]
    return p.where(table["n_unscored"].gt(0) & table["against"].ne(""))


def _made(values: Array, weights: Array, places: Places, metric: Metric, alpha: float, *, paired: bool) -> Estimate:
    kind: Literal["level", "difference"] = "difference" if paired else "level"
    return contrast(
        values, weights, kind, share=metric.kind == "share", bounds=metric.bounds, alpha=alpha, answers=places.samples
    )


def _tested(made: Estimate) -> tuple[str, Array]:
    """A difference's test and p: of a single seed by sign flips."""
    found, p, test = made.linear, made.p, "t test"
    assert found is not None
    if made.n_seeds < 2:
        p, test = sign_flip(found.raw[:, 0, found.present.any(axis=0)]), "sign-flip test"
    return f"{made.method}; {test}", np.where(np.isnan(made.value), np.nan, p)


def _notes(places: Places, y: Array, groups: Array, some: list[Team], part: dict[str, Any]) -> list[str]:
    formats = places.answerers["format"].to_numpy()
    silent = np.isnan(y).all(axis=1)  # A G
    notes = []
    facts = zip(some, part["value"], part["groups"], part["n_prompts"], part["same"], strict=True)
    for team, value, there, prompts, same in facts:
        said = []
        if np.isnan(value):
            said.append("nothing scored")
        elif there < len(groups):
            gone = silent[list(team.members + team.others)].any(axis=0)
            said.append("without " + ", ".join(groups[gone]) + ": nothing scored")
        if prompts == 1:
            said.append("one prompt: says nothing of others")
        if same and not np.isnan(value):
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
