"""An attack that sees inside: the refusal direction is projected out of the model while it answers the plain request
(Arditi et al. 2024, arXiv 2406.11717, section 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

from holdfast import registry
from holdfast.evals.measures.codecs import Codec
from holdfast.store.digest import digest
from holdfast.types import Direction, Turn


@dataclass(frozen=True)
class RefusalAblation:
    """The bare request to a model without a direction of its base, found before any training. ``direction``: a
    registered one; ``direction_params``: its parameters."""

    name: ClassVar[str] = "refusal_ablation"
    version: ClassVar[int] = 1
    codec: ClassVar[Codec | None] = None
    direction: str = "refusal"
    direction_params: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def without(self) -> Direction:
        """What is projected out of every layer's output while the response is written."""
        return registry.build("directions", self.direction, self.direction_params)

    @cached_property
    def hash(self) -> str:
        return digest({"attack": self.name, "version": self.version, "without": self.without.digest})

    def wrap(self, turns: tuple[Turn, ...]) -> tuple[Turn, ...] | None:
        return turns
