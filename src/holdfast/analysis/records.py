"""The records of one model and task, taken apart by config and judge once: what matching, fronts, coherence and
stability are made from. A large study's frame has millions of rows, so none of them looks through it by itself.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.cube import BASE, Places, places_of
from holdfast.analysis.load import SUBJECT, judges

Array = np.ndarray
_WHERE = [*SUBJECT, "format", "item", "attack"]
_SAID = ["item", "verdict", "score", "coherent"]  # and the details that a metric may be of


class JudgedRecords(NamedTuple):
    """What one judge said in one eval config. ``rows``: item, verdict, score, coherent and ``d_*`` of each record."""

    config: ConfigInfo
    rows: pd.DataFrame
    places: Places

    @property
    def weights(self) -> Array | None:
        """[G]: of the headline; None where nothing was asked of what it is about."""
        return self.places.conditions.get("macro")


@dataclass(frozen=True, eq=False)
class Records:
    """The base model's and the study's own subjects on one task, asked in the default format. ``at``: by config and
    judge their places in ``frame``."""

    model: str
    task: str
    frame: pd.DataFrame = field(repr=False)
    at: Mapping[tuple[str, str], Array] = field(repr=False)
    _parts: dict[tuple[str, str], JudgedRecords] = field(default_factory=dict, repr=False)

    def part(self, config: ConfigInfo, judge: str = "") -> JudgedRecords | None:
        """Of one judge (the eval config's first); None where it did not speak."""
        key = (config.id, judge or judges(config)[0])
        if key not in self._parts and key in self.at:
            by = f"f_{config.summary.by}"
            details = [f"d_{name}" for name in config.summary.secondary]
            rows = self._take([*_WHERE, *_SAID[1:], by, *details], self.at[key])
            kept = rows[[c for c in (*_SAID, *details) if c in rows]]
            self._parts[key] = JudgedRecords(config, kept, places_of(rows, config.summary))
        return self._parts.get(key)

    def measured(self, config: ConfigInfo) -> bool:
        """Whether the config's first judge spoke of a checkpoint, and of what its headline is about (its attacks)."""
        part = self.part(config)
        if part is None or part.weights is None:
            return False
        labels = self.frame["label"].to_numpy()[self.at[config.id, judges(config)[0]]]
        return bool((labels != BASE).any())

    @cached_property
    def subjects(self) -> pd.DataFrame:
        """Columns: subject, label, seed, budget, distance."""
        rows = self._take(["subject", "label", "seed", "budget", "distance"], np.concatenate(list(self.at.values())))
        return rows.drop_duplicates(ignore_index=True)

    def _take(self, columns: list[str], at: Array) -> pd.DataFrame:
        names = dict.fromkeys(c for c in columns if c in self.frame)
        return taken(self.frame, names, at)


def taken(frame: pd.DataFrame, columns: Iterable[str], at: Array) -> pd.DataFrame:
    """Some rows of some columns, of the types that they had: to find out types anew takes longer than all the rest."""
    return pd.DataFrame({c: pd.Series(frame[c].to_numpy()[at], dtype=frame[c].dtype) for c in columns}, copy=False)


def records(frame: pd.DataFrame) -> list[Records]:
    """Every model and task that something was trained on, without control runs. ``frame``: of ``load_records``."""
    own = np.flatnonzero((frame["bracket"] == "") & (frame["format"] == DEFAULT))
    keys = ["model", "task", "label", "cell", "judge"]
    some = taken(frame, keys, own)
    groups = some.groupby(keys, sort=False).indices
    found = []
    for model, task in dict.fromkeys(k[:2] for k in groups if k[2] != BASE):
        at = defaultdict(list)
        for (m, t, _, config, judge), places in groups.items():
            if m == model and t in ("", task):
                at[str(config), str(judge)].append(places)
        mine = {k: own[np.sort(np.concatenate(v))] for k, v in at.items()}
        found.append(Records(str(model), str(task), frame, mine))
    return found
