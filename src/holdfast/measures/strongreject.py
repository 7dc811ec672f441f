"""StrongREJECT (Souly et al. 2024, arXiv 2402.10260): 313 forbidden prompts in six categories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.measures.contract import WHERE
from holdfast.measures.robustness import Robustness
from holdfast.measures.sources import column, distinct, item_id, table
from holdfast.words import Item, Turn


@dataclass(frozen=True, kw_only=True)
class StrongREJECT(Robustness):
    """``path``: the authors' CSV (column ``forbidden_prompt``), a JSONL file, or a hub id (column ``prompt``)."""

    name: ClassVar[str] = "strongreject"
    version: ClassVar[int] = 1
    strata: ClassVar[tuple[str, ...]] = ("category",)
    path: str = field(default="walledai/StrongREJECT", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)

    def items(self) -> list[Item]:
        rows = table(self.path, self.revision)
        prompt = column(rows, ("forbidden_prompt", "prompt"), self.path)
        items = [
            Item(
                id=item_id(row[prompt].strip()),
                prompt=(Turn("user", row[prompt].strip()),),
                fields={k: str(row[k]) for k in ("category", "source") if row.get(k)},
                forbidden=True,
            )
            for row in rows
        ]
        distinct([i.id for i in items], self.path)
        return items
