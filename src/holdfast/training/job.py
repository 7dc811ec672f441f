"""What one run is: everything the loop is told, in one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from holdfast import registry
from holdfast.config.study import MOST_TOKENS, Controls, LoraSpec
from holdfast.data.stream import Stream
from holdfast.objectives.objective import Objective
from holdfast.store.adapter_files import adapter_digest
from holdfast.store.digest import digest
from holdfast.store.files import read_json
from holdfast.store.folder import RunFolder
from holdfast.store.model_files import altered
from holdfast.types import Example, UserError


class Fits(NamedTuple):
    """What memory has room for: padded tokens of a micro-batch, and whether that takes gradient checkpointing."""

    tokens: int = MOST_TOKENS
    checkpointing: bool = False


PLENTY = Fits()


@dataclass(frozen=True)
class TrainJob:
    """One model is trained on one ordered stream under one objective.

    ``learning_rate`` stands in place of the controls' (0: the no-op control). ``budgets`` ascend, in tokens of the
    shared view. ``probes`` are validation examples on which every checkpoint's distance from the base is measured.
    ``references`` is a folder that runs of a study share; None puts it into the run's own. ``start`` is
    the adapter that a second round of training goes on from, with an optimiser and a warm-up of its own. ``fits`` is
    what memory has room for, where the controls leave it to that. ``processor``: its name, where it is another than the
    study's other runs have.
    """

    id: str
    label: str
    objective: Objective
    lora: LoraSpec
    controls: Controls
    seed: int
    learning_rate: float
    budgets: tuple[int, ...]
    stream: Stream
    probes: tuple[Example, ...] = ()
    references: Path | None = None
    start: Path | None = None
    fits: Fits = PLENTY
    processor: str = ""

    def __post_init__(self) -> None:
        assert self.budgets == tuple(sorted(set(self.budgets))), "budgets ascend"
        if len(self.budgets) > 1 and not self.nested:
            why = f"the {self.controls.schedule} schedule" if self.controls.schedule != "constant" else "the objective"
            raise UserError(f"{self.label}: {why} depends on where training ends, so every budget is a run of its own.")

    @property
    def nested(self) -> bool:
        """Whether a smaller budget's checkpoint is the same as that of a run which ends there."""
        return is_nested(self.objective, self.controls)

    @property
    def steps(self) -> int:
        """Optimiser steps up to the last budget."""
        return self.stream.step_at(self.budgets[-1])

    @property
    def micro_tokens(self) -> int:
        """Padded tokens of a micro-batch."""
        return self.fits.tokens if self.controls.micro_tokens == "auto" else self.controls.micro_tokens

    @property
    def checkpointing(self) -> bool:
        """Whether activations are computed again in the backward pass."""
        asked = self.controls.gradient_checkpointing
        return self.fits.checkpointing if asked == "auto" else asked

    @property
    def noise(self) -> tuple[str, int]:
        """The random stream of dropout: a second round does not draw the first one's again."""
        return "dropout" if self.start is None else "second dropout", self.seed

    def ends(self) -> Mapping[int, tuple[int, ...]]:
        """Which budgets a step completes. Two budgets that lie within one step end together."""
        ends: dict[int, tuple[int, ...]] = {}
        for budget in self.budgets:
            step = self.stream.step_at(budget)
            ends[step] = (*ends.get(step, ()), budget)
        return ends

    def config(self) -> dict[str, Any]:
        """Plain JSON: what determines the run, but for the model and the rows, which the controls prove."""
        return {
            "id": self.id,
            "label": self.label,
            "objective": registry.identity(self.objective),
            "lora": self.controls.trained,
            "controls": self.controls.identity(),
            "seed": self.seed,
            "learning_rate": self.learning_rate,
            "probes": digest([e.id for e in self.probes]),
            "budgets": list(self.budgets),
            **({"start": adapter_digest(self.start)} if self.start else {}),
        }


def is_nested(objective: Objective, controls: Controls) -> bool:
    """Whether nothing that is learnt at a step depends on where training ends."""
    return controls.schedule == "constant" and not objective.needs.progress


def finished(folder: RunFolder, budgets: tuple[int, ...]) -> bool:
    """Whether all these budgets were trained to the end, and their checkpoints and what describes them are there."""
    if not folder.done.exists() or not set(budgets) <= set(read_json(folder.done, "budgets")["budgets"]):
        return False
    told = (folder.config_json, folder.controls_json, folder.checkpoints_jsonl)
    return all(file.is_file() for file in told) and all(
        (folder.checkpoint(b) / "checkpoint.json").is_file() for b in budgets
    )


def check_checkpoint(folder: Path) -> None:
    """Raises UserError where a checkpoint's files are not those that training wrote. Those of earlier versions, which
    kept no digests, are believed."""
    kept = read_json(folder / "checkpoint.json", "budget", mend="delete its folder to have it trained again")
    if names := sorted(altered(folder, kept.get("files"))):
        raise UserError(
            f"the checkpoint {folder} is not what was written ({', '.join(names)} changed): put it back, or delete the "
            "folder to have it trained again"
        )
