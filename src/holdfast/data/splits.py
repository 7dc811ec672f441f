"""Train, validation and test, by a hash of what a row asks.

Rows that ask the same thing go to the same split, so that a repeated question is never both learnt and measured; and a
row's split does not depend on the other rows, so that adding rows moves none.
"""

from __future__ import annotations

from holdfast import rng
from holdfast.config.task import SplitSpec
from holdfast.data.tasks.task import Task, prompt_key
from holdfast.types import Example, Split, UserError


def split(task: Task, spec: SplitSpec) -> dict[Split, list[Example]]:
    """The task's rows by split, each sorted by id. Where a task brings test rows, ``spec.test`` is unused.

    Raises ``UserError`` where ids repeat, where the shares leave nothing to train on, or where no row is left for it.
    """
    own = task.test_rows()
    held_out = spec.validation + (spec.test if own is None else 0.0)
    if held_out >= 1:
        raise UserError(f"`split` holds out a share of {held_out:g}, which leaves nothing to train on: lower it")
    parts: dict[Split, list[Example]] = {"train": [], "validation": [], "test": list(own or [])}
    together = getattr(task, "together", lambda example: prompt_key(example.prompt))
    for example in task.rows():
        # A number for what is asked, not for the row: copies, and rows that a task holds together, fall together.
        at = rng.uniform("split", spec.salt, together(example))
        part: Split = "validation" if at < spec.validation else "test" if at < held_out else "train"
        parts[part].append(example)
    if not parts["train"]:
        raise UserError(f"the task {task.name} has no training rows left after its split: bring more rows")
    seen: set[str] = set()
    for rows in parts.values():
        rows.sort(key=lambda example: example.id)
        for example in rows:
            if example.id in seen:
                raise UserError(f"two rows of the task {task.name} have the id {example.id}: ids must be unique")
            seen.add(example.id)
    return parts
