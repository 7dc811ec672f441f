"""Every label's value with its interval, and its difference from SFT paired by seed, with a verdict: the tables of
matched capability and of equal distance, from joint draws of ``paths``.

A value that is read between two checkpoints is known no closer than by what it is at both (``curves.Reads``). Intervals
are therefore unions over the readings, on the line and at either end, of both sides of a difference; a test holds if
it holds for each (Imbens and Manski, *Econometrica* 72 (2004), on intervals about a number that is only bounded).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from holdfast.config.study import Study
from holdfast.evals.measures.measure import Better
from holdfast.stats import resampled
from holdfast.stats.curves import Array, Reads
from holdfast.stats.equivalence import CANNOT_TELL, ONE_SEED, verdict
from holdfast.stats.estimate import Estimate
from holdfast.stats.pivot import Pivot
from holdfast.types import Axis

Pairs = Sequence[tuple[Reads, Reads]]
Worst = Callable[[str], tuple[Pairs, Pairs]]
EMPTY = ["label", "level", "value", "low", "high", "share", "n_seeds", "n_reached", "budget", "between"]
EMPTY += ["gap", "gap_low", "gap_high"]


@dataclass(frozen=True)
class AgainstSft:
    """``sft``: the label that SFT goes by, "" where there is none; ``weights`` [D, S]: of the seeds; ``width``: of
    the metric's range; ``wide``: the rise between two checkpoints that is spoken of."""

    study: Study
    sft: str
    weights: Array
    prompts: int
    width: float = 1.0
    wide: float = np.inf
    better: Better = "lower"

    def table(
        self,
        found: Mapping[str, Reads],
        axis: Axis = "robustness",
        others: Mapping[str, Reads] | None = None,
        worst: Worst | None = None,
    ) -> pd.DataFrame:
        """``found``: of each label, at M levels; ``others``: what each is compared with, where that is not SFT there.
        ``worst``, where scores are missing: of a label, what it and SFT could be with these, for the lowest and for the
        highest difference that they allow.

        A row per level and label: label, level (0 to M - 1), value, low, high, share (of draws that get there),
        n_seeds, n_reached (runs that do), budget (median over them), between (the checkpoints around it, where that
        must be said), capability with its ends, and against SFT gap, gap_low, gap_high, p, gap_share, n_pairs,
        bound_low, bound_high (by ``worst``), p_adjusted and verdict (Bonferroni, over the labels), untold (why there is
        none), limit (of the gap's size), made (the pivots of its error, for ``equivalence``; no number).
        """
        margin, tests = self.study.declared.interest.of(axis), max(len(found) - 1, 1)
        parts = []
        for label, some in found.items():
            columns, other = self._level(label, some, margin), (others or {}).get(label, found.get(self.sft))
            if self.sft and label != self.sft and other is not None:
                between = zip(columns["between"], self._between(self.sft, other, margin), strict=True)
                columns["between"] = ["; ".join(filter(None, x)) for x in between]
                columns |= self._against(label, some, other, margin, tests, worst)
            parts.append(pd.DataFrame(columns))
        if not parts:
            return pd.DataFrame(columns=EMPTY)
        table = pd.concat(parts, ignore_index=True).sort_values("level", kind="stable", ignore_index=True)
        return table.assign(verdict=table["verdict"].fillna(""), limit=self.width) if "gap" in table else table

    def _level(self, label: str, some: Reads, margin: float) -> dict[str, Any]:
        reached = ~np.isnan(some.value[0])  # S M
        tokens = pd.DataFrame(np.where(reached, np.round((2.0 ** some.place[0] - 1) * 1000), np.nan))
        level = [self._of(x) for x in (some.value, some.before, some.after)]
        columns: dict[str, Any] = {"label": label, "level": np.arange(some.value.shape[2]), "value": level[0].value}
        columns |= {"low": np.min([x.low for x in level], axis=0), "high": np.max([x.high for x in level], axis=0)}
        columns |= {"share": self._share(some.value), "n_seeds": some.value.shape[1]}
        columns |= {"n_reached": reached.sum(axis=0), "budget": tokens.median().to_numpy()}
        columns["between"] = self._between(label, some, margin)
        if some.capability is not None:
            able = self._of(some.capability)
            columns |= {"capability": able.value, "capability_low": able.low, "capability_high": able.high}
        return columns

    def _against(
        self, label: str, some: Reads, other: Reads, margin: float, tests: int, worst: Worst | None
    ) -> dict[str, Any]:
        """The difference, and its verdict among ``tests`` of them: none where missing scores could overturn it."""
        columns, made = self._gap(label, some, other)
        nothing = dict.fromkeys(("bound_low", "bound_high"), np.full(len(columns["gap"]), np.nan))
        columns |= self._bounds(worst(label), columns["n_pairs"]) if worst else nothing
        p, low, high = columns["p"], columns["bound_low"], columns["bound_high"]
        side = np.where(columns["gap"] > 0, low > 0, high < 0)
        survives = np.isnan(low) | side | ((low > -margin) & (high < margin))
        said = verdict(*made, margin=margin, better=self.better, alpha=self.study.alpha, tests=tests, p=p)
        said = np.where((np.array(columns["untold"]) == "") & survives, said, CANNOT_TELL)
        said = np.where(self.study.trains & (columns["n_pairs"] == 1), ONE_SEED, said)
        each = [tuple(Pivot(*(np.asarray(float(x[i])) for x in one[:3])) for one in made) for i in range(len(said))]
        return columns | {"p_adjusted": np.minimum(p * tests, 1.0), "verdict": said, "made": each}

    def _gap(self, label: str, some: Reads, other: Reads) -> tuple[dict[str, Any], list[Pivot]]:
        """The difference by all readings: on the line, and at either end of both; and their pivots."""
        pairs = [(some.value, other.value), *product((some.before, some.after), (other.before, other.after))]
        each = [self._of(a - b, gap=True) for a, b in pairs]
        gap, p = each[0], np.max([np.nan_to_num(x.p, nan=1.0) for x in each], axis=0)
        ways = np.array([np.sign(x.value) for x in each])
        p = np.where((ways == ways[0]).all(axis=0), p, 1.0)
        both = ~np.isnan(some.value[0] - other.value[0])  # S M
        before = [[name for name, x in ((label, some), (self.sft, other)) if (x.untold & both)[:, m].any()]
                  for m in range(both.shape[1])]  # fmt: skip
        untold = [f"before the first checkpoint of {' and '.join(who)}" if who else "" for who in before]
        known = (np.array(untold) == "") & np.all([~np.isnan(x.p) for x in each], axis=0)
        columns: dict[str, Any] = {"gap": gap.value, "gap_low": np.min([x.low for x in each], axis=0)}
        columns |= {"gap_high": np.max([x.high for x in each], axis=0), "p": np.where(known, p, np.nan)}
        columns |= {"gap_share": self._share(some.value - other.value), "n_pairs": both.sum(axis=0), "untold": untold}
        return columns, [one for x in each for one in x.pivots]

    def _bounds(self, worst: tuple[Pairs, Pairs], n_pairs: Array) -> dict[str, Array]:
        """Ends of the interval over all that missing scores could be; all there can be where by some of that other runs
        get there, or one before its first checkpoint."""
        lows, highs = ([self._gap("", *pair)[0] for pair in pairs] for pairs in worst)
        told = [(x["n_pairs"] == n_pairs) & (np.array(x["untold"]) == "") for x in (*lows, *highs)]
        same = np.all(told, axis=0)
        low, high = np.min([x["gap_low"] for x in lows], axis=0), np.max([x["gap_high"] for x in highs], axis=0)
        return {"bound_low": np.where(same, low, -self.width), "bound_high": np.where(same, high, self.width)}

    def _between(self, label: str, some: Reads, margin: float) -> list[str]:
        """What to say of each level where, between the checkpoints around it, what is read moves by more than
        ``margin`` or what it was found by rises by more than is ``wide``; as measured, mean over runs."""
        said = []
        for m in range(some.rise.shape[1]):
            there = ~np.isnan(some.value[0, :, m])
            apart, rise = (
                float(x[there, m].mean()) if there.any() else 0.0
                for x in (np.abs(some.after - some.before)[0], np.nan_to_num(some.rise))
            )
            far = [f"what is read moves by {100 * apart:.0f} points"] if apart > margin else []
            far += [f"capability rises by {100 * rise:.0f} points"] if rise > self.wide else []
            around = [(int(a[m]), int(b[m])) for a, b in zip(*some.ends[:, there], strict=True) if a[m] < b[m]]
            if not far:
                said.append("")
                continue
            low, high = max(around, key=around.count)  # where most runs lie that are between two
            where = f"{label} lies between {low:,} and {high:,} tokens, where {' and '.join(far)}"
            said.append(f"{where}: checkpoints between would narrow the interval")
        return said

    def _share(self, values: Array) -> Array:
        return resampled.share(resampled.over_seeds(values, self.weights))

    def _of(self, values: Array, *, gap: bool = False) -> Estimate:
        over = resampled.over_seeds(values, self.weights)
        if gap:
            fixed = self.study.declared.prompts == "fixed"
            return resampled.difference(over, values[0], self.prompts, self.study.alpha, width=self.width, fixed=fixed)
        return resampled.level(over, values[0], self.prompts, self.study.alpha)
