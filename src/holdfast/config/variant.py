"""A variant: an objective as some runs train it, which is the study's own or changes it in some factors.

The rest is held fixed: a variant says what of the proof of control may differ for what it changes.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from holdfast.config.role import Role
from holdfast.config.study import Controls, TaskSpec, VariantSpec
from holdfast.store.digest import digest
from holdfast.types import UserError

SECOND = "second_round"  # the factor
OWN = "own"  # the level that a study has without saying so
TASK_KEYS = ("system", "frame", "rows", "chosen")
Level = tuple[str, dict[str, Any]]  # its name, and what it changes

# What of the proof of control each of a variant's settings must change; anything else that differs was not declared.
_ORDER = ("order", "response_ids")
_TRAINED = ("lora", "lora_init", "trainable", "trainable_parameters")
_CHANGES: dict[str, tuple[str, ...]] = {
    "lora": _TRAINED,
    # What memory has room for is another matter then, too.
    "trainable": (*_TRAINED, "computation.micro_tokens", "computation.gradient_checkpointing"),
    "batch_rows": ("optimiser.batch_rows", *_ORDER),
    "order_seed": _ORDER,
    "init_seed": ("lora_init",),
    "task": _ORDER,
    "passes": _ORDER,
    SECOND: (*_ORDER, "lora_init"),
}
_COMPUTATION = ("layout", "head", "micro_tokens", "gradient_checkpointing", "autocast")


@dataclass(frozen=True)
class Variant:
    """``spec`` is the objective with its overrides, under a label of its own. ``of``: the label of the study's own;
    ``overrides``: level by factor that it changes of that. ``second``: the task of a second round of training, from the
    base where it is of nothing."""

    role: Role
    spec: VariantSpec
    of: str = ""
    overrides: Mapping[str, str] = field(default_factory=dict)
    second: str = ""

    @property
    def label(self) -> str:
        return self.spec.label

    @property
    def parent(self) -> str:
        """The label of the run that a second round begins from: the same but for that factor; "" if afresh."""
        again = self.second and self.of
        return _label(self.of, {k: v for k, v in self.overrides.items() if k != SECOND}) if again else ""

    def controls(self, held: Controls) -> Controls:
        """The controls with the variant's own. Raises UserError where they are not controls."""
        try:
            return Controls.model_validate(_merged(held.model_dump(), self.spec.controls))
        except ValidationError as e:
            raise _refused(self.label, "controls", e) from None

    def learning_rate(self, held: Controls) -> float:
        """0 is a control run's that learns nothing."""
        own = self.spec.learning_rate
        return self.controls(held).learning_rate if own is None else own

    def task(self, spec: TaskSpec) -> TaskSpec:
        """The task as the variant learns it: under a name of its own where it has other settings for it."""
        if not self.spec.task:
            return spec
        if unknown := set(self.spec.task) - set(TASK_KEYS):
            raise UserError(
                f"the objective {self.label!r} has no setting task.{min(unknown)} of its own; there are "
                + ", ".join(TASK_KEYS)
            )
        name = f"{spec.name[:80]}~{digest(self.spec.task)[:6]}"
        try:
            return TaskSpec.model_validate(_merged(spec.model_dump(), self.spec.task) | {"name": name})
        except ValidationError as e:
            raise _refused(self.label, "task", e) from None

    def seeds(self, seed: int) -> tuple[int, int]:
        """Of the data order, and of initialisation and dropout, in a run of this seed."""
        order, init = self.spec.order_seed, self.spec.init_seed
        return seed if order is None else order, seed if init is None else init

    def declares(self, control: str) -> bool:
        """Whether what it changes accounts for a difference in this entry of the proof of control."""
        own = [*self.overrides, *self.spec.controls, *(k for k in ("task",) if self.spec.task)]
        own += [k for k in ("order_seed", "init_seed", "learning_rate") if getattr(self.spec, k) is not None]
        changed = [
            c
            for key in own
            for c in _CHANGES.get(key, (f"computation.{key}" if key in _COMPUTATION else f"optimiser.{key}",))
        ]
        return any(control == c or control.startswith(f"{c}.") for c in changed)


def around(role: Role, spec: VariantSpec, factors: Mapping[str, list[Level]], cross: str) -> Iterator[Variant]:
    """An objective at each level by itself (``one_at_a_time``), or at every combination of them (``full``)."""
    if cross == "full":
        sets = [[None, *((name, level) for level in levels)] for name, levels in factors.items()]
        chosen = [[c for c in combination if c] for combination in itertools.product(*sets)]
    else:
        chosen = [[(name, level)] for name, levels in factors.items() for level in levels]
    for combination in filter(None, chosen):
        overrides = {name: level[0] for name, level in combination}
        update: dict[str, Any] = {"label": _label(spec.label, overrides)}
        for _, (_, change) in combination:
            for key, value in change.items():
                old = update.get(key, getattr(spec, key, {}))
                update[key] = {**old, **value} if isinstance(value, dict) else value
        second = update.pop(SECOND, "")
        yield Variant(role, spec.model_copy(update=update), spec.label, overrides, second)


def _label(of: str, overrides: Mapping[str, str]) -> str:
    return f"{of}~{','.join(f'{k}={v}' for k, v in overrides.items())}" if overrides else of


def _refused(label: str, section: str, error: ValidationError) -> UserError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in (section, *first["loc"]))
    return UserError(f"{where} of the objective {label!r}: {first['msg'].removeprefix('Value error, ')}")


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {k: _merged(v, new[k]) for k, v in old.items() if isinstance(v, dict) and isinstance(new.get(k), dict)}
    return old | new | both
