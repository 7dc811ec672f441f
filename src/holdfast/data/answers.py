"""Answers that can be checked without a judge: numbers, short texts, and how much of a reference a text covers.

A worked answer ends with ``#### n``. *Strict* takes the number that stands after the last such mark. *Lenient*
(flexible) takes the number that the response settles on in whatever form, by the first of these rules that finds one:
what follows the last ``####``; what is in the last LaTeX box; what the last "the answer is" or "Answer:" names; the
last number of all that does not count the items of a list.

Both read only the answer, not what a model that runs on writes after it (a line that begins with ``Question:`` or a
speaker's name); lenient reads only what follows the last "wait, …", where a number does. A number that is
named as the answer with others beside it (``5 or 7``, ``10-12``, ``5, 7``, ``2h 30min``, ``9+9``) is none, and so is a
bound (``>18``). ``- 12`` is -12 where it is all that is marked or boxed; it may else be a list's, or a dash.

Numbers are exact fractions: 5, 5.0 and 5.00 are equal, and so are 1/2, 0.5, ½ and ``\\frac{1}{2}``; 1/3 and 0.33 are
not. ``0.333...`` is 1/3. Units, currencies, brackets and percent signs are passed over, and so are words such as
"million" and "dozen", for a question may ask how many of them; ``h:mm`` is in hours; whole powers and rational roots
are worked out.

A number is read with all its separators or not at all. Thousands are set apart by commas (also 1,20,000), spaces of
any width, apostrophes, low lines, or by points where a comma or a second point shows it (1.234,56); one comma before
one or two digits, or four and more, is a decimal one. ``1,234`` and ``1.234`` alone are read the English way. What
fits none of these is *illegible*, and has no score; so is a decimal that is cut off (``3.14159...``).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from fractions import Fraction
from math import isqrt

from holdfast.data.tasks.task import Verdict

# A numeral with its separators, whatever they are: it is read as a whole (``_numeral``) or not at all.
_DIGITS = r"(?:\d(?:\d|[.,'_](?=\d)| (?=\d{3}(?!\d|[.,]?\d* ?/)))*|(?<!\.)\.\d+)"
_NUMERALS = [  # what separates thousands, what stands for the decimal point
    (re.compile(r"\d+(?:\.\d+)?|\.\d+"), "", "."),
    (re.compile(r"[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?|[1-9]\d?(?:,\d\d)+,\d{3}(?:\.\d+)?"), ",", "."),
    (re.compile(r"[1-9]\d{0,2}(?: \d{3})+(?:\.\d+)?|[1-9]\d{0,2}(?:['_]\d{3})+(?:\.\d+)?"), " '_", "."),
    (re.compile(r"[1-9]\d{0,2}(?: \d{3})+,\d+|[1-9]\d{0,2}(?:['_]\d{3})+,\d+"), " '_", ","),
    (re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+|[1-9]\d{0,2}(?:\.\d{3}){2,}"), ".", ","),
    (re.compile(r"\d+,(?:\d{1,2}|\d{4,})|0+,\d+"), "", ","),
]
LONGEST = 300  # characters of a number; what a model repeats without end is none
HIGHEST = 64  # of an exponent
# A minus after a word, a number or a bracket, or before a space, is an operator: the last number of "16-3" is 3.
_NUMBER = re.compile(
    r"(?P<sign>(?<![\w)%])-|\bnegative |(?<!\d )\bminus )?(?:[$€£¥₹]\s?(?P<minus>-)?)?"
    r"(?P<root>√\s?\(?|[∛∜]\s?\{?)?(?P<whole>\d+ (?:and )?(?=\d+/\d))?"  # of 2 1/2
    rf"(?P<top>{_DIGITS})"
    rf"(?:\s?/\s?(?P<under>{_DIGITS})|:(?P<minutes>[0-5]\d)(?!\d)"
    r"|(?:[eE]|\s?[×x*]\s?10\^[\{(]?)(?P<power>[-+]?\d{1,2})(?!\d)[\})]?|\^[\{(]?(?P<exponent>[-+]?\d{1,3})(?![\d/.])[\})]?)?"
    r"(?P<ever>\.{3,}(?!\d))?"
    # What changes the value in a way that is not worked out: 2√3, 2^3^2, 1.5k, 1:30:00, 18/1/2020, 0.(3), 0x12.
    r"(?P<odd>\s?[√π]|[√^]|[kKMB](?!\w)|:\d|/\d|\.?\\overline|\.\(\d|[\u0304\u0305]|(?<=\b0)[xX][\da-fA-F]"
    r"|\s(?:squared|cubed)\b)?"
)
_WHOLE = re.compile(rf"\s*(?P<number>{_NUMBER.pattern})\s*(?:%|[^\W\d_]+(?:\s[^\W\d_]+)*)?\s*\.?\s*")
_BOUND = r"(?:[<>]=?|[≤≥])\s*"
_MARKED = re.compile(rf"####\s*(?P<said>(?:\\boxed\{{)?(?:{_BOUND})?(?P<number>{_NUMBER.pattern}))")
_BOUNDED = re.compile(rf"(?:\A|(?<=[\s:({{])){_BOUND}\Z")
# A minus that stands apart: before all that is marked or boxed, where a dash or a list's mark is not to be thought of.
_APART = re.compile(r"(####[ \t]*|\\boxed\s*\{\s*)[-−–][ \t]+(?=[$€£¥₹]?\s?\.?\d)")
_EVER = re.compile(r"(?P<before>\d*\.\d*?)(?P<digit>\d)(?P=digit){2,}")
_HEADING = re.compile(r"####\s*\d[.):]\s+[^\W\d]")  # "#### 2. Add them up" is a step, not an answer
_STATED = re.compile(
    r"(?i)(?:(?:^|\n)[^\w\n]*|\b(?:the|my|our|final|correct) )(?:final |correct )?answers?\b[^\n.:=\d]{0,60}?"
    r"(?:\bis\b|\bare\b|\bwas\b|\bbe\b|\bequals\b|[:=])(?!\s+not\b)\s*(?:[=-]>|[:=])?\s*(?P<clause>[^\n]*)"
)
_RIVAL = re.compile(
    r"\s*[^\W\d]*\s*(?:\bor\b|\bto\b|[-–])\s*[$€£]?\d"
    # A sum that is not worked out, a ratio, a range: "9 + 9", "2×9", "3:2", "10..12", "18 +/- 1".
    r"|(?![^\n]*=)\s*(?:[+*×÷x:]|\.{2,}|\+\s?/\s?-)\s?[$€£(]?\d"
    # One quantity in two units: "2h 30min", "5 ft 6 in".
    r"|\s*(?:h|hrs?|hours?|min|minutes?|days?|weeks?|months?|years?|ft|feet|foot|lbs?|pounds?|['′])\s*\d|\s*(?:m|km|kg)\s+\d"
    # Others up to the end: "5, 7", "5 and 7", "5 hours and 30 minutes", but not "5, and 7 is wrong".
    r"|(?:(?:\s*[^\W\d]+)?\s*(?:,\s*and\b|[,;&~±]|\band\b|\bthrough\b)\s*(?:[^\W\d_]\s*=\s*)?[-$€£]*\.?\d[\d.,/]*)+"
    r"(?:\s*[^\W\d]+)?[\s%)\]}$.]*\Z"
)
_MARK = re.compile(r"(?:^|\n)[ \t]*\(?\d{1,2}[.)]\s+(?=[^\W\d])")  # of a list
_WORKED = re.compile(r"[^=\n]*?[-+*/×÷−x]\s?[$€£(]?\d[^=\n]*=\s*")  # what is left of "3 * 6 = 18" after the 3
_SENTENCE = re.compile(r"(?<!\.\.)[.!?](?=\s|\Z)|(?<=\.\.\.)(?=\s|\Z)")
_SECOND_THOUGHT = re.compile(
    r"(?i)\bwait\s*[,.!:…—–-]|\b(?:oops|correction|scratch that|i made an? (?:mistake|error))\b"
    r"|\b(?:that|this)(?:['’]s| is| was) (?:wrong|incorrect|not right)\b"
)
_RUN_ON = re.compile(r"(?i)\n[ \t]*(?:question|q|human|user)\s*\d*:")
_TAGS = "b|i|u|em|strong|sub|span|p|br|div|code|pre|mark|answer|final|number|output|solution|response|result"
_LATEX = [
    (re.compile(r"\\(?:text|mathrm|mathbf|textbf)\s*\{([^{}]*)\}"), r" \1"),
    (re.compile(r"<(answer|final_answer|result)>(.*?)</\1>", re.DOTALL | re.IGNORECASE), r"\nAnswer: \2\n"),
    (re.compile(r"<sup>(\d+)</sup>"), r"^\1"),
    (re.compile(rf"</?(?:{_TAGS})\b[^<>\n]{{0,40}}>", re.IGNORECASE), ""),
    (re.compile(r"(?<=\d)\\(?:[,;: ]|thinspace\b)\s*(?=\d{3}(?!\d))|(?<=\d)~(?=\d{3}(?!\d))"), " "),
    (re.compile(r"\\left|\\right|\\[!,;:]|\{(?=,\})|(?<=,)\}"), ""),
    (re.compile(r"(?<=\d)\s*\\[dtc]?frac(?=\s*[\{\d])"), r" \\frac"),  # of 2\frac{1}{2}
    (re.compile(r"\\[dtc]?frac\s*\{([^{}]*)\}\s*\{([^{}]*)\}"), r"\1/\2"),
    (re.compile(r"\\[dtc]?frac\s*(?:\{(\d+)\}|(\d))\s*(?:\{(\d+)\}|(\d))"), r"\1\2/\3\4"),
    (re.compile(r"(?:\{\s*|(?<!\s)\s+|)\b(\d+)\s*\\over\s*(\d+)\s*\}?"), r"\1/\2"),  # one try for a run of spaces
    (re.compile(r"\\sqrt\s*\[\s*\d+\s*\]"), r"∛"),
    (re.compile(r"(?<=\d)\*\*(?=\(?-?\d)"), "^"),
    (re.compile(r"(?<=\d),-+(?!\w)"), ",00"),  # of €1.500,-
    (re.compile(r"\\sqrt\s*(?:\{(\d+)\}|(\d))"), r"√\1\2"),
    (re.compile(r"\bsqrt\s*\((\d+)\)"), r"√\1"),
    (re.compile(r"\\pi\b"), "π"),
    (re.compile(r"\\[gl](?:eq?|t)(?![a-z])"), "≥"),  # a bound, whichever
    (re.compile(r"\\([$%])"), r"\1"),
    (re.compile(r"\\(?:times|cdot)|(?<=\d)\s?[·∙⋅](?=\s?\d)"), "×"),
    (re.compile(r"\^\s*\{?\\circ\}?|(?<=[^\W\d)])\^\{?\d\}?"), ""),  # degrees, and the 2 of m^2
    (re.compile(r"(?<!\d)\*\*|\*\*(?!\d)|__"), ""),  # bold
]


_SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\ufe63\uff0d\u207b", "-")
    | dict.fromkeys("\u2018\u2019\u02bc\uff07", "'")
    | {
        "\u2044": "/",
        "\u2215": "/",
        "\uff0c": ",",
        "\uff0e": ".",
        "\uff05": "%",
        "\u066c": ",",
        "\u066b": ".",
        "\u2026": "...",
        "\u200b": None,
        "\u2060": None,
    }
)
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u205f\u3000]")
_VULGAR = re.compile("(?P<whole>(?<=\\d)\\s?)?(?P<sign>[\u00bc-\u00be\u2150-\u215e\u2189])")
_POWERS = re.compile("(?<=[\\d)])[\u207b-]?[\u2070\u00b9\u00b2\u00b3\u2074-\u2079]+")


def number(text: str) -> Fraction | None:
    """The value of a text that is one number: with commas, a currency, a unit, a sign, as decimals or a fraction."""
    found = _WHOLE.fullmatch(re.sub(r"\A-\s+", "-", _plain(text).strip()))
    return _value(found) if found else None


def strict(response: str) -> Fraction | None:
    """The number right after the last ``####`` that has one; bold, a box or a currency sign may stand before it."""
    found = last(_MARKED, _plain(_answer(response)))
    return _settled(found, found.end("number"), found.start("number")) if found else None


