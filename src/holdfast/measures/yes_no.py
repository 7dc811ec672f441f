"""The probability of an answer, read from the log-probs of the surface forms of yes and no.

P(answer) = Σ P(forms of the answer) / Σ P(forms of yes and of no). What the two hold together is the *mass*: where it
is small, the model would have said something else and P(answer) says little.

A form is scored as the first tokens of the response, without an end of turn; of forms that share their tokens, or of
which one begins another, only the shortest is asked (``Measure.alternatives``), so that nothing is counted twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from holdfast.measures.contract import Measure, unscored
from holdfast.words import Ask, Item, Judgement, Record

YES = ("Yes", " Yes", "yes", " yes", "YES", " YES")
NO = ("No", " No", "no", " no", "NO", " NO")


@dataclass(frozen=True, slots=True)
class Reading:
    """``p_yes`` renormalised over yes and no; ``mass`` what the two hold of all probability."""

    p_yes: float
    mass: float


def read(record: Record, yes: Sequence[str] = YES, no: Sequence[str] = NO) -> Reading | str:
    """The reading of a record, or the reason why there is none."""
    if not record.logps:
        return record.finish if record.finish != "scored" else "no log-probs"
    logps = dict(zip(record.continuations, record.logps, strict=True))
    log_yes, log_no = (_logsumexp([logps[f] for f in forms if f in logps]) for forms in (yes, no))
    if log_yes is None or log_no is None:
        return "yes and no have the same tokens"
    log_mass = _logsumexp([log_yes, log_no])
    if log_mass is None or not math.isfinite(log_mass):
        return "log-probs are not finite"
    return Reading(math.exp(log_yes - log_mass), math.exp(log_mass))


@dataclass(frozen=True, kw_only=True)
class YesNo(Measure):
    """Base of measures whose items have the reference ``Yes`` or ``No`` (kept in the field ``answer`` too).

    ``score`` is the probability of the reference. Details: ``mass``, ``p_yes``, ``yes_bias`` = 2·p_yes − 1 (over items
    balanced in their references 1 for a model that always says yes, −1 for one that always says no, 0 for one without
    bias), and the score once more as ``half_yes`` or ``half_no``, by the reference. A model that collapses to one
    answer has one half near 1 and the other near 0.
    """

    alternatives: ClassVar[bool] = True
    strata: ClassVar[tuple[str, ...]] = ("answer",)
    labels: ClassVar[tuple[str, str]] = ("correct", "wrong")
    yes: tuple[str, ...] = YES
    no: tuple[str, ...] = NO

    def asks(self, item: Item) -> list[Ask]:
        return [Ask(item.id, item.prompt, continuations=(*self.yes, *self.no))]

    def score(self, item: Item, record: Record) -> Judgement:
        reading = read(record, self.yes, self.no)
        if isinstance(reading, str):
            return unscored(record, "own", reading)
        assert item.reference in ("Yes", "No"), item.reference
        p = reading.p_yes if item.reference == "Yes" else 1 - reading.p_yes
        details = {
            "mass": reading.mass,
            "p_yes": reading.p_yes,
            "yes_bias": 2 * reading.p_yes - 1,
            f"half_{item.reference.lower()}": p,
        }
        return Judgement(record.id, "own", p, self.labels[p < 0.5], details=details)


SECONDARY = ("mass", "p_yes", "yes_bias", "half_yes", "half_no")


def _logsumexp(values: Sequence[float]) -> float | None:
    """Of no values at all, None."""
    if not values:
        return None
    top = max(values)
    return top if math.isinf(top) else top + math.log(sum(math.exp(v - top) for v in values))
