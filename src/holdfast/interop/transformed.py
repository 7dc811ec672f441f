"""Checkpoints of a study changed after training, each a folder that is measured beside what it comes from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from holdfast.config import loading
from holdfast.config.study import GivenSpec, ModelSpec
from holdfast.interop.finished import subjects
from holdfast.store.documents import dump_yaml
from holdfast.store.files import replacing_folder, write_text
from holdfast.store.folder import StudyFolder, plain
from holdfast.types import UserError

if TYPE_CHECKING:
    from holdfast.models.network import Network

GIVEN = "given.yaml"


class Transform(Protocol):
    """``label``: what is put behind the label of what it changes."""

    @property
    def label(self) -> str: ...

    def apply(self, network: Network) -> None:
        """Change what is trained, in place. Raises UserError where that cannot be."""
        ...


@dataclass(frozen=True)
class Scaled:
    """W₀ + f (W − W₀). f between 0 and 1 goes back towards the base (Wortsman et al. 2022, WiSE-FT, arXiv 2109.01903:
    what was gained mostly stays where what was lost comes back), f above 1 beyond the checkpoint (Ilharco et al. 2023,
    arXiv 2212.04089). Of a LoRA B is multiplied, for its change is scale · B A; of trained weights every one is moved.
    """

    factor: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.factor) and self.factor > 0) or self.factor == 1:
            raise UserError(f"the change cannot be scaled by {self.factor:g}: give numbers above 0 other than 1")

    @property
    def label(self) -> str:
        return f"x {self.factor:g}"

    def apply(self, network: Network) -> None:
        from holdfast.models import adapters

        adapters.scale(network, self.factor)


@dataclass
class SafeLoRA:
    """Changes of weights that are not along what alignment changed are projected onto it (Hsu et al. 2024, Safe LoRA,
    arXiv 2405.16833; ``models.safe_lora``). ``unaligned``: the model that the base was aligned from; ``below``: the
    cosine under which a layer's change is projected.
    """

    unaligned: ModelSpec
    below: float
    _weights: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not 0 < self.below <= 1:
            raise UserError(f"`below` is a cosine from 0 to 1, and cannot be {self.below:g}")

    @property
    def label(self) -> str:
        return f"Safe LoRA {self.below:g}"

    def apply(self, network: Network) -> None:
        from holdfast.models import safe_lora
        from holdfast.models.network import load

        if not self._weights:
            self._weights |= dict(load(self.unaligned.model_copy(update={"dtype": "float32"})).model.named_parameters())
        safe_lora.project(network, self._weights, self.below)


def write(
    root: Path, transforms: Sequence[Transform], to: Path, label: str | None = None, budget: int | None = None
) -> list[GivenSpec]:
    """A folder for each checkpoint, all or those of a label or budget, and transform; and ``given.yaml``, the entries
    for `given` of a study. Raises UserError where ``to`` is there, no checkpoint is meant, or one cannot be changed so.
    """
    from holdfast.models import adapters
    from holdfast.models.network import load

    if to.exists():
        raise UserError(f"{to} is there already; choose another folder")
    study, folder = loading.load(StudyFolder(root).study_yaml), StudyFolder(root)
    rows = [r for r in subjects(folder) if r.trajectory and r.role.is_study]
    chosen = [r for r in rows if label in (None, r.label) and budget in (None, r.budget)]
    if not chosen:
        known = ", ".join(sorted({r.label for r in rows})) or "none"
        raise UserError(f"{root} has no such checkpoint; the labels are {known}, the budgets {list(study.budgets)}")
    given: list[GivenSpec] = []
    with replacing_folder(to) as temporary:
        for spec in study.models:
            mine = [r for r in chosen if r.model == spec.name]
            if not mine:
                continue
            network = load(spec.model_copy(update={"dtype": "float32"}))
            for row, transform in product(mine, transforms):
                adapters.load(network, folder.root / row.adapter)
                transform.apply(network)
                name = f"{row.label} {transform.label}"
                at = Path(plain(row.model), plain(row.task), plain(name), f"seed{row.seed}", str(row.budget))
                adapters.save(network, temporary / at)
                given.append(
                    GivenSpec(
                        label=name,
                        adapter=str(to / at),
                        model=row.model,
                        task=row.task,
                        seed=row.seed,
                        budget=row.budget,
                    )
                )
        entries = [g.model_dump(mode="json", exclude_defaults=True) for g in given]
        write_text(temporary / GIVEN, dump_yaml({"given": entries}))
    return given
