"""Log-probs of answers: holdfast's backend and lm-eval's HFLM, on one model and the same token ids.

TruthfulQA's choices and persona questions' yes and no, on real rows. holdfast is given text and its time holds its
tokenizing and its checks of the model; lm-eval is given token ids, and a batch size (its default is 1). Every log-prob
is compared. "Positions" are those that the model's body is run on, padding included.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import subjects
from common import Cells, Clock, table

WAYS = ("holdfast", "lm-eval")
SETS = ("TruthfulQA MC1", "TruthfulQA MC2", "P(match), Yes and No", "P(match), 12 forms")
# Items of each set, and lm-eval's batch size: at a vocabulary of 152k its logits of 8 rows are a gigabyte.
SIZES = {"stories260K": ((32, 24, 256, 256), 32), "random 51M": ((6, 4, 32, 32), 8)}
QUICK = {"stories260K": ((4, 4, 8, 8), 8), "random 51M": ((2, 2, 4, 4), 2)}


def make(scratch: Path, sizes: dict[str, Any], tiny: bool) -> dict[str, Any]:
    """The questions of each model and set as text and as token ids, those that its context holds."""
    from holdfast.data.renderer import Renderer
    from holdfast.types import Turn

    folders = {"stories260K": subjects.STORIES, "random 51M": subjects.random_qwen(scratch / "random", tiny=tiny)}
    for name, (items, _) in sizes.items():
        renderer = Renderer.of(subjects.spec(folders[name], scratch))
        most = json.loads((folders[name] / "config.json").read_text())["max_position_embeddings"]
        for which, n in zip(SETS, items, strict=True):
            rows = []
            for q in _questions(which, n):
                prompt = renderer.prompt_ids((Turn("user", q.prompt),))
                answers = [renderer.continuation_ids(answer) for answer in q.answers]
                if len(prompt) + max(map(len, answers)) <= most:
                    rows.append({"prompt": q.prompt, "answers": q.answers, "ids": (prompt, answers)})
            _file(scratch, name, which).write_text(json.dumps(rows))
    return {name: str(folder.resolve()) for name, folder in folders.items()}


def _questions(which: str, n: int) -> list[subjects.Question]:
    if which.startswith("TruthfulQA"):
        return subjects.truthfulqa(n, "mc1_targets" if which == SETS[0] else "mc2_targets")
    return subjects.persona(n, subjects.YES_NO if which == SETS[2] else subjects.FORMS)


def _file(scratch: Path, name: str, which: str) -> Path:
    return scratch / f"{name}-{SETS.index(which)}.json"


# -- two ways -------------------------------------------------------------------------------------------------------


def holdfast(folder: Path, scratch: Path, name: str, which: str, batch: int, threads: int) -> dict[str, Any]:
    from holdfast.models.backend import InProcess
    from holdfast.models.network import load
    from holdfast.types import Request, Subject, Turn

    network = load(subjects.spec(folder, scratch), threads=threads)
    positions = subjects.warm(network.model)
    rows, subject = json.loads(_file(scratch, name, which).read_text()), Subject("base", "model")
    clock = Clock()
    asked = [Request(str(k), subject, (Turn("user", r["prompt"]),), tuple(r["answers"])) for k, r in enumerate(rows)]
    scored = {s.key: list(s.logps) for s in InProcess(network).score(asked)}
    return clock.result([scored[r.key] for r in asked]) | {"positions": positions[0]}


def lm_eval(folder: Path, scratch: Path, name: str, which: str, batch: int, threads: int) -> dict[str, Any]:
    import torch
    from lm_eval.models.huggingface import HFLM

    torch.set_num_threads(threads)
    model = HFLM(pretrained=str(folder), dtype="float32", device="cpu", batch_size=batch)
    positions = subjects.warm(model.model)
    rows = [r["ids"] for r in json.loads(_file(scratch, name, which).read_text())]
    asked = [
        ((str(k), str(a)), prompt, ids) for k, (prompt, answers) in enumerate(rows) for a, ids in enumerate(answers)
    ]
    clock = Clock()
    flat = iter(model._loglikelihood_tokens(asked, disable_tqdm=True))
    return clock.result([[next(flat)[0] for _ in answers] for _, answers in rows]) | {"positions": positions[0]}


# -- the page -------------------------------------------------------------------------------------------------------


def page(cells: Cells, *, quick: bool, repeats: int, threads: int) -> tuple[str, list[dict[str, Any]]]:
    """The table, and every figure."""
    absent = subjects.absent("truthfulqa", "anthropic_persona", "models/stories260K", "tokenizers/qwen2_5")
    if absent:
        return f"Log-probs: skipped, {absent}", []
    sizes = QUICK if quick else SIZES
    results: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        folders = cells.run(make, scratch, sizes, quick)
        for repeat in range(repeats):
            for name, (_, batch) in sizes.items():
                for which in SETS:
                    for way, function in zip(WAYS, (holdfast, lm_eval), strict=True):
                        got = cells.run(function, Path(folders[name]), scratch, name, which, batch, threads)
                        results.append({"repeat": repeat, "model": name, "set": which, "way": way, **got})
                        print(f"{repeat} {name}, {which}, {way}: {got['seconds']:.1f} s", flush=True)
    apart, lines = 0.0, []
    for name in sizes:
        for which in SETS:
            mine, theirs = (
                [r for r in results if (r["model"], r["set"], r["way"]) == (name, which, way)] for way in WAYS
            )
            apart = max([apart, *(_apart(m["answers"], t["answers"]) for m, t in zip(mine, theirs, strict=True))])
            lines.append([f"{name}, {which}, {len(mine[0]['answers'])} items", *subjects.figures(mine, theirs)])
    for result in results:
        del result["answers"]
    assert apart < 1e-3, f"the log-probs differ by {apart:.1e}"
    head = ["model and rows", *subjects.heads(WAYS)]
    return f"**Log-probs**\n\n{table(head, lines)}\n\nLargest difference of a log-prob: {apart:.1e}.", results


def _apart(a: list[list[float]], b: list[list[float]]) -> float:
    return max(abs(x - y) for row, other in zip(a, b, strict=True) for x, y in zip(row, other, strict=True))
