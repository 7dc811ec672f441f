"""SuperGPQA (Du et al. 2025, arXiv 2502.14739): graduate-level questions with up to ten options, by discipline."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from holdfast import rng
from holdfast.data import letters
from holdfast.data.gather import EMPTY, Gathered, gather
from holdfast.data.tasks.task import Task, Verdict
from holdfast.store.rows import Placed, Source, remembered, texts
from holdfast.types import Example, Turn, UserError

COLUMNS = ("uuid", "question", "answer", "answer_letter", "discipline")
DISAGREE = "answer and letter disagree"
TOO_FEW = "no wrong option"


@dataclass(frozen=True)
class SuperGPQA(Task):
    """Questions of one discipline; the response is the right option and its letter, the rejected one a wrong option.

    path: a file, a folder or a hub id, with uuid, question, options, answer, answer_letter and discipline.
    revision: of the hub's data set; None is its newest.
    discipline: only its rows (Engineering, Medicine, Science, …); None takes all.
    """

    path: str = "m-a-p/SuperGPQA"
    revision: str | None = None
    discipline: str | None = "Engineering"

    name: ClassVar[str] = "supergpqa"
    version: ClassVar[int] = 2

    def sources(self) -> list[Source]:
        return [Source(self.path, revision=self.revision)]

    def rows(self) -> list[Example]:
        return list(self._gathered.examples)

    def left_out(self) -> dict[str, int]:
        return dict(self._gathered.left_out)

    def check(self, response: str, answer: str) -> Verdict:
        return letters.verdict(response, answer)

    def perturb(self, example: Example) -> str | None:
        """The wrong option that the row has as its rejected response."""
        return example.rejected

    @property
    def _gathered(self) -> Gathered:
        return _examples(self.sources()[0], self.discipline)


@dataclass(frozen=True, slots=True)
class PublishedQuestion:
    """A row as published."""

    uuid: str
    stem: str
    options: tuple[str, ...]
    right: str
    letter: str
    discipline: str

    @property
    def fault(self) -> str | None:
        """Why nothing can be learnt from it or measured by it; None where all is well."""
        if not (self.uuid and self.stem and self.right and all(self.options)):
            return EMPTY
        at = letters.LETTERS.find(self.letter) if self.letter else -1
        if not 0 <= at < len(self.options) or self.options[at] != self.right:
            return DISAGREE
        return TOO_FEW if set(self.options) == {self.right} else None


@remembered
def questions(source: Source, discipline: str | None) -> tuple[PublishedQuestion, ...]:
    """All questions of a discipline (None: of all). Raises ``UserError`` naming the row that is no such question."""
    placed = source.rows()
    there = sorted({texts(p, *COLUMNS)[-1] for p in placed})
    if discipline is not None and discipline not in there:
        raise UserError(f"{source.path} has no rows of the discipline {discipline!r}; it has {', '.join(there)}")
    return tuple(_question(p) for p in placed if discipline in (None, p[1]["discipline"]))


@remembered
def _examples(source: Source, discipline: str | None) -> Gathered:
    return gather(map(_example, questions(source, discipline)))


def _question(placed: Placed) -> PublishedQuestion:
    uuid, stem, right, letter, discipline = (text.strip() for text in texts(placed, *COLUMNS))
    return PublishedQuestion(uuid, stem, tuple(_options(placed)), right, letter, discipline)


def _example(question: PublishedQuestion) -> Example | str:
    """The example, or why there is none."""
    if question.fault:
        return question.fault
    wrong = [n for n, option in enumerate(question.options) if option != question.right]
    other = wrong[int(rng.uniform("supergpqa", "wrong option", question.uuid) * len(wrong))]
    return Example(
        id=question.uuid,
        prompt=(Turn("user", letters.question(question.stem, question.options)),),
        chosen=letters.answer(question.letter, question.right),
        rejected=letters.answer(letters.LETTERS[other], question.options[other]),
        answer=question.letter,
    )


def _options(placed: Placed) -> list[str]:
    where, row = placed
    options = row.get("options")
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise UserError(f"{where}: `options` must be there, as a list of texts")
    if len(options) > len(letters.LETTERS):
        raise UserError(f"{where}: it has {len(options)} options, and letters go to {letters.LETTERS[-1]}")
    return [option.strip() for option in options]
