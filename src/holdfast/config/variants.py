"""What a variant declares to be otherwise than the study's controls: the rest of it is held fixed."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from holdfast.config.study import Controls, TaskSpec, VariantSpec
from holdfast.store.digest import digest
from holdfast.types import UserError

TASK_KEYS = ("system", "frame", "rows", "chosen")
# What of the proof of control each of a variant's settings must change; anything else that differs was not declared.
_ORDER = ("order", "response_ids")
_CHANGES: dict[str, tuple[str, ...]] = {
    "lora": ("lora", "lora_init", "trainable", "trainable_parameters"),
    "batch_rows": ("optimiser.batch_rows", *_ORDER),
    "order_seed": _ORDER,
    "init_seed": ("lora_init",),
    "task": _ORDER,
    "passes": _ORDER,
    "second_round": (*_ORDER, "lora_init"),
}
_COMPUTATION = ("layout", "head", "micro_tokens", "gradient_checkpointing", "autocast")


def controls(variant: VariantSpec, held: Controls) -> Controls:
    """The controls with the variant's own. Raises UserError where they are not controls."""
    try:
        return Controls.model_validate(_merged(held.model_dump(), variant.controls))
    except ValidationError as e:
        raise _refused(variant, "controls", e) from None


def task(variant: VariantSpec, spec: TaskSpec) -> TaskSpec:
    """The task as a variant with ``task`` settings of its own learns it, under a name of its own."""
    unknown = set(variant.task) - set(TASK_KEYS)
    if unknown:
        raise UserError(
            f"the objective {variant.label!r} has no setting task.{min(unknown)} of its own; there are "
            + ", ".join(TASK_KEYS)
        )
    name = f"{spec.name[:80]}~{digest(variant.task)[:6]}"
    try:
        return TaskSpec.model_validate(_merged(spec.model_dump(), variant.task) | {"name": name})
    except ValidationError as e:
        raise _refused(variant, "task", e) from None


def seeds(variant: VariantSpec | None, seed: int) -> tuple[int, int]:
    """Of the data order, and of initialisation and dropout."""
    if variant is None:
        return seed, seed
    order = seed if variant.order_seed is None else variant.order_seed
    return order, seed if variant.init_seed is None else variant.init_seed


def is_declared(variant: VariantSpec | None, control: str, *factors: str) -> bool:
    """Whether a variant's own settings, or the factors that it varies in, account for a difference in this entry of the
    proof of control."""
    if variant is None:
        return False
    own = [*factors, *variant.controls, *(k for k in ("task",) if variant.task)]
    own += [k for k in ("order_seed", "init_seed", "learning_rate") if getattr(variant, k) is not None]
    changed = [
        c
        for key in own
        for c in _CHANGES.get(key, (f"computation.{key}" if key in _COMPUTATION else f"optimiser.{key}",))
    ]
    return any(control == c or control.startswith(f"{c}.") for c in changed)


def _refused(variant: VariantSpec, section: str, error: ValidationError) -> UserError:
    first = error.errors()[0]
    where = ".".join(str(part) for part in (section, *first["loc"]))
    return UserError(f"{where} of the objective {variant.label!r}: {first['msg'].removeprefix('Value error, ')}")


def _merged(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    both = {k: _merged(v, new[k]) for k, v in old.items() if isinstance(v, dict) and isinstance(new.get(k), dict)}
    return old | new | both
