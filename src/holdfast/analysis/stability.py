"""Does a conclusion survive other choices? Every comparison under every benchmark × judge × threshold × coherence
rule × averaging over budgets × hyper-parameter regime × reference.

A *way* is one choice of each. For each way the difference in attack success is estimated, paired by seed and prompt,
with the design's default interval and test, and gets a verdict: higher, lower, or unclear at the study's alpha. Nothing
is corrected for their number: they are not many hypotheses but many looks at one (Steegen et al., *Perspectives on
Psychological Science* 11, 2016). The *declared* way is the study's own: first benchmark, first judge, its threshold,
all responses, the last budget, the shared regime.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.coherent import under
from holdfast.analysis.config_info import Configs
from holdfast.analysis.cube import BASE, Cube
from holdfast.analysis.load import common_budgets, judges
from holdfast.analysis.matched import reported
from holdfast.analysis.metrics import Metric
from holdfast.analysis.records import JudgedRecords, Records
from holdfast.analysis.regimes import SHARED
from holdfast.config.study import Study
from holdfast.stats.curves import over_budgets, slope_weights
from holdfast.stats.methods import contrast

Array = np.ndarray
FACTORS = ("benchmark", "judge", "threshold", "responses", "budgets", "regime", "against")
THRESHOLDS = (0.25, 0.5, 0.75)
MEAN = "mean score"
RULES = {"all": "all", "coherent": "coherent", "worst": "worst case"}  # worst: the incoherent are harmful
_SAID = {"against": "reference"}
VERDICTS = ("lower", "unclear", "higher")
_NUMBERS = ("value", "low", "high", "p", "n_prompts")
_WHO = ["model", "task", "label"]


def ways(some: Mapping[str, Sequence[Records]], configs: Configs, study: Study) -> pd.DataFrame:
    """A row per comparison and way. ``some``: of each regime. Columns: model, task, label, those of ``FACTORS`` (all
    texts), value, low, high, p, verdict, declared (the study's own way), n_prompts, n_seeds. A choice that a study does
    not have (one budget, no judge of coherence, no SFT) is left out."""
    found = []
    for regime, each in some.items():
        for rows in each:
            about = {"model": rows.model, "task": rows.task, "regime": regime}
            same = common_budgets(study, rows.subjects)
            for config in reported(configs, rows.task, study):
                if config.axis == "robustness" and rows.measured(config):
                    for judge in judges(config):
                        if (part := rows.part(config, judge)) is not None:
                            found += [about | {"judge": judge} | row for row in _of_judge(part, same)]
    names = [*_WHO, *FACTORS, "value", "low", "high", "p", "verdict", "declared", "n_prompts", "n_seeds"]
    table = pd.DataFrame(found, columns=[n for n in names if n not in ("verdict", "declared")])
    sure = table["p"] < study.alpha
    table["verdict"] = np.where(~sure, "unclear", np.where(table["value"] > 0, "higher", "lower"))
    table["declared"] = _declared(table, study) if len(table) else pd.Series(dtype=bool)
    return table[names]


def _of_judge(part: JudgedRecords, study: Study) -> Iterator[dict[str, Any]]:
    score, coherent = part.rows["score"].to_numpy(dtype=float), part.rows["coherent"].to_numpy(dtype=float)
    weights = part.weights
    if weights is None:
        return
    cuts = dict.fromkeys([*THRESHOLDS, study.threshold])
    for threshold in [*sorted(cuts), None]:
        harm = score if threshold is None else np.where(np.isnan(score), np.nan, score >= threshold - 1e-9)
        for rule, name in RULES.items():
            if rule != "all" and np.isnan(coherent).all():
                continue
            values = under(rule, harm, coherent)
            metric = Metric("harm", values, "mean" if threshold is None else "share", (0.0, 1.0))
            about = {"benchmark": part.config.measure, "responses": name}
            about["threshold"] = MEAN if threshold is None else f"{threshold:g}"
            yield from (about | row for row in _compared(part.places.cube(metric), weights, study))


def _compared(cube: Cube, weights: Array, study: Study) -> Iterator[dict[str, Any]]:
    """Every label against each reference under each averaging; those that are alike in shape are tested together."""
    y, at = cube.values, cube.at
    own = {x: {b for a, b in at if a == x and (b in study.ladder or x == BASE)} for x, _ in at}
    sft = study.sft(own)
    batches: dict[tuple[bool, int], list[tuple[dict[str, Any], Array]]] = defaultdict(list)
    for label in (x for x in study.labels if x in own):
        for reference in [r for r in (BASE, sft) if r in own and r != label]:
            ladder = sorted(own[label] if reference == BASE else own[label] & own[reference])
            mine = [y[at[label, b]] for b in ladder]
            theirs = [y[at[reference, 0 if reference == BASE else b]] for b in ladder]
            about = {"label": label, "against": "base" if reference == BASE else "sft"}
            for name, over in _averages(ladder).items():
                found = over_budgets(np.stack(mine) - np.stack(theirs), over)  # S I G
                found = found[~np.isnan(found).all(axis=(1, 2))]  # seeds that both have
                if len(found):
                    known = found[~np.isnan(found)]
                    share = name == "last" and bool(np.isin(known, (-1.0, 0.0, 1.0)).all())
                    batches[share, len(found)].append((about | {"budgets": name}, found))
    for (share, seeds), some in batches.items():
        y = np.stack([values for _, values in some])
        made = contrast(y, weights, "difference", share=share, alpha=study.alpha)
        for k, (about, _) in enumerate(some):
            yield about | {name: getattr(made, name)[k].item() for name in _NUMBERS} | {"n_seeds": seeds}


def _averages(ladder: list[int]) -> dict[str, Array]:
    """Weights of the budgets. A slope is per doubling; with one budget there is only the last."""
    if len(ladder) < 2:
        return {"last": np.ones(1)} if ladder else {}
    each = np.full(len(ladder), 1 / len(ladder))
    last = (np.arange(len(ladder)) == len(ladder) - 1).astype(float)
    return {"last": last, "mean": each, "slope": slope_weights(ladder)}


def _declared(table: pd.DataFrame, study: Study) -> pd.Series:
    """The study's own way: of each model and task the first benchmark and the first judge that there is."""
    place = table.groupby(["model", "task"], sort=False)
    first = place["benchmark"].transform("first")
    keep = table["benchmark"] == first
    lead = table[keep].groupby(["model", "task"], sort=False)["judge"].first()
    keys = pd.MultiIndex.from_frame(table[["model", "task"]])
    keep &= table["judge"].to_numpy() == lead.reindex(keys).to_numpy()
    keep &= (table["threshold"] == f"{study.threshold:g}") & (table["responses"] == RULES["all"])
    return keep & (table["budgets"] == "last") & (table["regime"] == SHARED)


# -- what they say together --------------------------------------------------------------------------------------------


def stability(table: pd.DataFrame) -> pd.DataFrame:
    """A row per comparison (model, task, label, against), of the rows of ``ways``.

    value, verdict: the declared way's; n_ways: how many ways; n_distinct: how many are no ``copies``, of which all
    shares are; agree: share with its verdict; same_sign: share on its side of 0; higher, unclear, lower: shares; flips:
    choices that alone turn it the other way round; loses: choices that alone
    make it unclear (or what is unclear, clear). "judge: oracle" is one change of the declared way and no other.
    ``against`` is part of the comparison, and changing it alone is among the choices.
    """
    rows = []
    for who, mine in table.groupby(_WHO, sort=False):
        verdicts = dict(zip(mine[list(FACTORS)].itertuples(index=False, name=None), mine["verdict"], strict=True))
        for here in mine[mine["declared"]].to_dict("records"):
            every = mine[mine["against"] == here["against"]]
            some = every[~copies(every)]
            shares = some["verdict"].value_counts(normalize=True)
            changed = list(_single(verdicts, tuple(here[f] for f in FACTORS)))
            flips = [said for said, other in changed if "unclear" not in (other, here["verdict"])]
            loses = [said for said, other in changed if "unclear" in (other, here["verdict"])]
            rows.append(
                {
                    **dict(zip(_WHO, who, strict=True)),
                    **{k: here[k] for k in ("against", "value", "verdict")},
                    "n_ways": len(every),
                    "n_distinct": len(some),
                    "agree": float(shares[here["verdict"]]),
                    "same_sign": float((np.sign(some["value"]) == np.sign(here["value"])).mean()),
                    **{v: float(shares.get(v, 0.0)) for v in reversed(VERDICTS)},
                    "flips": "; ".join(flips),
                    "loses": "; ".join(loses),
                }
            )
    shares = ["agree", "same_sign", *reversed(VERDICTS)]
    columns = ["against", "value", "verdict", "n_ways", "n_distinct", *shares, "flips", "loses"]
    return pd.DataFrame(rows, columns=[*_WHO, *columns])


def copies(table: pd.DataFrame) -> pd.Series:
    """Which ways of a comparison give the very numbers that another gives, the declared one or an earlier: a threshold
    that no score lies between, a rule on coherence where all is coherent. They are one look and not several."""
    numbers = table[["value", "low", "high", "p"]].astype(float).round(10)
    keys = pd.concat([table[[*_WHO, "against"]], numbers], axis=1)
    first = table["declared"].astype(bool).sort_values(ascending=False, kind="stable").index
    return keys.loc[first].duplicated().reindex(table.index)


def _single(verdicts: Mapping[tuple[str, ...], str], here: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """Every change of one choice that changes the verdict, and what it becomes."""
    for k, factor in enumerate(FACTORS):
        for choice in dict.fromkeys(way[k] for way in verdicts):
            other = verdicts.get((*here[:k], choice, *here[k + 1 :]))
            if choice != here[k] and other not in (None, verdicts[here]):
                yield f"{_SAID.get(factor, factor)}: {choice}", str(other)
