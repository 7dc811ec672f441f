"""Multiple choice by log-prob: which of an item's given answers the model finds most probable.

An answer is scored as the first tokens of the response, without an end of turn; its log-prob is the sum over its
tokens, not normalised by length, as in the evaluations of record.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.measures.measure import Measure, unscored
from holdfast.evals.measures.wording import placed
from holdfast.types import Axis, Item, Judgement, Prompt, Record


@dataclass(frozen=True, kw_only=True)
class Choices(Measure):
    """Base of measures whose items hold their answers in the field ``choices`` (see ``listed``).

    ``answer``: how an answer is written after the question; ``{answer}`` is where it goes. Where the question is put
    as plain text and not as a turn, many tokenizers want a space before it.
    """

    axis: ClassVar[Axis] = "normative"
    answer: str = "{answer}"

    def prompts_for(self, item: Item) -> list[Prompt]:
        form = placed(self.answer, "answer", self.name)
        return [Prompt(item.id, item.prompt, continuations=tuple(form.replace("{answer}", c) for c in choices(item)))]

    def score(self, item: Item, record: Record) -> Judgement:
        if not record.logps:
            return unscored(record, "own", record.finish if record.finish != "scored" else "no log-probs")
        assert len(record.logps) == len(choices(item)), "every choice is asked, in order"
        if not all(map(math.isfinite, record.logps)):
            return unscored(record, "own", "log-probs are not finite")
        return self.chose(item, record, record.logps)

    def chose(self, item: Item, record: Record, logps: Sequence[float]) -> Judgement:
        """The verdict on the log-probs of the item's choices (nats), which are finite and in the choices' order."""
        raise NotImplementedError


def listed(answers: Sequence[str]) -> str:
    """Answers as a field of an item."""
    return json.dumps(list(answers), ensure_ascii=False)


def choices(item: Item) -> list[str]:
    return json.loads(item.fields["choices"])
