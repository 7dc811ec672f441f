"""Greedy responses: holdfast's backend and a plain padded loop, on one model and the same prompts.

The plain loop is transformers' ``generate`` on batches of 8 prompts padded to the longest, in the order they come. The
prompts are GSM8K's questions, alone (mixed lengths) and after four worked ones (a shared prefix). "Positions" are
those that the model's body is run on, padding included.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import subjects
from common import Cells, Clock, table

BATCH, NEW_TOKENS = 8, 32
SETS = {"questions alone": 0, "after four worked questions": 4}
WAYS = ("holdfast", "plain loop")


def make(scratch: Path, n: int, tiny: bool) -> dict[str, Any]:
    subjects.random_qwen(scratch / "random", tiny=tiny)
    for which, shots in SETS.items():
        _file(scratch, which).write_text(json.dumps([q.prompt for q in subjects.gsm8k(n, shots)]))
    return {}


def _file(scratch: Path, which: str) -> Path:
    return scratch / f"{which}.json"


def holdfast(scratch: Path, which: str, threads: int) -> dict[str, Any]:
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Sampling, Subject, Turn

    network = load(subjects.spec(scratch / "random", scratch), threads=threads)
    positions = subjects.warm(network.model)
    prompts = json.loads(_file(scratch, which).read_text())
    clock = Clock()
    subject, sampling = Subject("base", "model"), Sampling(NEW_TOKENS)
    asked = [Request(str(k), subject, (Turn("user", p),), (), sampling) for k, p in enumerate(prompts)]
    texts = {r.key: r.text for r in InProcess(network).generate(asked)}
    return clock.result([texts[r.key] for r in asked]) | {"positions": positions[0]}


def plain(scratch: Path, which: str, threads: int) -> dict[str, Any]:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(scratch / "random", padding_side="left")
    model = AutoModelForCausalLM.from_pretrained(scratch / "random", dtype=torch.float32).eval()
    positions = subjects.warm(model)
    prompts = json.loads(_file(scratch, which).read_text())
    clock = Clock()
    texts = []
    for start in range(0, len(prompts), BATCH):
        batch = tokenizer(prompts[start : start + BATCH], return_tensors="pt", padding=True)
        with torch.no_grad():
            out = model.generate(**batch, max_new_tokens=NEW_TOKENS, do_sample=False)
        texts += tokenizer.batch_decode(out[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return clock.result(texts) | {"positions": positions[0]}


def page(cells: Cells, *, quick: bool, repeats: int, threads: int) -> tuple[str, list[dict[str, Any]]]:
    """The table, and every figure."""
    absent = subjects.absent("gsm8k", "tokenizers/qwen2_5")
    if absent:
        return f"Generation: skipped, {absent}", []
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        cells.run(make, scratch, 6 if quick else 16, quick)
        for repeat in range(repeats):
            for which in SETS:
                for way, function in zip(WAYS, (holdfast, plain), strict=True):
                    got = cells.run(function, scratch, which, threads)
                    results.append({"repeat": repeat, "set": which, "way": way, **got})
                    print(f"{repeat} {which}, {way}: {got['seconds']:.1f} s", flush=True)
    lines = []
    for which in SETS:
        mine, theirs = ([r for r in results if (r["set"], r["way"]) == (which, way)] for way in WAYS)
        equal = sum(a == b for a, b in zip(mine[0]["answers"], theirs[0]["answers"], strict=True))
        lines.append([which, *subjects.figures(mine, theirs), f"{equal} of {len(mine[0]['answers'])}"])
    for result in results:
        del result["answers"]
    head = ["prompts", *subjects.heads(WAYS), "equal texts"]
    return f"**Greedy responses of {NEW_TOKENS} tokens, random 51M**\n\n{table(head, lines)}", results
