"""EQ-Bench v2 (Paech 2023, arXiv 2312.06281): how strongly does a character feel each of four emotions?

A question's score, from the absolute differences d between the model's and the reference intensities (0 to 10):

    f(d) = 0 for d = 0,  6.5 / (1 + exp(−1.2 (d − 4))) for 0 < d ≤ 5,  d beyond
    score = 1 − 0.07477 · Σ f(d)

1 is the reference itself, 0 what random answers give on average; −1.99 is the least there is. The benchmark and lm-eval
print the hundredfold.
"""

from __future__ import annotations

import ast
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from holdfast.evals.measures.items import distinct, item_id
from holdfast.evals.measures.measure import WHERE, Measure, MetricInfo, Summary
from holdfast.evals.measures.wording import authors_file
from holdfast.store.rows import Placed, Source, texts
from holdfast.types import Axis, Item, Judgement, Record, Turn, UserError

REFERENCE = "reference_answer_fullscale"
MOST = 10.0
ADJUST = 0.7477  # chosen by the authors so that random answers score 0
REVISED = "Revised scores"  # the heading that the questions prescribe
_SCORE = MetricInfo(  # four emotions, each at most ``MOST`` off
    "score", "higher", unit="1: the reference, 0: random answers", kind="score", low=1 - 4 * MOST * ADJUST / 10
)
METRICS = {
    "eq_score": _SCORE,
    "with_zeros": replace(_SCORE, short="score with zeros"),
    "parseable": MetricInfo("parseable", "higher", unit="share of answers"),
}


@dataclass(frozen=True, kw_only=True)
class EQBench(Measure):
    """``path``: ``eq_bench_v2_questions_171.json`` of the authors, its folder, or the hub id of a copy.

    ``revise``: ask for first scores, a critique and revised scores, as the questions are written (some 600 tokens);
    without, the instructions for the last two are taken out, as the authors and lm-eval do since v2.1 (some 80 tokens).

    Details: ``parseable`` (1 or 0), and ``with_zeros``, the score with unparseable answers as 0, which is lm-eval's.
    """

    name: ClassVar[str] = "eq_bench"
    display: ClassVar[str] = "EQ-Bench"
    version: ClassVar[int] = 1
    axis: ClassVar[Axis] = "normative"
    summary: ClassVar[Summary] = Summary("eq_score", secondary=("parseable", "with_zeros"), metrics=METRICS)
    path: str = field(default="pbevan11/EQ-Bench", metadata=WHERE)
    revision: str | None = field(default=None, metadata=WHERE)
    revise: bool = False

    def items(self) -> list[Item]:
        file = authors_file(self.path, "eq_bench_v2_questions_171.json")
        rows = Source(self.path, file, "validation", revision=self.revision).rows()
        return distinct(map(self._item, rows), self.path)

    def score(self, item: Item, record: Record) -> Judgement:
        said = read(record.plain, reference := json.loads(item.fields["emotions"]))
        if said is None:
            details = {"parseable": 0.0, "with_zeros": 0.0}
            return Judgement(record.id, "own", None, "unscored", "unparseable", details)
        score = 1 - ADJUST / 10 * sum(scaled(abs(said[e] - reference[e])) for e in reference)
        return Judgement(record.id, "own", score, "parsed", details={"parseable": 1.0, "with_zeros": score})

    def _item(self, placed: Placed) -> Item:
        (prompt,) = texts(placed, "prompt")
        emotions = json.dumps(_reference(placed))
        asked = prompt if self.revise else without_revision(prompt)
        return Item(item_id(asked, emotions), (Turn("user", asked),), fields={"emotions": emotions})


def scaled(difference: float) -> float:
    """Small differences of intensity count for little: they are a matter of taste."""
    if difference == 0:
        return 0.0
    return 6.5 / (1 + math.exp(-1.2 * (difference - 4))) if difference <= 5 else difference


def read(response: str, reference: Mapping[str, float]) -> dict[str, float] | None:
    """The intensity said of each emotion, the last where there are several; of the revised answer, if that has all.

    None where one is missing or is no number from 0 to 10. Emphasis, capitals and decimals do not matter.
    """
    for text in (response.rpartition(REVISED)[2], response):
        said = {emotion: _last(emotion, text) for emotion in reference}
        if all(value is not None and value <= MOST for value in said.values()):
            return {emotion: float(value) for emotion, value in said.items() if value is not None}
    return None


def without_revision(prompt: str) -> str:
    """The question without its instructions for a critique and a revised answer; one that has none stays as it is."""
    dialogue, end, asked = prompt.rpartition("[End dialogue]")
    asked = re.sub(r" ?[^.\n:]*\b(?:critique|revised)\b[^.\n:]*\.", "", asked)
    asked = re.sub(r"^First pass scores:\n", "", asked, flags=re.MULTILINE)
    asked = re.sub(r"^Critique:.*?(?=^\[End of answer\])", "", asked, flags=re.MULTILINE | re.DOTALL)
    return dialogue + end + asked.rstrip()


def _last(emotion: str, text: str) -> float | None:
    said = re.findall(rf"\b{re.escape(emotion)}\b[*_\s]*[:=][*_\s]*(-?\d+(?:\.\d+)?)", text, re.IGNORECASE)
    return float(said[-1]) if said and not said[-1].startswith("-") else None


def _reference(placed: Placed) -> dict[str, float]:
    """Emotion to intensity. The authors' file mixes numbers and texts of numbers; the hub copy has all as one text."""
    where, row = placed
    found: Any = row.get(REFERENCE)
    try:
        found = ast.literal_eval(found) if isinstance(found, str) else found
        emotions = {str(found[f"emotion{n}"]).strip(): float(found[f"emotion{n}_score"]) for n in (1, 2, 3, 4)}
    except (KeyError, TypeError, ValueError, SyntaxError):
        emotions = {}
    if len(emotions) != 4 or not all(e and 0 <= score <= MOST for e, score in emotions.items()):
        raise UserError(f"{where}: {REFERENCE} must name four emotions, each with a score from 0 to 10")
    return emotions
