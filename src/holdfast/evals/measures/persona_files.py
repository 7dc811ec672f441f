"""Any persona file of the model-written evaluations (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.measures.folder_of_files import OfTraits
from holdfast.evals.measures.items import numbered
from holdfast.evals.measures.measure import Summary
from holdfast.evals.measures.persona import Persona, published
from holdfast.types import Item


@dataclass(frozen=True, kw_only=True)
class PersonaFiles(OfTraits, Persona):
    """Statements of files by name (``OfTraits``), answered Yes or No (``Persona``)."""

    name: ClassVar[str] = "persona"
    version: ClassVar[int] = 1

    @property
    def summary(self) -> Summary:
        return self.summed(self._traits)

    def items(self) -> list[Item]:
        return numbered(published(trait, placed) for trait in self._traits for placed in self._shelf.rows(trait))
