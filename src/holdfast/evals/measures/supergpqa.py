"""SuperGPQA (Du et al. 2025, arXiv 2502.14739): graduate-level questions with up to ten options."""

from __future__ import annotations

import string
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar, Literal

from holdfast.data import letters
from holdfast.data.tasks import supergpqa
from holdfast.evals.measures import shares
from holdfast.evals.measures.items import item_id, numbered
from holdfast.evals.measures.measure import WHERE, Measure, Summary, unscored
from holdfast.evals.measures.task_accuracy import ACCURACY
from holdfast.store.digest import digest
from holdfast.store.documents import read_yaml
from holdfast.store.rows import Source
from holdfast.store.sources import data_file
from holdfast.types import Axis, Item, Judgement, Prompt, Record, Turn, UserError

LETTER = "Answer with the letter of the right option and nothing else."
METRICS = {"accuracy": ACCURACY, "strict": replace(ACCURACY, short="strict accuracy", words="")}


@dataclass(frozen=True, kw_only=True)
class SuperGPQA(Measure):
    """``path``: a file, folder or hub id of the authors' rows. ``discipline``: only its questions; None takes all.

    ``by``: ``letter`` lets the model write and reads the letter that it settles on (``data.letters``); a response
    without one is wrong, and ``parsed`` is the share that has one. ``logprob`` asks for the letter alone and takes the
    most probable one among those offered, as the first tokens of the response: ``A`` and `` A`` count together. There
    ``p_right`` is the probability of the right letter, renormalised over the letters, and ``mass`` what they hold.

    ``prompts``: a YAML file of the authors' (``zero-shot.yaml``, ``five-shot.yaml``), whose text replaces the wording
    of ``letter``: it holds ``prompt_format`` with one ``{}`` for the question.
    """

    name: ClassVar[str] = "supergpqa"
    display: ClassVar[str] = "SuperGPQA"
    version: ClassVar[int] = 2
    axis: ClassVar[Axis] = "capability"
    alternatives: ClassVar[bool] = True
    strata: ClassVar[tuple[str, ...]] = ("discipline",)
    summary: ClassVar[Summary] = Summary(
        "accuracy", secondary=("strict", "parsed", "cut", "p_right", "mass"), metrics=METRICS
    )
    path: str = field(default="m-a-p/SuperGPQA", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    discipline: str | None = "Engineering"
    by: Literal["letter", "logprob"] = "letter"
    prompts: str | None = field(default=None, metadata=WHERE)  # the text's hash is in the identity

    def __post_init__(self) -> None:
        if self.by == "logprob" and self.prompts:
            raise ValueError("`prompts` ask for a written answer; leave them out where the letter is taken by logprob")

    def items(self) -> list[Item]:
        found = supergpqa.questions(Source(self.path, revision=self.revision), self.discipline)
        return numbered(_item(question) for question in found)

    def prompts_for(self, item: Item) -> list[Prompt]:
        if self.by == "logprob":
            forms = [form for letter in _offered(item) for form in _forms(letter)]
            return [Prompt(item.id, (Turn("user", f"{_bare(item)}\n\n{LETTER}"),), continuations=tuple(forms))]
        text = self._wording.format(_bare(item)) if self._wording else item.prompt[-1].content
        return [Prompt(item.id, (Turn("user", text),))]

    def score(self, item: Item, record: Record) -> Judgement:
        if "fault" in item.fields:
            return unscored(record, "own", item.fields["fault"])
        return _by_logprob(item, record) if self.by == "logprob" else _by_letter(item, record)

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"wording": digest(self._wording)}

    @cached_property
    def _wording(self) -> str:
        """The authors' text around a question; "" for the plain one."""
        return _read_wording(self.prompts) if self.prompts else ""


def _item(question: supergpqa.PublishedQuestion) -> Item:
    asked = letters.question(question.stem, question.options)
    fields = {"discipline": question.discipline, "options": str(len(question.options))}
    if question.fault:
        fields["fault"] = question.fault
    return Item(item_id(asked, question.letter), (Turn("user", asked),), reference=question.letter, fields=fields)


def _bare(item: Item) -> str:
    """The question and its options."""
    return item.prompt[-1].content.removesuffix(f"\n\n{letters.FORM}")


def _offered(item: Item) -> str:
    return letters.LETTERS[: int(item.fields["options"])]


def _forms(letter: str) -> tuple[str, str]:
    return (letter, f" {letter}")


def _by_letter(item: Item, record: Record) -> Judgement:
    asked = letters.offered(item.prompt[-1].content) if item.prompt else []
    said, right = letters.lenient(record.plain, asked), _right(item.reference)
    if right is None:
        return unscored(record, "own", "the reference is no letter")
    details = {
        "strict": float(letters.strict(record.plain) == right),
        "parsed": float(said is not None),
        "cut": float(record.finish == "length"),
    }
    label = "no letter" if said is None else "correct" if said == right else "wrong"
    return Judgement(record.id, "own", float(said == right), label, details=details)


def _right(reference: str) -> str | None:
    """The letter of a reference, or of a worked one."""
    plain = reference.strip().strip("().").upper()
    return plain if plain in letters.LETTERS and len(plain) == 1 else letters.lenient(reference)


def _by_logprob(item: Item, record: Record) -> Judgement:
    reading = shares.read(record, {letter: _forms(letter) for letter in _offered(item)})
    if isinstance(reading, str):
        return unscored(record, "own", reading)
    right = reading.share[item.reference]
    first = all(right > share for letter, share in reading.share.items() if letter != item.reference)
    details = {"p_right": right, "mass": reading.mass}
    return Judgement(record.id, "own", float(first), "correct" if first else "wrong", details=details)


def _read_wording(path: str) -> str:
    found = read_yaml(data_file(path))
    try:
        (text,) = found["prompt_format"]
        places = [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]
    except (TypeError, KeyError, ValueError):
        places = []
    if places != [""]:
        raise UserError(f"{path} is no prompt file of SuperGPQA: it needs one `prompt_format` with one {{}} in it")
    return text
