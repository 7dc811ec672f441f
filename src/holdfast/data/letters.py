"""Choosing among lettered options: writing the question, and reading the letter out of a response."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from holdfast.data.answers import last
from holdfast.data.tasks.task import Verdict

LETTERS = "ABCDEFGHIJ"  # SuperGPQA has up to ten options
FORM = "Answer with the text of the right option, and on the last line `Answer: ` and its letter."

_CJK = "\u3040-\u9fff\uac00-\ud7af"
# Not of "I'm", "B-cells", "C++" and "E = mc²".
_ENDS = rf"(?![^\W_{_CJK}]|_[^\W_]|['’-]\w|\+|#|\s*=)"
_FONT = r"(?:\\(?:text|mathrm|textbf|mathbf|bf)\s*\{)?"
_OPEN = rf"[*_\s$\"'`“]*(?:\\boxed\s*\{{)?{_FONT}[*_\s(\[]*"
_CLOSE = r"[)\].}*_`'\"$!]*"
# In small letters too, but "a" and "i" are words: only where nothing follows them. "I" before a verb is one as well.
_ONE = (
    rf"(?:(?P<letter>[{LETTERS}]){_ENDS}(?<!I(?=\s(?!(?:is|because|since|as|or|and)\b)[a-z]))"
    rf"|(?P<small>[b-hj]{_ENDS}|[ai](?=[)\].}}*_\s]*(?:\n|\Z))))"
)
# "B, I think" names one letter, "B or I" two.
_MORE = rf"(?P<other>[)\].}}*_\s]*(?:,|/|&|\bor\b|\band\b)[*_\s(\[]*(?:[A-HJ]{_ENDS}|I(?!\s+[a-z]){_ENDS}))?"
_BEFORE = rf"(?P<before>(?<![\w'’-])[{LETTERS}][)*_\s]*(?:/|&|\bor\b|\band\b)[*_\s(\[]*)?"  # of "A or B is right"
_WHAT = r"(?:option|choice|letter|answer)?"
_LIKELY = r"(?:,? (?:therefore|thus|then|hence|clearly|simply|definitely|indeed|most likely|likely|probably),?)?"
_SAID = (
    r"(?i:\b(?:ans(?:wer)?|option|choice)(?: (?:to|for|among|of)\b[^\n.:=]{0,60}?)?[*_\s\"']*"
    rf"{_LIKELY}[*_\s]*(?:is|:|=|[-–—→]+>?|would be|must be|should be){_LIKELY}[*_\s:.]*(?:the )?{_WHAT}"
    rf"|(?:\A|\n)\W*(?:final |correct |my )?answer[*_\s:]*\n"
    rf"|\b(?:choose|chose|choosing|pick|select(?:ed)?|go(?:ing)? with)[*_\s:]*{_WHAT}|####|<answer>"
    r"|(?:respuesta|resposta|risposta|réponse|antwort|antwoord|ответ)(?: \w+)?\s*(?:es|é|è|est|ist|is|:)\s*:?"
    r"|(?:答案|故选|应选|选择|正解|정답)\s*(?:是|为|為|は|은|는)?\s*:?)"
)
_RIGHT = r"(?=[)*_\s]*(?i:is|would be)\s+(?:the\s+)?(?i:right|correct|best)\b)"
_SURELY = (
    r"(?=[)*_\s]*(?i:is|would be)\s+(?i:right|correct|true|the (?:right|correct|best) (?:answer|option|choice|one))\b)"
)
_LINE = re.compile(rf"Answer:\s*(?P<letter>[{LETTERS}])")
_STATED = re.compile(r"(?i:\banswer[*_\s]*(?:is|:)[*_\s:]*(?P<text>[^\n]+))")
# From the surest to the least. "A" and "I" are words too, so that a letter alone within a sentence is no sign.
_SIGNS = [
    re.compile(sign + _MORE)
    for sign in (
        rf"{_SAID}{_OPEN}{_ONE}",
        rf"\\boxed\s*\{{\s*{_FONT}[\s(]*{_ONE}",
        rf"{_BEFORE}(?i:\boption\s+)[*_(]*{_ONE}{_RIGHT}",
        rf"(?<![\w-])(?<!not )(?<!Not ){_BEFORE}{_ONE}{_SURELY}",
        rf"\A[*_\s(\[>#`'\"$-]*(?:```\w*\s*)?(?i:(?:option|choice|letter)\s+)?[*_(\[]*{_ONE}"
        r"(?!\s+(?:is|are)\s+(?:not|wrong|incorrect|false|too)\b)"
        r"(?=\s*[)\].:*_,`'\"$!]|\s*[–-](?!\w)|\s*\Z|\s*\n|\s+(?:is|or|and|because|since|as)\b)",
        rf"(?<=\n)[*_\s(\[]*(?i:(?:option|choice|letter)\s+)?[*_(\[]*{_ONE}(?={_CLOSE}\s*\Z)",
        rf"(?i:\b(?:it|that)(?: is|['’]s)|\b(?:so|hence|thus|therefore|would say|['’]d say)[,:]?)"
        rf"\s+{_OPEN}{_ONE}(?={_CLOSE}\s*\Z)",
        rf"[(\[]{_ONE}(?=[)\]])",
    )
]


def question(stem: str, options: Sequence[str]) -> str:
    """The question, its options from A on, a line each, and the form of the answer."""
    listed = "\n".join(f"{letter}) {option}" for letter, option in zip(LETTERS, options, strict=False))
    return f"{stem}\n\n{listed}\n\n{FORM}"


def answer(letter: str, option: str) -> str:
    """A response in that form."""
    return f"{option}\nAnswer: {letter}"


def strict(response: str) -> str | None:
    """The letter of the last line, where that line is ``Answer: X`` and nothing else."""
    lines = response.strip().splitlines()
    found = _LINE.fullmatch(lines[-1].strip()) if lines else None
    return found["letter"] if found else None


def lenient(response: str, options: Sequence[str] = ()) -> str | None:
    """The letter that the response settles on, in whatever form; None where it names none, or two at once.

    Of these signs the first that occurs decides, where it occurs last: ``answer is X`` or ``Answer: X`` (so too of
    option, choice and choosing, and in some other languages), a LaTeX box, ``X is right``, a response that begins with
    the letter, a last line that is it, an end such as ``so X``, a letter in brackets. Where none occurs: the text of
    one of the ``options``, alone or as what the answer is said to be.
    """
    response = unicodedata.normalize("NFKC", response)
    for sign in _SIGNS:
        if found := last(sign, response):
            two = found["other"] or found.groupdict().get("before")
            return None if two else (found["letter"] or found["small"].upper())
    said = [response, *(found["text"] for found in [last(_STATED, response)] if found)]
    alone = [
        letter for letter, option in zip(LETTERS, options, strict=False) if any(_same(text, option) for text in said)
    ]
    return alone[0] if len(alone) == 1 else None


def offered(question: str) -> list[str]:
    """The options of a question that lists them, in the form of ``question``."""
    found = dict(re.findall(rf"^([{LETTERS}])\) (.*)$", question, re.MULTILINE))
    return [found[letter] for letter in LETTERS[: len(found)] if letter in found]


def verdict(response: str, letter: str) -> Verdict:
    """1 where the response's letter is the right one, else 0."""
    return Verdict(float(strict(response) == letter), float(lenient(response) == letter))


def _same(response: str, option: str) -> bool:
    said, right = (
        unicodedata.normalize("NFKC", text).casefold().strip(" \n\t.\"'“”*_`$") for text in (response, option)
    )
    return bool(right) and said == right
