"""What was said before there were results, what was changed or added since, and what nobody said: in sentences.

The page, the methods text and the checklist have them from here, so that none says "beforehand" of what was not.
"""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from holdfast.analysis.declaration import Standing
from holdfast.config.declared import InterestSpec
from holdfast.config.study import Study
from holdfast.report import words
from holdfast.store.digest import short

_AT_MOST = 12  # changes that are spelled out


def sentences(stands: Standing) -> Iterator[str]:
    """In the order in which a reader asks: was it recorded, does it still hold, was it grown, was it chosen at all."""
    if stands.kind == "recorded":
        yield f"What decides the verdicts was recorded before there were results{_mark(stands)}."
    if stands.early:
        yield f"Added before the first analysis: {_listed(stands.early)}."
    yield from deviations(stands)
    if stands.defaults:
        yield f"By holdfast’s defaults, which the study file did not state: {words.join(stands.defaults)}."
    if stands.looks > 1:
        states = f", in {stands.states} states of the study and its data" if stands.states > 1 else ""
        yield f"Results were analysed {stands.looks} times{states}."
    elif stands.looks:
        yield "Results were analysed once."


def deviations(stands: Standing) -> Iterator[str]:
    """What of it is not as it was recorded before there were results."""
    if stands.kind == "none":
        yield (
            "No declaration was recorded before there were results, so nothing here is shown to have been asked "
            "beforehand: all of it is exploratory."
        )
    elif stands.kind == "changed":
        yield (
            f"What decides the verdicts was changed after it had been recorded{_mark(stands)} and there were results, "
            f"so all of it is exploratory: {_listed(stands.changes)}."
        )
    if stands.late:
        yield (
            f"Added after results had been looked at: {_listed(stands.late)}. What this touches is exploratory: to add "
            "seeds, prompts or samples after a look is optional stopping, which no interval or p here allows for."
        )


def _mark(stands: Standing) -> str:
    return f" (digest {short(stands.digest)})" if stands.digest else ""


def chosen(stands: Standing) -> str:
    """How what is asked came to be: declared, by default, or exploratory."""
    if not stands.confirms:
        return "exploratory"
    if {*stands.defaults} >= _EVERY:
        return "by default"
    return "partly declared, partly by default" if stands.defaults else "declared"


# Of the places that ``defaults`` may name those that say what is compared and how large a difference matters.
_EVERY = {f"declared.{x}" for x in ("estimands", "references", *(f"interest.{a}" for a in InterestSpec.model_fields))}


def in_words(found: pd.DataFrame, study: Study, reference: str) -> str:
    """What is asked, against what, and what of it there is nothing of here. ``found``: of ``asked``."""
    wanted, against = study.declared.estimands, study.declared.references
    names = {"sft": reference, "base": "the base model", "mean": "the mean of all"}
    there = [*(e for e in wanted if (found["estimand"] == e).any()), *(e for e in found["estimand"] if e not in wanted)]
    sides = [names[r] for r in against if (found["against"] == r).any()]
    gone = [*(e for e in wanted if e not in there), *(names[r] for r in against if names[r] not in sides)]
    said = words.join(there) + (f", against {words.join(sides)}" if sides else "")
    return (said + (f" (of {words.join(gone)} there is nothing here)" if gone else "")).replace("_", " ")


def little(stands: Standing) -> str:
    """Who says that a difference within the margin matters little."""
    if not stands.confirms:
        return "which the study file takes to matter little, though it cannot be shown to have said so beforehand"
    if any(place.startswith("declared.interest") for place in stands.defaults):
        return "which matters little by holdfast’s defaults (the study file states no margin, or not all of them)"
    return "which was said beforehand to matter little"


def asked(found: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Of the findings, what the study asks for: what is declared and, where nothing is, what would have been."""
    declared = found["declared"].astype(bool)
    if not declared.any():
        declared = found["estimand"].isin(study.declared.estimands)
        declared &= found["against"].isin(["", *study.declared.references])
    return found[declared]


def _listed(changes: tuple[object, ...]) -> str:
    rest = f"; and {len(changes) - _AT_MOST} more" if len(changes) > _AT_MOST else ""
    return "; ".join(str(c) for c in changes[:_AT_MOST]) + rest
