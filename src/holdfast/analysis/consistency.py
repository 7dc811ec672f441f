"""How far a study's scores move with trivial choices of procedure: of measuring, and of training.

*Measuring* factors are crossed with one another, with the judges of the measure, and with the study proper's subjects
at the last budget (objective × training seed). *Training* factors are crossed where the study crosses them, and else
taken one at a time: each factor's levels, its objectives and seeds, and prompts. A level of a training factor is one
run, so its part of the variance holds what any other run would have moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis import repeats
from holdfast.analysis.answer_rows import matched_only
from holdfast.analysis.comparisons import Consistency
from holdfast.analysis.contrasts import DEFAULT, OVER_SEEDS
from holdfast.analysis.cube import BASE
from holdfast.analysis.load import configs, judges, load_records
from holdfast.analysis.metrics import metrics
from holdfast.analysis.regimes import SHARED
from holdfast.config.role import Role
from holdfast.config.run import planned
from holdfast.config.study import Study
from holdfast.stats.components import components
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.store.schemas import COLUMNS

OWN = "own"  # the study's own level of a factor
MEASURING = {
    "frame": "prompt format",
    "system": "system prompt",
    "temperature": "temperature",
    "seed": "sampling seed",
    "wording": "attack wording",
}
TRAINING = {
    "order_seed": "data order",
    "init_seed": "initialisation",
    "batch_rows": "batch size",
    "learning_rate": "learning rate",
    "rank": "LoRA rank",
    "rows": "training rows (epochs)",
    "frame": "training template",
    "system": "training system prompt",
    "chosen": "self-generated responses",
    "second_round": "second round",
}
WHO = ("objective", "training seed")
JUDGE, BENCHMARK, SAMPLE = "judge", "benchmark", "sample"
_ABOUT = ["design", "model", "task", "axis", "measure", "metric"]


def consistency(folder: StudyFolder, study: Study) -> Consistency:
    """Of what lies in the folder; empty tables where nothing was varied."""
    rows = answers(folder, study)
    found: dict[str, list[dict[str, Any]]] = {"components": [], "ranges": [], "flips": []}
    for key, part in rows.groupby(["model", "task", "axis", "measure", "metric"], sort=False):
        about = dict(zip(_ABOUT[1:], key, strict=True))
        lead = part[part["judge"] == part["judge"].iloc[0]]
        for design, some in _components(part, lead, study.alpha):
            found["components"] += [{"design": design, **about, **r} for r in some.to_dict("records")]
        for r in _repeats(part, study.alpha):
            flipped = r.pop("flips")
            found["ranges"].append({**about, **r})
            found["flips"].append({k: v for k, v in {**about, **r}.items() if k != "value"} | flipped)
    found["components"] += list(_benchmarks(rows, study.alpha))
    return Consistency(**{k: pd.DataFrame(v) for k, v in found.items()})


# -- the answers, with the level of every factor -----------------------------------------------------------------------


def answers(folder: StudyFolder, study: Study) -> pd.DataFrame:
    """A row a response and judge, as ``repeats`` takes them: the headline metric of each measure, of the study proper's
    subjects at the last budget, of the base models, and of variations. Attacks that are not of the macro mean, and
    objectives' own formats, are left out."""
    about = configs(folder, varied=True)
    frame = load_records(folder, varied=True, numbered=True)
    frame = frame[(frame["format"] == DEFAULT) & frame["bracket"].isin(("", Role.VARIATION))]
    frame = frame[(frame["bracket"] != "") | (frame["budget"] == study.ladder[-1]) | (frame["label"] == BASE)]
    runs = {r.id: r for r in planned(folder)}
    places = tables.read(folder.subjects, "subjects")[["subject", "trajectory"]].to_numpy()
    trained = {s: runs[t] for s, t in places if t in runs}
    unasked = matched_only((c.measure for c in about.values() if c.axis == "capability" and not c.varies), study)
    parts = []
    for (config, judge), rows in frame.groupby(["cell", "judge"], sort=False):
        what = about[config]
        if judge not in judges(what) or (what.of or what.measure) in unasked:
            continue
        over = what.summary.macro_over
        if over and what.summary.by == "attack":
            rows = rows[rows["attack"].isin(over)]
        metric = metrics(rows, what.summary, study.threshold)[0]
        varies = what.varies
        level = {name: varies.get(key, OWN) for key, name in MEASURING.items()}
        verdict = np.where(np.isnan(metric.values), np.nan, metric.values >= 0.5)
        own = {"measure": what.of or what.measure, "metric": metric.name, "value": metric.values}
        greedy = what.sampling.get("temperature", 0) == 0
        parts.append(rows.assign(**own, **level, verdict=verdict, greedy=greedy))
    if not parts:
        return pd.DataFrame(columns=[*_ABOUT[1:], "judge", "bracket", *MEASURING.values(), *TRAINING.values()])
    rows = pd.concat(parts, ignore_index=True)
    for key, name in TRAINING.items():
        rows[name] = rows["subject"].map(lambda s, key=key: trained[s].overrides.get(key, OWN) if s in trained else OWN)
    rows["objective"] = [
        (trained[s].of if s in trained else "") or label
        for s, label in zip(rows["subject"], rows["label"], strict=True)
    ]
    rows["training seed"] = rows["seed"].astype(str)
    rows["task"] = rows["task"].astype(object).where(rows["measure_task"] == "", rows["measure_task"].astype(object))
    order = {j: k for c in about.values() for k, j in enumerate(judges(c))}
    rows = rows.sort_values("judge", key=lambda j: j.map(order), kind="stable")
    rows = _shared_base(rows)
    return _every_seed(rows[~rows["judge"].eq("panel")])


