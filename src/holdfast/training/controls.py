"""Proof of control: digests of all that should have been the same over objectives, and what differed in spite of it.

A proof is written before the first step, and compared with what is there when a run is taken up again.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from collections.abc import Sequence as Seq
from importlib.metadata import version
from typing import Any

import torch

from holdfast import registry
from holdfast.models import adapters
from holdfast.models.network import Network
from holdfast.store.digest import brief, digest, flat
from holdfast.store.files import read_json, write_json
from holdfast.store.folder import RunFolder
from holdfast.training.batches import Rows
from holdfast.training.job import TrainJob
from holdfast.types import REFUSAL, UNSAFE, UserError

OPTIMISER = ("betas", "eps", "weight_decay", "schedule", "warmup_steps", "decay_share", "clip", "batch_rows")
COMPUTATION = ("layout", "head", "micro_tokens", "gradient_checkpointing", "autocast")


def controls(job: TrainJob, network: Network, rows: Rows) -> dict[str, Any]:
    """The proof of one run, as plain JSON. Call it before the first step: ``lora_init`` is of the adapter, or
    the weights, as they stand then, in a second round of training the first one's.

    ``controlled`` must agree over objectives of one model, task and seed. ``exposure`` is what could not be equal: it
    is printed, not compared. Both give a number or digest for each budget where it depends on the budget.
    """
    return {
        "id": job.id,
        "label": job.label,
        "objective": registry.identity(job.objective),
        "seed": job.seed,
        "controlled": {
            "base": network.digest,
            "template": network.renderer.digest,
            "order": {str(b): _order(job, b) for b in job.budgets},
            "response_ids": {str(b): _response_ids(job, b, network, rows) for b in job.budgets},
            "lora_init": adapters.fingerprint(network),
            "trainable": digest([[n, list(p.shape), str(p.dtype)] for n, p in adapters.trainable(network).items()]),
            "trainable_parameters": sum(p.numel() for p in adapters.trainable(network).values()),
            "lora": job.controls.trained,
            "optimiser": {
                "name": "AdamW",
                "learning_rate": job.learning_rate,
                **job.controls.model_dump(mode="json", include=set(OPTIMISER)),
            },
            "computation": {
                **job.controls.model_dump(mode="json", include=set(COMPUTATION)),
                "micro_tokens": job.micro_tokens,
                "gradient_checkpointing": job.checkpointing,
            },
            "numerics": numerics(network) | ({"processor": job.processor} if job.processor else {}),
        },
        "exposure": {str(b): exposure(job, b, rows) for b in job.budgets},
    }


def numerics(network: Network) -> dict[str, Any]:
    """What a rounding error depends on."""
    on_gpu = network.device.type == "cuda"
    return {
        **{name: version(name) for name in ("holdfast", "torch", "transformers", "peft")},
        "device": ", ".join(torch.cuda.get_device_name(d) if on_gpu else platform.machine() for d in network.devices),
        "instructions": "cuda" if on_gpu else torch.backends.cpu.get_cpu_capability(),
        "dtype": str(network.dtype).removeprefix("torch."),
        "attention": network.attention,
        "threads": torch.get_num_threads(),
    }


def kind(of: Mapping[str, Any]) -> dict[str, str]:
    """Of the numerics, what is the machine's: libraries choose by it how a sum is split. Several of one device count as
    one: over how many a model lies is a setting."""
    found = {k: str(of[k]) for k in ("device", "instructions", "processor") if k in of}
    return found | {"device": ", ".join(sorted(set(found["device"].split(", "))))}


def exposure(job: TrainJob, budget: int, rows: Rows) -> dict[str, Any]:
    """What the objective made of the same rows up to a budget: rows, and tokens with the response's end of turn.

    ``forward_tokens`` are those of all sequences, each prompt counted with each; ``supervised_tokens`` carry loss;
    ``unsafe_tokens`` are of unsafe responses read; ``notes`` counts sequences by their view's note.
    """
    step = job.stream.step_at(budget)
    out: dict[str, Any] = {
        "steps": step,
        "rows": 0,
        "passes": job.stream.passes_at(budget),
        "shared_tokens": job.stream.tokens_after[step - 1],
        "forward_tokens": 0,
        "supervised_tokens": 0,
        "rejected_tokens": 0,
        "unsafe_rows": 0,
        "unsafe_tokens": 0,
        "refusal_rows": 0,
        "notes": {},
    }
    # Counted from what the view really made, not from what its objective is known to do.
    for example in (e for examples in job.stream.steps[:step] for e in examples):
        out["rows"] += 1
        out["refusal_rows"] += REFUSAL in example.tags
        for s in rows.group(example):
            n, rejected = len(s.ids) - s.start, s.segment.side == "rejected"
            out["forward_tokens"] += len(s.ids)
            out["supervised_tokens"] += n
            out["rejected_tokens"] += n * rejected
            out["unsafe_rows"] += rejected and UNSAFE in example.tags
            out["unsafe_tokens"] += n * (rejected and UNSAFE in example.tags)
            if s.segment.note:
                out["notes"][s.segment.note] = out["notes"].get(s.segment.note, 0) + 1
    out["notes"] = dict(sorted(out["notes"].items()))
    return out


def differences(proofs: Seq[Mapping[str, Any]]) -> list[str]:
    """One sentence for everything controlled that is not the same in all proofs; none if all is well.

    Give it runs that should agree: one model, task and seed.
    """
    resumed = [f"{p['label']} was resumed under other numerics" for p in proofs if p.get("resumed_under")]
    short = [
        f"{p['label']} ran out of memory and went on in smaller micro-batches" for p in proofs if p.get("less_memory")
    ]
    return _compared(proofs) + resumed + short


def _compared(proofs: Seq[Mapping[str, Any]]) -> list[str]:
    flattened = [(p["label"], flat(p["controlled"])) for p in proofs]
    keys = sorted({key for _, values in flattened for key in values})
    found = []
    for key in keys:
        by_value: dict[str, list[str]] = {}
        for label, values in flattened:
            if key in values:  # a budget that only some have is no difference
                by_value.setdefault(str(values[key]), []).append(label)
        if len(by_value) > 1:
            said = "; ".join(f"{brief(value)} in {', '.join(labels)}" for value, labels in by_value.items())
            found.append(f"{key} differs: {said}")
    return found


def record(folder: RunFolder, proof: dict[str, Any]) -> None:
    """Write the proof, or compare it with the one that a run began under.

    Raises ``UserError`` where they differ. Another numerics environment is not refused, since it changes results within
    rounding only, but it is written down under ``resumed_under``.
    """
    if folder.controls_json.exists():
        old = read_json(folder.controls_json, "controlled")
        proof = {**proof, "resumed_under": old.get("resumed_under", [])}
        # Another machine or version rounds otherwise. That is no reason to refuse half a day's work, and one to say so.
        here, began = proof["controlled"]["numerics"], old["controlled"]["numerics"]
        if here != began and here not in proof["resumed_under"]:
            proof["resumed_under"] = [*proof["resumed_under"], here]
        if "less_memory" in old:
            proof["less_memory"] = old["less_memory"]
        proof["controlled"]["numerics"] = began
        # The first may have fewer budgets than the second: the ladder has grown.
        changed = _compared([{**old, "label": "what is there"}, {**proof, "label": "this run"}])
        if changed:
            raise UserError(
                f"{folder.root} was trained under other controls ({'; '.join(changed)}): "
                "delete that folder, or run the study it belongs to."
            )
        if not proof["resumed_under"]:
            del proof["resumed_under"]
    write_json(folder.controls_json, proof)


def less_memory(folder: RunFolder, step: int, micro_tokens: int) -> None:
    """Write down that from this step on micro-batches were smaller than planned, for want of memory."""
    proof = read_json(folder.controls_json, "controlled")
    before = [m for m in proof.get("less_memory", []) if m["step"] < step or m["micro_tokens"] > micro_tokens]
    proof["less_memory"] = [*before, {"step": step, "micro_tokens": micro_tokens}]
    write_json(folder.controls_json, proof)


def at_once(folder: RunFolder, done: int, planned: int) -> int:
    """Tokens of a micro-batch after so many steps: what memory was found to have room for by then, else as planned."""
    found = read_json(folder.controls_json, "controlled").get("less_memory", [])
    return min([planned, *(m["micro_tokens"] for m in found if m["step"] <= done)])


# -- digests --------------------------------------------------------------------------------------------------------


def _order(job: TrainJob, budget: int) -> str:
    return digest([[e.id for e in step] for step in job.stream.steps[: job.stream.step_at(budget)]])


def _response_ids(job: TrainJob, budget: int, network: Network, rows: Rows) -> str:
    """Of both responses of every row, as this objective's view reads them; a side it does not read is rendered plainly.

    So the digests of an objective that reads one side and of another that reads both are the same if and only if the
    ids are. Rows are sorted: their order has a digest of its own.
    """
    examples = {e.id: e for step in job.stream.steps[: job.stream.step_at(budget)] for e in step}
    ids = []
    for _, example in sorted(examples.items()):
        read: dict[str, tuple[int, ...]] = {s.segment.side: s.response_ids for s in rows.group(example)}
        for side, text in (("chosen", example.chosen), ("rejected", example.rejected)):
            if side not in read and text is not None:
                read[side] = network.renderer.response_ids(text)
        ids.append([example.id, read.get("chosen"), read.get("rejected")])
    return digest(ids)
