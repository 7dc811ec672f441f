"""What a run leaves on disk, and how it is taken up again.

    checkpoints/<budget>/   the adapter in PEFT's format (or the weights), and checkpoint.json about it, with the files'
                            digests; written whole, once
    checkpoints.jsonl       the checkpoint.json of all, one a line
    metrics.jsonl           one line a step
    state/                  adapter and optimiser as they were after some step; one file (``sealed``), replaced whole
    DONE                    written last

The order of writing is what makes a kill harmless: metrics, then checkpoint, then state. A state therefore never
claims what is not there; what is there beyond the state is cut off or found done, and has the same bytes when redone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from holdfast.models import adapters
from holdfast.models.network import Network
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json, replacing_folder, write_json, write_lines, write_text
from holdfast.store.folder import RunFolder
from holdfast.training import sealed

MOMENTS = ("exp_avg", "exp_avg_sq")


# -- what is there --------------------------------------------------------------------------------------------------


def present(folder: RunFolder) -> list[int]:
    """The budgets whose checkpoints are there."""
    return sorted(int(p.parent.name) for p in folder.checkpoints.glob("[0-9]*/checkpoint.json"))


def finish(folder: RunFolder) -> None:
    """Write ``checkpoints.jsonl`` anew and then ``DONE``, with the budgets that are there."""
    _list(folder)
    write_json(folder.done, {"budgets": present(folder)})


# -- checkpoints ----------------------------------------------------------------------------------------------------


def save_checkpoint(folder: RunFolder, budget: int, network: Network, about: Mapping[str, Any]) -> None:
    """Nothing happens where the checkpoint is there already: its bytes would be the same."""
    # A run that is done again up to here must not touch a checkpoint that may be being measured.
    if budget not in present(folder):
        with replacing_folder(folder.checkpoint(budget), lambda: budget in present(folder)) as temporary:
            adapters.save(network, temporary)
            digests = {file.name: file_digest(file) for file in sorted(temporary.iterdir())}
            write_json(temporary / "checkpoint.json", {**about, "files": digests})
    _list(folder)


def _list(folder: RunFolder) -> None:
    # Made anew from the folders, not appended to: a kill between the two cannot make them disagree.
    abouts = [read_json(folder.checkpoint(b) / "checkpoint.json", "budget") for b in present(folder)]
    write_lines(folder.checkpoints_jsonl, abouts)


# -- the state of training ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class State:
    """Adapter and AdamW moments as they were after ``step`` steps."""

    step: int
    tensors: Mapping[str, Tensor]

    def restore(self, parameters: Mapping[str, Any], optimiser: torch.optim.AdamW) -> None:
        """Puts adapter and optimiser back."""
        with torch.no_grad():
            for name, p in parameters.items():
                p.copy_(self.tensors[f"adapter/{name}"])
                moments = {m: self.tensors[f"{m}/{name}"].to(p.device) for m in MOMENTS}
                # AdamW counts its steps in an fp32 tensor; `fused` wants it where the parameter is.
                optimiser.state[p] = {"step": torch.tensor(float(self.step), device=p.device), **moments}


def save_state(
    folder: RunFolder, of: str, metrics: Metrics, parameters: Mapping[str, Any], optimiser: torch.optim.AdamW
) -> None:
    """In one file, with what it belongs to (``of``, a digest) and a digest of the metrics up to here."""
    tensors = {f"adapter/{name}": p.detach().cpu().contiguous() for name, p in parameters.items()}
    for name, p in parameters.items():
        for moment in MOMENTS:
            tensors[f"{moment}/{name}"] = optimiser.state[p][moment].cpu().contiguous()
    about = {"of": of, "step": str(metrics.steps), "metrics": metrics.digest()}
    sealed.write(_state(folder), tensors, about)


def load_state(
    folder: RunFolder, of: str, ends: Mapping[int, tuple[int, ...]], say: Callable[[str], None]
) -> State | None:
    """Where to go on from; None: from the beginning, which gives the same bytes again.

    A state cannot serve where it is not this run's or was altered (which is said), where a budget that ends at or
    before it was never saved (a budget added between two that were there), or where the metrics of its steps are gone.
    """
    try:
        tensors, about = sealed.read(_state(folder), of)
    except FileNotFoundError:
        return None
    except sealed.Altered as error:
        say(f"the state of training in {folder.state} cannot serve ({error}); trained again from the beginning")
        return None
    step = int(about["step"])
    lines = _lines(folder.metrics_jsonl)[:step]
    missing = [b for end, budgets in ends.items() if end <= step for b in budgets if b not in present(folder)]
    # A budget before the state that has no checkpoint cannot be made from it: the adapter has moved on since.
    if missing or len(lines) < step:
        return None
    if hashlib.sha256("".join(lines).encode()).hexdigest() != about["metrics"]:
        say(f"{folder.metrics_jsonl} is not what was written; trained again from the beginning")
        return None
    return State(step, tensors)


def _state(folder: RunFolder) -> Path:
    return folder.state / "state.safetensors"


# -- metrics --------------------------------------------------------------------------------------------------------


class Metrics:
    """``metrics.jsonl``, cut to the steps that are done, then appended to. Counts clipped steps; ``before``: the
    numbers of the last line, an objective's own beside the loop's.

    Another process that trains the same run, though it should not, puts a file of its own in this one's place: what is
    written here stays whole by itself, and is put there once more at the end.
    """

    def __init__(self, path: Path, steps: int) -> None:
        lines = _lines(path)[:steps]
        write_text(path, "".join(lines))
        self.steps = steps
        self.before = _numbers(json.loads(lines[-1])) if lines else {}
        self.clipped = sum(json.loads(line)["clipped"] for line in lines)
        self._path, self._file = path, path.open("a+", encoding="utf-8")
        self._digest = hashlib.sha256("".join(lines).encode())

    def add(self, line: Mapping[str, Any]) -> None:
        """One step's line. Raises ValueError where a number in it is not finite."""
        text = json.dumps(line, allow_nan=False) + "\n"
        self._file.write(text)
        self._digest.update(text.encode())
        self.before = _numbers(line)
        self.steps += 1
        self.clipped += bool(line["clipped"])

    def digest(self) -> str:
        """Of all lines."""
        return self._digest.hexdigest()

    def flush(self) -> None:
        """To the disk: called before a state claims these steps."""
        self._file.flush()
        os.fsync(self._file.fileno())

    def end(self) -> None:
        """All steps are done."""
        self._file.flush()
        self._file.seek(0)
        write_text(self._path, self._file.read())

    def close(self) -> None:
        """What no flush brought to the disk may be lost in a power cut; no state claims it."""
        self._file.close()


def _numbers(line: Mapping[str, Any]) -> dict[str, float]:
    flat = {**line, **line.get("objective", {})}
    return {key: float(value) for key, value in flat.items() if isinstance(value, int | float)}


def _lines(path: Path) -> list[str]:
    """Whole lines; one that was cut off is none."""
    if not path.exists():
        return []
    return [line for line in path.read_text(encoding="utf-8").splitlines(keepends=True) if line.endswith("\n")]