def _shared_base(rows: pd.DataFrame) -> pd.DataFrame:
    """The base model's answers stand under the task of what is compared with it."""
    tasks = [t for t in rows["task"].unique() if t]
    loose = rows["task"] == ""
    if not tasks or not loose.any():
        return rows
    return pd.concat([rows[~loose], *(rows[loose].assign(task=t) for t in tasks)], ignore_index=True)


def _every_seed(rows: pd.DataFrame) -> pd.DataFrame:
    """Greedy answers are the same under every sampling seed: they stand under each."""
    name = MEASURING["seed"]
    others = [
        rows[rows["greedy"] & (rows[name] == OWN) & (rows["measure"] == measure)].assign(**{name: level})
        for measure, part in rows[~rows["greedy"]].groupby("measure")
        for level in sorted(set(part[name]) - {OWN})
    ]
    return pd.concat([rows, *others], ignore_index=True) if others else rows


# -- variance ----------------------------------------------------------------------------------------------------------


def _components(rows: pd.DataFrame, lead: pd.DataFrame, alpha: float) -> Iterator[tuple[str, pd.DataFrame]]:
    """Of one measure: the crossed design of measuring, then the training factors."""
    proper = _trained(rows[rows["bracket"] == ""])
    factors = [f for f in (*WHO, *MEASURING.values(), JUDGE) if proper[f].nunique() > 1]
    if factors:
        yield "measuring", _crossed(proper, factors, alpha)
    varied = [f for f in TRAINING.values() if lead[f].nunique() > 1]
    if not varied:
        return
    plain = lead[(lead[list(MEASURING.values())] == OWN).all(axis=1)]
    y = repeats.array(_anew(plain, varied), varied) if len(varied) > 1 else None
    if y is not None:
        yield "training", repeats.variance(y, varied, alpha=alpha)
    else:
        yield "training", _one_at_a_time(plain, varied, alpha)


def _crossed(rows: pd.DataFrame, factors: Sequence[str], alpha: float) -> pd.DataFrame:
    """By the analysis of variance where most prompts were scored everywhere, else by a mixed model."""
    y = repeats.array(rows, factors)
    if y is not None and 2 * y.shape[-1] >= rows["item"].nunique():
        return repeats.variance(y, factors, alpha=alpha)
    return repeats.with_gaps(rows, factors)


def _trained(rows: pd.DataFrame) -> pd.DataFrame:
    """Without the base, where there is anything beside it."""
    others = rows[rows["objective"] != BASE]
    return others if len(others) else rows