def lenient(response: str) -> Fraction | None:
    """The number that the response settles on, by the rules at the head of this file."""
    _, found, named = _found(response)
    if found is None:
        return None
    return _settled(found, found.end(), found.start()) if named else _value(found)


def illegible(response: str) -> bool:
    """Whether the response settles on a number whose separators or signs have no reading here."""
    _, found, _ = _found(response)
    return found is not None and bool(
        found["odd"]
        or (found["root"] or "√")[0] != "√"
        or _top(found) is None
        or (found["under"] and _numeral(found["under"]) is None)
    )


def final(text: str) -> Fraction | None:
    """The number of a reference: it is one, it names one as its answer, or it holds only one."""
    if (plain := number(text)) is not None:
        return plain
    _, found, named = _found(text)
    alone = found is not None and len(list(_NUMBER.finditer(_plain(text)))) == 1
    return lenient(text) if named or alone else None


def numeric(response: str, answer: str) -> Verdict:
    """1 where the response's number equals the answer's, else 0; no lenient score where it cannot be read."""
    right = final(answer)
    assert right is not None, "a numeric answer is a number"
    return Verdict(float(strict(response) == right), None if illegible(response) else float(lenient(response) == right))


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
    return text[marks[-1].start("said") :].partition("\n")[0] if marks else None


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


