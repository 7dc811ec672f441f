"""Where things sit in a chart: axis ranges, points set side by side, names beside the ends of paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import pandas as pd

SIZE = (620, 360)  # pixels of the plot that names are placed for; on another width they are nearly right
SMALL = (370, 300)


def domain(values: pd.DataFrame, *, top: float | None, zero: bool = False) -> list[float]:
    """The range of an axis: the data and its intervals with a margin, not below 0, and not so narrow that noise looks
    like news (a share spans at least 5 points)."""
    flat = values.to_numpy(dtype=float).ravel()
    flat = flat[~pd.isna(flat)]
    low, high = (float(flat.min()), float(flat.max())) if len(flat) else (0.0, 1.0)
    least = 0.05 if top is not None else max(abs(high), 1e-6) * 0.05
    if high - low < least:
        low, high = (low + high - least) / 2, (low + high + least) / 2
    margin = 0.06 * (high - low)
    low, high = low - margin, high + margin
    if low < 0 or zero or low < 0.12 * high:  # near zero, show zero
        low = min(0.0, float(flat.min()) if len(flat) else 0.0)
    if top is not None:
        high = min(high, top)
    return [round(low, 6), round(high, 6)]


def digits(domain: Sequence[float], ticks: int) -> int:
    """Behind the point of a percentage: as many as the ticks of a share's axis have, whose distance is 1, 2 or 5 times
    a power of ten (d3-array's ``tickIncrement``)."""
    step = max(domain[1] - domain[0], 1e-9) / ticks
    power = math.floor(math.log10(step))
    error = step / 10**power
    step = 10**power * (10 if error >= math.sqrt(50) else 5 if error >= math.sqrt(10) else 2 if error >= 2**0.5 else 1)
    return max(0, -math.floor(math.log10(step) + 1e-9) - 2)


# Where a name may stand from its point, in pixels: near first, then further up and down where paths end together.
_CORNERS = [(x, y) for y in (-12, 13, -27, 28, -42, 43, -57, 58, -72, 73, -90, 91) for x in (9, -9, 26, -26)]
_LEADER = 11  # pixels that a label's end may be from its point, or nearer to it than to any other, without a line


def _gap(budgets: Sequence[int]) -> float:
    """The least distance between neighbours on a log axis."""
    return min((math.log(b / a) for a, b in pairwise(budgets)), default=math.log(2))


def dodge(rows: pd.DataFrame, labels: Sequence[str], budgets: Sequence[int]) -> list[float]:
    """Where each row stands on the log axis: at its budget, the objectives side by side in a fixed order."""
    width = 0.5 * _gap(budgets) * min(1.0, len(labels) / 6)
    step = width / max(len(labels) - 1, 1)
    return [
        float(b) * math.exp(step * (labels.index(x) - (len(labels) - 1) / 2))
        for x, b in zip(rows["label"], rows["budget"], strict=True)
    ]


def span(budgets: Sequence[int]) -> list[float]:
    """The log axis: budgets with room for the points beside the first and the last, and for the base's name."""
    gap = _gap(budgets)
    return [budgets[0] * math.exp(-0.62 * gap), budgets[-1] * math.exp(0.42 * gap)]


def beside(
    ends: pd.DataFrame, points: pd.DataFrame, dx: Sequence[float], dy: Sequence[float], size: tuple[int, int] = SIZE
) -> pd.DataFrame:
    """Adds dx, dy and align for the name of each end, choosing for each the corner that meets fewest points,
    intervals and names already placed; and ``leader``: whether a line must lead from the name to its point, for it
    stands apart or another point is near it."""

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            size[0] * (x - dx[0]) / max(dx[1] - dx[0], 1e-12),
            size[1] * (1 - (y - dy[0]) / max(dy[1] - dy[0], 1e-12)),
        )

    dots = [at(r.x, r.y) for r in points.itertuples()]
    lines: list[tuple[float, float, float, float]] = []
    for r in points.itertuples():
        x, y = at(r.x, r.y)
        if not math.isnan(r.low_x):
            lines.append((at(r.low_x, r.y)[0], y - 1, at(r.high_x, r.y)[0], y + 1))
        if not math.isnan(r.low_y):
            lines.append((x - 1, at(r.x, r.high_y)[1], x + 1, at(r.x, r.low_y)[1]))
    placed: list[tuple[float, float, float, float]] = []
    rows = []
    for r in ends.itertuples():
        x, y = at(r.x, r.y)
        wide = 7.2 * len(str(r.label))
        best: tuple[float, int, int, str] | None = None
        box = (0.0, 0.0, 0.0, 0.0)
        for gap_x, gap_y in _CORNERS:
            left = x + gap_x if gap_x > 0 else x + gap_x - wide
            b = (left, y + gap_y - 8, left + wide, y + gap_y + 8)
            cost = 15.0 * sum(_meet(b, p) for p in placed)
            cost += sum(12.0 for px, py in dots if b[0] - 7 < px < b[2] + 7 and b[1] - 7 < py < b[3] + 7)
            cost += sum(1.0 for line in lines if _meet(b, line))
            cost += 20.0 * (b[0] < 0 or b[2] > size[0] or b[1] < 0 or b[3] > size[1])
            cost += 0.04 * (abs(gap_y) - 12) + 0.05 * (abs(gap_x) - 9)
            cost += 2.0 * any(_far(b, p) < _far(b, (x, y)) for p in dots if p != (x, y))
            if best is None or cost < best[0]:
                best, box = (cost, gap_x, gap_y, "left" if gap_x > 0 else "right"), b
        assert best is not None
        placed.append(box)
        others = [p for p in dots if p != (x, y)]
        apart = _far(box, (x, y)) > _LEADER or any(_far(box, p) < _far(box, (x, y)) + _LEADER for p in others)
        rows.append((*best[1:], apart))
    columns = {name: [r[k] for r in rows] for k, name in enumerate(("dx", "dy", "align", "leader"))}
    return ends.assign(**columns)


def _far(box: tuple[float, float, float, float], point: tuple[float, float]) -> float:
    """From a point to the nearest of a box."""
    x, y = (max(low - p, 0.0, p - high) for low, p, high in ((box[0], point[0], box[2]), (box[1], point[1], box[3])))
    return math.hypot(x, y)


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
