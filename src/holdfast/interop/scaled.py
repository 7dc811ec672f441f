"""Checkpoints of a study with their change of the weights scaled: W₀ + f (W − W₀), each a folder that can be measured.

f between 0 and 1 goes back towards the base (Wortsman et al. 2022, WiSE-FT, arXiv 2109.01903: what was gained mostly
stays where what was lost comes back), f above 1 beyond the checkpoint (Ilharco et al. 2023, arXiv 2212.04089). Of a
LoRA B is multiplied, for its change is scale · B A; of trained weights every one is moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path

from holdfast.config import loading
from holdfast.config.study import GivenSpec
from holdfast.interop.finished import subjects
from holdfast.store.documents import dump_yaml
from holdfast.store.files import replacing_folder, write_text
from holdfast.store.folder import StudyFolder, plain
from holdfast.types import UserError

GIVEN = "given.yaml"


def write(
    root: Path, factors: Sequence[float], to: Path, label: str | None = None, budget: int | None = None
) -> list[GivenSpec]:
    """A folder for each checkpoint, all or those of a label or budget, and factor; and ``given.yaml``, the entries for
    `given` of a study. Raises UserError where ``to`` is there, no checkpoint is meant, or one is a DoRA."""
    from holdfast.models import adapters
    from holdfast.models.network import load

    if to.exists():
        raise UserError(f"{to} is there already; choose another folder")
    if wrong := [f for f in factors if not (math.isfinite(f) and f > 0) or f == 1]:
        raise UserError(f"the change cannot be scaled by {wrong[0]:g}: give numbers above 0 other than 1")
    study, folder = loading.load(StudyFolder(root).study_yaml), StudyFolder(root)
    rows = [r for r in subjects(folder) if r.trajectory and r.role.is_study]
    chosen = [r for r in rows if label in (None, r.label) and budget in (None, r.budget)]
    if not chosen:
        known = ", ".join(sorted({r.label for r in rows})) or "none"
        raise UserError(f"{root} has no such checkpoint; the labels are {known}, the budgets {list(study.budgets)}")
    given = []
    with replacing_folder(to) as temporary:
        for spec in study.models:
            mine = [r for r in chosen if r.model == spec.name]
            network = load(spec.model_copy(update={"dtype": "float32"})) if mine else None
            for row, factor in product(mine, factors):
                adapters.load(network, folder.root / row.adapter)
                adapters.scale(network, factor)
                name = f"{row.label} x {factor:g}"
                at = Path(plain(row.model), plain(row.task), plain(name), f"seed{row.seed}", str(row.budget))
                adapters.save(network, temporary / at)
                where = {"model": row.model, "task": row.task, "seed": row.seed, "budget": row.budget}
                given.append(GivenSpec(label=name, adapter=str(to / at), **where))
        entries = [g.model_dump(mode="json", exclude_defaults=True) for g in given]
        write_text(temporary / GIVEN, dump_yaml({"given": entries}))
    return given
