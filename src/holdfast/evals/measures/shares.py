"""The probability of an answer among several, read from the log-probs of the surface forms of each.

P(answer) = Σ P(forms of the answer) / Σ P(forms of all answers). What they hold together is the *mass*: where it is
small, the model would have said something else and P(answer) says little.

A form is scored as the first tokens of the response, without an end of turn; of forms that share their tokens, or of
which one begins another, only the shortest is asked (``Measure.alternatives``), so that nothing is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from holdfast.types import Record

SAME = "answers have the same tokens"


@dataclass(frozen=True, slots=True)
class Reading:
    """``share`` of each answer, renormalised over all of them; ``mass`` is what they hold of all probability."""

    share: Mapping[str, float]
    mass: float


def read(record: Record, forms: Mapping[str, Sequence[str]]) -> Reading | str:
    """The reading of a record, ``forms`` by answer, or the reason why there is none."""
    if not record.logps:
        return record.finish if record.finish != "scored" else "no log-probs"
    logps = dict(zip(record.continuations, record.logps, strict=True))
    found = {answer: [logps[form] for form in said if form in logps] for answer, said in forms.items()}
    if not all(found.values()):
        return SAME
    logs = {answer: _logsumexp(values) for answer, values in found.items()}
    log_mass = _logsumexp(list(logs.values()))
    if not math.isfinite(log_mass):
        return "log-probs are not finite"
    return Reading({answer: math.exp(log - log_mass) for answer, log in logs.items()}, math.exp(log_mass))


def _logsumexp(values: Sequence[float]) -> float:
    top = max(values)
    return top if math.isinf(top) else top + math.log(sum(math.exp(v - top) for v in values))
