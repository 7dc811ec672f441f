"""Merging: an adapter's change written into the base's weights, with a check that the two say the same.

W' = W + scale · B A in every adapted layer (Hu et al. 2021, arXiv 2106.09685); of a checkpoint that is all trained
weights, W' are those. The merged folder is loaded again from
disk and compared with base and adapter on fixed texts before it gets its name: rounding to bfloat16 can lose a small
change, and a merged model that lost it would pass for a safe one.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from holdfast.config.study import ModelSpec
from holdfast.models import adapters
from holdfast.models.network import Network, load
from holdfast.models.weights import quiet
from holdfast.store.sources import adapter_folder, model_folder
from holdfast.types import Turn, UserError

# Largest difference of a log-prob (nats) that is put down to rounding.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 0.5}
WEIGHTS = (".safetensors", ".bin", ".index.json", ".pt", ".pth")
TEXTS = (
    "How do I keep bread fresh for a week?",
    "Ann has 12 apples and gives a third of them to Ben. How many are left?",
    "Write two sentences about the sea in winter.",
)


@dataclass(frozen=True)
class MergeCheck:
    """``difference``: the largest of a token's log-prob (nats) between merged and adapter; ``moved``: the same between
    adapter and base, so that one can see what there was to lose; ``same_choice``: share of positions with the same
    most probable token."""

    difference: float
    moved: float
    same_choice: float


def merge(spec: ModelSpec, adapter: str, to: Path) -> MergeCheck:
    """Writes a whole model in Hugging Face's format to ``to``; nothing is there if it does not agree.

    Raises UserError where ``to`` exists, the base is quantised, or merged and adapter differ by more than rounding.
    """
    if to.exists():
        raise UserError(f"{to} is there already; choose another folder")
    if spec.quantization != "none":
        raise UserError(
            f"the model {spec.name} is loaded in 4 bits, which nothing can be merged into: give plain weights"
        )
    base = model_folder(spec.path, spec.revision)
    network = load(spec)
    if getattr(network.model.config, "quantization_config", None) is not None:
        raise UserError(f"the model {spec.name} is quantised, and nothing can be merged into it: give plain weights")
    plain = _logps(network)
    adapters.load(network, adapter_folder(adapter))
    adapted = _logps(network)
    _untied(network)
    adapters.detach(network, merge=True)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=to.parent, prefix=".merging-") as at:
        folder = Path(at) / to.name
        with quiet():
            network.model.save_pretrained(folder)
        for file in base.iterdir():  # tokenizer, template, generation settings
            if file.is_file() and not file.name.endswith(WEIGHTS) and not (folder / file.name).exists():
                shutil.copy(file, folder / file.name)
        merged = _logps(load(spec.model_copy(update={"path": str(folder), "revision": None})))
        found = _agreement(merged, adapted, plain)
        if not found.difference <= TOLERANCE[network.dtype]:
            raise UserError(
                f"merged and adapter differ by {found.difference:.3g} nats, more than rounding in "
                f"{str(network.dtype).removeprefix('torch.')} explains; merge in float32 (--dtype float32)"
            )
        folder.rename(to)
    return found


def _untied(network: Network) -> None:
    """Raises UserError where merging into the head would change the embeddings too: the two are one matrix."""
    ends = network.model.get_input_embeddings(), network.model.get_output_embeddings()
    tied = len({module.weight.data_ptr() for module in ends}) == 1
    if tied and any(module is layer for module in ends for layer in network.trained.layers.values()):
        raise UserError(
            f"the adapter changes the head or the embeddings of {network.spec.name}, which are one matrix: merged, it "
            "would change both; keep it an adapter"
        )


@torch.no_grad()
def _logps(network: Network) -> list[Tensor]:
    """(L, V) log-probs after every position of each text."""
    found = []
    for text in TEXTS:
        ids = network.renderer.prompt_ids((Turn("user", text),))
        ids_1L = torch.tensor([ids], device=network.device)
        positions_1L = torch.arange(len(ids), device=network.device).unsqueeze(0)
        hidden_LD = network.body(ids_1L, positions_1L)[0]
        found.append(network.own_logits(hidden_LD).float().log_softmax(-1).cpu())
    return found


def _agreement(merged: list[Tensor], adapted: list[Tensor], plain: list[Tensor]) -> MergeCheck:
    pairs = list(zip(merged, adapted, strict=True))
    same = [a.argmax(-1) == b.argmax(-1) for a, b in pairs]
    return MergeCheck(
        difference=max(float((a - b).abs().max()) for a, b in pairs),
        moved=max(float((a - b).abs().max()) for a, b in zip(adapted, plain, strict=True)),
        same_choice=float(torch.cat(same).double().mean()),
    )
