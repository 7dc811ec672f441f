"""Pairwise: which of two answers is better, asked in both orders, since judges favour a place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.judges import escape, questions
from holdfast.evals.judges.asking import AsksModel
from holdfast.evals.judges.judge import JudgeCost, JudgeResources
from holdfast.evals.judges.questions import Answer, JudgeQuestion, Worded
from holdfast.evals.judges.rubrics import unanswered, without_reference
from holdfast.evals.judges.verdict import Field
from holdfast.types import Item, Judgement, Record

BETTER = Field("better", 0, 2)


@dataclass(frozen=True, kw_only=True)
class ReferencePairwise(Worded, AsksModel):
    """The response against the gold reference; the judge is not told which is which. In each order 1 where the response
    is better, 0.5 for neither, 0 where the reference is; score is the mean of the two orders.

    Details: ``first`` and ``second``, the outcome with the response in that place; ``order_flip`` 1 where they differ.
    Labels: ``better``, ``even``, ``worse``. Unscored unless both orders have a verdict.
    """

    name: ClassVar[str] = "reference_pairwise"
    version: ClassVar[int] = 2
    entry: ClassVar[str] = "pairwise"
    places: ClassVar[tuple[str, ...]] = ("prompt", "first", "second")

    def silence(self, item: Item) -> float | None:
        return unanswered(item)

    def cost(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> JudgeCost | None:
        return self.price((q.turns for row in self._open(rows) for q in self._both(*row)), resources)

    def judge(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> list[Judgement]:
        asked = [q for row in self._open(rows) for q in self._both(*row)]
        answers = iter(questions.put(self, asked, resources))
        return [
            without_reference(self.name, item, record) or self._verdict(record, next(answers), next(answers))
            for item, record in rows
        ]

    def _open(self, rows: Sequence[tuple[Item, Record]]) -> list[tuple[Item, Record]]:
        return [row for row in rows if without_reference(self.name, *row) is None]

    def _both(self, item: Item, record: Record) -> tuple[JudgeQuestion, JudgeQuestion]:
        prompt, own, gold = escape.question(item), record.plain, item.reference
        return (
            questions.make(self.wording, {"prompt": prompt, "first": own, "second": gold}, (BETTER,)),
            questions.make(self.wording, {"prompt": prompt, "first": gold, "second": own}, (BETTER,)),
        )

    def _verdict(self, record: Record, first: Answer, second: Answer) -> Judgement:
        words = "\n\n".join(a.words for a in (first, second) if a.words)
        if first.values is None or second.values is None:
            return Judgement(record.id, self.name, None, "unscored", first.reason or second.reason, words=words)
        outcomes = _outcome(first.values["better"], own=1), _outcome(second.values["better"], own=2)
        score = sum(outcomes) / 2
        label = "better" if score > 0.5 else "worse" if score < 0.5 else "even"
        details = {"first": outcomes[0], "second": outcomes[1], "order_flip": float(outcomes[0] != outcomes[1])}
        return Judgement(record.id, self.name, score, label, details=details, words=words)


def _outcome(better: float, own: int) -> float:
    return 0.5 if better == 0 else float(better == own)
