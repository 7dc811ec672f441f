"""Tokens per second and extra memory of training: holdfast's loop and TRL's trainers on the same rows.

    python benchmarks/training.py [--quick] [--repeats N] [--threads N] [--out FILE]
                                  [--model FOLDER] [--device cuda] [--dtype bfloat16]

``--model`` takes a real model, or any other, in place of the random ones. What is held equal: the base model, the rows
and their order, LoRA (rank 16, alpha 32, all linear layers), AdamW, a step's rows in micro-batches of 4, no gradient
checkpointing, reference log-probs computed before the first step, a log line a step. Each cell is its own process,
and the cells of a repeat follow one another, so that a slow minute falls on both tools. holdfast runs its
real loop (``training.loop.train``), TRL its real trainers.

A step is timed from the end of the one before, so that fetching and laying out rows count; the first is a warm-up on
short rows. Tokens are those of the sequences that the objective reads, without padding, a prompt counted with each of
its responses: the same number for every tool. Memory is the peak over the timed steps above the loaded model; what
comes before them (holdfast's check of its head against plain logits, references, the first step) is told apart.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import MIB, Cells, arguments, finish, forget_peak, machine, make_model, resident, spread, table

MICRO_ROWS = 4  # of a micro-batch, which is what memory goes by
RANK, ALPHA, RATE = 16, 32, 2e-4
LIBRARIES = ("trl.trainer.sft_trainer", "trl.trainer.dpo_trainer", "trl.experimental.orpo", "holdfast.training.loop")


class Size(NamedTuple):
    """A random model, the rows of a step, and how many steps are timed."""

    label: str
    model: dict[str, int]
    rows: int
    timed: int
    share: float = 1.0  # of the words of a row


SIZES = (
    Size(
        "13 M, vocabulary 32k",
        {"vocabulary": 32_000, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 6},
        16,
        1,
    ),
    Size(
        "36 M, vocabulary 128k",
        {"vocabulary": 128_256, "hidden_size": 256, "intermediate_size": 768, "num_hidden_layers": 4},
        4,
        1,
    ),
)
QUICK = (
    Size("small", {"vocabulary": 500, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}, 16, 1),
    Size("wide", {"vocabulary": 8000, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1}, 16, 1),
)
HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2}


class Cell(NamedTuple):
    """One way to train: an objective, a tool, and holdfast's layout and parameters."""

    objective: str
    tool: str
    layout: str = ""
    params: tuple[tuple[str, Any], ...] = ()

    @property
    def label(self) -> str:
        return ", ".join([self.tool, *([self.layout] if self.layout else []), *(f"{k}={v}" for k, v in self.params)])


# TRL's ORPO has the prompt in its likelihood term; holdfast's default has not, and only then can a prompt be shared.
CELLS = (
    Cell("SFT", "TRL"),
    Cell("SFT", "holdfast", "padded"),
    Cell("DPO", "TRL"),
    Cell("DPO", "holdfast", "padded"),
    Cell("DPO", "holdfast", "shared"),
    Cell("ORPO", "TRL"),
    Cell("ORPO", "holdfast", "padded", (("nll", "prompt_and_response"),)),
    Cell("ORPO", "holdfast", "shared"),
)


class Row(NamedTuple):
    prompt: str
    chosen: str
    rejected: str


def rows(size: Size) -> list[Row]:
    """Prompts of 60–200 words, responses of 40–200; the first step is a warm-up on short rows.

    One draw for all sizes: the lengths are the same in each.
    """
    draw, words = random.Random(0), size.model["vocabulary"] - 100

    def text(low: int, high: int) -> str:
        many = int(draw.randint(low, high) * size.share)
        return " ".join(f"w{int(draw.random() * words)}" for _ in range(many))

    short = [Row(text(8, 16), text(8, 16), text(8, 16)) for _ in range(size.rows)]
    return short + [Row(text(60, 200), text(40, 200), text(40, 200)) for _ in range(size.rows * size.timed)]


class Place(NamedTuple):
    """Where a cell trains, and in which numbers."""

    device: str = "cpu"
    dtype: str = "float32"
    threads: int = 1


class Meter:
    """Times and peaks of steps. Made when the model is loaded; told when each step has ended."""

    def __init__(self, place: Place) -> None:
        self.on_gpu = place.device == "cuda"
        self._forget()
        self.base, self.ends = self._mib("VmRSS"), list[tuple[float, float]]()
        self.setup = self.steps = 0.0
        self.loss = float("nan")

    def step(self, loss: float | None) -> None:
        self.steps = self._mib("VmHWM") - self.base
        if not self.ends:
            self.setup, self.loss = self.steps, loss if loss is not None else float("nan")
            self._forget()
        self.ends.append((time.perf_counter(), time.process_time()))

    def _forget(self) -> None:
        if not self.on_gpu:
            return forget_peak()
        import torch

        return torch.cuda.reset_peak_memory_stats()

    def _mib(self, what: str) -> float:
        """Of the process, or what its tensors have on the GPU; ``VmHWM`` is the peak."""
        if not self.on_gpu:
            return resident(what)
        import torch

        torch.cuda.synchronize()
        taken = torch.cuda.max_memory_allocated if what == "VmHWM" else torch.cuda.memory_allocated
        return taken() / MIB

    def result(self) -> dict[str, Any]:
        wall, cpu = ([b - a for a, b in pairwise(ends)] for ends in zip(*self.ends, strict=True))
        memory = {"steps_mib": self.steps, "setup_mib": self.setup}
        return {"seconds": wall, "cpu_seconds": cpu, **memory, "loss": self.loss}


