"""What an adapter asks of vLLM, and whether it can be served. No vLLM here: a refusal needs no engine."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
import torch

from holdfast.store.adapter_files import CONFIG, WEIGHTS, adapter_digest, check_adapter
from holdfast.store.model_files import read_header
from holdfast.types import UserError

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)  # what vLLM's kernels are made for; a rank between is padded to the next
HEADS = {"lm_head", "embed_out", "embed_tokens", "wte"}  # vLLM leaves their update out of the log-probs of prompts
INSTEAD = "measure with `backend: in_process`"


@dataclass(frozen=True)
class Lora:
    """An adapter folder: its content's digest, its largest rank, and the last parts of its modules' names."""

    folder: Path
    digest: str
    rank: int
    modules: frozenset[str]


def read(folder: Path | str) -> Lora:
    """Raises ``UserError`` for what holdfast cannot measure (see ``adapter_files``) and for what vLLM cannot serve."""
    folder = Path(folder).absolute()
    config = check_adapter(folder)
    if "trainable" in config:
        raise UserError(f"{folder} holds trained weights, which vLLM cannot serve beside their base: {INSTEAD}")
    if config.get("use_dora"):
        raise UserError(f"the adapter at {folder} is a DoRA, which vLLM cannot serve: {INSTEAD}")
    for key in ("rank_pattern", "alpha_pattern"):  # it scales every module by the one alpha / r
        if config.get(key):
            raise UserError(f"the adapter at {folder} has a {key}, which vLLM does not read: {INSTEAD}")
    rank, modules = 0, set()
    for name, (_, shape) in read_header(folder / WEIGHTS).items():
        module, found, part = name.rpartition(".lora_")
        if not found or part not in ("A.weight", "B.weight"):
            raise UserError(f"the adapter at {folder} holds {name}, which vLLM cannot serve: {INSTEAD}")
        modules.add(module.rpartition(".")[2])
        rank = max(rank, shape[0] if part == "A.weight" else shape[1])
    if heads := sorted(modules & HEADS):
        raise UserError(f"the adapter at {folder} changes {heads[0]}, which vLLM serves only in part: {INSTEAD}")
    if rank > RANKS[-1]:
        raise UserError(f"the adapter at {folder} has rank {rank}, and vLLM serves none above {RANKS[-1]}: {INSTEAD}")
    return Lora(folder, adapter_digest(folder), rank, frozenset(modules))


def room(loras: Iterable[Lora]) -> int:
    """The smallest rank of vLLM's that holds all of them."""
    most = max(lora.rank for lora in loras)
    return next(rank for rank in RANKS if rank >= most)


def write_zero(lora: Lora, folder: Path) -> Lora:
    """An adapter of that kind whose update is zero: what it says is what the base says."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(lora.folder / CONFIG, folder / CONFIG)
    tensors = safetensors.torch.load_file(lora.folder / WEIGHTS)
    safetensors.torch.save_file({name: torch.zeros_like(tensor) for name, tensor in tensors.items()}, folder / WEIGHTS)
    return read(folder)
