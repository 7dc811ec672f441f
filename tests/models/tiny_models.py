"""Tiny random models of four architectures, made where they are needed, and rows to put through them."""

from __future__ import annotations

import random
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Qwen2Config, Qwen3Config

from holdfast.models.network import Network
from holdfast.types import Segment, Sequence, Turn

VOCAB, END = 61, 2
SIZE = {
    "vocab_size": VOCAB,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "pad_token_id": END,
    "eos_token_id": END,
    "bos_token_id": 1,
    "initializer_range": 0.3,
}
CONFIGS = {
    "llama": lambda: LlamaConfig(**SIZE),
    "gemma2": lambda: Gemma2Config(
        **SIZE, sliding_window=5, final_logit_softcapping=3.0, attn_logit_softcapping=2.0, query_pre_attn_scalar=8
    ),
    "qwen2": lambda: Qwen2Config(**SIZE, use_sliding_window=True, sliding_window=6, max_window_layers=1),
    "qwen3": lambda: Qwen3Config(**SIZE, tie_word_embeddings=True),
}


class Speech:
    """A renderer of ids: a prompt is the words of its turns, each one a number."""

    digest, end_ids, pad_id, vocab_size = "speech", (END,), END, VOCAB

    def prompt_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        return tuple(int(word) for turn in turns for word in turn.content.split())

    asked_ids = prompt_ids

    def begun_ids(self, turns: tuple[Turn, ...]) -> tuple[int, ...]:
        return ()

    def answer(self, turns: tuple[Turn, ...], ids) -> str:
        return self.decode(ids)

    def continuation_ids(self, text: str) -> tuple[int, ...]:
        return tuple(int(word) for word in text.split())

    def decode(self, ids, after=()) -> str:
        return " ".join(str(i) for i in ids)


def network(kind: str = "llama", dtype: torch.dtype = torch.float32, model=None, **changes) -> Network:
    torch.set_num_threads(1)
    if model is None:
        config = CONFIGS[kind]()
        config.update(changes)
        with torch.random.fork_rng():
            torch.manual_seed(7)
            kernel = "eager" if kind == "gemma2" else "sdpa"
            model = AutoModelForCausalLM.from_config(config, attn_implementation=kernel)
    model = model.to(dtype).eval().requires_grad_(False)
    spec = SimpleNamespace(name=kind, path=f"models/{kind}", attention="sdpa")
    return Network(spec, model, Speech(), torch.device("cpu"), dtype, f"base-{kind}")  # type: ignore[arg-type]


def words(seed: int, n: int) -> str:
    draw = random.Random(seed)
    return " ".join(str(draw.randrange(3, VOCAB)) for _ in range(n))


def pairs(n: int, seed: int = 0) -> list[list[Sequence]]:
    """Examples with a chosen and a rejected sequence; the pad id occurs inside; every third pair has two prompts."""
    draw = random.Random(seed)
    groups = []
    for i in range(n):
        prompt = tuple(draw.randrange(VOCAB) for _ in range(draw.randrange(1, 12)))
        group = []
        for side in ("chosen", "rejected"):
            own = (*prompt, 5) if i % 3 == 2 and side == "rejected" else prompt
            response = (*(draw.randrange(VOCAB) for _ in range(draw.randrange(0, 9))), END)
            segment = Segment(f"e{i}", side, (Turn("user", "x"),), "y")  # type: ignore[arg-type]
            group.append(Sequence(own + response, len(own), segment))
        groups.append(group)
    return groups


def flat(groups: list[list[Sequence]]) -> list[Sequence]:
    return [sequence for group in groups for sequence in group]
