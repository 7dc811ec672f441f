"""Coherence: is a response text at all? A tuned model may answer neither with harm nor with a refusal, but with noise,
and judges are unreliable on noise (Vishnubhotla et al. 2026, arXiv 2606.03648). This screen says which rows those are.

Three signs, each with a threshold that is a parameter:

- *repetition*: distinct word trigrams / word trigrams. Prose of a few hundred words keeps nearly all of its trigrams
  distinct; a loop drives the share towards zero.
- *compression*: bytes after zlib / bytes before. English prose of half a kilobyte or more comes out between 0.4 and
  0.7, loops (of characters too, where there are no words) far below.
- *perplexity* under the base model, per token, as a response to the plain question. It is high for word salad,
  which the first two signs cannot see. It depends on the model's vocabulary: 100 is far above what models of
  ordinary size find in fluent text, and small models may want another value.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from holdfast.evals.judges.judge import Judge, JudgeModel, JudgeResources
from holdfast.store.digest import digest
from holdfast.types import Item, Judgement, Record, Request, Subject

_LEVEL = 9
# A script without spaces counts by character.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]|[^\W\u3040-\u30ff\u3400-\u9fff]+")


@dataclass(frozen=True)
class Coherence(Judge):
    """Score 1 for coherent, 0 for incoherent. Details: ``distinct``, ``compression``, ``perplexity``.

    ``min_distinct``, ``min_compression``: shares; below either is incoherent. ``max_perplexity``: above is incoherent.
    ``min_words``: a shorter response shows no repetition, and its perplexity is that of a few tokens: it counts as
    coherent, labelled ``short``. ``min_bytes``: zlib says nothing of less.
    """

    name: ClassVar[str] = "coherence"
    version: ClassVar[int] = 2
    wants: ClassVar[JudgeModel] = JudgeModel()
    min_distinct: float = 0.5
    min_compression: float = 0.25
    max_perplexity: float = 100.0
    min_words: int = 5
    min_bytes: int = 200

    def judge(self, rows: Sequence[tuple[Item, Record]], resources: JudgeResources) -> list[Judgement]:
        backend, base = resources.asked(self)
        asked = {record.id: _request(base, item, record) for item, record in rows}
        scored = {s.key: s for s in backend.score(list({r.key: r for r in asked.values()}.values()))}
        judged = []
        for _, record in rows:
            answer = scored[asked[record.id].key]
            if not answer.logps or not answer.n_tokens[0]:
                judged.append(Judgement(record.id, self.name, None, "unscored", "overlong"))
            else:
                judged.append(self.verdict(record, -answer.logps[0] / answer.n_tokens[0]))
        return judged

    def verdict(self, record: Record, nats_per_token: float) -> Judgement:
        """The verdict on a response whose mean surprise under the base is known."""
        text = record.plain
        # Beyond e^20 nothing more is said, and JSON has no infinity.
        details = {"perplexity": math.exp(min(nats_per_token, 20.0)), "distinct": distinct(text)}
        if len(text.encode()) >= self.min_bytes:
            details["compression"] = compression(text)
        if len(_WORD.findall(text)) < self.min_words and "compression" not in details:
            return Judgement(record.id, self.name, 1.0, "short", details=details)
        coherent = (
            details["distinct"] >= self.min_distinct
            and details.get("compression", 1.0) >= self.min_compression
            and details["perplexity"] <= self.max_perplexity
        )
        return Judgement(
            record.id, self.name, float(coherent), "coherent" if coherent else "incoherent", details=details
        )


def distinct(text: str, n: int = 3) -> float:
    """Distinct n-grams of words / n-grams of words, in [0, 1]; 1 where the text is too short to hold two."""
    words = [w.lower() for w in _WORD.findall(text)]
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0


def compression(text: str) -> float:
    """Bytes after zlib / bytes before (UTF-8)."""
    raw = text.encode()
    return len(zlib.compress(raw, _LEVEL)) / len(raw) if raw else 1.0


def _request(base: Subject, item: Item, record: Record) -> Request:
    key = digest({"coherence": base.id, "turns": item.prompt, "text": record.plain})
    return Request(key, base, item.prompt, continuations=(record.plain,))