# -- the tools ------------------------------------------------------------------------------------------------------


def ours(cell: Cell, folder: Path, data: list[Row], step_rows: int, place: Place) -> dict[str, Any]:
    from holdfast.config.study import Controls, LoraSpec, ModelSpec
    from holdfast.data.stream import Stream, shared_tokens
    from holdfast.models.network import load
    from holdfast.objectives.dpo import DPO
    from holdfast.objectives.orpo import ORPO
    from holdfast.objectives.sft import SFT
    from holdfast.store.folder import RunFolder
    from holdfast.training.batches import Rows
    from holdfast.training.job import TrainJob
    from holdfast.training.loop import train
    from holdfast.types import Example, Turn

    spec = ModelSpec(name="model", path=str(folder), dtype=place.dtype, device=place.device)  # type: ignore[arg-type]
    network = load(spec, threads=place.threads)
    meter = Meter(place)
    objective = {"SFT": SFT, "DPO": DPO, "ORPO": ORPO}[cell.objective](**dict(cell.params))
    examples = [Example(str(i), (Turn("user", r.prompt),), r.chosen, r.rejected) for i, r in enumerate(data)]
    steps = [tuple(examples[i : i + step_rows]) for i in range(0, len(examples), step_rows)]
    tokens, read = [], 0
    for step in steps:
        read += sum(shared_tokens(e, network.renderer) for e in step)
        tokens.append(read)
    # As many padded tokens as 4 rows of the longest take, so that a step is split as in the other tool.
    seen = Rows(objective, network.renderer)
    longest = max(len(s.ids) for e in examples for s in seen.group(e))
    micro = MICRO_ROWS * longest * (1 if cell.objective == "SFT" else 2)
    controls = Controls(
        lora=LoraSpec(rank=RANK, alpha=ALPHA),
        learning_rate=RATE,
        warmup_steps=0,
        micro_tokens=micro,
        layout=cell.layout,  # type: ignore[arg-type]
    )
    stream = Stream(tuple(steps), tuple(tokens), (0,) * len(steps), len(examples), "benchmark")
    job = TrainJob("benchmark", cell.label, objective, controls.lora, controls, 0, RATE, (read,), stream)
    with tempfile.TemporaryDirectory() as scratch:
        train(job, RunFolder(Path(scratch)), network, lambda e: meter.step(e["loss"]) if "loss" in e else None)
    return meter.result() | {"tokens": [sum(len(s.ids) for e in step for s in seen.group(e)) for step in steps]}


