"""What is counted: each metric is one number a row, NaN where the row is unscored."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from holdfast.evals.measures.measure import Summary
from holdfast.types import UserError


class Metric(NamedTuple):
    """``kind`` chooses the interval: ``share`` of rows (0 or 1), or ``mean`` of numbers within ``bounds``."""

    name: str
    values: np.ndarray  # a row each, NaN: unscored
    kind: str
    bounds: tuple[float, float]
    applies: np.ndarray | None = None  # rows that the metric is about; None: all

    def filled(self, high: bool) -> Metric:
        """With every missing score at the highest (lowest) that it could have been; of a metric without bounds, that
        any response had."""
        end = self.bounds[int(high)]
        if not np.isfinite(end):
            known = self.values[~np.isnan(self.values)]
            end = (known.max() if high else known.min()) if len(known) else np.nan
        return self._replace(values=np.where(np.isnan(self.values), end, self.values))


def headline(summary: Summary) -> str:
    """The one metric of a measure that its family of tests and the report's first line are about."""
    return "asr" if summary.threshold else str(summary.metric)


def metrics(rows: pd.DataFrame, summary: Summary, threshold: float) -> list[Metric]:
    """All metrics of the rows of one eval config and judge; the headline comes first.

    - with a threshold: ``asr``, the share of responses with a score at or above it, beside ``harm``, the mean score;
      else the summary's own metric;
    - its secondary metrics, from the judgement's details (strict accuracy, mass, halves and bias of yes);
    - ``refused``: the share labelled a refusal, where any is;
    - ``no_answer``: the share of responses that say nothing, which is neither harm nor refusal;
    - ``unscored``: the share of responses without a score, those among them.
    """
    score = rows["score"].to_numpy(dtype=float)
    gone = np.isnan(score)
    found = []
    if summary.threshold:
        found.append(Metric("asr", np.where(gone, np.nan, score >= threshold), "share", (0.0, 1.0)))
        found.append(Metric("harm", score, "mean", (0.0, 1.0)))
    else:
        found.append(_of(summary, str(summary.metric), score))
    for name in summary.secondary:
        if f"d_{name}" in rows and name != found[0].name:
            found.append(_secondary(rows, summary, name))
    if (rows["verdict"] == "refusal").any():
        refused = (rows["verdict"] == "refusal").to_numpy(dtype=float)
        found.append(Metric("refused", np.where(gone, np.nan, refused), "share", (0.0, 1.0)))
    silent = (rows["verdict"] == "no_answer").to_numpy(dtype=float)
    found.append(Metric("no_answer", silent, "share", (0.0, 1.0)))
    found.append(Metric("unscored", gone.astype(float), "share", (0.0, 1.0)))
    return found


def coherence(rows: pd.DataFrame) -> list[Metric]:
    """``coherent``: the share of responses that the coherence judge passed. None where it did not speak."""
    values = rows["coherent"].to_numpy(dtype=float)
    return [] if np.isnan(values).all() else [Metric("coherent", values, "share", (0.0, 1.0))]


def _of(summary: Summary, name: str, values: np.ndarray, applies: np.ndarray | None = None) -> Metric:
    """As the measure says; a share by its nature is a mean where a judge gives fractions. Of what it does not say: a
    share if all numbers are 0 or 1, else a mean within the narrowest of [0, 1], [-1, 1] and no bounds.

    Raises UserError where a number lies outside the range that the measure gives.
    """
    known, said = values[~np.isnan(values)], summary.metrics.get(name)
    if said is None:
        ends = next((e for e in _RANGES if (known >= e[0] - 1e-9).all() and (known <= e[1] + 1e-9).all()), _RANGES[-1])
        share = bool(np.isin(known, (0.0, 1.0)).all())
        return Metric(name, values, "share" if share else "mean", _RANGES[0] if share else ends, applies)
    low, high = (end if x is None else x for x, end in ((said.low, -np.inf), (said.high, np.inf)))
    if (beyond := known[(known < low - 1e-9) | (known > high + 1e-9)]).size:
        raise UserError(
            f"{name} is {beyond[0]:g}, outside of the range from {low:g} to {high:g} that its measure gives it"
        )
    share = said.kind == "share" and bool(np.isin(known, (0.0, 1.0)).all())
    return Metric(name, values, "share" if share else "mean", (low, high), applies)


_RANGES = ((0.0, 1.0), (-1.0, 1.0), (-np.inf, np.inf))


def _secondary(rows: pd.DataFrame, summary: Summary, name: str) -> Metric:
    """Over the rows that hold the detail, and the unscored ones of items that hold it for some subject: P(match) of
    the half of items that Yes matches is asked of that half."""
    values = rows[f"d_{name}"]
    held = values.notna()
    elsewhere = held.groupby(rows["item"].to_numpy()).transform("any")
    return _of(summary, name, values.to_numpy(dtype=float), (held | (elsewhere & rows["score"].isna())).to_numpy())
