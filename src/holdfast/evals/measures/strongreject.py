"""StrongREJECT (Souly et al. 2024, arXiv 2402.10260): 313 forbidden prompts in six categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.evals.measures.measure import WHERE
from holdfast.evals.measures.robustness import Robustness, column, prompts
from holdfast.store.rows import Source
from holdfast.types import Item


@dataclass(frozen=True, kw_only=True)
class StrongREJECT(Robustness):
    """``path``: the authors' CSV (column ``forbidden_prompt``), a JSONL file, or a hub id (column ``prompt``)."""

    name: ClassVar[str] = "strongreject"
    display: ClassVar[str] = "StrongREJECT"
    version: ClassVar[int] = 1
    strata: ClassVar[tuple[str, ...]] = ("category",)
    path: str = field(default="walledai/StrongREJECT", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)

    def items(self) -> list[Item]:
        rows = Source(self.path, revision=self.revision).rows()
        return prompts(rows, column(rows, ("forbidden_prompt", "prompt")), keep=("category", "source"))
