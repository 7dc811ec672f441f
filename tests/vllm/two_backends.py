"""The miniature, four adapters of it, and both backends over them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from holdfast.types import Request, Sampling, Subject, Turn

SHORT = Sampling(max_new_tokens=40)
RANKS = (8, 16, 4, 24)  # two that vLLM has kernels for, two that it pads


class Stage(NamedTuple):
    ours: object  # backend.InProcess
    vllm: object  # vllm_engine.VLLM
    subjects: list[Subject]  # the base first
    folder: Path

    def ask(self, prompts, *, subjects=None, sampling=SHORT, continuations=()) -> list[Request]:
        return [
            Request(f"{s.id[:8]}-{i}", s, (Turn("user", prompt),), continuations, sampling)
            for s in subjects or self.subjects
            for i, prompt in enumerate(prompts)
        ]


def write_adapter(network, folder: Path, rank: int, *, spread: float = 0.08) -> Path:
    """A random adapter that changes many answers and leaves most words whole; with ``spread`` 0 it changes none."""
    import torch

    from holdfast.config.study import LoraSpec
    from holdfast.models import adapters

    adapters.attach(network, LoraSpec(rank=rank, alpha=2 * rank), "adapter", rank)
    draw = torch.Generator().manual_seed(rank)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(spread * torch.randn(tensor.shape, generator=draw))
            if not spread:
                break
    adapters.save(network, folder)
    adapters.detach(network)
    return folder
