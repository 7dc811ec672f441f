"""What was said before there were results, what was changed or added since, and what nobody said: in sentences.

The page, the methods text and the checklist have them from here, so that none says "beforehand" of what was not.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from holdfast.analysis.declaration import Standing
from holdfast.config.declared import InterestSpec
from holdfast.config.study import Study
from holdfast.report.phrases import phrase, phrases
from holdfast.store.digest import short

# Of the places that ``defaults`` may name those that say what is compared and how large a difference matters.
_EVERY = {f"declared.{x}" for x in ("estimands", "references", *(f"interest.{a}" for a in InterestSpec.model_fields))}


def sentences(stands: Standing) -> list[str]:
    """In the order in which a reader asks: was it recorded, does it still hold, was it grown, was it chosen at all."""
    first = _said(stands, recorded=stands.kind == "recorded", early=stands.early)
    return first + deviations(stands) + _said(stands, defaults=stands.defaults, looks=stands.looks)


def deviations(stands: Standing) -> list[str]:
    """What of it is not as it was recorded before there were results."""
    return _said(stands, none=stands.kind == "none", changed=stands.kind == "changed", late=stands.late)


def _said(stands: Standing, **holds: Any) -> list[str]:
    mark = f" (digest {short(stands.digest)})" if stands.digest else ""
    return phrases("declared", holds, stands=stands, digest=mark)


def chosen(stands: Standing) -> str:
    """How what is asked came to be: declared, by default, or exploratory."""
    if not stands.confirms:
        return "exploratory"
    if {*stands.defaults} >= _EVERY:
        return "by default"
    return "partly declared, partly by default" if stands.defaults else "declared"


def little(stands: Standing) -> str:
    """Who says that a difference within the margin matters little."""
    default = any(place.startswith("declared.interest") for place in stands.defaults)
    return phrase(f"declared.little.{'exploratory' if not stands.confirms else 'default' if default else 'declared'}")


def in_words(found: pd.DataFrame, study: Study, reference: str) -> str:
    """What is asked, against what, and what of it there is nothing of here. ``found``: of ``asked``."""
    names = {"sft": reference, "base": "the base model", "mean": "the mean of all"}
    estimands, references = list(study.declared.estimands), list(study.declared.references)
    there = [e for e in estimands if e in set(found["estimand"])]
    sides = [r for r in references if r in set(found["against"])]
    gone = [e for e in estimands if e not in there] + [names[r] for r in references if r not in sides]
    there += [e for e in found["estimand"] if e not in estimands]
    return phrase("declared.asked", there=there, sides=[names[r] for r in sides], gone=gone).replace("_", " ")


def asked(found: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Of the findings, what the study asks for: what is declared and, where nothing is, what would have been."""
    declared = found["declared"].astype(bool)
    if not declared.any():
        declared = found["estimand"].isin(study.declared.estimands)
        declared &= found["against"].isin(["", *study.declared.references])
    return found[declared]
