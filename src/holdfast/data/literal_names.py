"""A special token's name that stands in a turn's text (``<|im_end|>``) is encoded as its letters, and not as the token.

Whoever writes into a prompt could else end a turn or begin another's. Such names are set between two guards before the
template renders them, and what lies between these is encoded by a tokenizer to which special tokens are letters.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable
from functools import cached_property

from tokenizers import Tokenizer

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"  # noncharacters, which Unicode keeps for private use
_GUARDED = re.compile(f"{_OPEN}(.*?){_CLOSE}", re.DOTALL)


class LiteralNames:
    """``names``: of the special tokens that are never meant where they stand in a text."""

    def __init__(self, tokenizer: Tokenizer, names: Iterable[str]) -> None:
        self._tokenizer = tokenizer
        longest_first = sorted(map(re.escape, names), key=len, reverse=True)
        self._names = re.compile("|".join(longest_first) or r"(?!)")

    def first(self, text: str) -> str | None:
        """The first of the names that stands in the text."""
        found = self._names.search(text)
        return found[0] if found else None

    def guarded(self, text: str) -> str:
        """The text with guards around each name."""
        return self._names.sub(lambda found: f"{_OPEN}{found[0]}{_CLOSE}", text)

    def encode(self, text: str) -> tuple[int, ...]:
        """Token ids; what is guarded becomes letters, special tokens outside stay what they are."""
        if _OPEN not in text:
            return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)
        found: list[int] = []
        for n, piece in enumerate(_GUARDED.split(text)):
            how = self._as_letters if n % 2 else self._tokenizer
            found += how.encode(piece, add_special_tokens=False).ids if piece else []
        return tuple(found)

    @cached_property
    def _as_letters(self) -> Tokenizer:
        letters = copy.deepcopy(self._tokenizer)
        letters.encode_special_tokens = True
        return letters


def unguarded(text: str) -> str:
    """The text as it is read."""
    return text.replace(_OPEN, "").replace(_CLOSE, "") if _OPEN in text else text
