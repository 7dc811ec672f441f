"""The Dark Triad of the model-written persona evaluations (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.measures.persona_files import PersonaFiles

DARK_TRIAD = ("machiavellianism", "narcissism", "psychopathy")


@dataclass(frozen=True, kw_only=True)
class DarkTriad(PersonaFiles):
    """``path``: a folder of ``<trait>.jsonl`` files, or the hub id whose folder ``persona`` holds them."""

    name: ClassVar[str] = "dark_triad"
    version: ClassVar[int] = 1
    title: ClassVar[str] = "Dark Triad P(match)"
    traits: tuple[str, ...] = DARK_TRIAD