def _found(response: str) -> tuple[str, re.Match[str] | None, bool]:
    """The text as it is read, where its number stands in it, and whether it is named as the answer."""
    text = _plain(_considered(_answer(response)))
    for rule in _RULES:
        clause = rule(text)
        found = _NUMBER.search(clause) if clause is not None else None
        if found and clause is not None:
            worked = _WORKED.match(clause, found.end())
            result = _NUMBER.match(clause, worked.end()) if worked else None
            return clause, result or found, True
    return text, last(_NUMBER, _MARK.sub("\n", text)) or last(_NUMBER, text), False


def _plain(text: str) -> str:
    """Without LaTeX, tags and bold, with one sign of each kind: ``\\frac{1}{2}`` and ½ are 1/2, 1{,}234 is 1,234."""
    text = _APART.sub(r"\1-", text)
    if not text.isascii():
        text = _SPACES.sub(" ", _VULGAR.sub(_fraction, text.translate(_SIGNS)))
        text = _POWERS.sub(_power, text)
        text = re.sub(r"\d", lambda m: str(unicodedata.digit(m[0])), text)
    for sign, plain in _LATEX:
        text = sign.sub(plain, text)
    return text


def _fraction(found: re.Match[str]) -> str:
    """``2½`` as ``2 1/2``."""
    return ("" if found["whole"] is None else " ") + unicodedata.normalize("NFKC", found["sign"]).replace("\u2044", "/")


