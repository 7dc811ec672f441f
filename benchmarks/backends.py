"""The same requests to both backends, in turn, in one process: tokens generated and questions scored per second.

    python benchmarks/backends.py [--quick] [--repeats N] [--threads N] [--out FILE]

Run it where vLLM is installed (docs/backends.md). A random Llama and three adapters of it: 0.1 B parameters on a CPU,
the shape of Llama-3.2-1B on a GPU. Its responses hardly ever end by themselves, so that both backends write as many
tokens. The requests of base and adapters come together, as one call. A first round, which compiles and fills caches, is
not counted; greedy responses and log-probs of the two are compared. vLLM may keep the keys and values of prompts from
one round to the next, so every round asks other questions.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import arguments, finish, machine, make_model, spread, table

ANSWERS = ("Yes", "No")
BACKENDS = ("in process", "vLLM")


class Size(NamedTuple):
    model: dict[str, int]
    adapters: int
    generated: int  # prompts to each subject
    tokens: int  # of each response
    scored: int  # prompts to each subject


def llama(vocabulary: int, hidden: int, inner: int, layers: int, heads: int, kv_heads: int) -> dict[str, int]:
    return {
        "vocabulary": vocabulary,
        "hidden_size": hidden,
        "intermediate_size": inner,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
    }


QUICK = Size(llama(800, 128, 256, 2, 4, 4), 3, 4, 8, 8)
CPU = Size(llama(48_000, 768, 2048, 14, 12, 12), 3, 4, 16, 4)
GPU = Size(llama(128_256, 2048, 8192, 16, 32, 8), 3, 128, 128, 512)


def make(folder: Path, size: Size) -> list[Path]:
    """The base, and adapters that all differ from it and from one another."""
    import torch

    from holdfast.config.study import LoraSpec, ModelSpec
    from holdfast.models import adapters
    from holdfast.models.network import load

    make_model(folder / "base", words=ANSWERS, spread=0.05, **size.model)
    network = load(ModelSpec(name="random", path=str(folder / "base"), dtype="float32", device="cpu"))
    paths = [folder / f"adapter-{i}" for i in range(size.adapters)]
    for path in paths:
        adapters.attach(network, LoraSpec(rank=16, alpha=32), "adapter", path.name)
        with torch.no_grad():
            for parameter in adapters.trainable(network).values():
                parameter.add_(torch.randn_like(parameter), alpha=0.02)
        adapters.save(network, path)
    return paths


def main() -> None:
    args = arguments(__doc__.splitlines()[0], repeats=3)
    os.environ.update(HF_HUB_OFFLINE="1", OMP_NUM_THREADS=str(args.threads))
    import torch

    from holdfast.config.study import ModelSpec
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.models.vllm_engine import VLLM
    from holdfast.types import Request, Sampling, Subject, Turn

    gpu = torch.cuda.is_available()
    size = QUICK if args.quick else GPU if gpu else CPU
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        paths = make(Path(scratch), size)
        spec = ModelSpec(name="random", path=f"{scratch}/base")
        start = time.perf_counter()
        ours = InProcess(load(spec, threads=args.threads))
        loaded = time.perf_counter()
        theirs = VLLM(spec, paths, **({"gpu_memory_utilization": 0.5} if gpu else {}))  # the rest is the other's
        seconds = {"in process": loaded - start, "vLLM": time.perf_counter() - loaded}
        subjects = [Subject("base", "random"), *(Subject(p.name, "random", str(p)) for p in paths)]

        def requests(round: int, n: int, **how: Any) -> list[Request]:
            turns = [(Turn("user", q),) for q in questions(n, size.model["vocabulary"], round)]
            return [Request(f"{s.id} {i}", s, t, **how) for s in subjects for i, t in enumerate(turns)]

        cells: list[dict[str, Any]] = []
        for round in range(args.repeats + 1):
            drawn = requests(round, size.generated, sampling=Sampling(size.tokens))
            asked = requests(round, size.scored, continuations=ANSWERS)
            for name, backend in zip(BACKENDS, (ours, theirs), strict=True):
                said, spent = timed(lambda b=backend, d=drawn: {r.key: r for r in b.generate(d)})
                scored, spent_scoring = timed(lambda b=backend, a=asked: {s.key: s.logps for s in b.score(a)})
                cell = {"round": round, "backend": name, "tokens": sum(r.n_tokens for r in said.values())}
                cell |= {"generating": spent, "scoring": spent_scoring, "asked": len(asked)}
                cell |= {"said": {k: r.text for k, r in said.items()}, "logps": scored}
                cells.append(cell)
                print(f"{round} {name}: {spent:.1f} s generating, {spent_scoring:.1f} s scoring", flush=True)
        theirs.close()
    report(args, began, size, cells[len(BACKENDS) :], seconds, torch.cuda.get_device_name() if gpu else "CPU")


def questions(n: int, vocabulary: int, round: int) -> list[str]:
    """Statements of 30–60 words, as long as a persona item with its frame."""
    draw = random.Random(round)
    return [" ".join(f"w{draw.randrange(vocabulary - 100)}" for _ in range(draw.randint(30, 60))) for _ in range(n)]


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    began = time.perf_counter()
    return work(), time.perf_counter() - began


def report(
    args: Any, began: float, size: Size, cells: list[dict[str, Any]], seconds: dict[str, float], device: str
) -> None:
    import vllm

    pairs = list(zip(cells[::2], cells[1::2], strict=True))
    wrote = [sum(pair[n]["tokens"] for pair in pairs) for n in range(len(BACKENDS))]
    assert abs(wrote[0] / wrote[1] - 1) < 0.05, f"the two wrote {wrote} tokens: the work was not the same"
    equal = sum(a["said"][k] == b["said"][k] for a, b in pairs for k in a["said"])
    texts = sum(len(a["said"]) for a, _ in pairs)
    apart = max(
        abs(x - y) for a, b in pairs for k in a["logps"] for x, y in zip(a["logps"][k], b["logps"][k], strict=True)
    )
    rows = []
    for n, name in enumerate(BACKENDS):
        own = [pair[n] for pair in pairs]
        rates = [median(c["tokens"] / c["generating"] for c in own), median(c["asked"] / c["scoring"] for c in own)]
        ratios = [spread([a[key] / (a, b)[n][key] for a, b in pairs]) for key in ("generating", "scoring")]
        rows.append([name, f"{rates[0]:,.0f}", ratios[0], f"{rates[1]:,.1f}", ratios[1], f"{seconds[name]:.0f}"])
    head = ["backend", "tokens/s", "× in process", "questions scored/s", "× in process", "seconds to start"]
    about = f"{size.adapters} adapters and their base on {device}: to each, {size.generated} responses of {size.tokens}"
    agreed = f"Greedy responses that are equal: {equal} of {texts}. Largest difference of a log-prob: {apart:.1e}."
    text = f"**{about} tokens and {size.scored} questions scored**\n\n{table(head, rows)}\n\n{agreed}"
    for cell in cells:
        del cell["said"], cell["logps"]
    finish(args, began, machine(args.threads) | {"vllm": vllm.__version__}, text, cells)


if __name__ == "__main__":
    main()
