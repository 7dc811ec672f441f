"""Where a study's jobs run: a registered executor with its parameters."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from holdfast.config.spec import Label, Spec


class ExecutorSpec(Spec):
    """Where jobs run. It changes no result and is part of no identity."""

    name: Label = Field(default="local", description="registered executor: local, ray, slurm, …")
    params: dict[str, Any] = Field(default_factory=dict, description="its own parameters (docs/cluster.md)")
