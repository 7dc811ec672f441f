"""What a study costs: FLOPs by a stated formula, disk and memory by counting, time by a stated guess.

P is the number of parameters in the weight files. A token costs 2P forward and 2P backward (through a frozen base only
the activations' gradient is computed, not the weights'; the adapter's own share is small and left out), 2P more where
the weights are trained, 2P more with gradient checkpointing, and 2P through the reference of DPO or KL, once for each
row. Attention's quadratic part is left out. Measuring costs 2P for each token of a prompt and, at most, of a response
of the longest length.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from holdfast import machine
from holdfast.config.study import MOST_TOKENS, Controls, ModelSpec, Study
from holdfast.config.study_runs import variants
from holdfast.runs.sizes import Shape

if TYPE_CHECKING:
    from holdfast.config.run import PlannedCheckpoint, Run
    from holdfast.runs.eval_costs import EvalPlan


class Speeds(NamedTuple):
    """FLOP/s of one worker: training, reading (prompts, references, what is scored) and writing (generating)."""

    train: float
    read: float
    write: float


# A CPU's were read off two small models on two cores of a server; a GPU's are a guess. Either may be off by a factor of
# three: `plan --probe` measures.
SPEEDS = {"cpu": Speeds(3.0e10, 4.0e10, 1.0e10), "cuda": Speeds(1.5e14, 1.5e14, 2.0e13)}
GPU_BYTES = 80_000_000_000  # of a GPU, where none is here to be asked
PROCESS_BYTES = 500_000_000  # of a process that has loaded torch and transformers, before any model
RECORD_BYTES = 600  # of a record with its judgements, compressed
FOUR_BITS = 4.127 / 8  # bytes a weight, with the constants of its blocks (Dettmers et al. 2023, arXiv 2305.14314)
DORA_KEEPS = 2.5  # times what a token keeps without: outputs, too (counted on the miniature's model at ranks 4 and 16)
# What a step takes over what its tokens keep (see ``models.memory``, which counts on the model).
AT_ITS_HEIGHT = {"cpu": 2.4, "cuda": 1.7}
KEPT_TWICE = 1.2  # bfloat16: what adapters read they keep in fp32, too (1.12 and 1.25 counted on SmolLM2)


@dataclass(frozen=True, slots=True)
class Cost:
    """FLOPs, bytes and seconds of a whole study. ``seconds`` is None where a model's size is not known; ``on_a_gpu``:
    the same on one GPU, where they are a CPU's. What is to be measured and is not on this machine counts nothing.
    ``shares``: of the seconds, what training, references, reading and generating take; judging is not among them.
    ``workers`` and ``micro_tokens``: at most (see ``fitted``); ``worker_bytes`` and ``token_bytes``: what one worker
    takes, and each token that it reads at once; ``least``: of a worker with the longest row alone."""

    train_flops: float
    reference_flops: float
    measure_flops: float
    disk_bytes: int
    memory_bytes: int
    seconds: float | None
    speed: str
    on_a_gpu: float | None = None
    shares: Mapping[str, float] = field(default_factory=dict)
    workers: int = 1
    micro_tokens: int = MOST_TOKENS
    worker_bytes: int = 0
    token_bytes: int = 0
    least: int = 0


def cost(
    study: Study,
    shapes: Mapping[str, Shape | None],
    runs: Sequence[Run],
    configs: Sequence[EvalPlan],
    probed: Speeds | None = None,
) -> Cost:
    """``probed``: speeds that were measured here; None: guesses."""
    here, controls = _device(study), study.controls
    known = [s for s in shapes.values() if s is not None]
    workers = study.workers or _workers(study)
    micro_tokens = MOST_TOKENS if controls.micro_tokens == "auto" else controls.micro_tokens
    again = checkpointed(known, study, here)
    worker_bytes, token_bytes = _worst(known, study, again)
    of_label = each_controls(study)
    train = reference = 0.0
    adapters = 0
    for t in runs:
        if (shape := shapes[t.model]) is not None:
            more = run_flops(shape, t, of_label[t.label], again)
            train, reference = train + more[0], reference + more[1]
            # What is trained at every budget, and once more in the state to go on from, with AdamW's two moments.
            adapters += 4 * _trained(shape, of_label[t.label]) * (len(t.checkpoints) + 3)
    read = sum(2 * s.parameters * (c.tokens - c.written) for c in configs if (s := shapes[c.model]) is not None)
    write = sum(2 * s.parameters * c.written for c in configs if (s := shapes[c.model]) is not None)

    def seconds(speeds: Speeds) -> dict[str, float]:
        parts = {"training": train / speeds.train, "references": reference / speeds.read}
        return parts | {"reading prompts": read / speeds.read, "generating": write / speeds.write}

    sized = len(known) == len(shapes)
    parts = seconds(probed or SPEEDS[here])
    total = sum(parts.values())
    return Cost(
        train_flops=train,
        reference_flops=reference,
        measure_flops=float(read + write),
        disk_bytes=adapters + RECORD_BYTES * sum(c.requests or 0 for c in configs),
        memory_bytes=PROCESS_BYTES + workers * (worker_bytes + micro_tokens * token_bytes),
        workers=workers,
        micro_tokens=micro_tokens,
        worker_bytes=worker_bytes,
        token_bytes=token_bytes,
        least=worker_bytes + controls.max_tokens * token_bytes,
        seconds=total / workers if sized else None,
        speed="by what was timed here" if probed else f"a guess for any {here}",
        on_a_gpu=sum(seconds(SPEEDS["cuda"]).values()) if sized and here == "cpu" else None,
        shares={part: own / total for part, own in parts.items()} if sized and total else {},
    )


def crowded(study: Study, shapes: Mapping[str, Shape | None]) -> list[str]:
    """A sentence for each model that has no room on the GPUs it is to lie on, and how many would do.

    Weights, what is trained with gradient and moments, and what the longest row keeps whose layers are run again; over
    several GPUs in equal parts, as layers are (``models.spread``).
    """
    said = []
    room = machine.gpu_bytes() or GPU_BYTES
    for spec in study.models:
        if (shape := shapes[spec.name]) is None or spec.device == "cpu":
            continue
        size = 4 if spec.dtype == "float32" else 2
        needs = _base_bytes(shape, spec, size)
        if study.trains:
            again = shape.layers * shape.hidden + shape.widths / max(shape.layers, 1)
            trained, keeps = zip(*((_trained(shape, c), _keeps(c)) for c in each_controls(study).values()), strict=True)
            needs += 16 * max(trained)
            needs += int(size * again * max(keeps) * AT_ITS_HEIGHT["cuda"] * study.controls.max_tokens)
        fits = math.ceil(needs / (machine.SHARE * room - PROCESS_BYTES))
        if spec.gpus < fits:
            said.append(
                f"{spec.name} takes about {needs / 1e9:,.0f} GB on a GPU, which {spec.gpus} of {room / 1e9:.0f} GB "
                f"{'has' if spec.gpus == 1 else 'have'} no room for: `gpus: {fits}` of the model spreads it over "
                f"{fits}, which then do together what one with room for it would do alone (docs/cluster.md)"
            )
    return said


def heavy(study: Study, shapes: Mapping[str, Shape | None], runs: Sequence[Run]) -> list[str]:
    """What checkpoints of whole weights take of the disk, a sentence for each label and model that has them."""
    of_label, said = each_controls(study), dict[tuple[str, str], str]()
    for t in runs:
        if (shape := shapes[t.model]) is None or of_label[t.label].trainable == "lora":
            continue
        unit, name = (1e9, "GB") if (size := 4 * _trained(shape, of_label[t.label])) > 1e9 else (1e6, "MB")
        n = sum(len(r.checkpoints) for r in runs if (r.label, r.model) == (t.label, t.model))
        said[t.label, t.model] = (
            f"{t.label} keeps whole weights of {t.model}: {n} checkpoint{'s' * (n > 1)} of {size / unit:,.1f} {name}, "
            f"and beside each run {3 * size / unit:,.1f} {name} to go on from"
        )
    return list(said.values())


def fitted(cost: Cost) -> tuple[int, int]:
    """Workers that there is memory for here, and the tokens that each then reads at once; on a GPU as planned."""
    if cost.on_a_gpu is None or not cost.worker_bytes:
        return cost.workers, cost.micro_tokens
    workers, tokens = max(min(cost.workers, machine.free() // cost.least), 1), cost.micro_tokens
    while tokens > 1 and cost.worker_bytes + tokens * cost.token_bytes > machine.free(workers):
        tokens //= 2
    return workers, tokens


def run_flops(shape: Shape, run: Run, controls: Controls, again: bool) -> tuple[float, float]:
    """Of training and of the references; ``again``: with layers that are run again in the backward pass."""
    last: PlannedCheckpoint = run.checkpoints[-1]
    trained = 2 * products(controls, again) * shape.parameters * last.forward_tokens
    return trained, 2 * shape.parameters * last.reference_tokens


def products(controls: Controls, again: bool) -> int:
    """Of a token with all weights, in a step."""
    return 2 + again + (controls.trainable != "lora")


def checkpointed(shapes: Sequence[Shape], study: Study, device: str) -> bool:
    """Whether layers are run again in the backward pass: as asked, else where this machine has room for the model and
    none for a longest row without (``prepared.fits``; of a GPU that is not looked at here)."""
    controls = study.controls
    if controls.gradient_checkpointing != "auto":
        return controls.gradient_checkpointing
    if controls.micro_tokens != "auto" or device == "cuda":
        return False
    worker, token = _worst(shapes, study, False)
    return worker < machine.free() < worker + controls.max_tokens * token


def each_controls(study: Study) -> dict[str, Controls]:
    """The controls that runs of each label are trained under."""
    return {label: variant.controls(study.controls) for label, variant in variants(study).items()}


def _trained(shape: Shape, controls: Controls) -> int:
    """Numbers that are trained; of a DoRA's magnitudes, one for each row of a matrix, about half of its rank 1."""
    if controls.trainable != "lora":
        return shape.parameters if controls.trainable == "full" else shape.body
    return shape.per_rank * controls.lora.rank + (shape.per_rank // 2 if controls.lora.dora else 0)


def _keeps(controls: Controls) -> float:
    return DORA_KEEPS if controls.trainable == "lora" and controls.lora.dora else 1.0


def _worst(shapes: Sequence[Shape], study: Study, again: bool) -> tuple[int, int]:
    """Of a process with base, what is trained, its gradient and moments; and what a token of a step takes more."""
    each = {*each_controls(study).values()} or {study.controls}
    workers, tokens = zip((0, 0), *(_worker_bytes(s, study, c, again) for s in shapes for c in each), strict=True)
    return max(workers), max(tokens)


def _worker_bytes(shape: Shape, study: Study, controls: Controls, again: bool) -> tuple[int, int]:
    spec = study.models[0]
    small = spec.dtype == "bfloat16" or (spec.dtype == "auto" and _device(study) == "cuda")
    numbers: float = shape.widths
    if again:  # of a layer its input is kept; and one layer at a time is run again
        numbers = shape.layers * shape.hidden + shape.widths / max(shape.layers, 1)
    if controls.head == "full":  # logits of a token, too
        numbers += (shape.parameters - shape.body) / max(shape.hidden, 1)
    base = _base_bytes(shape, spec, 2 if small else 4)
    size = 2 * KEPT_TWICE if small or controls.autocast else 4
    token = numbers * _keeps(controls) * size * AT_ITS_HEIGHT[_device(study)]
    return int(PROCESS_BYTES + base + 16 * _trained(shape, controls)), int(token)


def _base_bytes(shape: Shape, spec: ModelSpec, size: int) -> int:
    """Of weights of ``size`` bytes each; in 4 bits those of the body."""
    if spec.quantization == "none":
        return size * shape.parameters
    return int(FOUR_BITS * shape.body + size * (shape.parameters - shape.body))


def _workers(study: Study) -> int:
    there = len(machine.gpus()) if _device(study) == "cuda" else 0
    return max(there // max(m.gpus for m in study.speakers), 1) if there else machine.cores()


def _device(study: Study) -> str:
    return machine.device(m.device for m in study.models)
