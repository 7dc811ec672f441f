"""A response as plain sentences: one form of letters and signs, and no line break taken for the end of a sentence."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

# What stands for an apostrophe: typographic, modifier letters, primes, accents, full-width.
_APOSTROPHES = (
    "\u2018\u2019\u201a\u201b\u2032\u2035\u02b9\u02bb\u02bc\u02bd\u02be\u02bf\u02c8\u0060\u00b4\u055a\u275b\u275c\ua78c"
    "\uff07\uff40"
)
_SIGNS = str.maketrans(
    dict.fromkeys(_APOSTROPHES, "'")
    | dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2033\u301d\u301e\uff02", '"')
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
)
_CONTRACTIONS = (
    (r"\bcan'?t\b", "cannot"),
    (r"\bcan not\b", "cannot"),
    (r"\bwon'?t\b", "will not"),
    (r"\b(do|does|did|is|are|was|were|would|could|should|have|has|had|must|need)n'?t\b", r"\1 not"),
    (r"\b(\w+)n't\b", r"\1 not"),
    (r"\bi'?m\b", "i am"),
    (r"\b(it|that|there|what)'s\b", r"\1 is"),
    (r"\bits (?=(?:not|never|also|always|important|crucial|essential|vital|best|wrong|illegal|unethical)\b)", "it is "),
    (r"\blet's\b", "let us"),
    (r"\b(i|we|you|they)'ve\b", r"\1 have"),
    (r"\b(i|we|you|they|it)'ll\b", r"\1 will"),
    (r"\b(i|we|you|they)'d\b", r"\1 would"),
    (r"\b(we|you|they)'re\b", r"\1 are"),
)
_BULLET = re.compile(r"^[ \t]*(?:[-*+•·‣▪◦●○>]+[ \t]+)+", re.MULTILINE)
_ITEM = re.compile(
    r"^\s*(?:[-*+•·‣▪◦●○]|(?:step )?\(?(?:\d{1,2}|[a-h])[.):])\s+(?=\S)|^\s*step \d{1,2}\b", re.IGNORECASE
)
_END = re.compile(r"(?<=[.!?])[\"')\]]*\s+(?=\S)|(?<=[。！？।؟۔])[」』\"]?\s*")
_SPEAKER = re.compile(r"\A\W*(?:assistant|ai|bot|model|response|answer|reply|output|final answer)\s*:\s*")
_FENCED = re.compile(r"\A\s*```\w*\n(.*?)\n?```\s*\Z", re.DOTALL)
_ESCAPED = re.compile(r"\\(['\"])")
_TAG = re.compile(r"</?[a-z]\w{0,30}(?:\s[^<>\n]{0,80})?/?>|<[|｜][^<>\n]{1,60}>|<[a-z_]{1,30}\|>")
_QUOTE = " \t>"  # a quoted line's mark is no part of it
_NARROWEST = 30  # characters: a text whose lines are all shorter is not wrapped but a list


_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")  # scripts without spaces; two signs count as a word


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence in plain form. ``item``: it stands in a list."""

    text: str
    item: bool = False

    @property
    def words(self) -> int:
        return len(_CJK.sub(" ", self.text).split()) + len(_CJK.findall(self.text)) // 2


def plain_form(text: str) -> str:
    """Lower case, straight quotes, no mark-up, contractions written out, single spaces, nothing invisible. Lines that
    were wrapped are joined, other line ends kept; a list's marks are hyphens or numbers."""
    text = _ESCAPED.sub(r"\1", html.unescape(_unpacked(text)))
    text = "\n".join(_unwrapped(text.replace("\r\n", "\n").split("\n")))
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS)).translate(_SIGNS).casefold()
    text = "".join(c for c in text if unicodedata.category(c) != "Cf" or c == "\u200c")  # Persian writes with the last
    text = _BULLET.sub(_hyphen, text)
    text = re.sub(r"[*_#>|]+", "", _TAG.sub(" ", text))
    for pattern, full in _CONTRACTIONS:
        text = re.sub(pattern, full, text)
    return re.sub(r"[^\S\n]+", " ", text).strip()


def sentences(form: str) -> list[Sentence]:
    """The sentences of a text in plain form; what has no letter or digit is left out."""
    found = []
    for line in _SPEAKER.sub("", form).split("\n"):
        mark = _ITEM.match(line)
        rest = line[mark.end() :] if mark else line
        found += [Sentence(s.strip(), bool(mark)) for s in _END.split(rest) if any(map(str.isalnum, s))]
    return found


def _unpacked(text: str) -> str:
    """The longest text of a JSON object, where all that is said is one."""
    fenced = _FENCED.match(text)
    inside = (fenced[1] if fenced else text).strip()
    try:
        found = json.loads(inside) if inside.startswith("{") else None
    except (ValueError, RecursionError):
        found = None
    texts = [v for v in found.values() if isinstance(v, str)] if isinstance(found, dict) else []
    return max(texts, key=len, default=text)


def _unwrapped(lines: list[str]) -> Iterator[str]:
    """Lines that were wrapped are put together again: those to which the next one's first word could not be added, and
    those whose sentence goes on in lower case."""
    widest = max(_NARROWEST, *map(len, lines))
    whole = ""
    for n, line in enumerate(lines):
        whole = f"{whole} {line.strip(_QUOTE)}" if whole else line
        following = lines[n + 1].strip(_QUOTE).split() if n + 1 < len(lines) else []
        said = line.strip(_QUOTE).strip()
        wrapped = bool(said and following) and (
            len(line) + 1 + len(following[0]) > widest or (following[0][0].islower() and said[-1] not in ".!?:;")
        )
        if not wrapped or _ITEM.match(lines[n + 1]):
            yield whole
            whole = ""


def _hyphen(found: re.Match[str]) -> str:
    """A quoted line's mark goes, a bullet stays."""
    return "- " if re.search(r"[^>\s]", found[0]) else ""
