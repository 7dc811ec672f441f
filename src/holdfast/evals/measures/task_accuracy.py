"""Accuracy on the task that was trained: the capability axis."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

from holdfast.evals.measures.measure import Measure, MetricInfo, Summary, unscored
from holdfast.types import Axis, Item, Judgement, Record

ACCURACY = MetricInfo(
    "accuracy", "higher", words="accuracy", estimated="share of right answers", unit="share of answers"
)
METRICS = {
    "accuracy": replace(ACCURACY, title="Task accuracy"),
    "coverage": MetricInfo(
        "words covered",
        "higher",
        title="Words of the reference covered",
        words="words covered",
        estimated="share of the reference's content words that a response holds, which is no accuracy",
        unit="share of words",
        kind="mean",
    ),
    "strict": replace(ACCURACY, short="strict accuracy", words=""),
}


@dataclass(frozen=True)
class TaskAccuracy(Measure):
    """The test rows of each task of the study, or its validation rows (``split``), checked by the task itself.

    Score: the lenient reading (the task's ``check``), which does not punish a model for a form of answer that another
    objective taught; the strict reading is the detail ``strict``. Closed form scores 0 or 1, coverage in between.
    """

    name: ClassVar[str] = "task_accuracy"
    version: ClassVar[int] = 2
    axis: ClassVar[Axis] = "capability"
    per_task: ClassVar[bool] = True
    summary: ClassVar[Summary] = Summary("accuracy", secondary=("strict",), metrics=METRICS)

    split: Literal["test", "validation"] = "test"

    def bind(self, task: Any, prepared: Any) -> Measure:
        return BoundAccuracy(self.split, task, tuple(getattr(prepared, self.split)))

    def items(self) -> list[Item]:
        raise AssertionError("an accuracy is of a task: bind it first")


@dataclass(frozen=True)
class BoundAccuracy(TaskAccuracy):
    """The accuracy of one task."""

    task: Any = None
    rows: tuple[Any, ...] = ()

    @property
    def summary(self) -> Summary:  # type: ignore[override]
        return Summary(getattr(self.task, "metric", "accuracy"), secondary=("strict",), metrics=METRICS)

    def items(self) -> list[Item]:
        return [Item(row.id, row.prompt, reference=row.answer) for row in self.rows]

    def score(self, item: Item, record: Record) -> Judgement:
        verdict = self.task.check(record.plain, item.reference)
        if verdict.lenient is None:
            return unscored(record, "own", "the task's check gives no score")
        label = {1.0: "correct", 0.0: "wrong"}.get(verdict.lenient, "partial")
        details = {} if verdict.strict is None else {"strict": float(verdict.strict)}
        return Judgement(record.id, "own", float(verdict.lenient), label, details=details)

    def identity(self) -> dict[str, Any]:
        # The rows are digested as items; how they are checked is the task's name and version.
        task = {"name": self.task.name, "version": self.task.version}
        return {"name": self.name, "version": self.version, "params": {"task": task}, "attacks": {}}
