"""Measuring twelve adapters of one base: holdfast's backend, reloading for each adapter, and lm-eval.

Each way answers the same questions about every adapter: the log-probs of Yes and No after 32 prompts, and a greedy
response of 16 tokens to 4 of them. holdfast loads the base once, checks that each adapter is live, and switches; the
script with transformers and PEFT loads base and adapter for every adapter, and reads both answers from one forward
pass over the prompts, at their last position; lm-eval's HFLM is made anew with ``peft=…`` for every adapter, its batch
size set to 32 (its default is 1). Each cell is a process of its own that has the libraries imported; the base is in
the file system's cache. The answers of all three are compared.
"""

from __future__ import annotations

import random
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import MIB, Cells, Clock, make_model, spread, table

ANSWERS = ("Yes", "No")
NEW_TOKENS, ASKED = 16, 4  # greedy tokens, and of how many items
WAYS = ("holdfast", "transformers + PEFT, reloaded", "lm-eval, reloaded")


class Size(NamedTuple):
    model: dict[str, int]
    adapters: int
    items: int


FULL = Size(
    {
        "vocabulary": 48_000,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 14,
        "num_attention_heads": 12,
        "num_key_value_heads": 12,
    },
    12,
    32,
)
QUICK = Size(
    {
        "vocabulary": 800,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 4,
    },
    3,
    8,
)


def questions(n: int, vocabulary: int) -> list[str]:
    """Statements of 30–60 words, as long as a persona item with its frame."""
    draw = random.Random(1)
    return [" ".join(f"w{draw.randrange(vocabulary - 100)}" for _ in range(draw.randint(30, 60))) for _ in range(n)]


def make(folder: Path, size: Size) -> dict[str, Any]:
    """The base, and adapters that all differ from it and from one another, in PEFT's format."""
    import torch

    from holdfast.config.study import LoraSpec, ModelSpec
    from holdfast.models import adapters
    from holdfast.models.network import load

    base = make_model(folder / "base", words=ANSWERS, spread=0.05, **size.model)
    network = load(ModelSpec(name="random", path=str(base), dtype="float32", device="cpu"))
    for i in range(size.adapters):
        adapters.attach(network, LoraSpec(rank=16, alpha=32), "adapter", i)
        with torch.no_grad():
            for parameter in adapters.trainable(network).values():
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
        adapters.save(network, folder / f"adapter-{i}")
    return {"mib": (base / "model.safetensors").stat().st_size / MIB}


# -- three ways -----------------------------------------------------------------------------------------------------


def switched(folder: Path, size: Size, threads: int) -> dict[str, Any]:
    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Sampling, Subject, Turn

    clock = Clock()
    backend = InProcess(
        load(ModelSpec(name="random", path=str(folder / "base"), dtype="float32", device="cpu"), threads=threads)
    )
    clock.loaded()
    turns = [(Turn("user", question),) for question in questions(size.items, size.model["vocabulary"])]
    answers = []
    for i in range(size.adapters):
        path = str(folder / f"adapter-{i}")
        subject = Subject(backend.identity(Subject("", "random", path)), "random", path)
        backend.assert_live(subject, turns[0])
        scored = {
            s.key: s.logps for s in backend.score(Request(str(k), subject, t, ANSWERS) for k, t in enumerate(turns))
        }
        asked = [Request(str(k), subject, t, (), Sampling(NEW_TOKENS)) for k, t in enumerate(turns[:ASKED])]
        texts = {r.key: r.text for r in backend.generate(asked)}
        answers.append(([scored[str(k)] for k in range(len(turns))], [texts[str(k)] for k in range(ASKED)]))
    return clock.result(answers)


def reloaded(folder: Path, size: Size, threads: int) -> dict[str, Any]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.set_num_threads(threads)
    clock = Clock()
    tokenizer = AutoTokenizer.from_pretrained(folder / "base", padding_side="left")
    yes_no = [tokenizer.encode(answer, add_special_tokens=False)[0] for answer in ANSWERS]
    prompts = [_text(tokenizer, question) for question in questions(size.items, size.model["vocabulary"])]
    answers = []
    for i in range(size.adapters):
        began = time.perf_counter()
        model = AutoModelForCausalLM.from_pretrained(folder / "base", dtype=torch.float32)
        model = PeftModel.from_pretrained(model, folder / f"adapter-{i}").eval()
        clock.loaded(began)
        with torch.no_grad():
            batch = tokenizer(prompts, return_tensors="pt", padding=True, add_special_tokens=False)
            positions = (batch["attention_mask"].cumsum(-1) - 1).clamp_min(0)
            logits = model(**batch, position_ids=positions, logits_to_keep=1, use_cache=False).logits[:, -1]
            logps = logits.log_softmax(-1)[:, yes_no].tolist()
            few = tokenizer(prompts[:ASKED], return_tensors="pt", padding=True, add_special_tokens=False)
            out = model.generate(**few, max_new_tokens=NEW_TOKENS, do_sample=False)
        texts = tokenizer.batch_decode(out[:, few["input_ids"].shape[1] :], skip_special_tokens=True)
        answers.append((logps, texts))
    return clock.result(answers)


