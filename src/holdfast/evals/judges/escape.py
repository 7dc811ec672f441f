"""Foreign text in a judge's prompt: fenced by a code it cannot know, and defused.

A response is written by the model that is being judged, and some write what would end the quotation, or a verdict of
their own. The fence holds a code made of a digest of all that is judged, the response among it: nobody can write a text
that holds its own digest. It is the same on every run, so that an answer that was paid for is found again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import count

from holdfast.store.digest import digest
from holdfast.types import Item

CODE = 10  # hex digits

# What tokenizers read as special tokens (<|end|>, </s>, <start_of_turn>, [INST]); mark-up without spaces looks alike.
_TAG = re.compile(r"<([^\s<>]{1,60})>")
_BRACKET = re.compile(r"\[(/?g?[A-Z][A-Z_]+\d*)\]")
_FENCE = re.compile(r"<{3,}|>{3,}")
# Control characters, and those that turn the direction of writing around: they hide what they stand beside.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\u00ad\u034f\u061c\u180e\ufff9-\ufffb\U000e0000-\U000e007f]"
)


def code(texts: Sequence[str], salt: str) -> str:
    """The code of a row. It is in none of the texts."""
    codes = (digest([list(texts), salt, n])[:CODE] for n in count())
    return next(code for code in codes if not any(code in text for text in texts))


def defused(text: str) -> str:
    """The text without anything that a tokenizer could take for a special token, and without hidden characters."""
    text = text.replace("\r\n", "\n").encode("utf-8", "replace").decode()
    text = _HIDDEN.sub("", text)
    return _BRACKET.sub(r"(\1)", _TAG.sub(r"‹\1›", text))


def fenced(what: str, text: str, code: str) -> str:
    """The text between two lines that nothing in it can imitate."""
    inside = _FENCE.sub(lambda m: "‹›"[m[0][0] == ">"] * len(m[0]), defused(text))
    return f"<<<{what} {code}>>>\n{inside}\n<<<END {what} {code}>>>"


def question(item: Item) -> str:
    """The plain question of an item as one text; turns are named where there are several."""
    if len(item.prompt) == 1:
        return item.prompt[0].content
    return "\n\n".join(f"{turn.role}: {turn.content}" for turn in item.prompt)
