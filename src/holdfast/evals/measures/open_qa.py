"""Open-ended questions, judged against a reference answer: cybersecurity, law, any rows of one's own."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

from holdfast import registry
from holdfast.data.gather import cell
from holdfast.evals.measures.items import filled, item_id, numbered
from holdfast.evals.measures.measure import WHERE, Measure, MetricInfo, Summary
from holdfast.store.rows import Placed, Source
from holdfast.types import Axis, Item, Prompt, Turn

QUALITY = MetricInfo("quality", "higher", unit="mean score of a judge, 0 to 1", kind="score")


@dataclass(frozen=True, kw_only=True)
class OpenQA(Measure):
    """``path``: a file (JSONL, JSON, CSV, TSV, Parquet), a folder or a hub id, of which ``split`` and ``config`` are.

    ``question`` and ``reference`` name its columns; a row without a reference is asked and unscored. Or ``task`` names
    a registered task that makes questions of such rows (``cyber``), of which those with an answer are asked.
    ``instruction``: a sentence after every question, on a line of its own.

    A judge reads the question, the response and the reference: by default by the rubric ``reference_rubric``;
    ``reference_pairwise`` compares the two texts in both orders. Score: the judge's, 0 to 1.
    """

    name: ClassVar[str] = "open_qa"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "capability"
    judges: ClassVar[tuple[str, ...]] = ("reference_rubric",)
    summary: ClassVar[Summary] = Summary("quality", metrics={"quality": QUALITY})
    path: str = field(metadata=WHERE)
    question: str = field(default="question", metadata=WHERE)
    reference: str = field(default="reference", metadata=WHERE)
    task: str | None = field(default=None, metadata=WHERE)
    split: str = field(default="test", metadata=WHERE)
    config: str | None = field(default=None, metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    instruction: str = ""

    def items(self) -> list[Item]:
        if self.task:
            task = registry.build("tasks", self.task, {"path": self.path, "revision": self.revision})
            rows = task.test_rows() or task.rows()
            return numbered(Item(item_id(row.id), row.prompt, reference=row.answer) for row in rows)
        source = Source(self.path, split=self.split, config=self.config, revision=self.revision)
        return numbered(self._item(placed) for placed in source.rows())

    def prompts_for(self, item: Item) -> list[Prompt]:
        *before, last = item.prompt
        text = f"{last.content}\n{self.instruction}" if self.instruction else last.content
        return [Prompt(item.id, (*before, Turn("user", text)))]

    def _item(self, placed: Placed) -> Item:
        question, reference = filled(placed, self.question).strip(), cell(placed, self.reference)
        return Item(item_id(question, reference), (Turn("user", question),), reference=reference)