def lm_eval(folder: Path, size: Size, threads: int) -> dict[str, Any]:
    import torch
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(threads)
    clock = Clock()
    answers = []
    for i in range(size.adapters):
        began = time.perf_counter()
        model = HFLM(
            pretrained=str(folder / "base"),
            peft=str(folder / f"adapter-{i}"),
            dtype="float32",
            device="cpu",
            batch_size=size.items,
        )
        clock.loaded(began)
        prompts = [_text(model.tokenizer, question) for question in questions(size.items, size.model["vocabulary"])]
        asked = [Instance("loglikelihood", {}, (p, a), k) for k, p in enumerate(prompts) for a in ANSWERS]
        flat = [logp for logp, _ in model.loglikelihood(asked, disable_tqdm=True)]
        settings = {"until": [], "max_gen_toks": NEW_TOKENS, "do_sample": False}
        few = [Instance("generate_until", {}, (p, settings), k) for k, p in enumerate(prompts[:ASKED])]
        texts = model.generate_until(few, disable_tqdm=True)
        answers.append((list(zip(flat[::2], flat[1::2], strict=True)), texts))
    return clock.result(answers)


def _text(tokenizer: Any, question: str) -> str:
    turns = [{"role": "user", "content": question}]
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


# -- the run --------------------------------------------------------------------------------------------------------


def page(cells: Cells, *, quick: bool, repeats: int, threads: int) -> tuple[str, list[dict[str, Any]]]:
    """The table, and every figure."""
    size = QUICK if quick else FULL
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        mib = cells.run(make, Path(scratch), size)["mib"]
        for repeat in range(repeats):
            for way, function in zip(WAYS, (switched, reloaded, lm_eval), strict=True):
                got = cells.run(function, Path(scratch), size, threads)
                results.append({"repeat": repeat, "way": way, **got})
                print(f"{repeat} {way}: {got['seconds']:.1f} s, loading {got['loading']:.1f} s", flush=True)
    agreed = _compare(results)
    head = ["way", "seconds", "of them loading", "× holdfast", "× holdfast, processor time", "MiB above the imports"]
    about = (
        f"**{size.adapters} adapters of a random base of {mib:.0f} MiB (fp32), {size.items} items each, log-probs of "
        f"Yes and No, {ASKED} greedy responses of {NEW_TOKENS} tokens**\n\n"
    )
    for result in results:
        del result["answers"]
    mine = [r for r in results if r["way"] == WAYS[0]]
    lines = []
    for way in WAYS:
        own = [r for r in results if r["way"] == way]
        seconds, loading, peak = (median(r[key] for r in own) for key in ("seconds", "loading", "mib"))
        wall, cpu = (
            "1" if way == WAYS[0] else spread([r[key] / m[key] for r, m in zip(own, mine, strict=True)])
            for key in ("seconds", "cpu_seconds")
        )
        lines.append([way, f"{seconds:.1f}", f"{loading:.1f}", wall, cpu, f"{peak:,.0f}"])
    return about + table(head, lines) + "\n\n" + agreed, results


def _compare(results: list[dict[str, Any]]) -> str:
    """All ways give the same log-probs to 1e-4, and how many greedy texts are equal."""
    want = next(r["answers"] for r in results if r["way"] == WAYS[0])
    apart = max(
        abs(a - b)
        for r in results
        for (logps, _), (wanted, _) in zip(r["answers"], want, strict=True)
        for row, wanted_row in zip(logps, wanted, strict=True)
        for a, b in zip(row, wanted_row, strict=True)
    )
    assert apart < 1e-4, f"the log-probs differ by {apart:.1e}"
    subjects = {tuple(logps[0]) for logps, _ in want}
    assert len(subjects) == len(want), "two adapters gave the same answers"
    pairs = [
        (a.split(), b.split())
        for r in results
        if r["way"] != WAYS[0]
        for (_, texts), (_, wanted) in zip(r["answers"], want, strict=True)
        for a, b in zip(texts, wanted, strict=True)
    ]
    equal = sum(a == b for a, b in pairs)
    return (
        f"Largest difference of a log-prob: {apart:.1e}. Greedy responses equal to holdfast's: {equal} of {len(pairs)}."
    )
