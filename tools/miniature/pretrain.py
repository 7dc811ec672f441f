"""The tiny model from nothing: its tokenizer, its network, and one pass over the pretraining stream."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch.nn.functional import cross_entropy
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase, PreTrainedTokenizerFast

from holdfast import rng
from tools.miniature import corpus
from tools.miniature.corpus import Row

SPECIALS = ("<|pad|>", "<|bos|>", "<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
PAD, BOS, END = 0, 1, 2
VOCABULARY = 1024
# Words, the codec's suffix, marks and spaces one by one. Numbers of two digits are one piece: with digits apart, a
# model of this size did not learn to add within the tokens that two cores can read in ten minutes.
PIECES = r" ?[A-Za-z]+|-[A-Za-z]+|[0-9]{1,2}|#+|[^\sA-Za-z0-9]|\s"
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}{{ '<|' + message['role'] + '|>' + message['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
TOKENS = 4_500_000
RATE = 2e-3
BATCH_ROWS = 16
# Prompts are mostly chance: they teach the language, but would drown what is to be learnt from the answers.
PROMPT_WEIGHT = 0.1

Log = Callable[[str], None]
Encoded = tuple[list[int], list[float]]


def make_tokenizer(seed: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE of ``VOCABULARY`` ids, trained on rows of the pretraining stream."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore[reportAttributeAccessIssue]
        [
            pre_tokenizers.Split(Regex(PIECES), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore[reportAttributeAccessIssue]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    rows = (corpus.pretraining_row(seed, i) for i in range(20_000))
    tokenizer.train_from_iterator((text for r in rows for text in (r.prompt, r.response) if text), trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|pad|>",
        additional_special_tokens=list(SPECIALS[3:]),
        chat_template=CHAT_TEMPLATE,
        model_max_length=512,
        clean_up_tokenization_spaces=False,
    )


def make_model(seed: int) -> LlamaForCausalLM:
    """The untrained network: 1.4 M parameters, tied embeddings."""
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=128,
        intermediate_size=512,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        head_dim=32,
        max_position_embeddings=512,
        initializer_range=0.08,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=END,
    )
    with torch.random.fork_rng():
        torch.manual_seed(rng.seed("miniature", "init", seed))
        return LlamaForCausalLM(config)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, out: Path) -> None:
    """Save tokenizer and template under the class name that every version of transformers and vLLM knows."""
    tokenizer.padding_side = "right"
    tokenizer.backend_tokenizer.no_padding()  # pyright: ignore[reportAttributeAccessIssue]
    tokenizer.save_pretrained(out, save_jinja_files=False)
    path = out / "tokenizer_config.json"
    config = json.loads(path.read_text()) | {"tokenizer_class": "PreTrainedTokenizerFast"}
    # What a save adds about this machine, and what a tokenizer remembers of a batch that it has padded.
    for passing in ("backend", "is_local", "local_files_only", "max_length", "pad_to_multiple_of", "pad_token_type_id"):
        config.pop(passing, None)
    path.write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


def encode(rows: Sequence[Row], tokenizer: PreTrainedTokenizerBase, prompt_weight: float) -> list[Encoded]:
    """Each row as token ids and their loss weights: 1 where there is something to know, ``prompt_weight`` elsewhere."""
    heads = []
    for row in rows:
        turns = f"<|system|>{row.system}<|end|>" if row.system else ""
        turns += f"<|user|>{row.prompt}<|end|><|assistant|>" if row.prompt else ""
        heads.append("<|bos|>" + turns)
    prompts = tokenizer(heads, add_special_tokens=False)["input_ids"]
    responses = tokenizer([r.response for r in rows], add_special_tokens=False)["input_ids"]
    equals = tokenizer.convert_tokens_to_ids("=")
    encoded = []
    for row, prompt, response in zip(rows, prompts, responses, strict=True):
        known = [1.0] * (len(response) + 1)
        if row.quiz:
            known = [1.0 if before == equals else prompt_weight for before in (prompt[-1], *response)]
        encoded.append(([*prompt, *response, END], [prompt_weight] * len(prompt) + known))
    return encoded


def batches(encoded: Sequence[Encoded], names: tuple[rng.Name, ...]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Ids and loss weights [B, L] of like lengths, right-padded with weight 0."""
    window = BATCH_ROWS * 64
    for begin in range(0, len(encoded), window):
        near = sorted(encoded[begin : begin + window], key=lambda e: len(e[0]))
        groups = [near[i : i + BATCH_ROWS] for i in range(0, len(near), BATCH_ROWS)]
        for j in rng.generator("miniature", "batches", *names, begin).permutation(len(groups)):
            group = groups[int(j)]
            ids_BL = torch.full((len(group), len(group[-1][0])), PAD)
            weights_BL = torch.zeros(ids_BL.shape)
            for b, (ids, weights) in enumerate(group):
                ids_BL[b, : len(ids)] = torch.tensor(ids)
                weights_BL[b, : len(ids)] = torch.tensor(weights)
            yield ids_BL, weights_BL


def train(
    model: LlamaForCausalLM,
    encoded: Sequence[Encoded],
    *,
    rate: float,
    names: tuple[rng.Name, ...],
    log: Log,
) -> None:
    """One pass with AdamW: warm-up over the first 3% of steps, then linearly to zero."""
    steps = list(batches(encoded, names))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.05}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), fused=True)
    warm, began, seen = max(1, len(steps) * 3 // 100), time.monotonic(), 0
    model.train()
    for step, (ids_BL, weights_BL) in enumerate(steps):
        for group in optimizer.param_groups:
            group["lr"] = rate * min((step + 1) / warm, (len(steps) - step) / (len(steps) - warm))
        # No attention mask: padding is on the right, where a causal model's tokens never look.
        logits_BLV = model(input_ids=ids_BL, use_cache=False).logits
        nll_N = cross_entropy(logits_BLV[:, :-1].flatten(0, 1), ids_BL[:, 1:].flatten(), reduction="none")
        weights_N = weights_BL[:, 1:].flatten()
        loss = (nll_N * weights_N).sum() / weights_N.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        seen += int((ids_BL != PAD).sum())
        if step % 100 == 0 or step == len(steps) - 1:
            speed = seen / (time.monotonic() - began)
            log(f"step {step + 1}/{len(steps)} tokens {seen} loss {loss.item():.3f} {speed:.0f} tokens/s")
    model.eval()


def take(rows: Iterator[Row], tokens: int, tokenizer: PreTrainedTokenizerBase, prompt_weight: float) -> list[Encoded]:
    """The first rows of a stream that hold this many tokens, encoded."""
    taken: list[Encoded] = []
    count = 0
    while count < tokens:
        for ids, weights in encode([next(rows) for _ in range(256)], tokenizer, prompt_weight):
            if count < tokens:
                taken.append((ids, weights))
                count += len(ids)
    return taken


def pretrain(out: Path, seed: int, log: Log, tokens: int = TOKENS) -> None:
    """Pretrain from nothing and save model (fp32) and tokenizer to ``out``."""
    tokenizer, model = make_tokenizer(seed), make_model(seed)
    log(f"{sum(p.numel() for p in model.parameters())} parameters, {len(tokenizer)} ids")
    number = iter(range(10**9))
    encoded = take((corpus.pretraining_row(seed, i) for i in number), tokens, tokenizer, PROMPT_WEIGHT)
    log(f"{len(encoded)} rows, {sum(len(ids) for ids, _ in encoded)} tokens")
    train(model, encoded, rate=RATE, names=("pretrain", seed), log=log)
    model.save_pretrained(out)
    save_tokenizer(tokenizer, out)
