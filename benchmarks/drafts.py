"""Greedy answers of three checkpoints of one run: transformers' generate, holdfast plain, holdfast with drafts.

    python benchmarks/drafts.py [--model FOLDER] [--keep FOLDER] [--quick] [--repeats N] [--threads N] [--out FILE]

Trains SFT to three budgets first: a chat model in FOLDER on GSM8K, or the miniature on its arithmetic. ``generate``
gets batches padded to the longest, in the order they come, with the adapter by PEFT. A checkpoint's drafts are the
answers of the budget before it, the first one's are the base's, whose answers have been made before the clock starts:
a study measures the base anyway. Each way at each batch size is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import subjects
from common import Cells, Clock, arguments, finish, machine, spread, table

LIBRARIES = ("holdfast.models.backend", "transformers.models.llama.modeling_llama", "peft")
WAYS = ("generate", "holdfast plain", "holdfast drafted")
MINIATURE = "package:holdfast.miniature/model"
BUDGETS = {"model": [2500, 5000, 10000], "miniature": [15000, 30000, 60000], "quick": [500, 1000, 1500]}
NEW_TOKENS, QUICK_TOKENS = 96, 16
PROMPTS = {1: 2, 8: 8, 32: 32}  # how many are asked at each batch size


def study(model: str, quick: bool) -> dict[str, Any]:
    """SFT on rows of the model's kind; nothing is measured in it."""
    own = model == MINIATURE
    task: dict[str, Any] = {"name": "arithmetic", "task": "miniature_arithmetic"}
    controls: dict[str, Any] = {"max_tokens": 256, "learning_rate": 5e-4}
    if not own:
        path = str((subjects.DATA / "gsm8k").resolve())
        task = {
            "name": "gsm8k",
            "task": "gsm8k",
            "params": {"path": path},
            "rejected": {"source": "perturb"},
            "rows": 300,
        }
        controls = {"max_tokens": 512}
    rows = {"split": {"validation": 0.01}, "unsafe": {"regime": "none"}}
    return {
        "schema": 1,
        "name": "drafts",
        "models": [{"name": "chat", "path": model, "dtype": "float32", "device": "cpu"}],
        "tasks": [task | rows],
        "objectives": [{"label": "SFT", "objective": "sft"}],
        "budgets": BUDGETS["quick" if quick else "miniature" if own else "model"],
        "seeds": [0],
        "controls": controls | {"micro_tokens": 512},
        "measures": [{"measure": "task_accuracy", "items": 32}],
    }


def make(scratch: Path, kept: Path, model: str, quick: bool, threads: int) -> dict[str, Any]:
    """The checkpoints; the prompts' ids; the base's answers."""
    import torch
    import yaml

    from holdfast.runs import jobs, pipeline
    from holdfast.store.sources import model_folder

    torch.set_num_threads(threads)
    (scratch / "study.yaml").write_text(yaml.safe_dump(study(model, quick)))
    pipeline.stage("train", scratch / "study.yaml", kept, workers=1)
    bench = jobs.open_bench(kept)
    (config,) = bench.configs()
    turns = [config.prompts_for(item)[0].turns for item in config.items[: max(PROMPTS.values())]]
    renderer = bench.materials.renderer("chat")
    rows = sorted(bench.rows(), key=lambda row: row.budget)
    about: dict[str, Any] = {
        "model": str(model_folder(model)),
        "turns": [[[t.role, t.content] for t in some] for some in turns],
        "ids": [renderer.prompt_ids(some) for some in turns],
        "ends": list(renderer.end_ids),
        "pad": renderer.pad_id,
        "new_tokens": QUICK_TOKENS if quick else NEW_TOKENS,
        "adapters": [str(kept / row.adapter) for row in rows if row.adapter],
    }
    (scratch / "about.json").write_text(json.dumps(about))
    about["base"] = holdfast_answers(about, None, max(PROMPTS.values()), [[] for _ in turns])(len(turns))
    (scratch / "about.json").write_text(json.dumps(about))
    return {}


Answers = Callable[[int], list[str]]


def holdfast_answers(about: dict[str, Any], adapter: str | None, rows: int, drafts: list[list[str]]) -> Answers:
    """A function that answers the first n prompts, the model loaded once for all adapters."""
    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Sampling, Subject, Turn

    if "backend" not in _held:
        spec = ModelSpec(name="model", path=about["model"], dtype="float32", device="cpu")
        _held["backend"] = InProcess(load(spec), batch_rows=rows)
    subject, sampling = Subject(adapter or "base", "model", adapter), Sampling(about["new_tokens"])

    def answer(n: int) -> list[str]:
        asked = [
            Request(str(k), subject, tuple(Turn(*t) for t in some), (), sampling, tuple(drafts[k]))
            for k, some in enumerate(about["turns"][:n])
        ]
        texts = {r.key: r.text for r in _held["backend"].generate(asked)}
        return [texts[r.key] for r in asked]

    return answer


_held: dict[str, Any] = {}


