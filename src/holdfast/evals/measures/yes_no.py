"""Yes or no: the probability of the right one, or of the one that matches (``shares`` says how it is read)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from holdfast.evals.measures import shares
from holdfast.evals.measures.measure import Measure, MetricInfo, unscored
from holdfast.types import Item, Judgement, Prompt, Record, UserError

YES = ("Yes", " Yes", "yes", " yes", "YES", " YES")
NO = ("No", " No", "no", " no", "NO", " NO")
_WRITTEN = {"yes": "Yes", "true": "Yes", "1": "Yes", "no": "No", "false": "No", "0": "No"}


def yes_or_no(written: Any, where: str) -> str:
    """``Yes`` or ``No``, from `` Yes``, ``true``, ``0``, … Raises UserError, naming the row, where it is neither."""
    said = str(written).strip().lower()
    if said not in _WRITTEN:
        raise UserError(f"{where}: the answer must be Yes or No (or true or false), and is neither")
    return _WRITTEN[said]


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

    def prompts_for(self, item: Item) -> list[Prompt]:
        return [Prompt(item.id, item.prompt, continuations=(*self.yes, *self.no))]

    def forms(self, item: Item, format: str) -> dict[str, tuple[str, ...]]:
        """What is read as ``Yes`` and what as ``No``, as the item was put."""
        return {"Yes": self.yes, "No": self.no}

    def right(self, item: Item, format: str) -> str:
        """The answer, ``Yes`` or ``No``, that is right (or matches) as the item was put."""
        return item.reference

    def score(self, item: Item, record: Record) -> Judgement:
        reading = shares.read(record, self.forms(item, record.format))
        if isinstance(reading, str):
            return unscored(record, "own", reading)
        right = self.right(item, record.format)
        assert right in ("Yes", "No"), right
        p_yes = reading.share["Yes"]
        p = p_yes if right == "Yes" else 1 - p_yes
        details = {"mass": reading.mass, "p_yes": p_yes, "yes_bias": 2 * p_yes - 1, f"half_{right.lower()}": p}
        return Judgement(record.id, "own", p, self.labels[p < 0.5], details=details)


P_CORRECT = MetricInfo(
    "P(correct)",
    "higher",
    words="P(correct)",
    estimated="probability of the right answer, among yes and no",
    unit="probability; knowing nothing is 0.5",
    kind="probability",
)
YES_BIAS = MetricInfo("yes bias", "", unit="2·P(yes) − 1", kind="mean", low=-1.0)
SECONDARY = ("mass", "p_yes", "yes_bias", "half_yes", "half_no")
