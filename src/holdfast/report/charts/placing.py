"""Where things sit in a chart: axis ranges, points set side by side, names beside the ends of paths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pandas as pd

SIZE = (620, 360)  # pixels of the plot that names are placed for; on another width they are nearly right
SMALL = (370, 300)
NARROW = 275  # of either, on a telephone
Box = tuple[float, float, float, float]  # left, top, right, bottom; pixels


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
    """Adds dx, dy and align for the name of each end, choosing for each the corner that meets fewest points, intervals
    and names already placed, on the plot as it is and as it is on a telephone; and ``leader``: whether a line must lead
    from the name to its point, for it stands apart or another point is near it."""
    plots = [_Plot(points, dx, dy, width, size[1]) for width in (size[0], NARROW)]
    rows = []
    for r in ends.itertuples():
        wide = 7.2 * len(str(r.label))
        gap = min(_CORNERS, key=lambda g: sum(plot.cost(r, g, wide) for plot in plots))
        leader = any(plot.apart(r, gap, wide) for plot in plots)
        for plot in plots:
            plot.placed.append(plot.box(r, gap, wide))
        rows.append((*gap, "left" if gap[0] > 0 else "right", leader))
    columns = {name: [r[k] for r in rows] for k, name in enumerate(("dx", "dy", "align", "leader"))}
    return ends.assign(**columns)


class _Plot:
    """A plot of some size, in pixels: its points, its intervals, and the names that were placed on it."""

    def __init__(self, points: pd.DataFrame, dx: Sequence[float], dy: Sequence[float], width: int, height: int) -> None:
        self.dx, self.dy, self.size = dx, dy, (width, height)
        self.dots = [self.at(r.x, r.y) for r in points.itertuples()]
        self.placed: list[Box] = []
        self.lines: list[Box] = []
        for r in points.itertuples():
            x, y = self.at(r.x, r.y)
            if not math.isnan(r.low_x):
                self.lines.append((self.at(r.low_x, r.y)[0], y - 1, self.at(r.high_x, r.y)[0], y + 1))
            if not math.isnan(r.low_y):
                self.lines.append((x - 1, self.at(r.x, r.high_y)[1], x + 1, self.at(r.x, r.low_y)[1]))

    def at(self, x: float, y: float) -> tuple[float, float]:
        return (
            self.size[0] * (x - self.dx[0]) / max(self.dx[1] - self.dx[0], 1e-12),
            self.size[1] * (1 - (y - self.dy[0]) / max(self.dy[1] - self.dy[0], 1e-12)),
        )

    def box(self, r: Any, gap: tuple[int, int], wide: float) -> Box:
        """Where the name of an end is, ``gap`` from its point."""
        x, y = self.at(r.x, r.y)
        left = x + gap[0] if gap[0] > 0 else x + gap[0] - wide
        return (left, y + gap[1] - 8, left + wide, y + gap[1] + 8)

    def cost(self, r: Any, gap: tuple[int, int], wide: float) -> float:
        own, b = self.at(r.x, r.y), self.box(r, gap, wide)
        return (
            15.0 * sum(_meet(b, p) for p in self.placed)
            + sum(12.0 for x, y in self.dots if b[0] - 7 < x < b[2] + 7 and b[1] - 7 < y < b[3] + 7)
            + sum(1.0 for line in self.lines if _meet(b, line))
            + 20.0 * (b[0] < 0 or b[2] > self.size[0] or b[1] < 0 or b[3] > self.size[1])
            + 0.04 * (abs(gap[1]) - 12)
            + 0.05 * (abs(gap[0]) - 9)
            + 2.0 * any(_far(b, p) < _far(b, own) for p in self.dots if p != own)
        )

    def apart(self, r: Any, gap: tuple[int, int], wide: float) -> bool:
        """Whether the name is far from its point, or nearly as near to another."""
        own, b = self.at(r.x, r.y), self.box(r, gap, wide)
        return _far(b, own) > _LEADER or any(_far(b, p) < _far(b, own) + _LEADER for p in self.dots if p != own)


def _far(box: Box, point: tuple[float, float]) -> float:
    """From a point to the nearest of a box."""
    x, y = (max(low - p, 0.0, p - high) for low, p, high in ((box[0], point[0], box[2]), (box[1], point[1], box[3])))
    return math.hypot(x, y)


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
