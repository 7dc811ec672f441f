"""The `tuned` section, expanded: the settings that are tried for each objective, and what was chosen among them.

A setting that is tried (role ``tuning``) is trained from a few seeds and measured at the last budget. The one that
is chosen (role ``tuned``) is trained and measured as the study proper is, whose ids nothing here touches. Which one
that is, the run finds out: until ``tuned.json`` says it of this study, a plan is provisional.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from holdfast import registry
from holdfast.config.study import Study, VariantSpec
from holdfast.config.variations import Level, Variation, around
from holdfast.store.digest import digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.types import UserError

Who = tuple[str, str, str]  # model, task, label


def candidates(study: Study) -> list[Variation]:
    """Every setting that is tried beside the objectives' own, in the order of the file."""
    if study.tuned is None:
        return []
    return [x for v in study.objectives for x in around(v, _factors(v, study), study.tuned.cross)]


def seeds(study: Study) -> tuple[int, ...]:
    """The study's seeds from which settings are tried and, by their mean, chosen."""
    assert study.tuned is not None
    return tuple(dict.fromkeys(study.tuned.seeds)) or study.seeds[:1]


def _factors(variant: VariantSpec, study: Study) -> dict[str, list[Level]]:
    """Levels by factor, without the objective's own."""
    assert study.tuned is not None
    own = variant.learning_rate or study.controls.learning_rate
    rates = dict.fromkeys(r for r in study.tuned.learning_rate if r != own)
    found = {"learning_rate": [(f"{r:g}", {"learning_rate": r}) for r in rates]}
    for key, values in study.tuned.coefficients.get(variant.label, {}).items():
        found[key] = list(_coefficients(variant, key, values))
    return {name: levels for name, levels in found.items() if levels}


def _coefficients(variant: VariantSpec, key: str, values: tuple[Any, ...]) -> Iterator[Level]:
    seen = [_identity(variant, {})]
    for value in values:
        made = _identity(variant, {key: value})
        if made not in seen:
            seen.append(made)
            yield (f"{value:g}" if isinstance(value, float) else str(value)), {"params": {key: value}}


def _identity(variant: VariantSpec, params: Mapping[str, Any]) -> str:
    return digest(registry.identity(registry.build("objectives", variant.objective, variant.params | dict(params))))


# -- what was chosen ---------------------------------------------------------------------------------------------------


def key(study: Study) -> str:
    """Digest of what a choice is about: it holds for no other settings, budget, rows, seeds or measure."""
    assert study.tuned is not None
    parts = study.model_dump(mode="json", include={"models", "tasks", "objectives", "controls", "tuned"})
    chooses = [m for m in study.measures if m.label == study.tuned.measure]
    return digest(parts | {"seeds": seeds(study), "budget": study.budgets[-1], "measure": chooses})


def read(study: Study, folder: StudyFolder | None) -> list[dict[str, Any]]:
    """What was chosen for each model, task and objective, as ``analysis.tuned.choose`` says it; [] where nothing was
    yet, or of a study that has changed since."""
    if study.tuned is None or folder is None or not folder.tuned_json.is_file():
        return []
    there = read_json(folder.tuned_json, "of", "choices")
    return there["choices"] if there["of"] == key(study) else []


def chosen(study: Study, folder: StudyFolder | None) -> dict[Who, str]:
    """The label of the setting that was chosen: a candidate's, or the objective's own. {} before there is a choice."""
    return {(c["model"], c["task"], c["label"]): c["chosen"] for c in read(study, folder)}


# -- checks ------------------------------------------------------------------------------------------------------------


def check(study: Study) -> None:
    """Raises UserError where the section names what is not there, or a setting cannot be."""
    section = study.tuned
    if section is None:
        return
    if not study.trains:
        raise UserError("tuned compares training runs at their best settings, and this study trains none; remove it")
    labels = {v.label: v for v in study.objectives}
    for label, params in section.coefficients.items():
        if label not in labels:
            raise UserError(f"tuned.coefficients names {label!r}; {registry.close(label, list(labels))}")
        for name, values in params.items():
            for value in values:
                try:
                    _identity(labels[label], {name: value})
                except UserError as e:
                    raise UserError(f"tuned.coefficients.{label}: {e}") from None
    for seed in section.seeds:
        if seed not in study.seeds:
            shown = ", ".join(map(str, study.seeds))
            raise UserError(f"tuned.seeds names {seed}, which the study does not have; there are {shown}")
    if not candidates(study):
        raise UserError("tuned tries nothing: give it learning rates or coefficients other than the study's own")
