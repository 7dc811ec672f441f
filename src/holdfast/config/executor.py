"""Where a study's jobs run: a registered executor with its parameters."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from holdfast.config.spec import Label, Spec


class ExecutorSpec(Spec):
    """Where jobs run. It is part of no identity, and changes no result; `machines: any` does by rounding."""

    name: Label = Field(default="local", description="registered executor: local, ray, slurm, …")
    params: dict[str, Any] = Field(default_factory=dict, description="its own parameters (docs/cluster.md)")
    machines: Literal["alike", "any"] = Field(
        default="alike",
        description="that train a model's runs: of the kind that its first one is trained on, or of any",
    )
