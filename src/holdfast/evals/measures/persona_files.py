"""Any persona file of the model-written evaluations (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from holdfast.evals.measures.folder_of_files import ALL, Shelf
from holdfast.evals.measures.items import numbered
from holdfast.evals.measures.measure import WHERE, Summary
from holdfast.evals.measures.persona import Persona, published
from holdfast.types import Item


@dataclass(frozen=True, kw_only=True)
class PersonaFiles(Persona):
    """``path``: a folder of ``<trait>.jsonl`` files, or the hub id whose folder ``persona`` holds them.

    ``traits``: names of files, without ``.jsonl``; ``[all]`` is every file of the folder.
    """

    name: ClassVar[str] = "persona"
    version: ClassVar[int] = 1
    path: str = field(default="Anthropic/model-written-evals", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    traits: tuple[str, ...] = (ALL,)

    @property
    def summary(self) -> Summary:
        return self.summed(self._traits)

    def items(self) -> list[Item]:
        return numbered(published(trait, placed) for trait in self._traits for placed in self._shelf.rows(trait))

    @property
    def _shelf(self) -> Shelf:
        return Shelf(self.path, "persona", self.revision)

    @cached_property
    def _traits(self) -> tuple[str, ...]:
        return self._shelf.chosen(self.traits)
