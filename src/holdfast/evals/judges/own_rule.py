"""The measure's own rule, as a judge like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.evals.judges.judge import Judge, JudgeResources
from holdfast.evals.measures.measure import Measure
from holdfast.types import Item, Judgement, Record


@dataclass(frozen=True)
class Own(Judge):
    """``measure.score``."""

    name: ClassVar[str] = "own"
    version: ClassVar[int] = 2
    measure: Measure

    def silence(self, item: Item) -> float | None:
        return 0.0 if self.measure.axis == "capability" else None

    def identity(self) -> dict[str, Any]:
        return {"name": self.name, "version": self.version, "params": self.measure.identity()}

    def judge(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> list[Judgement]:
        return [self.measure.score(item, record) for item, record in rows]
