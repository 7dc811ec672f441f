"""Where people labelled responses of a study: every judge's rate corrected by those labels, as rows of estimates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.load import SUBJECT, human_judges, judges
from holdfast.analysis.metrics import headline
from holdfast.config.study import Study
from holdfast.evals.measures.measure import Summary
from holdfast.stats import correction

_WHO = [c for c in SUBJECT if c != "seed"]
_PPI = "prediction-powered, t clustered by prompt"
_RG = "Rogan–Gladen, Lang–Reiczigel"


def corrected(rows: pd.DataFrame, config: ConfigInfo, study: Study) -> pd.DataFrame:
    """Levels over all seeds of an eval config's headline, if that is a share, as people would have judged it.

    ``rows``: those of the config, under all its judges. Metrics: the headline's with ``_corrected`` (by the subject's
    own labels) and with ``_rogan_gladen`` (by the judge's error rates on all labels of the config). Columns of
    ``estimates``, without those of tests. Empty where people labelled nothing or the headline is no share.
    """
    found: list[dict[str, Any]] = []
    for person in human_judges(config):
        labels = rows[(rows["judge"] == person) & rows["score"].notna()].set_index("record")
        for judge in judges(config):
            mine = rows[(rows["judge"] == judge) & rows["score"].notna()]
            if judge != person and len(labels) and (verdict := _verdicts(mine["score"], config, study)) is not None:
                said = mine["record"].map(labels["score"])
                y = _verdicts(said, config, study)
                weight = mine["record"].map(labels["d_weight"]) if "d_weight" in labels else 1.0
                facts = mine.assign(f=verdict, y=y, w=np.nan_to_num(weight, nan=1.0))
                found += _levels(facts, rows[rows["judge"] == judge], config, judge, person, study.alpha)
    return pd.DataFrame(found)


def _verdicts(scores: pd.Series, config: ConfigInfo, study: Study) -> np.ndarray | None:
    """1 or 0, NaN where there is no score; None where the headline is no share."""
    if not config.summary.threshold and not scores.dropna().isin((0.0, 1.0)).all():
        return None
    least = study.threshold if config.summary.threshold else 0.5
    return (scores >= least).astype(float).where(scores.notna()).to_numpy()


def _levels(
    facts: pd.DataFrame, asked: pd.DataFrame, config: ConfigInfo, judge: str, person: str, alpha: float
) -> list[dict[str, Any]]:
    errors = correction.error_rates(*(facts[c].to_numpy() for c in ("f", "y", "w")))
    facts, name = facts.assign(share=_shares(facts, config.summary)), headline(config.summary)
    total = asked.assign(share=_shares(asked, config.summary))
    total = total[total["share"] > 0].groupby([*_WHO, "format"]).size()
    levels = []
    for who, part in facts[facts["share"] > 0].groupby([*_WHO, "format"], sort=True):
        f, y, w, share = (part[c].to_numpy() for c in ("f", "y", "w", "share"))
        prompts, seeds = (pd.factorize(part[c])[0] for c in ("item", "seed"))
        by_labels = correction.prediction_powered(f, y, prompts, w, share, seeds, alpha)
        rate, n = correction.rate(f, prompts, seeds, share)
        by_errors = correction.rogan_gladen(rate, n, errors, alpha) if errors else correction.NOTHING
        trained = part["label"].iloc[0] != "base"
        about = dict(zip([*_WHO, "format"], who, strict=True)) | {
            "estimand": "level",
            "against": "",
            "seed": -1,
            "measure": config.measure,
            "axis": config.axis,
            "condition": "macro",
            "judge": judge,
            "unit": "seed and prompt" if trained and part["seed"].nunique() > 1 else "prompt",
            "n_prompts": part["item"].nunique(),
            "n_records": int(total.loc[who]),
            "n_unscored": int(total.loc[who]) - len(part),
            "n_seeds": part["seed"].nunique() if trained else 0,
            "cell": config.id,
        }
        for metric, method, one in (("corrected", _PPI, by_labels), ("rogan_gladen", _RG, by_errors)):
            if not np.isnan(one.value):
                note = f"{one.effective_n} labels by {person}"
                if metric == "rogan_gladen":
                    note += ": assumes that the judge errs alike on all subjects and attacks"
                    if one.value < by_labels.low or one.value > by_labels.high:
                        note += ", which this subject's own labels contradict"
                numbers = {"value": one.value, "low": one.low, "high": one.high, "effective_n": float(one.effective_n)}
                levels.append(about | numbers | {"metric": f"{name}_{metric}", "method": method, "note": note})
    return levels


def _shares(rows: pd.DataFrame, summary: Summary) -> np.ndarray:
    """How much each row counts in the macro mean of its subject: groups alike, and rows alike within a group."""
    by, over = summary.by, summary.macro_over
    if not over:
        return np.ones(len(rows))
    group = rows[by if by == "attack" else f"f_{by}"].fillna("").astype(str)
    size = rows.groupby([rows[c] for c in (*_WHO, "format")] + [group])["record"].transform("size")
    return np.where(group.isin(list(over)), 1.0 / size, 0.0)
