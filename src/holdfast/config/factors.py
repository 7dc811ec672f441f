"""The `consistency` section of a study file: trivial choices of procedure, each as a factor with its levels.

The study's own setting is a level of every factor without being written down.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from holdfast.config.spec import Count, Label, Rate, Seed, Spec, Temperature
from holdfast.config.task import TaskSpec


class MeasuringFactors(Spec):
    """Choices of evaluation. They are crossed with one another, on the base models, what is given, and every checkpoint
    of the last budget. Judges and benchmarks are factors too, where a study has several, and need no line here."""

    frame: dict[Label, str] = Field(
        default={}, description="prompt formats by name: texts with `{prompt}`, which stands for the last user turn"
    )
    system: dict[Label, str] = Field(default={}, description="system prompts by name")
    temperature: tuple[Temperature, ...] = Field(default=(), description="of measures that generate")
    seed: tuple[Seed, ...] = Field(default=(), description="of the sampling noise, at temperatures above 0")
    wording: dict[Label, str] = Field(
        default={}, description="attack wordings by name: files of attacks, in the form of `attacks.yaml`"
    )


class TrainingFactors(Spec):
    """Choices of training. Each level is a run of its own at the last budget."""

    order_seed: tuple[Seed, ...] = Field(default=(), description="of the data's order, the initialisation kept")
    init_seed: tuple[Seed, ...] = Field(default=(), description="of initialisation and dropout, the order kept")
    batch_rows: tuple[Count, ...] = Field(default=(), description="rows of a step")
    learning_rate: tuple[Rate, ...] = Field(default=(), description="after warm-up")
    rank: tuple[Count, ...] = Field(default=(), description="of the adapter; alpha stays")
    rows: tuple[Count, ...] = Field(
        default=(), description="distinct training rows: fewer rows for the same tokens are more epochs"
    )
    frame: dict[Label, str] = Field(default={}, description="training templates by name, as for measuring")
    system: dict[Label, str] = Field(default={}, description="system prompts of training rows, by name")
    chosen: tuple[Literal["data", "sample"], ...] = Field(
        default=(), description="`sample`: the base model's own good answers are learnt (self-generated responses)"
    )
    second_round: dict[Label, str | TaskSpec] = Field(
        default={},
        description="further training, by name: one of the study's tasks (its own: the same again), or another task; "
        "from the run's last checkpoint, for as many tokens once more",
    )


class ConsistencySpec(Spec):
    """How far the scores move with trivial changes of procedure."""

    measuring: MeasuringFactors = Field(default=MeasuringFactors(), description="choices of evaluation, crossed")
    training: TrainingFactors = Field(default=TrainingFactors(), description="choices of training")
    cross: Literal["one_at_a_time", "full"] = Field(
        default="one_at_a_time", description="training factors: each around the study's controls, or all crossed"
    )
    measures: tuple[Label, ...] = Field(default=(), description="names of measures that vary; default: all")
    objectives: tuple[Label, ...] = Field(
        default=(), description="labels that are trained anew at every level; default: the study's first"
    )
    seeds: tuple[Seed, ...] = Field(default=(), description="of the study's, for those runs; default: the first")
