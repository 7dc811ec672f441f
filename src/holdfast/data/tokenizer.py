"""A model folder's tokenizer, as ``tokenizers`` loads it; no transformers, no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import AddedToken, Tokenizer

from holdfast.types import UserError

NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_FLAGS = ("single_word", "lstrip", "rstrip", "normalized", "special")


def configuration(folder: Path) -> dict[str, Any]:
    """What the folder says about its tokenizer. Raises ``UserError`` naming the file that is broken."""
    return {**read(folder / "special_tokens_map.json"), **read(folder / "tokenizer_config.json")}


def load(folder: Path, config: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer, with the special tokens that only the configuration declares. Raises ``UserError``."""
    file = folder / "tokenizer.json"
    if not file.is_file():
        raise UserError(
            f"there is no tokenizer.json in {folder}: save the model's tokenizer there in Hugging Face's fast format"
        )
    try:
        tokenizer = Tokenizer.from_file(str(file))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        # Some models declare tokens in the configuration only.
        declared = config.get("added_tokens_decoder") or {}
        for entry in (declared[i] for i in sorted(declared, key=int)):
            if tokenizer.token_to_id(entry["content"]) is None:
                tokenizer.add_tokens([AddedToken(entry["content"], **{k: entry[k] for k in _FLAGS if k in entry})])
        # A named token is a special one whether or not the file says so.
        missing = [
            AddedToken(content(config[n]), normalized=False) for n in NAMED_TOKENS if _missing(tokenizer, config, n)
        ]
        tokenizer.add_special_tokens(missing)
    except Exception as error:  # the library raises bare Exceptions for what it cannot read
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise UserError(f"the tokenizer in {folder} cannot be read ({why}): fetch the model's files again") from None
    return tokenizer


def names(config: Mapping[str, Any]) -> dict[str, str]:
    """The special tokens that have a name, ``bos_token`` and so on."""
    return {name: content(config[name]) for name in NAMED_TOKENS if config.get(name)}


def content(token: Any) -> str:
    """A token's text, from either form in which files have it."""
    return str(token.get("content", "")) if isinstance(token, dict) else str(token)


def ends(folder: Path) -> list[int]:
    """The ends that the model's files name for generation: one id, several, or none."""
    found: list[int] = []
    for name in ("generation_config.json", "config.json"):
        ids = read(folder / name).get("eos_token_id")
        ids = ids if isinstance(ids, list) else [] if ids is None else [ids]
        if not all(isinstance(i, int) for i in ids):
            raise UserError(f"{folder / name} must have whole numbers as eos_token_id: fetch the model's files again")
        found += ids
    return found


def embedded(folder: Path) -> float:
    """How many tokens the model has embeddings for; infinite where it does not say."""
    config = read(folder / "config.json")
    text = config.get("text_config")
    size = config.get("vocab_size", text.get("vocab_size") if isinstance(text, dict) else None)
    return size if isinstance(size, int) else math.inf


def read(path: Path) -> dict[str, Any]:
    """A JSON object of the model's folder; empty where there is no such file. Raises ``UserError``."""
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} cannot be read ({type(error).__name__}): fetch the model's files again") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} must hold a JSON object: fetch the model's files again")
    return found


def _missing(tokenizer: Tokenizer, config: Mapping[str, Any], name: str) -> bool:
    known = {added.content for added in tokenizer.get_added_tokens_decoder().values() if added.special}
    return bool(config.get(name)) and content(config[name]) not in known