def _anew(rows: pd.DataFrame, factors: Sequence[str]) -> pd.DataFrame:
    """The objectives and seeds that vary in these factors, and in no other training factor.

    A run of the study proper from another seed has that seed's order and that seed's initialisation: where both are
    levels here, it stands for their combination.
    """
    others = [f for f in TRAINING.values() if f not in factors]
    rows = rows[(rows[others] == OWN).all(axis=1)]
    varied = rows[(rows[list(factors)] != OWN).any(axis=1)]
    rows = rows[rows["objective"].isin(varied["objective"])]
    there = rows["training seed"].isin(varied["training seed"])
    pair = [TRAINING["order_seed"], TRAINING["init_seed"]]
    if not set(pair) <= set(factors) or varied["training seed"].nunique() != 1:
        return rows[there]
    other = rows[~there & rows["training seed"].isin(set.intersection(*(set(rows[f]) for f in pair)))]
    seed = other["training seed"]
    as_pair = other.assign(**dict.fromkeys(pair, seed), **{"training seed": varied["training seed"].iloc[0]})
    return pd.concat([rows[there], as_pair], ignore_index=True)


def _one_at_a_time(rows: pd.DataFrame, factors: Sequence[str], alpha: float) -> pd.DataFrame:
    """Each factor's own effect, in a design of its own; beside them the study proper's objectives and seeds. The shares
    are of the sum of what stands here."""
    parts = []
    pair = [TRAINING["order_seed"], TRAINING["init_seed"]]
    crossed = set(pair) <= set(factors) and repeats.array(_anew(rows, pair), pair) is not None
    sets = [pair, *([f] for f in factors if f not in pair)] if crossed else [[f] for f in factors]
    for some in sets:
        mine = _anew(rows, some)
        by = [*some, *(f for f in WHO if mine[f].nunique() > 1)]
        if (y := repeats.array(mine, by)) is not None:
            found = repeats.variance(y, by, alpha=alpha)
            parts.append(found[[set(e.split(" × ")) <= set(some) for e in found["effect"]]])
    proper = _trained(rows[rows["bracket"] == ""])
    by = [f for f in WHO if proper[f].nunique() > 1]
    if (y := repeats.array(proper, by or ["objective"])) is not None:
        parts.append(repeats.variance(y, by or ["objective"], alpha=alpha))
    if not parts:
        return pd.DataFrame()
    table = pd.concat(parts, ignore_index=True)
    squared = table["sd"] ** 2
    empty = dict.fromkeys(("share", "share_low", "share_high", "score_low", "score_high"), np.nan)
    return table.assign(score_share=squared / squared.sum() if squared.sum() > 0 else 0.0, **empty)