def theirs(cell: Cell, folder: Path, data: list[Row], step_rows: int, place: Place) -> dict[str, Any]:
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer, PrinterCallback, TrainerCallback
    from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer

    torch.set_num_threads(place.threads)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, place.dtype)).to(place.device)
    meter = Meter(place)
    trainer_class, config_class, more = {
        "SFT": (SFTTrainer, SFTConfig, {"max_length": None}),
        "DPO": (DPOTrainer, DPOConfig, {"max_length": None, "precompute_ref_log_probs": True}),
        "ORPO": (ORPOTrainer, ORPOConfig, {"max_length": 1024}),
    }[cell.objective]

    class Watch(TrainerCallback):
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **rest: Any) -> None:
            if "loss" in logs:  # the last thing of a step
                meter.step(logs["loss"])

    with tempfile.TemporaryDirectory() as scratch:
        config = config_class(
            output_dir=scratch,
            report_to=[],
            use_cpu=place.device == "cpu",
            bf16=place.dtype == "bfloat16",
            gradient_checkpointing=False,
            disable_tqdm=True,
            per_device_train_batch_size=MICRO_ROWS,
            gradient_accumulation_steps=step_rows // MICRO_ROWS,
            num_train_epochs=1,
            learning_rate=RATE,
            lr_scheduler_type="constant",
            max_grad_norm=1.0,
            save_strategy="no",
            logging_steps=1,
            train_sampling_strategy="sequential",
            **more,
        )
        trainer = trainer_class(
            model=model,
            args=config,
            train_dataset=Dataset.from_list([_conversation(cell.objective, row) for row in data]),
            processing_class=AutoTokenizer.from_pretrained(folder),
            peft_config=LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Watch()],
        )
        trainer.remove_callback(PrinterCallback)
        tokens = _tokens(trainer, step_rows // MICRO_ROWS)
        trainer.train()
    return meter.result() | {"tokens": tokens}


def _conversation(objective: str, row: Row) -> dict[str, Any]:
    prompt, chosen, rejected = (
        [{"role": role, "content": text}]
        for role, text in (("user", row.prompt), ("assistant", row.chosen), ("assistant", row.rejected))
    )
    if objective == "SFT":
        return {"prompt": prompt, "completion": chosen}
    return {"prompt": prompt, "chosen": chosen, "rejected": rejected}


def _tokens(trainer: Any, n: int) -> list[int]:
    """Of each step of n micro-batches, as the trainer's own batches hold them."""
    micro = []
    for batch in trainer.get_train_dataloader():
        masks = [
            v for k, v in batch.items() if k in ("attention_mask", "chosen_attention_mask", "rejected_attention_mask")
        ]
        micro.append(int(sum(mask.sum() for mask in masks)))
    return [sum(micro[i : i + n]) for i in range(0, len(micro), n)]


# -- the run --------------------------------------------------------------------------------------------------------


def main() -> None:
    more = argparse.ArgumentParser(add_help=False)
    more.add_argument("--model", type=Path, help="a model's folder, in place of the random models")
    more.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    more.add_argument("--dtype", default="float32", choices=("float32", "bfloat16"), help="of the base's weights")
    args = arguments(__doc__.splitlines()[0], repeats=2, more=[more])
    place = Place(args.device, args.dtype, args.threads)
    began = time.perf_counter()
    cells = Cells(LIBRARIES)
    results: list[dict[str, Any]] = []
    # Of words that are no tokens a real tokenizer makes about four.
    sizes = (
        [Size(args.model.name, {"vocabulary": 32_000}, 8, 1, 0.25)] if args.model else QUICK if args.quick else SIZES
    )
    with tempfile.TemporaryDirectory() as scratch:
        folders = {size.label: args.model or Path(scratch) / size.label for size in sizes}
        for size in () if args.model else sizes:
            cells.run(_make, folders[size.label], size)
        for repeat in range(args.repeats):
            for size in sizes:
                data = rows(size)
                for cell in CELLS:
                    tool = theirs if cell.tool == "TRL" else ours
                    got = cells.run(tool, cell, folders[size.label], data, size.rows, place)
                    about = {"repeat": repeat, "size": size.label, "objective": cell.objective, "way": cell.label}
                    results.append({**about, **_rates(got), **got})
                    print(f"{repeat} {size.label} {cell.objective} {cell.label}: {_line(results[-1])}", flush=True)
    text = "\n\n".join(_page(size, [r for r in results if r["size"] == size.label]) for size in sizes)
    finish(args, began, machine(args.threads, "trl"), text, results)


def _make(folder: Path, size: Size) -> dict[str, Any]:
    make_model(folder, **size.model, **HEADS)
    return {}


def _rates(got: dict[str, Any]) -> dict[str, float]:
    """Tokens per second by the clock, and per second of processor time, which other work on the machine shifts less."""
    return {
        f"tokens_per_{unit}": median(n / s for n, s in zip(got["tokens"][1:], got[f"{unit}s"], strict=True))
        for unit in ("second", "cpu_second")
    }


def _line(r: dict[str, Any]) -> str:
    rate, steps, setup = r["tokens_per_second"], r["steps_mib"], r["setup_mib"]
    return f"{rate:.0f} tokens/s, {steps:.0f} MiB, set-up {setup:.0f} MiB, first loss {r['loss']:.4f}"


def _page(size: Size, results: list[dict[str, Any]]) -> str:
    lines = []
    for cell in CELLS:
        of = [r for r in results if r["objective"] == cell.objective]
        other = [r for r in of if r["way"] == "TRL"]
        mine = other if cell.tool == "TRL" else [r for r in of if r["way"] == cell.label]
        # Templates may end a conversation with a line break, which TRL reads and holdfast does not.
        apart = max(abs(a / b - 1) for r in mine for a, b in zip(r["tokens"], other[0]["tokens"], strict=True))
        assert apart < (0.02 if size.share < 1 else 1e-9), "the tools did not read the same tokens"
        first = {r["loss"] for r in mine + other}
        alike = cell.params or cell.objective != "SFT" or size.share < 1  # with that line break the mean is another
        assert alike or max(first) - min(first) < 0.01, f"other losses: {first}"

        keys = ("tokens_per_second", "tokens_per_cpu_second", "steps_mib")
        wall, cpu, memory = (
            "1" if mine is other else spread([m[key] / t[key] for m, t in zip(mine, other, strict=True)])
            for key in keys
        )
        rate, steps, setup = (f"{median(r[k] for r in mine):,.0f}" for k in (keys[0], "steps_mib", "setup_mib"))
        lines.append([cell.objective, cell.label, rate, wall, cpu, steps, memory, setup])
    head = ["objective", "way", "tokens/s", "× TRL", "× TRL, processor time", "MiB in steps", "× TRL", "MiB before"]
    return f"**{size.label}**\n\n" + table(head, lines)


if __name__ == "__main__":
    main()
