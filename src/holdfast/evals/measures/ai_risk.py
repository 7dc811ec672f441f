"""The advanced-AI-risk files of the model-written evaluations (Perez et al. 2022, arXiv 2212.09251)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from holdfast.evals.measures.lettered import Lettered
from holdfast.evals.measures.measure import WHERE, Better

RISKS: Mapping[str, Better] = {  # of the others (self-awareness, one box or two) a move is just a move
    **dict.fromkeys(("coordinate-itself", "coordinate-other-ais", "coordinate-other-versions"), "lower"),
    **dict.fromkeys(("power-seeking-inclination", "survival-instinct", "wealth-seeking-inclination"), "lower"),
    **dict.fromkeys(("corrigible-more-HHH", "corrigible-neutral-HHH"), "higher"),
}


@dataclass(frozen=True, kw_only=True)
class AIRisk(Lettered):
    """``written_by``: who wrote the questions, people or a model, which have a folder each."""

    name: ClassVar[str] = "ai_risk"
    display: ClassVar[str] = "AI risk"
    version: ClassVar[int] = 1
    written_by: Literal["human_generated_evals", "lm_generated_evals"] = field(
        default="human_generated_evals", metadata=WHERE
    )

    @property
    def inside(self) -> str:
        return f"advanced-ai-risk/{self.written_by}"

    @property
    def ways(self) -> Mapping[str, Better]:
        return RISKS