def _benchmarks(rows: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    """Scores of one axis and metric by several measures: what is the benchmark's, and what the objective's."""
    plain = rows[(rows["bracket"] == "") & (rows[list(MEASURING.values())] == OWN).all(axis=1)] if len(rows) else rows
    for key, some in plain.groupby(["model", "task", "axis", "metric"], sort=False):
        some = _trained(some)
        if some["measure"].nunique() < 2:
            continue
        common = set.intersection(*(set(g["judge"]) for _, g in some.groupby("measure")))
        lead = next((j for j in some["judge"].unique() if j in common), None)
        if lead is None:
            continue
        some = some[some["judge"] == lead]
        scores = some.groupby(["measure", *WHO, "item"])["value"].mean().groupby(level=[0, 1, 2]).mean().reset_index()
        # Scores have no prompts in common: an objective with its seed takes their place.
        run = scores["objective"] + " " + scores["training seed"]
        y = repeats.array(scores.assign(item=run, **{BENCHMARK: scores["measure"]}), [BENCHMARK])
        if y is None or y.shape[-1] < 2:
            continue
        found = pd.DataFrame(components(y, [BENCHMARK, "objective and seed"], alpha=alpha)._asdict())
        found = found.rename(columns={"share_low": "score_low", "share_high": "score_high"})
        found = found.assign(
            score_share=found["share"], sd=np.sqrt(np.maximum(found["variance"], 0)), n_prompts=0, method=repeats.ANOVA
        )
        about = dict(zip(("model", "task", "axis", "metric"), key, strict=True))
        measure = " × ".join(some["measure"].unique())
        yield from ({"design": "benchmarks", **about, "measure": measure, **r} for r in found.to_dict("records"))


# -- ranges and flips --------------------------------------------------------------------------------------------------


def _repeats(rows: pd.DataFrame, alpha: float) -> Iterator[dict[str, Any]]:
    """Of each objective: its own score, and the spread and flips over every factor and over all of them but a second
    round, which is more training and ought to matter."""
    every = dict.fromkeys(MEASURING.values(), "measuring") | dict.fromkeys(TRAINING.values(), "training")
    lead = rows["judge"].iloc[0]
    for objective, mine in rows.groupby("objective", sort=False):
        own = mine[(mine[list(every)] == OWN).all(axis=1)]
        value = repeats.spread(own[own["judge"] == lead], ["objective"])["low"]
        about = {"objective": objective, "judge": lead, "value": value}
        first = own["training seed"].iloc[0] if len(own) else ""
        for factor, design in every.items():
            alone = _alone(mine[mine["judge"] == lead], factor, list(every))
            if alone[factor].nunique() > 1:
                seeds = alone.loc[alone[factor] != OWN, "training seed"].unique()
                some = alone[alone["training seed"].isin(seeds)]
                there = repeats.spread(some[some[factor] == OWN], ["objective"])["low"]  # of those seeds alone
                yield about | {"value": there, "factor": factor, "design": design} | _both(some, [factor], alpha)
        if own["training seed"].nunique() > 1:
            yield {
                **about,
                "factor": "training seed",
                "design": "training",
                **_both(own[own["judge"] == lead], ["training seed"], alpha),
            }
        if own["judge"].nunique() > 1:
            yield {**about, "factor": JUDGE, "design": "measuring", **_both(own, [JUDGE], alpha)}
        if own["sample"].nunique() > 1:
            some = own[(own["judge"] == lead) & (own["training seed"] == first)]
            more = {"one_sample": repeats.one_sample(some)}
            found = _both(some, [SAMPLE], alpha)
            yield {**about, "factor": SAMPLE, "design": "measuring", **found, "flips": found["flips"] | more}
        once = mine[mine[TRAINING["second_round"]] == OWN]
        by = [f for f in (*every, "training seed", JUDGE) if once[f].nunique() > 1]
        if len(by) > 1:
            yield {**about, "factor": "all", "design": "all", **_both(once, by, alpha)}


def _alone(rows: pd.DataFrame, factor: str, every: Sequence[str]) -> pd.DataFrame:
    """Those that differ in one factor. Greedy answers have no sampling seed: it is looked at where sampling is warm."""
    warm = MEASURING["temperature"] if factor == MEASURING["seed"] else ""
    alone = rows[(rows[[f for f in every if f not in (factor, warm)]] == OWN).all(axis=1)]
    if warm and len(alone := alone[~alone["greedy"]]):
        levels = list(alone[warm].unique())
        alone = alone[alone[warm] == (OWN if OWN in levels else levels[0])]
    return alone


def _both(rows: pd.DataFrame, by: Sequence[str], alpha: float) -> dict[str, Any]:
    within = [f for f in ("training seed",) if f not in by and rows[f].nunique() > 1]
    some = rows if SAMPLE in by else rows[rows["sample"] == 0]
    return {**repeats.spread(rows, by), "flips": repeats.flips(some, by, within, alpha)}


def rows(found: Consistency, budget: int) -> pd.DataFrame:
    """The same as rows of the table of findings (``estimand``: consistency); ``budget``: the last."""
    parts = []
    for r in found.components.to_dict("records"):
        what = {"condition": f"share of {r['effect']} ({r['design']})", "value": r["score_share"]}
        method = f"{r['method']}, of a score over these prompts; generalised intervals (Weerahandi 1993)"
        ends = {"low": r["score_low"], "high": r["score_high"], "unit": "prompt", "method": method}
        parts.append(r | what | ends)
    for r in found.ranges.to_dict("records"):
        what = {"condition": f"range over {r['factor']}", "label": r["objective"], "unit": "run"}
        parts.append(r | what | {"method": f"own score, lowest and highest of {r['runs']} runs"})
    for r in found.flips.to_dict("records"):
        what = {"condition": f"flips over {r['factor']}", "label": r["objective"], "unit": "prompt"}
        method = f"share of prompts whose verdict differs among {r['runs']} runs; bootstrap over prompts"
        parts.append(r | what | {"metric": "flipped", "value": r["flipped"], "method": method})
    fixed = {"estimand": "consistency", "budget": budget, "declared": False, "n_seeds": 0}
    fixed |= {"regime": SHARED, "seed": OVER_SEEDS, "format": DEFAULT, "objective": ""}
    names = [c.name for c in COLUMNS["estimates"][1]]
    rows = pd.DataFrame([{"label": "", "judge": "", "n_prompts": 0} | r | fixed for r in parts])
    return tables.complete("estimates", rows[[c for c in names if c in rows]])
