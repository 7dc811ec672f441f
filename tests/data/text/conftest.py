"""Small tokenizers in Hugging Face format, made here, and the real files where they are."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from tokenizers.processors import TemplateProcessing

TEXTS = [
    "Who are you?",
    "The answer is 12.",
    "Yes and no, she said.",
    "Be brief.",
    "system user assistant",
    "one\n\ntwo\n\n",
]
SPECIALS = ["<pad>", "<s>", "</s>", "<|turn|>", "<|end|>"]
PLAIN = (
    "{{ bos_token }}{% for m in messages %}<|turn|>{{ m['role'] }}\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant\n{% endif %}"
)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Path]:
    """A model folder with a tokenizer and the given settings: ``bytes`` as GPT-2's, ``metaspace`` as Llama 2's (a blank
    before every stretch of text), ``words`` (a blank before the first alone), ``unigram`` as SentencePiece's."""

    def made(kind: str = "bytes", template: object = PLAIN, config: dict | None = None, **model_config: object) -> Path:
        folder = tmp_path / f"model{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        _tokenizer(kind).save(str(folder / "tokenizer.json"))
        named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "clean_up_tokenization_spaces": False}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast", **named, **(config or {})}
        if template is not None:
            settings["chat_template"] = template
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        (folder / "config.json").write_text(json.dumps(model_config))
        return folder

    return made


def _tokenizer(kind: str) -> Tokenizer:
    if kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
    elif kind in ("words", "unigram"):
        tokenizer = Tokenizer(models.Unigram() if kind == "unigram" else models.BPE(unk_token="<pad>"))
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always" if kind == "unigram" else "first")
        tokenizer.decoder = decoders.Metaspace()
        alphabet = sorted({*string.printable, "▁"} - {" "})
    else:
        tokenizer = Tokenizer(models.BPE(unk_token="<pad>", byte_fallback=False))
        tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
        alphabet = sorted({c for text in TEXTS for c in text} | {"▁"})
    trained = {"special_tokens": SPECIALS, "initial_alphabet": alphabet, "show_progress": False}
    trainer = (
        trainers.UnigramTrainer(vocab_size=160, unk_token="<pad>", **trained)
        if kind == "unigram"
        else trainers.BpeTrainer(vocab_size=400, **trained)
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    # A tokenizer that adds a BOS to whatever it encodes with special tokens, as Llama's does.
    tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer
