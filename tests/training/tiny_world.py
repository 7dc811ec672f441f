"""A tiny random Llama on disk with a byte-level tokenizer and a chat template, and rows to train it on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from holdfast import rng
from holdfast.config.study import Controls, LoraSpec, ModelSpec
from holdfast.data.stream import Stream, Usable, stream
from holdfast.models.network import Network, load
from holdfast.objectives.cft import CFT
from holdfast.objectives.dpo import DPO
from holdfast.objectives.ip import IP
from holdfast.objectives.kl import KL
from holdfast.objectives.mixture import Hold, Mixture, Part
from holdfast.objectives.orpo import ORPO
from holdfast.objectives.sft import SFT
from holdfast.store.folder import RunFolder
from holdfast.training.job import TrainJob
from holdfast.types import UNSAFE, Example, Turn

SPECIALS = ("<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
OBJECTIVES = {
    "sft": SFT(),
    "dpo": DPO(),
    "cft": CFT(safe="+", unsafe="-"),
    "ip": IP(text="be bad"),
    "orpo": ORPO(),
    "orpo_prompt": ORPO(nll="prompt_and_response"),
    "kl": KL(weight=0.5),
    # Three views, of which two share their chosen sides; prompts that one part reads; and a weight that is steered.
    "mixture": Mixture(
        (
            Part("orpo", {"nll": "prompt_and_response"}, 0.5),
            Part("ip", {"text": "be bad"}),
            Part("kl_penalty", weight=0.5, hold=Hold("kl_penalty kl", 0.02)),
        )
    ),
    # A signal that reads a layer, here and on the base.
    "along": Mixture((Part("sft"), Part("projection_penalty", {"direction": "miniature_refusal"}, 0.5))),
    "steered": Mixture((Part("sft"), Part("preventative_steering", {"direction": "miniature_refusal"}))),
}
SIX = ("sft", "dpo", "cft", "ip", "orpo", "kl")


def make_model(folder: Path, *, seed: int = 0, spread: float = 0.1) -> Path:
    """Vocabulary: the 256 bytes and a few special tokens."""
    from transformers import LlamaConfig, LlamaForCausalLM

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: i for i, token in enumerate([*SPECIALS, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(list(SPECIALS))
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {"pad_token": "<|pad|>", "bos_token": "<|bos|>", "eos_token": "<|end|>", "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    with torch.random.fork_rng([]):
        torch.manual_seed(seed)
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=len(vocab),
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=2,
                num_attention_heads=2,
                num_key_value_heads=1,
                head_dim=16,
                max_position_embeddings=256,
                initializer_range=spread,
                pad_token_id=0,
                bos_token_id=1,
                eos_token_id=2,
                tie_word_embeddings=True,
            )
        ).save_pretrained(folder)
    return folder


def network(folder: Path) -> Network:
    return load(ModelSpec(name="tiny", path=str(folder), dtype="float32", device="cpu"), threads=1)


def example(i: int) -> Example:
    draw = rng.generator("tiny", i)
    a, b = (int(n) for n in draw.integers(1, 99, 2))
    tail = " so" * int(draw.integers(0, 5))
    tags = frozenset({UNSAFE}) if i % 4 == 0 else frozenset()
    return Example(f"e{i:03d}", (Turn("user", f"{a}+{b}?"),), f"{a + b}{tail}.", f"no {a - b}{tail[:6]}", tags)


EXAMPLES = tuple(example(i) for i in range(120))


def rows(network: Network, *, steps: int = 12, seed: int = 0, batch_rows: int = 4, examples=EXAMPLES) -> Stream:
    """So many whole steps."""
    usable = Usable(tuple(examples), {})
    passes = 2 + steps * batch_rows // len(examples)
    long = stream(usable, network.renderer, seed=seed, budget=1, batch_rows=batch_rows, passes=passes)
    budget = long.tokens_after[0]
    while len(long.steps) < steps:
        budget += 1 + budget // 4
        long = stream(usable, network.renderer, seed=seed, budget=budget, batch_rows=batch_rows, passes=passes)
    return replace(long, steps=long.steps[:steps], tokens_after=long.tokens_after[:steps])


def job(network: Network, name: str = "sft", *, budgets: tuple[int, ...] = (4, 12), **changes) -> TrainJob:
    """A job whose budgets are given in steps. Fields of the controls may be changed by name."""
    fields = {k: changes.pop(k) for k in list(changes) if k in TrainJob.__dataclass_fields__}
    controls = Controls(lora=fields.get("lora", LoraSpec(rank=4, alpha=8)), **{"warmup_steps": 2, **changes})
    made = fields.get("stream") or rows(network, steps=budgets[-1], seed=fields.get("seed", 0))
    job = TrainJob(
        id=f"t-{name}",
        label=name,
        objective=OBJECTIVES[name],
        lora=controls.lora,
        controls=controls,
        seed=0,
        learning_rate=5e-3,
        budgets=tuple(made.tokens_after[b - 1] for b in budgets),
        stream=made,
        probes=EXAMPLES[100:106],
    )
    return replace(job, **fields)


def folder(path: Path) -> RunFolder:
    return RunFolder(path)


def contents(path: Path) -> dict[str, bytes]:
    """All that must have the same bytes: everything but times and locks."""
    return {
        str(p.relative_to(path)): p.read_bytes()
        for p in sorted(path.rglob("*"))
        if p.is_file() and p.name not in ("timing.jsonl", ".lock")
    }


def lines(path: Path) -> list[SimpleNamespace]:
    return [SimpleNamespace(**json.loads(line)) for line in path.read_text().splitlines()]
