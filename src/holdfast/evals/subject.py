"""A row of the table of subjects, and what it says about how to speak to that subject."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from holdfast import registry
from holdfast.config.role import Role
from holdfast.types import Subject, Turn

Conditions = Callable[[tuple[Turn, ...]], Mapping[str, tuple[Turn, ...]]]


@dataclass(frozen=True, slots=True)
class SubjectRow:
    """One row of ``subjects.parquet``; its columns are described in ``store.schemas``."""

    subject: str
    model: str
    task: str = ""
    label: str = "base"
    objective: str = ""
    params: str = "{}"
    seed: int = -1
    budget: int = 0
    bracket: str = ""
    trajectory: str = ""
    adapter: str = ""
    weights: str = ""

    @property
    def role(self) -> Role:
        """Of the run that left it; the base model's and a given one's are the study's own."""
        return Role.of(self.bracket)

    def speaker(self, root: Path) -> Subject:
        """Whom requests are addressed to. ``root`` is the study's folder, which a relative adapter lies in."""
        return Subject(self.subject, self.model, str(root / self.adapter) if self.adapter else None)

    def conditions(self) -> Conditions | None:
        """The labelled ways in which the subject's objective would have it asked, beside the bare prompt."""
        if not self.objective or not self.role.is_study:
            return None
        return getattr(registry.build("objectives", self.objective, json.loads(self.params)), "at_evaluation", None)


def once(rows: Sequence[SubjectRow], ladder: Collection[int]) -> list[SubjectRow]:
    """The row that each subject is measured under, in order.

    A run may go by two labels: the first. A checkpoint may go by two budgets that one step completes: the last one of
    the ``ladder``, for a budget in between is not measured in full.
    """
    found: dict[str, SubjectRow] = {}
    for row in rows:
        old = found.setdefault(row.subject, row)
        if row.budget in ladder and (old.budget not in ladder or old.budget < row.budget):
            found[row.subject] = row
    return list(found.values())


def befores(some: Sequence[SubjectRow], rows: Sequence[SubjectRow]) -> list[list[SubjectRow]]:
    """Who of all ``rows`` is measured before each of ``some``, for its answers are likely the same: its run's earlier
    budgets, the last first, then the base of its model. By the plan alone, so that whoever goes on later goes on from
    the same."""
    runs, bases = defaultdict[str, list[SubjectRow]](list), defaultdict[str, list[SubjectRow]](list)
    for r in rows:
        runs[r.trajectory].append(r)
        if r.label == "base":
            bases[r.model].append(r)
    return [
        sorted((r for r in runs[row.trajectory] if row.trajectory and r.budget < row.budget), key=lambda r: -r.budget)
        + [r for r in bases[row.model] if r.subject != row.subject]
        for row in some
    ]
