"""Answers that can be checked without a judge: numbers, short texts, and how much of a reference a text covers.

A worked answer ends with ``#### n``. *Strict* takes the number that stands after the last such mark. *Lenient*
(flexible) takes the number that the response settles on in whatever form, by the first of these rules that finds one:
what follows the last ``####``; what is in the last LaTeX box; what the last "the answer is" or "Answer:" names; the
last number of all.

Both read only the answer, not what a model that runs on writes after it (a line that begins with ``Question:`` or a
speaker's name); lenient reads only what follows the last "wait, …", where a number does. A number that is
named as the answer with a rival beside it (``5 or 7``, ``10-12``) is none.

Numbers are exact fractions: 5, 5.0 and 5.00 are equal, and so are 1/2, 0.5 and ``\\frac{1}{2}``; 1/3 and 0.33 are not.
Units, currencies and percent signs are passed over, and so are words such as "million"; ``h:mm`` is in hours.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction

from holdfast.tasks.contract import Verdict

DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"  # 7 · 1,234.50 · .5
LONGEST = 300  # characters of a number; what a model repeats without end is none
# A minus after a word, a number or a bracket, or before a space, is an operator: the last number of "16-3" is 3.
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)%])[-−]|\bnegative |(?<!\d )\bminus )?(?:[$€£]\s?(?P<minus>[-−])?)?"
    r"(?P<whole>\d+ (?=\d+/\d))?"  # of 2 1/2
    rf"(?P<top>{DIGITS})"
    rf"(?:/(?P<under>{DIGITS})|:(?P<minutes>[0-5]\d)(?!\d)|(?:[eE]|\s?[×x*]\s?10\^\{{?)(?P<power>[-−+]?\d{{1,2}})(?!\d)\}}?)?"
)
_WHOLE = re.compile(rf"\s*(?P<number>{_NUMBER.pattern})\s*(?:%|[^\W\d_]+(?:\s[^\W\d_]+)*)?\s*\.?\s*")
_MARKED = re.compile(rf"####\s*(?:\\boxed\{{)?(?P<number>{_NUMBER.pattern})")
_HEADING = re.compile(r"####\s*\d[.):]\s+[^\W\d]")  # "#### 2. Add them up" is a step, not an answer
_STATED = re.compile(
    r"(?i)(?:(?:^|\n)[^\w\n]*|\b(?:the|my|our|final|correct) )(?:final |correct )?answer\b[^\n.:=\d]{0,60}?"
    r"(?:\bis\b|\bare\b|\bwas\b|\bbe\b|\bequals\b|[:=])(?!\s+not\b)\s*[:=]?\s*(?P<clause>[^\n]*)"
)
_RIVAL = re.compile(r"\s*[^\W\d]*\s*(?:\bor\b|\bto\b|[-–])\s*[$€£]?\d")
_WORKED = re.compile(r"[^=\n]*?[-+*/×÷−x]\s?[$€£(]?\d[^=\n]*=\s*")  # what is left of "3 * 6 = 18" after the 3
_SENTENCE = re.compile(r"[.!?](?=\s|\Z)")
_SECOND_THOUGHT = re.compile(
    r"(?i)\bwait\s*[,.!:…—–-]|\b(?:oops|correction|scratch that|i made an? (?:mistake|error))\b"
    r"|\b(?:that|this)(?:['’]s| is| was) (?:wrong|incorrect|not right)\b"
)
_RUN_ON = re.compile(r"(?i)\n[ \t]*(?:question|q|human|user)\s*\d*:")
_LATEX = [
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"(?<=\d)\s*\\[dt]?frac(?=\{\d)"), r" \\frac"),  # of 2\frac{1}{2}
    (re.compile(r"\\[dt]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\\left|\\right|\\[!,;:]|\{(?=,\})|(?<=,)\}"), ""),
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)"), "×"),
    (re.compile(r"\^\s*\{?\\circ\}?|(?<=[^\W\d)])\^\{?\d\}?"), ""),  # degrees, and the 2 of m^2
    (re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|__"), ""),  # bold
]


def number(text: str) -> Fraction | None:
    """The value of a text that is one number: with commas, a currency, a unit, a sign, as decimals or a fraction."""
    found = _WHOLE.fullmatch(_plain(text).strip())
    return _value(found) if found else None


def strict(response: str) -> Fraction | None:
    """The number right after the last ``####`` that has one; bold, a box or a currency sign may stand before it."""
    found = last(_MARKED, _plain(_answer(response)))
    return _settled(found, found.end("number")) if found else None


def lenient(response: str) -> Fraction | None:
    """The number that the response settles on, by the rules at the head of this file."""
    text = _plain(_considered(_answer(response)))
    for rule in _RULES:
        clause = rule(text)
        found = _NUMBER.search(clause) if clause is not None else None
        if found and clause is not None:
            worked = _WORKED.match(clause, found.end())
            result = _NUMBER.match(clause, worked.end()) if worked else None
            found = result or found
            return _settled(found, found.end())
    found = last(_NUMBER, text)
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


# -- where the answer stands: each gives the text that begins with it, or None ---------------------------------------


def _marked(text: str) -> str | None:
    marks = [m for m in _MARKED.finditer(text) if not _HEADING.match(text, m.start())]
    return text[marks[-1].start("number") :].partition("\n")[0] if marks else None


def _boxed(text: str) -> str | None:
    at = text.rfind("\\boxed{")
    if at < 0:
        return None
    depth, start = 0, at + len("\\boxed")
    for end in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[end], 0)
        if depth == 0:
            return text[start + 1 : end]
    return text[start + 1 :]


def _stated(text: str) -> str | None:
    found = last(_STATED, text)
    return _SENTENCE.split(found["clause"], maxsplit=1)[0] if found else None


_RULES: tuple[Callable[[str], str | None], ...] = (_marked, _boxed, _stated)


# -- reading --------------------------------------------------------------------------------------------------------


def _answer(response: str) -> str:
    """The response up to where it puts itself another question, if a number stands before that."""
    head = _RUN_ON.split(response, maxsplit=1)[0]
    return head if _NUMBER.search(head) else response


def _considered(text: str) -> str:
    """What follows the last second thought, if there is a number in it."""
    found = last(_SECOND_THOUGHT, text)
    rest = text[found.end() :] if found else text
    return rest if _NUMBER.search(rest) else text


def _plain(text: str) -> str:
    """Without LaTeX and bold: ``\\frac{1}{2}`` is 1/2, ``1{,}234`` is 1,234."""
    for sign, plain in _LATEX:
        text = sign.sub(plain, text)
    return text


def last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last place in the text where the pattern is found."""
    found = None
    for found in pattern.finditer(text):  # noqa: B007 - the last is wanted
        pass
    return found


def _settled(found: re.Match[str], end: int) -> Fraction | None:
    """The number's value, unless a rival stands beside it."""
    return None if _RIVAL.match(found.string, end) else _value(found)


def _value(found: re.Match[str]) -> Fraction | None:
    if len(found[0]) > LONGEST:
        return None
    top = Fraction(found["top"].replace(",", ""))
    under = Fraction(found["under"].replace(",", "")) if found["under"] else Fraction(1)
    if under == 0:
        return None
    value = top / under + Fraction(found["whole"] or 0) + Fraction(int(found["minutes"] or 0), 60)
    value *= Fraction(10) ** int((found["power"] or "0").replace("−", "-"))
    return -value if found["sign"] or found["minus"] else value


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