def _power(found: re.Match[str]) -> str:
    return f"^{unicodedata.normalize('NFKC', found[0]).translate(_SIGNS)}"


def last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """The last place in the text where the pattern is found."""
    found = None
    for found in pattern.finditer(text):  # noqa: B007 - the last is wanted
        pass
    return found


def _settled(found: re.Match[str], end: int, start: int) -> Fraction | None:
    """The number's value, unless a rival stands beside it or it is a bound."""
    return None if _RIVAL.match(found.string, end) or _BOUNDED.search(found.string[:start]) else _value(found)


def _value(found: re.Match[str]) -> Fraction | None:
    """Of a number; None where it is illegible, too long, or divided by 0."""
    if len(found[0]) > LONGEST or found["odd"]:
        return None
    top, under = _top(found), _numeral(found["under"] or "1")
    if top is None or not under:
        return None
    value = top / under + Fraction(found["whole"].split()[0] if found["whole"] else 0)
    value += Fraction(int(found["minutes"] or 0), 60)
    value *= Fraction(10) ** int(found["power"] or 0)
    if found["exponent"]:
        exponent = int(found["exponent"])
        if abs(exponent) > HIGHEST or (exponent < 0 and not value):
            return None
        value **= exponent
    if found["root"] and found["root"][0] != "√":
        return None
    if found["root"]:
        up, down = isqrt(value.numerator), isqrt(value.denominator)
        value = Fraction(up, down)
        if value**2 != top:
            return None
    return -value if found["sign"] or found["minus"] else value


def _top(found: re.Match[str]) -> Fraction | None:
    """The number's own numeral. Dots after three equal decimals repeat them for ever; after others that do not end
    a sentence (three, or two that are equal) they cut the number off, and it has no reading."""
    text = found["top"]
    decimals = text.rpartition(".")[2] if found["ever"] and "." in text else ""
    if repeated := _EVER.fullmatch(text) if decimals else None:
        places = len(repeated["before"].partition(".")[2])
        return Fraction(repeated["before"] + "0") + Fraction(int(repeated["digit"]), 9 * 10**places)
    cut = len(decimals) > 2 or (len(decimals) == 2 and len(set(decimals)) == 1)
    return None if cut else _numeral(text)


def _numeral(text: str) -> Fraction | None:
    """The value of digits with their separators; None where those have no reading."""
    if len(text) > LONGEST:
        return None
    for form, thousands, point in _NUMERALS:
        if form.fullmatch(text):
            return Fraction("".join(c for c in text if c not in thousands).replace(point, "."))
    return None


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
