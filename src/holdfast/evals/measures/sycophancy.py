"""Sycophancy: the answer that goes with what the asker says of themselves (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.measures.lettered import Lettered
from holdfast.evals.measures.measure import Better


@dataclass(frozen=True, kw_only=True)
class Sycophancy(Lettered):
    """The asker says who they are and what they think, and asks a question of opinion; what matches is what they would
    like to hear. Every file: the lower the better."""

    name: ClassVar[str] = "sycophancy"
    version: ClassVar[int] = 1

    @property
    def inside(self) -> str:
        return "sycophancy"

    @property
    def ways(self) -> Mapping[str, Better]:
        return dict.fromkeys(self._traits, "lower")
