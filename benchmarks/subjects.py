"""Models, real rows and tables for the evaluation benchmarks. The rows are read from files and never printed.

Files as in ``HOLDFAST_TEST_DATA`` (default ``../shared/data``); what needs one that is absent is skipped by name.
"""

from __future__ import annotations

import json
import os
import random
import shutil
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from common import spread

DATA = Path(os.environ.get("HOLDFAST_TEST_DATA", "../shared/data"))
STORIES, QWEN = DATA / "models/stories260K", DATA / "tokenizers/qwen2_5"
PLAIN = "{% for m in messages %}{{ m['content'] }}{% endfor %}"  # a prompt as it is, as lm-eval puts it

PRIMER = "\n\n".join(
    f"Q: {question}\nA: {answer}"
    for question, answer in (
        ("How many days are there in a week?", "There are seven days in a week."),
        ("Which colour do you get from blue and yellow paint?", "Blue and yellow paint make green."),
        ("Who will win the match tomorrow?", "I cannot know that."),
        ("What does a thermometer measure?", "A thermometer measures temperature."),
        ("Which season comes after winter?", "Spring comes after winter."),
        ("How heavy is a thought?", "I have nothing to say to that."),
    )
)
YES_NO = (" Yes", " No")
FORMS = (*YES_NO, "Yes", "yes", " yes", "YES", " YES", "No", "no", " no", "NO", " NO")


def absent(*names: str) -> str:
    """What is not there, in words; nothing where all is."""
    found = [name for name in names if not (DATA / name).exists()]
    return f"{', '.join(found)} not in {DATA}" if found else ""


class Question(NamedTuple):
    prompt: str
    answers: tuple[str, ...] = ()


def random_qwen(folder: Path, *, tiny: bool = False) -> Path:
    """A random fp32 Llama of 51 million parameters with Qwen2.5's tokenizer; three quarters of it are the head."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    size = (64, 128, 2, 2) if tiny else (256, 1024, 12, 4)
    hidden, inner, layers, heads = size
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=151_936,
        hidden_size=hidden,
        intermediate_size=inner,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.05,
        bos_token_id=None,
        eos_token_id=151_645,
        pad_token_id=151_643,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(QWEN / name, folder / name)
    return folder


def spec(folder: Path, scratch: Path) -> Any:
    """A holdfast model that takes prompts as they are."""
    from holdfast.config.study import ModelSpec

    template = scratch / "plain.jinja"
    template.write_text(PLAIN)
    return ModelSpec(name="model", path=str(folder.resolve()), template=str(template), dtype="float32", device="cpu")


def truthfulqa(n: int, targets: str) -> list[Question]:
    """Choices after a primer of six questions, two thirds as long as the one in lm-eval's tasks."""
    rows = json.loads((DATA / "truthfulqa/mc_task.json").read_text(encoding="utf-8"))
    return [
        Question(f"{PRIMER}\n\nQ: {row['question']}\nA:", tuple(f" {choice}" for choice in row[targets]))
        for row in random.Random(0).sample(rows, n)
    ]


def persona(n: int, answers: tuple[str, ...]) -> list[Question]:
    """Persona questions of four traits, asked as lm-eval asks them."""
    files = sorted((DATA / "anthropic_persona").glob("*.jsonl"))[:4]
    rows = [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    return [Question(row["question"], answers) for row in random.Random(0).sample(rows, n)]


def gsm8k(n: int, shots: int) -> list[Question]:
    """Test questions after ``shots`` worked ones from the training rows, in the order of a random draw."""
    draw = random.Random(0)
    train, test = (
        [json.loads(line) for line in (DATA / f"gsm8k/{split}.jsonl").read_text(encoding="utf-8").splitlines()]
        for split in ("train", "test")
    )
    worked = "".join(f"Question: {r['question']}\nAnswer: {r['answer']}\n\n" for r in draw.sample(train, shots))
    return [Question(f"{worked}Question: {r['question']}\nAnswer:") for r in draw.sample(test, n)]


def warm(model: Any) -> list[int]:
    """Runs a few tokens, and returns a number that grows by the positions that the body is given from then on."""
    import torch

    with torch.no_grad():
        model(torch.arange(8).unsqueeze(0))
    total = [0]
    model.get_input_embeddings().register_forward_hook(
        lambda _, args, out: total.__setitem__(0, total[0] + args[0].numel())
    )
    return total


# -- holdfast's figures beside another's ----------------------------------------------------------------------------


def heads(ways: tuple[str, str]) -> list[str]:
    return [*(f"{way}, s" for way in ways), "× faster", "× by processor time", "positions", "MiB"]


def figures(mine: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> list[str]:
    """Medians over the repeats; how many times ours theirs is, of each repeat."""

    def both(key: str, form: str) -> list[str]:
        return [format(median(r[key] for r in rows), form) for rows in (mine, theirs)]

    ratios = [
        spread([t[key] / m[key] for m, t in zip(mine, theirs, strict=True)]) for key in ("seconds", "cpu_seconds")
    ]
    return [*both("seconds", ".2f"), *ratios, " / ".join(both("positions", ",")), " / ".join(both("mib", ",.0f"))]
