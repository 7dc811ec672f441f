"""Answers that can be checked without a judge: numbers, short texts, and how much of a reference a text covers.

A worked answer ends with ``#### n``. *Strict* takes the number after that mark; *lenient* takes the last number of the
response, mark or none.
"""

from __future__ import annotations

import re
from fractions import Fraction

from holdfast.tasks.contract import Verdict

DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"  # 7 · 1,234.50 · .5
# A minus after a word, a number or a bracket, or before a space, is an operator: the last number of "16-3" is 3.
_NUMBER = re.compile(
    rf"(?P<sign>(?<![\w)%])[-−])?(?:[$€£]\s?(?P<minus>[-−])?)?(?P<top>{DIGITS})(?:/(?P<under>{DIGITS}))?"
)
_MARKED = re.compile(rf"####\s*(?P<number>{_NUMBER.pattern})")
_WHOLE = re.compile(rf"\s*(?P<number>{_NUMBER.pattern})\s*(?:%|[^\W\d_]+(?:\s[^\W\d_]+)*)?\s*\.?\s*")


def number(text: str) -> Fraction | None:
    """The value of a text that is one number: with commas, a currency, a unit, a sign, as decimals or a fraction."""
    found = _WHOLE.fullmatch(text)
    return _value(found) if found else None


def strict(response: str) -> Fraction | None:
    """The number after the first ``####`` that has one."""
    found = _MARKED.search(response)
    return _value(found) if found else None


def lenient(response: str) -> Fraction | None:
    """The last number."""
    found = None
    for found in _NUMBER.finditer(response):  # noqa: B007 - the last is wanted
        pass
    return _value(found) if found else None


def numeric(response: str, answer: str) -> Verdict:
    """1 where the response's number equals the answer's, else 0."""
    right = number(answer)
    assert right is not None, "a numeric answer is a number"
    return Verdict(float(strict(response) == right), float(lenient(response) == right))


def short_text(response: str, answer: str) -> Verdict:
    """Strict: the response is the answer, but for case and signs. Lenient: the answer's words stand in the response."""
    said, right = _words(response), _words(answer)
    holds = any(said[n : n + len(right)] == right for n in range(len(said) - len(right) + 1))
    return Verdict(float(said == right), float(holds))


def coverage(response: str, reference: str) -> Verdict:
    """The share of the reference's distinct content words that the response holds; there is no strict form.

    Content words are those of four letters or more and those with a digit.
    """
    wanted = {word for word in _words(reference) if len(word) > 3 or any(c.isdigit() for c in word)}
    wanted = wanted or set(_words(reference))
    return Verdict(None, len(wanted & set(_words(response))) / len(wanted) if wanted else 0.0)


def _value(found: re.Match[str]) -> Fraction | None:
    top = Fraction(found["top"].replace(",", ""))
    under = Fraction(found["under"].replace(",", "")) if found["under"] else Fraction(1)
    if under == 0:
        return None
    return -top / under if found["sign"] or found["minus"] else top / under


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
