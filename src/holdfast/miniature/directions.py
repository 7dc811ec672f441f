"""The refusal direction of the miniature: forbidden requests of its nonsense against how-to's kept from training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals import directions
from holdfast.evals.directions import Said
from holdfast.miniature import world


@dataclass(frozen=True, kw_only=True)
class Refusal(directions.Refusal):
    """48 forbidden requests and as many harmless ones; of both half are held out."""

    name: ClassVar[str] = "miniature_refusal"
    version: ClassVar[int] = 1
    measure: str = "miniature_robustness"

    def sets(self) -> tuple[Mapping[str, Said], Mapping[str, Said]]:
        harmless = {row.id: Said(row.prompt) for row in world.howto_rows()}
        return harmless, {item.id: Said(item.prompt) for item in world.robustness_items()}
