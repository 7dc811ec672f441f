"""The training side of the `consistency` section, expanded: runs that vary in training, beside the study proper.

Its ids they do not touch. Training factors are varied on the un-varied measures, and measuring factors
(``evals.varied``) on the study proper's subjects: the two kinds are not crossed with one another.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from holdfast import registry
from holdfast.config import variants
from holdfast.config.factors import ConsistencySpec
from holdfast.config.prompt_format import check as check_frame
from holdfast.config.study import Study, TaskSpec, VariantSpec
from holdfast.types import UserError

VARIATION = "variation"  # what runs and subjects of such a run carry in the column ``bracket``
SECOND = "second_round"  # the factor
OWN = "own"  # the level that a study has without saying so
_AGAIN = {"passes": 1_000_000}  # fewer rows are read as often as the budget takes
Level = tuple[str, dict[str, Any]]  # its name, and what it changes


@dataclass(frozen=True)
class Variation:
    """A variant that differs from the objective ``of`` in the levels of some training factors."""

    variant: VariantSpec
    of: str
    varies: Mapping[str, str]
    second: str = ""  # the task of a second round of training

    @property
    def first(self) -> str:
        """The label of the run that a second round goes on from: the same but for that factor."""
        return _label(self.of, {k: v for k, v in self.varies.items() if k != SECOND})


# -- training ----------------------------------------------------------------------------------------------------------


def variations(study: Study) -> list[Variation]:
    """One at a time around each objective's own setting; or all combinations, less the one that is the study's."""
    if study.consistency is None or not study.trains:
        return []
    labels = study.consistency.objectives or (study.objectives[0].label,)
    by_label = {v.label: v for v in study.objectives}
    section = study.consistency
    return [
        x
        for label in labels
        for x in around(by_label[label], _training(section, by_label[label], study), section.cross)
    ]


def second_tasks(study: Study) -> list[TaskSpec]:
    """Tasks that are learnt in a second round alone."""
    found = study.consistency.training.second_round.values() if study.consistency else ()
    return [x for x in found if isinstance(x, TaskSpec)]


def seeds(study: Study) -> tuple[int, ...]:
    """The study's seeds that variations are trained from."""
    assert study.consistency is not None
    return study.consistency.seeds or study.seeds[:1]


def around(variant: VariantSpec, factors: Mapping[str, list[Level]], cross: str) -> Iterator[Variation]:
    """The variant at each level by itself, or at every combination of them (``full``)."""
    if cross == "full":
        sets = [[None, *((name, level) for level in levels)] for name, levels in factors.items()]
        chosen = [[c for c in combination if c] for combination in itertools.product(*sets)]
    else:
        chosen = [[(name, level)] for name, levels in factors.items() for level in levels]
    for combination in chosen:
        if combination:
            varies = {name: level[0] for name, level in combination}
            update: dict[str, Any] = {"label": _label(variant.label, varies)}
            for _, (_, change) in combination:
                for key, value in change.items():
                    old = update.get(key, getattr(variant, key, {}))
                    update[key] = {**old, **value} if isinstance(value, dict) else value
            second = update.pop(SECOND, "")
            yield Variation(variant.model_copy(update=update), variant.label, varies, second)


def _label(of: str, varies: Mapping[str, str]) -> str:
    return f"{of}~{','.join(f'{k}={v}' for k, v in varies.items())}" if varies else of


def _training(section: ConsistencySpec, variant: VariantSpec, study: Study) -> dict[str, list[Level]]:
    """Levels by factor, without the variant's own."""
    t = section.training
    held = variants.controls(variant, study.controls)
    rate = variant.learning_rate or held.learning_rate
    lora = variant.controls.get("lora", {})
    found: dict[str, list[Level]] = {
        "order_seed": [(str(s), {"order_seed": s}) for s in t.order_seed],
        "init_seed": [(str(s), {"init_seed": s}) for s in t.init_seed],
        "batch_rows": [(str(n), {"controls": {"batch_rows": n}}) for n in t.batch_rows if n != held.batch_rows],
        "learning_rate": [(f"{r:g}", {"learning_rate": r}) for r in t.learning_rate if r != rate],
        "rank": [(str(r), {"controls": {"lora": {**lora, "rank": r}}}) for r in t.rank if r != held.lora.rank],
        "rows": [(str(n), {"task": {"rows": n}, "controls": _AGAIN}) for n in t.rows],
        "frame": [(name, {"task": {"frame": text}}) for name, text in t.frame.items()],
        "system": [(name, {"task": {"system": text}}) for name, text in t.system.items()],
        "chosen": [(source, {"task": {"chosen": {"source": source}}, "controls": _AGAIN}) for source in t.chosen],
        SECOND: [(name, {SECOND: x if isinstance(x, str) else x.name}) for name, x in t.second_round.items()],
    }
    return {name: list(dict(levels).items()) for name, levels in found.items() if levels}  # each once


# -- checks ------------------------------------------------------------------------------------------------------------


def check(study: Study) -> None:
    """Raises UserError where the section names what is not there, or a variation cannot be."""
    section = study.consistency
    if section is None:
        return
    names = [m.label for m in study.measures]
    for what, wanted, there in (
        ("measures", section.measures, names),
        ("objectives", section.objectives, [v.label for v in study.objectives]),
        ("seeds", section.seeds, list(study.seeds)),
    ):
        for w in wanted:
            if w not in there:
                shown = ", ".join(map(str, there)) or "none"
                raise UserError(f"consistency.{what} names {w!r}, which the study does not have; there are {shown}")
    for part in ("measuring", "training"):
        for name, text in getattr(section, part).frame.items():
            check_frame(text, f"consistency.{part}.frame.{name}")
        for level in (*getattr(section, part).frame, *getattr(section, part).system):
            if level == OWN:
                raise UserError(f"consistency.{part} cannot call a level {OWN!r}: that is the study's own; rename it")
    known = {t.name: t for t in study.tasks}
    for level, task in section.training.second_round.items():
        at = f"consistency.training.second_round.{level}"
        if isinstance(task, str) and task not in known:
            raise UserError(f"{at} names no task of the study: {registry.close(task, list(known))}")
        if isinstance(task, TaskSpec) and known.setdefault(task.name, task) != task:
            raise UserError(f"{at} has the name {task.name!r} of a different task; choose another name")
    for x in variations(study):
        variants.controls(x.variant, study.controls)
    if not study.trains and section.training != type(section.training)():
        raise UserError("consistency.training is for a study that trains; remove it, or add tasks and objectives")
