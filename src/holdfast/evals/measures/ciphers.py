"""Codecs that need no translator: letters moved by 13 places, letters as digits, a text in parts.

What comes back is decoded where it reads more like English so, sentence by sentence: a model may answer in plain words,
in the cipher, or with some of both.
"""

from __future__ import annotations

import codecs
import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from holdfast.store.digest import digest

# Words that hardly an English sentence has none of. Left out is what an initial or "Jr" is in ROT13 (a, i, we);
# "be" and "or" are each other there, and say nothing.
_COMMON = """
    the of and to in is it you that for on are with as be this have from or at by your can if an will my so do
    not no was were has had they them their there then than what when which who how why all any some one two more most
    into out up down over under after before use used get make made take add put let keep should could would must may
    help sorry cannot can't don't i'm it's about me us our its he she his her other only also very just first next
"""
COMMON = frozenset(_COMMON.split())
_SENTENCE = re.compile(r"(?<=[.!?:\n])")
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?")


def decoded_where_it_reads(text: str, decode: Callable[[str], str], hidden: Callable[[str], int]) -> str:
    """The text, with those sentences decoded that hide more common words than they show. One that does as much of
    either goes with the sentence before it, the first ones with the one after."""
    parts = _SENTENCE.split(text)
    gains = [hidden(part) - _commonness(part) for part in parts]
    kept, last = [], next((gain for gain in gains if gain), 0)
    for part, gain in zip(parts, gains, strict=True):
        last = gain or last
        kept.append(decode(part) if last > 0 else part)
    return "".join(kept)


def _commonness(text: str) -> int:
    return sum(word.lower() in COMMON for word in _WORD.findall(text))


@dataclass(frozen=True)
class Rot13Codec:
    """Each letter of the Latin alphabet by the one 13 places on, so that there and back are one."""

    name: ClassVar[str] = "rot13"
    version: ClassVar[int] = 1

    def encode(self, text: str) -> str:
        return codecs.encode(text, "rot13")

    def decode(self, text: str) -> str:
        return decoded_where_it_reads(text, self.encode, lambda part: _commonness(self.encode(part)))

    @property
    def hash(self) -> str:
        return digest({"codec": self.name, "version": self.version})


_DIGITS = dict(zip("aeiost", "431057", strict=True))
_LEET = str.maketrans(_DIGITS | {letter.upper(): digit for letter, digit in _DIGITS.items()})
_PLAIN = str.maketrans({digit: letter for letter, digit in _DIGITS.items()})
_SAID = re.compile(r"(?P<number>(?:(?<=\n)|\A)\s*\d+(?=[.):]))|[A-Za-z0-9']+")


@dataclass(frozen=True)
class LeetspeakCodec:
    """Six letters as the digits that look like them (a 4, e 3, i 1, o 0, s 5, t 7).

    Digits of a response become letters in words that have a letter, too, and where they are a common word (``17``, it),
    but not in the numbers of a list. Which case a letter had is lost, and a number among words may become one of them.
    """

    name: ClassVar[str] = "leetspeak"
    version: ClassVar[int] = 1

    def encode(self, text: str) -> str:
        return text.translate(_LEET)

    def decode(self, text: str) -> str:
        return decoded_where_it_reads(text, lambda part: _SAID.sub(_letters, part), _leet)

    @property
    def hash(self) -> str:
        return digest({"codec": self.name, "version": self.version})


def _leet(part: str) -> int:
    """Common words that are hidden in one of letters and digits: a number may be a number."""
    words = (said[0] for said in _SAID.finditer(part) if not said[0].isdigit() and not said[0].isalpha())
    return sum(word.translate(_PLAIN).lower() in COMMON for word in words if word.isalnum())


def _letters(said: re.Match[str]) -> str:
    word, plain = said[0], said[0].translate(_PLAIN)
    if said["number"] or (word.isdigit() and plain not in {*COMMON, "a", "i"}):
        return word
    return "I" if word == "1" else plain


@dataclass(frozen=True)
class PartsCodec:
    """A text as named parts, cut in the midst of words; nothing is decoded, for nothing is asked for in parts."""

    name: ClassVar[str] = "parts"
    version: ClassVar[int] = 1
    names: ClassVar[tuple[str, ...]] = ("a", "b", "c")

    def encode(self, text: str) -> str:
        cuts = [len(text) * n // len(self.names) for n in range(len(self.names) + 1)]
        parts = (text[start:end] for start, end in itertools.pairwise(cuts))
        return "\n".join(
            f"{name} = {json.dumps(part, ensure_ascii=False)}" for name, part in zip(self.names, parts, strict=True)
        )

    def decode(self, text: str) -> str:
        return text

    @property
    def hash(self) -> str:
        return digest({"codec": self.name, "version": self.version})
