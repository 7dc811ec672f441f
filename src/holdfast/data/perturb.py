"""A verified worked answer made wrong: one intermediate result slips, and what follows from it is carried on.

``16-3-4=9. 9*2=18. #### 18`` may become ``16-3-4=10. 10*2=20. #### 20``. Where no equation leads to the answer, only
its last mention and the final number change.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from math import floor, log10

from holdfast import rng
from holdfast.data import answers

DIGITS = r"(?:(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?|\.\d+)"  # 7 · 1,234.50 · .5
_TERM = rf"\(*\$?{DIGITS}%?\)*"
_SIGN = r"\s*(?:[-+*/×÷−]|x(?=[\s\d$(]))\s*"
_EQUATION = re.compile(
    rf"(?=[\d.$(])(?<![\w.)*/+×÷−-])(?P<left>{_TERM}(?:{_SIGN}{_TERM})+)"
    rf"(?P<equals>\s*=\s*\$?)(?P<right>{DIGITS})(?![\d%])"
)
_NUMBER = re.compile(rf"(?<![\d.,]){DIGITS}(?!\d)")
_OPERATIONS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}

Changes = dict[Fraction, Fraction]  # old number: new number, never the same
Permutation = Callable[[int], Iterable[int]]


def worked(text: str, answer: str, *names: rng.Name) -> str | None:
    """The worked answer ``text`` with another final number than ``answer``; the same names give the same slip.

    None where the text does not arrive at the answer to begin with, so that nothing is known to be wrong afterwards.
    """
    right = answers.number(answer)
    if right is None or answers.lenient(text) != right:
        return None
    body, mark, tail = text.partition("####")
    size = abs(right)  # a sign stays where it stands in the text
    for changed_body, changes in _candidates(body, size, rng.generator("perturb", *names).permutation):
        if size not in changes or not _fits(size, changes[size]):
            continue
        wrong = changed_body + mark + _put(tail, {size: changes[size]})
        # By the reader that checks responses: a rejected answer that it calls right would teach the wrong preference.
        verdict = answers.numeric(wrong, answer)
        if not verdict.strict and not verdict.lenient:
            return wrong
    return None


def _candidates(body: str, final: Fraction, permutation: Permutation) -> Iterator[tuple[str, Changes]]:
    """Changed bodies with the numbers that they changed, best first."""
    equations = list(_equations(body))
    # Any equation may be the one that slips, not always the last: errors are not to stand in one place.
    for at in permutation(len(equations)):
        value = _number(equations[at]["right"])
        for slip in _slips(value, permutation):
            carried = _carried(body, equations, int(at), value + slip)
            if carried:
                yield carried
    last_line = body.rstrip().rfind("\n") + 1
    for slip in _slips(final, permutation):
        changes = {final: final + slip}
        yield body[:last_line] + _put(body[last_line:], changes), changes


def _slips(value: Fraction, permutation: Permutation) -> list[Fraction]:
    # Of the size of the second digit: 18 may become 21, 130,000 may become 160,000, and 0.25 may become 0.22.
    unit = Fraction(10) ** (floor(log10(abs(value))) - 1) if value else Fraction(1)
    unit = max(unit, Fraction(1) if value.denominator == 1 else Fraction(1, 100))
    return [unit * (int(n) - 9 if n < 9 else int(n) - 8) for n in permutation(18)]


def _carried(body: str, equations: list[re.Match[str]], at: int, slipped: Fraction) -> tuple[str, Changes] | None:
    """The body with the result of one equation replaced, and every later equation worked out anew from there.

    None where a number would come out that a worked answer would not have there: none, negative, or no longer whole.
    """
    changes: Changes = {}
    parts, position = [], 0
    for n, equation in enumerate(equations):
        parts.append(_put(body[position : equation.start()], changes))
        left, old = _put(equation["left"], changes), _number(equation["right"])
        value = slipped if n == at else _evaluate(left) if left != equation["left"] else old
        if value is None or not _fits(old, value):
            return None
        value = round(value, 2)
        changes.pop(old, None)
        if value != old:
            changes[old] = value
        parts.append(left + equation["equals"] + _written(value, equation["right"]))
        position = equation.end()
    return "".join(parts) + _put(body[position:], changes), changes


def _equations(body: str) -> Iterator[re.Match[str]]:
    """Those that hold, to the decimals that they are written with."""
    for found in _EQUATION.finditer(body):
        value = _evaluate(found["left"])
        if value is not None:
            decimals = len(found["right"].partition(".")[2])
            gap = abs(value - _number(found["right"]))
            if gap == 0 or (decimals and gap < Fraction(1, 10**decimals)):
                yield found


def _evaluate(expression: str) -> Fraction | None:
    plain = re.sub(r"[$,\s]", "", expression).replace("×", "*").replace("x", "*").replace("÷", "/").replace("−", "-")
    try:
        return _result(ast.parse(re.sub(rf"({DIGITS})%", r"(\1/100)", plain), mode="eval").body)
    except (SyntaxError, ZeroDivisionError):
        return None


def _result(node: ast.expr) -> Fraction:
    if isinstance(node, ast.BinOp):
        return _OPERATIONS[type(node.op)](_result(node.left), _result(node.right))
    assert isinstance(node, ast.Constant), "the pattern lets only numbers and the four operations through"
    return Fraction(str(node.value))


def _fits(old: Fraction, new: Fraction) -> bool:
    """Whether the new number could stand where the old one did."""
    return new == old or (new > 0 and (new.denominator == 1 or old.denominator != 1))


def _put(text: str, changes: Changes) -> str:
    """The text with every changed number replaced."""

    def new(found: re.Match[str]) -> str:
        value = _number(found[0])
        return _written(changes[value], found[0]) if value in changes else found[0]

    return _NUMBER.sub(new, text) if changes else text


def _number(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


def _written(value: Fraction, like: str) -> str:
    """The number as the one that it replaces was written: thousands and decimals alike, no decimals more than two."""
    decimals = max(
        len(like.partition(".")[2]), 0 if value.denominator == 1 else 1 if (value * 10).denominator == 1 else 2
    )
    return f"{float(value):{',' if ',' in like else ''}.{decimals}f}"
