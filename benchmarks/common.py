"""What both benchmarks need: a random model on disk, a process of its own for every cell, and memory by the kernel.

Linux only: peak memory is the resident set's high-water mark, which the kernel can be asked to forget.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

MIB = 2**20
SPECIALS = ("<|pad|>", "<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|unknown|>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def make_model(folder: Path, *, vocabulary: int, spread: float = 0.02, words: Iterable[str] = (), **size: int) -> Path:
    """A random Llama, fp32 and with a head tied to the embeddings, whose tokens are ``words``, w0, w1, ….

    Words are parted by blanks, so every tool reads the same ids from the same text.
    """
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder.mkdir(parents=True, exist_ok=True)
    first = [*SPECIALS, *words]
    vocab = {token: i for i, token in enumerate([*first, *(f"w{i}" for i in range(vocabulary - len(first)))])}
    tokenizer = Tokenizer(models.WordLevel(vocab, unk_token="<|unknown|>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(folder / "tokenizer.json"))
    named = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|end|>", "unk_token": "<|unknown|>"}
    config = {**named, "chat_template": TEMPLATE, "tokenizer_class": "PreTrainedTokenizerFast"}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    torch.manual_seed(0)
    ids = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    fixed = {"max_position_embeddings": 1024, "tie_word_embeddings": True, "initializer_range": spread}
    model = LlamaForCausalLM(LlamaConfig(vocab_size=vocabulary, **size, **fixed, **ids))
    model.save_pretrained(folder)
    return folder


# -- a process for every cell ---------------------------------------------------------------------------------------


class Cells:
    """Runs functions in fresh processes, forked from one that has the libraries loaded and nothing else."""

    def __init__(self, libraries: Sequence[str]) -> None:
        os.environ.update(TOKENIZERS_PARALLELISM="false", HF_HUB_OFFLINE="1", HF_DATASETS_OFFLINE="1")
        os.environ.update(TQDM_DISABLE="1", TRANSFORMERS_VERBOSITY="error", PYTHONWARNINGS="ignore")
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(list(libraries))

    def run(self, function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_answer, args=(theirs, function, args))
        process.start()
        theirs.close()
        try:
            return ours.recv()
        except EOFError:
            raise SystemExit(f"{function.__name__}{args} ended without a result") from None
        finally:
            process.join()


def _answer(pipe: Any, function: Callable[..., dict[str, Any]], args: tuple[Any, ...]) -> None:
    pipe.send(function(*args))


# -- memory ---------------------------------------------------------------------------------------------------------


def forget_peak() -> None:
    """The resident set's high-water mark is what is resident now; freed memory has gone back to the system."""
    with suppress(OSError, AttributeError):  # another C library
        ctypes.CDLL("libc.so.6").malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


class Clock:
    """Seconds from its making to the result, those of loading apart; the peak above what was resident before."""

    def __init__(self) -> None:
        forget_peak()
        self.base, self.loading = resident(), 0.0
        self.began, self.began_cpu = time.perf_counter(), time.process_time()

    def loaded(self, began: float | None = None) -> None:
        self.loading += time.perf_counter() - (self.began if began is None else began)

    def result(self, answers: list[Any]) -> dict[str, Any]:
        times = {"seconds": time.perf_counter() - self.began, "cpu_seconds": time.process_time() - self.began_cpu}
        return {**times, "loading": self.loading, "mib": resident("VmHWM") - self.base, "answers": answers}


def resident(what: str = "VmRSS") -> float:
    """MiB; ``VmHWM`` is the peak since it was last forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))


# -- what is printed ------------------------------------------------------------------------------------------------


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Markdown: the first column to the left, numbers to the right."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)


def spread(ratios: Sequence[float]) -> str:
    """The median of the repeats' ratios, and their range."""
    return f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})"


def machine(threads: int, *libraries: str) -> dict[str, Any]:
    """What a figure depends on."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    names = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": names[0] if names else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "threads": threads,
        **{name: version(name) for name in ("torch", "transformers", "peft", *libraries)},
    }


def arguments(
    about: str, repeats: int, parts: Sequence[str] = (), more: Sequence[argparse.ArgumentParser] = ()
) -> argparse.Namespace:
    """The command line of a benchmark, of which ``parts`` can be run alone; ``more``: arguments of its own."""
    parser = argparse.ArgumentParser(description=about, parents=more)
    parser.add_argument("--quick", action="store_true", help="tiny sizes, one repeat: does it run?")
    parser.add_argument("--repeats", type=int, default=repeats, help="rounds over all cells (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of torch, in every cell (default: %(default)s)")
    parser.add_argument("--out", type=Path, help="write every figure to this JSON file")
    if parts:
        parser.add_argument("--only", nargs="+", choices=parts, default=parts, help="these parts (default: all)")
    args = parser.parse_args()
    if args.quick:
        args.repeats = 1
    return args


def finish(args: argparse.Namespace, began: float, about: dict[str, Any], text: str, cells: list[Any]) -> None:
    """Print the page, and keep the figures where they were asked for."""
    print(f"\n{text}\n\n" + ", ".join(f"{k} {v}" for k, v in about.items()))
    print(f"{args.repeats} repeats in {(time.perf_counter() - began) / 60:.1f} minutes")
    if args.out:
        args.out.write_text(json.dumps({"machine": about, "cells": cells}, indent=1) + "\n")
