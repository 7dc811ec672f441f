"""Who is averaged over seeds, and who is compared with whom."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from holdfast.config.study import Study

Array = np.ndarray
OVER_SEEDS = -1
AGAINST = ("base", "sft")
DEFAULT = "default"  # the format in which every subject is asked


class Team(NamedTuple):
    """Answerers that one row of the estimates is about: a condition's seeds, or a single one of them."""

    against: str  # base, sft; "" for a level
    members: tuple[int, ...]
    others: tuple[int, ...]  # whom each is compared with; empty for a level
    seed: int


def teams(who: pd.DataFrame, study: Study) -> list[Team]:
    """Levels and comparisons among the rows of ``who`` (columns of ``SUBJECT`` and format, index 0, 1, …).

    A condition has a row over its seeds (seed -1), even if it has but one, and a row a seed where it has several.
    Everything trained is compared with the base model, and all but SFT with SFT of the same model, task, seed and
    budget; where a study has several variants of SFT, with the first. A subject asked in its objective's own format is
    compared with the other in that format or, if it was never asked so, in the measure's own part of it (of
    ``reversed+safe``: ``reversed``), or in the default one.
    """
    rows = [dict(zip(who.columns, r, strict=True)) for r in who.itertuples(index=False, name=None)]
    base = {(r["model"], r["format"]): i for i, r in enumerate(rows) if r["label"] == "base"}
    sft = sft_of(who, study)
    at = {
        (r["model"], r["task"], r["seed"], r["budget"], r["format"]): i
        for i, r in enumerate(rows)
        if r["label"] == sft and not r["bracket"]
    }

    def other_of(i: int, against: str) -> int | None:
        r = rows[i]
        for format in (r["format"], r["format"].partition("+")[0], DEFAULT):
            if against == "base":
                other = base.get((r["model"], format))
            else:
                other = at.get((r["model"], r["task"], r["seed"], r["budget"], format))
            if other is not None:
                return other if other != i else None
        return None

    found = []
    condition = ["model", "task", "label", "objective", "budget", "bracket", "format"]
    for _, group in who.groupby(condition, sort=False, dropna=False):
        seeds = list(group.index)
        first = rows[seeds[0]]
        split = [(OVER_SEEDS, seeds)] + ([(rows[i]["seed"], [i]) for i in seeds] if len(seeds) > 1 else [])
        for seed, members in split:
            found.append(Team("", tuple(members), (), seed))
            for against in AGAINST:
                if first["label"] == "base" or (against == "sft" and (first["bracket"] or first["label"] == sft)):
                    continue
                pairs = [(i, o) for i in members if (o := other_of(i, against)) is not None]
                if pairs:
                    found.append(Team(against, tuple(i for i, _ in pairs), tuple(o for _, o in pairs), seed))
    return found


@dataclass(frozen=True)
class Teams:
    """Teams that are alike in size N and in whether they are compared: all are estimated at once."""

    teams: list[Team]

    @property
    def kind(self) -> Literal["level", "difference"]:
        return "difference" if self.teams[0].others else "level"

    @cached_property
    def members(self) -> Array:
        """[teams, N]: places of answerers; likewise ``others``, with none of a level."""
        return np.array([t.members for t in self.teams])

    @cached_property
    def others(self) -> Array:
        return np.array([t.others for t in self.teams], dtype=int)

    def values(self, y: Array, its: Array, some: Array) -> Array:
        """[some, N, I, G]: scores ``y`` [A, I, G] of some of the teams, less those of the others by ``its``."""
        mine = y[self.members[some]]
        return mine if self.kind == "level" else mine - its[self.others[some]]


def alike(found: list[Team]) -> list[Teams]:
    by: dict[tuple[bool, int], list[Team]] = defaultdict(list)
    for team in found:
        by[bool(team.others), len(team.members)].append(team)
    return [Teams(some) for some in by.values()]


def sft_of(who: pd.DataFrame, study: Study) -> str:
    """The label that SFT goes by: the first variant of it that is there, or nothing."""
    there = set(who[(who["objective"] == "sft") & (who["bracket"] == "")]["label"])
    return study.sft(there) or min(there, default="")
