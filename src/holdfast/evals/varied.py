"""The measuring side of the `consistency` section, expanded: measures asked otherwise, beside the study's own."""

from __future__ import annotations

import itertools
from typing import Any

from holdfast import registry
from holdfast.config.factors import ConsistencySpec
from holdfast.config.study import MeasureSpec, Study
from holdfast.config.variant import OWN, Level
from holdfast.evals.eval_config import Varied
from holdfast.evals.measures.attacks import read_entries


def varied(study: Study) -> list[Varied]:
    """Every combination of the measuring factors' levels that a measure has a use for, but its own.

    At temperature 0 nothing is drawn: other seeds are left out there, and there is one sample.
    """
    if study.consistency is None:
        return []
    wanted = study.consistency.measures
    last = study.budgets[-1] if study.budgets else 0
    found = []
    for spec in study.measures:
        name = spec.label
        if not wanted or name in wanted:
            factors = {k: [(OWN, {}), *levels] for k, levels in _measuring(study.consistency, spec).items()}
            for combination in itertools.product(*factors.values()):
                varies = {k: level for k, (level, _) in zip(factors, combination, strict=True) if level != OWN}
                change = {k: v for _, part in combination for k, v in part.items()}
                greedy = change.get("temperature", spec.temperature) == 0
                if not varies or (greedy and "seed" in varies):
                    continue
                suffix = ",".join(f"{k}={v}" for k, v in varies.items())
                if greedy:
                    change["samples"] = 1
                params = {**spec.params, **change.pop("params", {})}
                more = {**change, "params": params, "name": f"{name}~{suffix}", "own_conditions": False}
                found.append(Varied(spec.model_copy(update=more), name, varies, last))
    return found


def _measuring(section: ConsistencySpec, spec: MeasureSpec) -> dict[str, list[Level]]:
    """Levels by factor, without the measure's own; at greedy decoding alone seeds are no factor."""
    m = section.measuring
    warm = spec.temperature > 0 or any(t > 0 for t in m.temperature)
    wordings = [(name, params) for name, file in m.wording.items() if (params := _worded(spec, file))]
    found: dict[str, list[Level]] = {
        "frame": [(name, {"frame": text}) for name, text in m.frame.items() if text != spec.frame],
        "system": [(name, {"system": text}) for name, text in m.system.items() if text != spec.system],
        "temperature": [(f"{t:g}", {"temperature": t}) for t in m.temperature if t != spec.temperature],
        "seed": [(str(s), {"seed": s}) for s in m.seed if s != spec.seed and warm],
        "wording": [(name, {"params": params}) for name, params in wordings],
    }
    return {name: list(dict(levels).items()) for name, levels in found.items() if levels}  # each once


def _worded(spec: MeasureSpec, file: str) -> dict[str, Any]:
    """The measure's parameters with the attacks' texts from another file; none where it has no such attacks."""
    there = read_entries(file)
    measure = registry.build("measures", spec.measure, spec.params)
    both = [name for name in getattr(measure, "attacks", ()) if name in there]
    if not both:
        return {}
    own = spec.params.get("attack_params", {})
    return {"attack_params": own | {name: own.get(name, {}) | {"file": file} for name in both}}
