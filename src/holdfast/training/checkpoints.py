"""What a trajectory leaves on disk, and how it is taken up again.

    checkpoints/<budget>/   the adapter in PEFT's format, and checkpoint.json about it; written whole, once
    checkpoints.jsonl       the checkpoint.json of all, one a line
    metrics.jsonl           one line a step
    state/                  adapter and optimiser as they were after some step; one file, replaced whole
    DONE                    written last

The order of writing is what makes a kill harmless: metrics, then checkpoint, then state. A state therefore never
claims what is not there; what is there beyond the state is cut off or found done, and has the same bytes when redone.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from holdfast.models import adapters
from holdfast.models.network import Network
from holdfast.store.files import read_json, replacing_folder, write_bytes, write_json, write_lines, write_text
from holdfast.store.folder import TrajectoryFolder

MOMENTS = ("exp_avg", "exp_avg_sq")


# -- what is there --------------------------------------------------------------------------------------------------


def present(folder: TrajectoryFolder) -> list[int]:
    """The budgets whose checkpoints are there."""
    return sorted(int(p.parent.name) for p in folder.checkpoints.glob("[0-9]*/checkpoint.json"))


def finish(folder: TrajectoryFolder) -> None:
    write_json(folder.done, {"budgets": present(folder)})


def sweep(folder: TrajectoryFolder) -> None:
    """Remove what a killed process left half-written."""
    for stray in [*folder.root.glob(".*.tmp"), *folder.root.glob("*/.*.tmp")]:
        if stray.is_dir():
            shutil.rmtree(stray)
        else:
            stray.unlink()


# -- checkpoints ----------------------------------------------------------------------------------------------------


def save_checkpoint(folder: TrajectoryFolder, budget: int, network: Network, about: Mapping[str, Any]) -> None:
    """Nothing happens where the checkpoint is there already: its bytes would be the same."""
    if budget not in present(folder):
        with replacing_folder(folder.checkpoint(budget)) as temporary:
            adapters.save(network, temporary)
            write_json(temporary / "checkpoint.json", about)
    abouts = [read_json(folder.checkpoint(b) / "checkpoint.json", "budget") for b in present(folder)]
    write_lines(folder.root / "checkpoints.jsonl", abouts)


# -- the state of training ------------------------------------------------------------------------------------------


def save_state(
    folder: TrajectoryFolder, step: int, parameters: Mapping[str, Any], optimiser: torch.optim.AdamW
) -> None:
    """Adapter, AdamW moments and the number of steps done, in one file."""
    tensors = {f"adapter/{name}": p.detach().cpu().contiguous() for name, p in parameters.items()}
    for name, p in parameters.items():
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = optimiser.state[p][moment].cpu().contiguous()
    write_bytes(_state(folder), save(tensors, {"step": str(step)}))


def load_state(folder: TrajectoryFolder, parameters: Mapping[str, Any], optimiser: torch.optim.AdamW) -> int:
    """Puts adapter and optimiser back and returns the number of steps done; 0 where there is no state."""
    step = _state_step(folder)
    if step:
        with safe_open(_state(folder), "pt") as file, torch.no_grad():
            for name, p in parameters.items():
                p.copy_(file.get_tensor(f"adapter/{name}"))
                moments = {m: file.get_tensor(f"{m}/{name}").to(p.device) for m in MOMENTS}
                # AdamW counts its steps in an fp32 tensor; `fused` wants it where the parameter is.
                optimiser.state[p] = {"step": torch.tensor(float(step), device=p.device), **moments}
    return step


def resume_step(folder: TrajectoryFolder, ends: Mapping[int, tuple[int, ...]]) -> int:
    """The step to go on from: the state's, or 0 where that state cannot serve.

    It cannot where a budget that ends at or before it was never saved (a rung added in the middle of a ladder), or
    where the metrics of its steps are gone. Training from 0 then gives the same bytes again.
    """
    step = _state_step(folder)
    missing = [b for end, budgets in ends.items() if end <= step for b in budgets if b not in present(folder)]
    return 0 if missing or len(_lines(folder.metrics_jsonl)) < step else step


def _state(folder: TrajectoryFolder) -> Path:
    return folder.state / "state.safetensors"


def _state_step(folder: TrajectoryFolder) -> int:
    try:
        with safe_open(_state(folder), "pt") as file:
            return int(file.metadata()["step"])
    except (FileNotFoundError, SafetensorError):
        return 0


# -- metrics --------------------------------------------------------------------------------------------------------


class Metrics:
    """``metrics.jsonl``, cut to the steps that are done, then appended to. Counts clipped steps."""

    def __init__(self, path: Path, steps: int) -> None:
        lines = _lines(path)[:steps]
        write_text(path, "".join(lines))
        self.steps = steps
        self.clipped = sum(json.loads(line)["clipped"] for line in lines)
        self._file = path.open("a", encoding="utf-8")

    def add(self, line: Mapping[str, Any]) -> None:
        self._file.write(json.dumps(line, allow_nan=False) + "\n")
        self.steps += 1
        self.clipped += bool(line["clipped"])

    def flush(self) -> None:
        """To the disk: called before a state claims these steps."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        self._file.close()


def _lines(path: Path) -> list[str]:
    """Whole lines; one that was cut off is none."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