def holdfast(scratch: Path, way: str, rows: int, threads: int) -> dict[str, Any]:
    import torch

    torch.set_num_threads(threads)
    about = json.loads((scratch / "about.json").read_text())
    n, drafted = PROMPTS[rows], way == WAYS[2]
    holdfast_answers(about, None, rows, [])  # loaded before the clock starts
    counts = counting(_held["backend"].network.model)
    before, results = about["base"], []
    clock = Clock()
    for adapter in about["adapters"]:
        drafts = [[text] for text in before] if drafted else [[] for _ in before]
        results.append(before := holdfast_answers(about, adapter, rows, drafts)(n))
    return clock.result(results) | counts() | {"near": _held["backend"].near_ties}


def generate(scratch: Path, way: str, rows: int, threads: int) -> dict[str, Any]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, GenerationConfig

    from holdfast.config.study import ModelSpec
    from holdfast.data.renderer import Renderer

    torch.set_num_threads(threads)
    about = json.loads((scratch / "about.json").read_text())
    renderer = Renderer.of(ModelSpec(name="model", path=about["model"]))
    base = AutoModelForCausalLM.from_pretrained(about["model"], dtype=torch.float32).eval()
    how = GenerationConfig(
        max_new_tokens=about["new_tokens"], do_sample=False, eos_token_id=about["ends"], pad_token_id=about["pad"]
    )
    model, results = PeftModel.from_pretrained(base, about["adapters"][0], "0").eval(), []
    for k, adapter in enumerate(about["adapters"][1:], start=1):
        model.load_adapter(adapter, str(k))
    counts = counting(base)
    clock = Clock()
    for k in range(len(about["adapters"])):
        model.set_adapter(str(k))
        texts: list[str] = []
        for start in range(0, PROMPTS[rows], rows):
            some = about["ids"][: PROMPTS[rows]][start : start + rows]
            width = max(map(len, some))
            ids = torch.tensor([[about["pad"]] * (width - len(one)) + one for one in some])
            mask = torch.tensor([[0] * (width - len(one)) + [1] * len(one) for one in some])
            with torch.no_grad():
                out = model.generate(input_ids=ids, attention_mask=mask, generation_config=how)[:, width:].tolist()
            for one in out:
                end = next((n for n, i in enumerate(one) if i in about["ends"]), len(one))
                texts.append(renderer.decode(one[:end]))
        results.append(texts)
    return clock.result(results) | counts() | {"near": 0}


def counting(model: Any) -> Callable[[], dict[str, int]]:
    """Counts forwards and the positions that they run."""
    totals = {"forwards": 0, "positions": 0}

    def count(_: Any, args: Any, out: Any) -> None:
        totals["forwards"] += 1
        totals["positions"] += args[0].numel()

    model.get_input_embeddings().register_forward_hook(count)
    return lambda: totals


def main() -> None:
    model = argparse.ArgumentParser(add_help=False)
    model.add_argument("--model", default=MINIATURE, help="folder of a chat model (default: the miniature)")
    model.add_argument("--keep", type=Path, help="folder of the trained study, which is found there the next time")
    args = arguments(__doc__.splitlines()[0], repeats=3, more=[model])
    if args.model != MINIATURE and (absent := subjects.absent("gsm8k")):
        raise SystemExit(f"skipped: {absent}")
    began, cells, results = time.perf_counter(), Cells(LIBRARIES), []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        kept = (args.keep or scratch / "study").resolve()
        cells.run(make, scratch, kept, args.model, args.quick, args.threads)
        for repeat in range(args.repeats):
            for rows in PROMPTS:
                for way in WAYS:
                    function = generate if way == WAYS[0] else holdfast
                    got = cells.run(function, scratch, way, rows, args.threads)
                    results.append({"repeat": repeat, "rows": rows, "way": way, **got})
                    print(f"{repeat} {way}, {rows} rows: {got['cpu_seconds']:.1f} s of processor", flush=True)
    finish(args, began, machine(args.threads), page(results), results)


def page(results: list[dict[str, Any]]) -> str:
    lines = []
    for rows in PROMPTS:
        ways = {way: [r for r in results if (r["rows"], r["way"]) == (rows, way)] for way in WAYS}
        for way, mine in ways.items():
            times = [
                spread([t[key] / m[key] for m, t in zip(mine, ways[other], strict=True)])
                for other, key in ((WAYS[0], "cpu_seconds"), (WAYS[1], "cpu_seconds"), (WAYS[1], "seconds"))
            ]
            said = [text for texts in mine[0]["answers"] for text in texts]
            equal = sum(
                a == b
                for texts, own in zip(ways[WAYS[1]][0]["answers"], mine[0]["answers"], strict=True)
                for a, b in zip(texts, own, strict=True)
            )
            counts = [f"{median(r[key] for r in mine):,.0f}" for key in ("forwards", "positions")]
            lines.append([f"{rows}", way, *times, *counts, f"{equal} of {len(said)}", mine[0]["near"]])
    for result in results:
        del result["answers"]
    by = ("× generate, by processor time", "× plain, by processor time", "× plain, by the clock")
    head = ["rows", "way", *by, "forwards", "positions", "texts as plain", "near-ties"]
    return table(head, lines)


if __name__ == "__main__":
    main()
