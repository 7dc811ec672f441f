"""GSM8K's test questions, whatever the study trains on (Cobbe et al. 2021, arXiv 2110.14168)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from holdfast import rng
from holdfast.data import answers
from holdfast.data.tasks import gsm8k
from holdfast.data.tasks.task import prompt_key
from holdfast.evals.measures.items import item_id, numbered
from holdfast.evals.measures.measure import WHERE, Measure, Summary, unscored
from holdfast.evals.measures.task_accuracy import ACCURACY
from holdfast.store.digest import digest
from holdfast.store.rows import SUFFIXES
from holdfast.store.sources import local
from holdfast.types import Axis, Item, Judgement, Prompt, Record, Turn, UserError

METRICS = {
    "accuracy": ACCURACY,
    "strict": replace(ACCURACY, short="strict accuracy", words=""),
    "flexible": replace(ACCURACY, short="flexible accuracy", words=""),
}


@dataclass(frozen=True, kw_only=True)
class GSM8K(Measure):
    """``path``: a folder with ``test.jsonl`` (and ``train.jsonl``, for examples), or the hub id.

    ``shots``: solved examples before each question, the same for all, chosen from the training rows by a hash of their
    content, without calculator marks. ``shots_as``: ``turns`` of a conversation, or one ``text`` of ``Question:`` and
    ``Answer:`` lines, as base models are asked (also with no shots at all). ``instruction``: a sentence after every
    question, on a line of its own. ``reading``: which extraction is the headline; the other is a detail.

    Score: 1 where the number that is read equals the reference. A response without a number is wrong; ``parsed`` is the
    share that has one in the reading of the headline, ``cut`` the share that ran into the limit of tokens.
    """

    name: ClassVar[str] = "gsm8k"
    display: ClassVar[str] = "GSM8K"
    version: ClassVar[int] = 2
    axis: ClassVar[Axis] = "capability"
    path: str = field(default="openai/gsm8k", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    shots: int = 0
    shots_as: Literal["turns", "text"] = "turns"
    instruction: str = ""
    reading: Literal["flexible", "strict"] = "flexible"

    def __post_init__(self) -> None:
        if self.shots < 0:
            raise ValueError("`shots` must be 0 or more")

    @property
    def summary(self) -> Summary:
        return Summary("accuracy", secondary=(self._other, "parsed", "cut"), metrics=METRICS)

    def items(self) -> list[Item]:
        rows = self._task.test_rows()
        return numbered(Item(item_id(row.id), row.prompt, reference=row.answer) for row in rows)

    def prompts_for(self, item: Item) -> list[Prompt]:
        question = item.prompt[-1].content
        if self.shots_as == "text":
            solved = "".join(f"Question: {self._asked(q)}\nAnswer: {a}\n\n" for q, a in self._examples)
            return [Prompt(item.id, (Turn("user", f"{solved}Question: {self._asked(question)}\nAnswer:"),))]
        turns = [Turn(*t) for q, a in self._examples for t in (("user", self._asked(q)), ("assistant", a))]
        return [Prompt(item.id, (*turns, Turn("user", self._asked(question))))]

    def score(self, item: Item, record: Record) -> Judgement:
        return marked(record, item.reference, self.reading)

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"examples": digest(self._examples)}

    @property
    def _other(self) -> str:
        return "strict" if self.reading == "flexible" else "flexible"

    @property
    def _task(self) -> gsm8k.GSM8K:
        return gsm8k.GSM8K(self.path, self.revision)

    def _asked(self, question: str) -> str:
        return f"{question}\n{self.instruction}" if self.instruction else question

    @cached_property
    def _examples(self) -> tuple[tuple[str, str], ...]:
        """(question, worked answer) of the shots."""
        if not self.shots:
            return ()
        if local(self.path).suffix in SUFFIXES:
            raise UserError(
                f"the examples of gsm8k come from train.jsonl beside test.jsonl, but {self.path} is one file: give the "
                "folder of both, or set shots to 0"
            )
        asked = {prompt_key(item.prompt) for item in self.items()}
        rows = {row.id: row for row in self._task.rows() if prompt_key(row.prompt) not in asked}
        if len(rows) < self.shots:
            raise UserError(f"gsm8k was to show {self.shots} examples, but {self.path} has {len(rows)} training rows")
        chosen = [rows[i] for i in rng.order(rows, "gsm8k", "shots")[: self.shots]]
        return tuple((row.prompt[-1].content, row.chosen) for row in chosen)


def marked(record: Record, answer: str, reading: Literal["flexible", "strict"] = "flexible") -> Judgement:
    """A worked answer against its number, or a worked reference's. What holds no number is wrong; one whose separators
    have no reading is unscored."""
    right = answers.final(answer)
    if right is None:
        return unscored(record, "own", "the reference is no number")
    found = {"strict": answers.strict(record.plain), "flexible": answers.lenient(record.plain)}
    if found[reading] is None and answers.illegible(record.plain):
        return unscored(record, "own", "the number cannot be read")
    scores = {name: float(value == right) for name, value in found.items()}
    score = scores.pop(reading)
    details = {**scores, "parsed": float(found[reading] is not None), "cut": float(record.finish == "length")}
    label = "no number" if found[reading] is None else "correct" if score else "wrong"
    return Judgement(record.id, "own", score, label, details=details)
