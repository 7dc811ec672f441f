"""What a study costs: FLOPs by a stated formula, disk and memory by counting, time by a stated guess.

P is the number of parameters in the weight files. A token costs 2P forward and 2P backward (through a frozen base only
the activations' gradient is computed, not the weights'; the adapter's own share is small and left out), 2P more with
gradient checkpointing, and 2P through the reference of DPO or KL, once for each row. Attention's quadratic part is left
out. Measuring costs 2P for each token of a prompt and, at most, of a response of the longest length.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.config.study import Controls, Study
from holdfast.runs.executors.local import visible_cores, visible_gpus
from holdfast.runs.sizes import Shape

if TYPE_CHECKING:
    from holdfast.config.run import PlannedCheckpoint, Run
    from holdfast.runs.eval_costs import EvalPlan

# FLOP/s of one worker, training and generating. The CPU's were read off the demo on two cores of a server (SFT reads
# 60k tokens in 13 s); the GPU's are a guess. Either may be off by a factor of three.
SPEEDS = {"cpu": (2.0e10, 1.0e10), "cuda": (1.5e14, 2.0e13)}
PROCESS_BYTES = 500_000_000  # of a process that has loaded torch and transformers, before any model
RECORD_BYTES = 600  # of a record with its judgements, compressed
ACTIVATION_FLOATS = 34  # kept per token, layer and hidden unit (Korthikanti et al. 2022), without the attention matrix


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs, bytes and seconds of a whole study. ``seconds`` is None where a model's size is not known; ``on_a_gpu``:
    the same on one GPU, where they are a CPU's. What is to be measured and is not on this machine counts nothing."""

    train_flops: float
    reference_flops: float
    measure_flops: float
    disk_bytes: int
    memory_bytes: int
    seconds: float | None
    speed: str
    on_a_gpu: float | None = None


def cost(
    study: Study,
    shapes: Mapping[str, Shape | None],
    runs: Sequence[Run],
    configs: Sequence[EvalPlan],
) -> Cost:
    device = _device(study)
    controls, workers = study.controls, study.workers or _workers(device)
    train = reference = 0.0
    adapters = 0
    for t in runs:
        if (shape := shapes[t.model]) is not None:
            last: PlannedCheckpoint = t.checkpoints[-1]
            train += (6 if controls.gradient_checkpointing else 4) * shape.parameters * last.forward_tokens
            reference += 2 * shape.parameters * last.reference_tokens
            # An adapter per budget, and with the last one the two moments of AdamW.
            adapters += 4 * shape.per_rank * controls.lora.rank * (len(t.checkpoints) + 2)
    measure = sum(2 * s.parameters * c.tokens for c in configs if (s := shapes[c.model]) is not None)
    known = [s for s in shapes.values() if s is not None]

    def seconds(device: str) -> float | None:
        training, measuring = SPEEDS[device]
        return (train + reference) / training + measure / measuring if len(known) == len(shapes) else None

    here = seconds(device)
    return Cost(
        train_flops=train,
        reference_flops=reference,
        measure_flops=float(measure),
        disk_bytes=adapters + RECORD_BYTES * sum(c.requests or 0 for c in configs),
        memory_bytes=PROCESS_BYTES + workers * max((PROCESS_BYTES + _memory(s, controls) for s in known), default=0),
        seconds=here and here / workers,
        speed=f"a guess for any {device}",
        on_a_gpu=seconds("cuda") if device == "cpu" else None,
    )


def _memory(shape: Shape, controls: Controls) -> int:
    """Base, adapter with gradient and moments, and the activations of one micro-batch, at 4 bytes a number."""
    kept = 2 if controls.gradient_checkpointing else ACTIVATION_FLOATS / 2
    activations = controls.micro_tokens * shape.hidden * shape.layers * kept
    return int(shape.bytes + 16 * shape.per_rank * controls.lora.rank + 4 * activations)


def _workers(device: str) -> int:
    return (len(visible_gpus()) if device == "cuda" else 0) or visible_cores()


def _device(study: Study) -> str:
    asked = {m.device for m in study.models}
    if any(d.startswith("cuda") for d in asked) or ("auto" in asked and visible_gpus()):
        return "cuda"
    return "cpu"
