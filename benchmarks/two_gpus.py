"""A model on one card and on two: the same loss, gradients and answers, and what it costs. Exits 1 where they differ by
more than one card does from itself.

python benchmarks/two_gpus.py MODEL --device cuda --dtype bfloat16
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from typing import Any

import torch

from holdfast.config.study import Controls, ModelSpec
from holdfast.models import adapters
from holdfast.models.backend import InProcess
from holdfast.models.layouts import micro_batches
from holdfast.models.network import load
from holdfast.objectives.dpo import DPO
from holdfast.objectives.objective import Objective
from holdfast.training import batches
from holdfast.training.prepared import prepared
from holdfast.types import Example, Request, Sampling, Subject, Turn

STEPS = 3  # of which the last is timed


def measured(spec: ModelSpec, objective: Objective, rows: Sequence[Example], again: bool) -> tuple[dict[str, Any], Any]:
    """Figures, and what must be equal: loss, gradients, greedy answers."""
    network, settings = load(spec), Controls(micro_tokens=2048)
    on_gpu = network.device.type == "cuda"
    for device in network.devices if on_gpu else ():
        torch.cuda.reset_peak_memory_stats(device)
    with prepared(network, settings, settings.lora, 0, again):
        parameters = adapters.trainable(network)
        with torch.no_grad():
            for k, p in enumerate(parameters.values()):  # B is 0 at first, and A then has no gradient
                p.add_(1e-2 * torch.randn(p.shape, generator=torch.Generator().manual_seed(k)).to(p.device))
        groups = batches.Rows(objective, network.renderer).groups(rows)
        references = {g: torch.zeros(sum(len(s.ids) - s.start for s in g)) for g in groups}
        counts = batches.counts(groups, objective.needs, progress=0.0)
        for _ in range(STEPS):
            loss, began = 0.0, time.perf_counter()
            for p in parameters.values():
                p.grad = None
            for part in micro_batches(groups, settings.layout, 2048):
                scores = batches.scores(network, [groups[i] for i in part], objective.needs, settings, references)
                one, _ = objective.loss(scores, counts)
                one.backward()
                loss += float(one.detach())
            gradient = torch.cat([p.grad.flatten().cpu() for p in parameters.values() if p.grad is not None])
            seconds = time.perf_counter() - began
    peak = [torch.cuda.max_memory_allocated(device) for device in network.devices] if on_gpu else []
    began = time.perf_counter()
    asked = [Request(str(k), Subject("", "m"), e.prompt, (), Sampling(max_new_tokens=32)) for k, e in enumerate(rows)]
    answers = sorted((r.key, r.text, r.n_tokens) for r in InProcess(network).generate(asked))
    said = sum(n for *_, n in answers) / (time.perf_counter() - began)
    read = sum(len(s.ids) for group in groups for s in group)
    figures = {
        "gpus": spec.gpus,
        "layers": list(network.layers_on.values()),
        "layers_run_again": again,
        "loss": loss,
        "trained_tokens_per_second": read / seconds,
        "said_tokens_per_second": said,
        "peak_bytes": peak,
    }
    return figures, (loss, gradient, answers)


def apart(one: Any, other: Any) -> dict[str, float]:
    """Relative differences of loss and gradient, and the share of answers that are not the same."""
    (loss, gradient, answers), (its_loss, its_gradient, its_answers) = one, other
    return {
        "loss": abs(loss - its_loss) / abs(loss),
        "gradient": float((gradient - its_gradient).norm() / gradient.norm()),
        "answers": sum(a != b for a, b in zip(answers, its_answers, strict=True)) / len(answers),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="folder of a model that one card has room for")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--dtype", default="bfloat16")
    args = parser.parse_args()
    text = " ".join(f"word{k * 7919 % 1000}" for k in range(60))
    rows = [Example(str(k), (Turn("user", f"{k} {text}"),), f"{text} {k}", f"{k} {text} no") for k in range(8)]
    differ = False
    for again in (False, True):
        found = []
        for gpus in (1, 1, 2):  # one card twice: its attention may add up in another order each time
            spec = ModelSpec(name="m", path=args.model, device=args.device, dtype=args.dtype, gpus=gpus)
            figures, equal = measured(spec, DPO(), rows, again)
            print(json.dumps(figures))
            found.append(equal)
        itself, two = (apart(found[0], other) for other in found[1:])
        print(json.dumps({"layers_run_again": again, "one card against itself": itself, "against two": two}))
        differ |= any(two[key] > max(3 * itself[key], 1e-6) for key in two)
    raise SystemExit(int(differ))


if __name__ == "__main__":
    main()
