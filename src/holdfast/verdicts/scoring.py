"""A file of responses scored by a measure's own rule against the reference of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from holdfast import registry
from holdfast.evals import outside
from holdfast.evals.judges.judge import NOTHING
from holdfast.evals.judges.own_rule import Own
from holdfast.evals.judging import judged
from holdfast.evals.outside import RESPONSES, Given
from holdfast.stats.intervals import wilson
from holdfast.types import Judgement, UserError
from holdfast.verdicts.result import Verdicts


def score(path: Path, name: str, params: Mapping[str, Any] | None = None) -> Verdicts:
    """Scores a file of responses by a measure's own rule against the reference of each. Raises ``UserError``."""
    measure = registry.build("measures", name, params)
    if measure.per_task or type(measure).score.__qualname__ == "Measure.score":
        raise UserError(f"the measure {name} has no rule for a response and its reference alone; use `holdfast judge`")
    given = outside.read(path, judging=False)
    if given[0].item.prompt and any(
        prompt.continuations for prompt in _of(measure, given[0], lambda: measure.prompts_for(given[0].item))
    ):
        raise UserError(f"the measure {name} reads log-probabilities, which a file of responses does not hold")
    found = [_scored(measure, g) for g in given]
    values = pd.Series([j.score for j in found], dtype=float)
    known = values.dropna()
    summary: dict[str, Any] = {"measure": name, "version": measure.version, "metric": measure.summary.metric}
    summary |= {"responses": len(found), "scored": len(known), "unscored": len(found) - len(known)}
    summary |= {"share_unscored": float(values.isna().mean()), "value": float(known.mean())}
    if known.isin((0.0, 1.0)).all() and len(known):
        low, high = wilson(known.mean(), len(known))
        summary |= {"low": float(low), "high": float(high), "method": "Wilson"}
    summary["labels"] = dict(Counter(j.label for j in found if j.score is not None))
    summary["reasons"] = dict(Counter(str(j.reason) for j in found if j.score is None))
    details = pd.DataFrame([dict(j.details) for j in found])
    summary["secondary"] = {str(k): float(v) for k, v in details.mean().items()}
    return Verdicts(found, summary)


def _scored(measure: Any, given: Given) -> Judgement:
    # GSM8K's own references are worked answers that end with "#### n".
    item = replace(given.item, reference=given.item.reference.rpartition("####")[2].strip())
    if not item.reference:
        return Judgement(given.record.id, "own", None, "unscored", "no reference")
    return _of(measure, given, lambda: judged("own", Own(measure), RESPONSES, [(item, given.record)], NOTHING)[0])


def _of(measure: Any, given: Given, rule: Callable[[], Any]) -> Any:
    """What the rule says; a field of the item that it misses is a column that the file lacks."""
    try:
        return rule()
    except KeyError as missing:
        raise UserError(f"{given.where}: the measure {measure.name} needs the column {missing} of each row") from None
