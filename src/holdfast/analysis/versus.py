"""Every label's value with its interval, and its difference from SFT paired by seed, with a verdict: the tables of
matched capability and of equal distance, from joint draws of ``paths``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from holdfast.analysis import paths
from holdfast.analysis.equivalence import verdict
from holdfast.analysis.paired import Difference, holm
from holdfast.analysis.paths import Array, Found
from holdfast.spec import Study

Axis = Literal["robustness", "persona", "capability"]
EMPTY = ["label", "level", "value", "low", "high", "share", "n_seeds", "n_reached", "budget"]
EMPTY += ["gap", "gap_low", "gap_high"]


@dataclass(frozen=True)
class Versus:
    """``sft``: the label that SFT goes by, "" where there is none; ``weights`` [D, S]: of the seeds; ``share``: whether
    values are shares of right or harmful answers."""

    study: Study
    sft: str
    weights: Array
    prompts: int
    share: bool = True

    def table(self, found: Mapping[str, Mapping[str, Array]], axis: Axis = "robustness") -> pd.DataFrame:
        """``found``: by label ``value`` and ``place`` on the axis of tokens, each [D, S, M] at M levels; where there
        are, ``capability``, and ``sft``, what to compare with where it is not SFT's own value at that level.

        A row per level and label: label, level (0 to M - 1), value, low, high, share (of draws that get there),
        n_seeds, n_reached (runs that do), budget (median over them), capability with its ends, and against SFT gap,
        gap_low, gap_high, p, gap_share, n_pairs, p_holm (over the labels), verdict.
        """
        parts = [self._of_label(label, some, found) for label, some in found.items()]
        if not parts:
            return pd.DataFrame(columns=EMPTY)
        table = pd.concat(parts, ignore_index=True).sort_values("level", kind="stable", ignore_index=True)
        if "gap" in table:
            p = holm(table["p"], table["level"].astype(str))
            made = [
                Difference(*(table[k].to_numpy() for k in ("gap_low", "gap_high", "gap", f"_{v}", f"_{v}_df")))
                for v in ("draws", "seeds")
            ]
            margin = self.study.declared.interest.of(axis)
            better: Literal["lower", "higher"] = "higher" if axis == "capability" else "lower"
            said = verdict(*made, margin=margin, better=better, alpha=self.study.alpha, p=p.to_numpy())
            table = table[[c for c in table if not c.startswith("_")]]
            table = table.assign(p_holm=p, verdict=np.where(table["label"] == self.sft, "", said))
        return table

    def _of_label(self, label: str, some: Mapping[str, Array], all: Mapping[str, Mapping[str, Array]]) -> pd.DataFrame:
        value, place = some["value"], some["place"]
        reached = ~np.isnan(value[0])  # S M
        tokens = pd.DataFrame(np.where(reached, np.round((2.0 ** place[0] - 1) * 1000), np.nan))
        level = self._of(value)
        columns = {"label": label, "level": np.arange(value.shape[2]), "value": level.value}
        columns |= {"low": level.low, "high": level.high, "share": level.share, "n_seeds": value.shape[1]}
        columns |= {"n_reached": reached.sum(axis=0), "budget": tokens.median().to_numpy()}
        if "capability" in some:
            able = self._of(some["capability"])
            columns |= {"capability": able.value, "capability_low": able.low, "capability_high": able.high}
        if self.sft and label != self.sft:
            other = some["sft"] if "sft" in some else all[self.sft]["value"]
            gap = self._of(value - other, gap=True)
            columns |= {"gap": gap.value, "gap_low": gap.low, "gap_high": gap.high, "p": gap.p}
            columns |= {"gap_share": gap.share, "n_pairs": (~np.isnan(value[0] - other[0])).sum(axis=0)}
            columns |= {"_draws": gap.variance, "_draws_df": gap.df, "_seeds": gap.by_seed, "_seeds_df": gap.by_seed_df}
        return pd.DataFrame(columns)

    def _of(self, values: Array, *, gap: bool = False) -> Found:
        over = paths.over_seeds(values, self.weights)
        if gap:
            fixed = self.study.declared.prompts == "fixed"
            return paths.difference(over, values[0], self.prompts, self.study.alpha, share=self.share, fixed=fixed)
        return paths.level(over, values[0], self.prompts, self.study.alpha)


def censored(r: Mapping[str, float]) -> str:
    """What must be said of a row where runs, or draws of them, never got there."""
    said = []
    if r["n_reached"] < r["n_seeds"]:
        said.append(f"{r['n_seeds'] - r['n_reached']} of {r['n_seeds']} runs never get there, and are left out")
    if (pairs := r.get("n_pairs", r["n_reached"])) < r["n_reached"]:
        said.append(
            f"SFT gets there with {pairs:.0f} of these {r['n_reached']} seeds: the difference is of those alone"
        )
    if 0 < r["share"] < 0.9 and r["n_reached"]:
        said.append(f"{100 * (1 - r['share']):.0f}% of draws never get there: the interval is of the others")
    return "; ".join(said)
