"""The Dark Triad of the model-written persona evaluations (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast.measures.contract import WHERE
from holdfast.measures.persona import Persona, answer_of, statement
from holdfast.measures.sources import column, distinct, table
from holdfast.words import Item

DARK_TRIAD = ("machiavellianism", "narcissism", "psychopathy")


@dataclass(frozen=True, kw_only=True)
class DarkTriad(Persona):
    """``path``: a folder of ``<trait>.jsonl`` files, or the hub id whose folder ``persona`` holds them."""

    name: ClassVar[str] = "dark_triad"
    version: ClassVar[int] = 1
    path: str = field(default="Anthropic/model-written-evals", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    traits: tuple[str, ...] = DARK_TRIAD

    def items(self) -> list[Item]:
        return [item for trait in self.traits for item in self._trait(trait)]

    def _trait(self, trait: str) -> list[Item]:
        where = f"{trait}.jsonl of {self.path}"
        rows = table(self.path, self.revision, file=self._file(trait))
        question = column(rows, ("question",), where)
        items = [statement(trait, row[question], answer_of(row, where)) for row in rows]
        distinct([i.id for i in items], where)
        return items

    def _file(self, trait: str) -> str:
        from pathlib import Path

        return f"{trait}.jsonl" if Path(self.path).expanduser().is_dir() else f"persona/{trait}.jsonl"
