"""One planned training run, and what it has read at each budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from holdfast.declared import TUNING


@dataclass(frozen=True, slots=True)
class Rung:
    """What a trajectory has read when it reaches a budget. None: not known before the data are there.

    ``tokens`` of the shared view, at the end of the step that reaches the budget; ``forward_tokens`` through the
    policy; ``reference_tokens`` through the reference, each row once; ``supervised_tokens`` that carry a loss;
    ``unsafe_tokens`` of unsafe text read.
    """

    budget: int
    tokens: int
    forward_tokens: int
    reference_tokens: int
    steps: int | None = None
    rows: int | None = None
    passes: float | None = None
    supervised_tokens: int | None = None
    unsafe_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Trajectory:
    """One training run. ``order`` is the digest of the order of rows; ``bracket`` is "" for the study proper.

    A run of the bracket ``variation``, ``tuning`` or ``tuned`` is ``of`` an objective's label, and ``varies`` from it
    in these factors' levels.
    ``begins``: id of the trajectory from whose checkpoint at the same budget a second round goes on; "" if afresh.
    """

    id: str
    model: str
    task: str
    label: str
    objective: str
    params: Mapping[str, Any]
    seed: int
    learning_rate: float
    bracket: str
    order: str
    rungs: tuple[Rung, ...]
    of: str = ""
    varies: Mapping[str, str] = field(default_factory=dict)
    begins: str = ""

    @property
    def budgets(self) -> tuple[int, ...]:
        return tuple(r.budget for r in self.rungs)

    def upto(self, budget: int) -> Trajectory:
        """The same, as far as this budget."""
        return replace(self, rungs=tuple(r for r in self.rungs if r.budget <= budget))

    @property
    def measured(self) -> tuple[int, ...]:
        """The budgets whose checkpoints are measured: of a setting that is only tried, the last."""
        return self.budgets[-1:] if self.bracket == TUNING else self.budgets
