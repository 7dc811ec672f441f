"""The `relearning` section of a study file: how little forbidden training it takes until a checkpoint gives in."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from holdfast.config.spec import Label, Rate, Spec, Tokens
from holdfast.config.task import TaskSpec


class RelearningSpec(Spec):
    """Supervised fine-tuning on rows that no objective of the study reads, from the last checkpoint of every run and
    from the base model, measured after each few tokens (docs/relearning.md)."""

    task: TaskSpec = Field(description="its rows: what a model is not to say, said")
    budgets: tuple[Tokens, ...] = Field(
        default=(500, 1000, 2000, 4000), min_length=1, description="tokens of the shared view, from where a run ended"
    )
    learning_rate: Rate | None = Field(default=None, description="default: the controls'")
    controls: dict[str, Any] = Field(
        default={"warmup_steps": 0, "batch_rows": 4}, description="controls of its own: it lasts a few steps"
    )
    measures: tuple[Label, ...] = Field(default=(), description="labels; default: those of robustness")

    def asks(self, measure: str, axis: str) -> bool:
        """Whether what relearns is measured by this one."""
        return measure in self.measures or (not self.measures and axis == "robustness")

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, budgets: tuple[int, ...]) -> tuple[int, ...]:
        if list(budgets) != sorted(set(budgets)):
            raise ValueError(f"must be ascending, but are {list(budgets)}")
        return budgets
