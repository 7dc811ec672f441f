"""Choosing among lettered options: writing the question, and reading the letter out of a response."""

from __future__ import annotations

import re
from collections.abc import Sequence

from holdfast.tasks.answers import last
from holdfast.tasks.contract import Verdict

LETTERS = "ABCDEFGHIJ"  # SuperGPQA has up to ten options
FORM = "Answer with the text of the right option, and on the last line `Answer: ` and its letter."

_ENDS = r"(?![\w'’])"
_OPEN = r"[*_\s$]*(?:\\boxed\{)?(?:\\text\{|\\mathrm\{)?[*_\s(\[]*"
_ONE = rf"(?P<letter>[{LETTERS}]){_ENDS}"
# "B, I think" names one letter, "B or I" two.
_MORE = rf"(?P<other>[)\].}}*_\s]*(?:,|/|&|\bor\b|\band\b)[*_\s(\[]*(?:[A-HJ]{_ENDS}|I(?!\s+[a-z]){_ENDS}))?"
_SAID = r"(?i:\b(?:answer|option|choice)[*_\s]*(?:is|:|=|would be|must be)[*_\s:]*(?:option|choice|letter)?)"
_LINE = re.compile(rf"Answer:\s*{_ONE}")
# From the surest to the least. "A" and "I" are words too, so that a letter alone within a sentence is no sign.
_SIGNS = [
    re.compile(sign + _MORE)
    for sign in (
        rf"{_SAID}{_OPEN}{_ONE}",
        rf"\\boxed\{{\s*(?:\\text\{{|\\mathrm\{{)?[\s(]*{_ONE}",
        rf"\A[*_\s(\[]*{_ONE}(?=\s*[)\].:*_,]|\s*\Z|\s*\n|\s+(?:is|or|and)\b)",
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


def lenient(response: str) -> str | None:
    """The letter that the response settles on, in whatever form; None where it names none, or two at once.

    Of these signs the first that occurs decides, where it occurs last: ``answer is X`` or ``Answer: X`` (so too of
    option and choice), a LaTeX box, a response that begins with the letter, a letter in brackets.
    """
    for sign in _SIGNS:
        if found := last(sign, response):
            return None if found["other"] else found["letter"]
    return None


def verdict(response: str, letter: str) -> Verdict:
    """1 where the response's letter is the right one, else 0."""
    return Verdict(float(strict(response) == letter), float(lenient(response) == letter))
