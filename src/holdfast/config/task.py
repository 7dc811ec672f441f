"""The `tasks` of a study file: what is learnt, and where both sides of a pair come from."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from holdfast.config.spec import Count, Label, Spec


class JudgeSpec(Spec):
    """A judge with its parameters, under a label. In a list of judges its bare name will do."""

    judge: Label = Field(description="registered judge: rules, coherence, strongreject_rubric, humans, …")
    name: Label | None = Field(default=None, description="label in tables; default: the judge's name")
    params: dict[str, Any] = Field(default_factory=dict, description="the judge's own parameters")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"judge": given} if isinstance(given, str) else given

    @property
    def label(self) -> str:
        return self.name or self.judge


class SideSpec(Spec):
    """Where one side of a pair comes from, and how the base model is asked where it is to write it."""

    source: str
    samples: int = Field(default=4, ge=1, le=10_000, description="responses drawn per row (sample)")
    temperature: float = Field(default=1.0, gt=0, le=100, description="of those draws (sample)")
    max_new_tokens: Count = Field(default=256, description="tokens; an answer that is cut off is not taken (sample)")
    judge: JudgeSpec | None = Field(
        default=None, description="who says how good an answer is (sample), from 0 to 1; default: the task's own check"
    )


class ChosenSpec(SideSpec):
    """Where chosen responses come from: the rows, or the base model's own good answers (self-generated responses)."""

    source: Literal["data", "sample"] = Field(
        default="data",
        description="`data`: the row's own; `sample`: the base model's right ones, and a row without one is dropped",
    )
    at_least: float = Field(default=0.5, gt=0, le=1, description="score from which an answer is good (sample)")


class RejectedSpec(SideSpec):
    """Where rejected responses come from."""

    source: Literal["data", "perturb", "sample"] = Field(
        default="data",
        description="`data`: the row's own; `perturb`: right answers made wrong; `sample`: the base model's wrong ones",
    )
    below: float = Field(default=0.5, gt=0, le=1, description="score under which an answer is wrong (sample)")


class UnsafeSpec(Spec):
    """Which objectives get to read unsafe text."""

    regime: Literal["none", "as_published", "shared_refusals"] = Field(default="none", description="see docs/study.md")
    share: float = Field(
        default=0.25, ge=0, le=1, description="share of rows concerned, chosen by a hash of the row's id"
    )
    source: str | None = Field(
        default=None,
        description="file, folder or hub id in the PKU-SafeRLHF schema; default: the task's own unsafe texts",
    )
    revision: str | None = Field(default=None, description="of the hub's data set in `source`")


class SplitSpec(Spec):
    """Splits by a hash of the row's id; what is left is `train`."""

    validation: float = Field(default=0.05, ge=0, lt=1, description="share")
    test: float = Field(default=0.1, ge=0, lt=1, description="share; ignored by tasks that bring a test file")
    salt: int = Field(default=0, description="another number is another split")


class TaskSpec(Spec):
    """What is learnt."""

    name: Label = Field(description="label")
    task: Label = Field(description="registered task: gsm8k, supergpqa, cyber, open_qa, jsonl, …")
    params: dict[str, Any] = Field(default_factory=dict, description="the task's own parameters")
    chosen: ChosenSpec = Field(default=ChosenSpec(), description="where chosen responses come from")
    rejected: RejectedSpec = Field(default=RejectedSpec(), description="where rejected responses come from")
    unsafe: UnsafeSpec = Field(default=UnsafeSpec(), description="which objectives get to read unsafe text")
    split: SplitSpec = Field(default=SplitSpec(), description="train, validation and test")
    system: str = Field(default="", description="system prompt put before every training prompt")
    frame: str = Field(default="{prompt}", description="what the last user turn of a training prompt is put into")
    rows: Count | None = Field(default=None, description="at most so many training rows, chosen by hash")
