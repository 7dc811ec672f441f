"""Golden losses: 12 steps of each objective on the miniature. A change that is not about computation leaves them as
they are. To write them anew, after a change that is:

    python tests/training/golden.py
"""

from __future__ import annotations

import json
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from holdfast import registry
from holdfast.config.study import Controls, LoraSpec, ModelSpec, TaskSpec
from holdfast.data.prepare import prepare
from holdfast.data.renderer import Renderer
from holdfast.data.stream import Stream, stream, usable
from holdfast.models.network import Network, load
from holdfast.store.digest import file_digest
from holdfast.store.folder import RunFolder
from holdfast.training.controls import numerics
from holdfast.training.job import TrainJob
from holdfast.training.loop import train

FOLDER = Path(__file__).parent / "golden"
MODEL = ModelSpec(name="miniature", path="package:holdfast.miniature/model", dtype="float32", device="cpu")
TASK = TaskSpec(name="arithmetic", task="miniature_arithmetic")
SIX = ("sft", "dpo", "cft", "ip", "orpo", "kl")
STEPS, BATCH_ROWS, BUDGET = 12, 8, 30_000


def machine(network: Network) -> dict[str, Any]:
    """On what the bytes of an adapter hang."""
    cpu = Path("/proc/cpuinfo")
    named = (
        [line.partition(": ")[2] for line in cpu.read_text().splitlines() if "model name" in line]
        if cpu.exists()
        else []
    )
    return numerics(network) | {"processor": named[0] if named else ""}


def network(model: ModelSpec = MODEL) -> Network:
    return load(model, threads=1)


@lru_cache(maxsize=2)
def order(renderer: Renderer, task: str) -> Stream:
    """The rows in their order: the same for every objective, so made once."""
    spec = TaskSpec.model_validate_json(task)
    prepared = prepare(registry.build("tasks", spec.task, spec.params), spec)
    views = {n: registry.build("objectives", n).view for n in SIX}
    rows = usable(prepared, views, renderer, Controls(), pairs=True)
    return stream(rows, renderer, seed=0, budget=BUDGET, batch_rows=BATCH_ROWS, passes=4)


def losses(network: Network, name: str, task: TaskSpec = TASK) -> dict[str, Any]:
    """Loss, gradient norm and the objective's own numbers of each of the first steps."""
    objectives = {n: registry.build("objectives", n) for n in SIX}
    controls = Controls(lora=LoraSpec(rank=8, alpha=16), learning_rate=5e-4, batch_rows=BATCH_ROWS, passes=4)
    made = order(network.renderer, task.model_dump_json())
    job = TrainJob(
        id=f"golden-{name}",
        label=name,
        objective=objectives[name],
        lora=controls.lora,
        controls=controls,
        seed=0,
        learning_rate=controls.learning_rate,
        budgets=(made.tokens_after[STEPS - 1],),
        stream=made,
    )
    with tempfile.TemporaryDirectory() as folder:
        train(job, RunFolder(Path(folder)), network)
        lines = [json.loads(line) for line in (Path(folder) / "metrics.jsonl").read_text().splitlines()]
        adapter = RunFolder(Path(folder)).checkpoint(job.budgets[-1]) / "adapter_model.safetensors"
        written, tensors = file_digest(adapter), load_file(adapter)
    learnt = sum(t.double().square().sum().item() for name, t in tensors.items() if "lora_B" in name) ** 0.5
    return {
        "objective": registry.identity(objectives[name]),
        "base": network.digest,
        "template": network.renderer.digest,
        "rows": made.digest,
        "adapter": {"digest": written, "on": machine(network), "norm_of_b": learnt},  # B is 0 at first
        "loss": [line["loss"] for line in lines],
        "grad_norm": [line["grad_norm"] for line in lines],
        # An accuracy jumps where a margin is near 0; the other numbers move smoothly.
        "own": {
            key: [line["objective"][key] for line in lines] for key in lines[0]["objective"] if "accuracy" not in key
        },
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    held = network()
    for objective in SIX:
        found = losses(held, objective)
        (FOLDER / f"{objective}.json").write_text(json.dumps(found, indent=1) + "\n")
        print(f"{objective}: {found['loss'][0]:.4f} → {found['loss'][-1]:.4f}")
