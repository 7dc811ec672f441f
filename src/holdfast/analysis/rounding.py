"""Numbers as words, rounded one way everywhere: half away from zero, as the charts' own formats do, and never to a zero
or a whole that they are not. 0.3125 is 31.3%, on the page, in its tables and in a chart; 99.97% is not 100.0%, and a
difference with p < 0.001 is not ±0.0.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

MORE = 3  # digits beyond those that are asked for, where without them a number would seem to be 0 or whole
_NOTHING = Decimal("1e-12")  # what is smaller is the noise of adding up


def fixed(value: float | Decimal, digits: int, *, whole: str = "", more: int = MORE) -> str:
    """With so many digits behind the point; with up to ``more`` where it would else read 0, or ``whole``, and is not.
    What is nearer still is said to be: ``<0.0001``, ``>99.9999``."""
    exact = _exact(value)
    marks = [Decimal(0), *([Decimal(whole)] if whole else [])]
    for d in range(digits, digits + more + 1):
        shown = exact.quantize(Decimal(1).scaleb(-d), ROUND_HALF_UP)
        if all((shown == m) == (exact == m) for m in marks):
            return _minus(f"{shown:f}")
    step = Decimal(1).scaleb(-(digits + more))
    if shown == 0:
        return f"{'−' if exact < 0 else ''}<{step:f}"
    return _minus(f">{shown - step:f}" if exact < shown else f"<{shown + step:f}")


def _minus(text: str) -> str:
    """With the sign that ``signed`` writes, so that one minus stands beside another."""
    return text.replace("-", "−")


def percent(value: float | None, digits: int = 1, *, more: int = MORE) -> str:
    """A share: ``31.3%``; ``–`` where there is none."""
    return "–" if missing(value) else f"{fixed(100 * _exact(value or 0), digits, whole='100', more=more)}%"


def points(value: float | None, digits: int = 1) -> str:
    """A difference of shares in percentage points, signed; exactly 0 is ``±0.0``."""
    return "–" if missing(value) else signed(100 * _exact(value or 0), digits)


def signed(value: float | Decimal, digits: int) -> str:
    """``+0.3``, ``−0.3``, ``±0.0``."""
    exact = _exact(value)
    if exact == 0:
        return f"±{fixed(0, digits)}"
    return f"{'+' if exact > 0 else '−'}{fixed(abs(exact), digits)}"


def significant(value: float, digits: int = 3) -> str:
    """With so many digits that mean something, and no zeros behind them; 1 is not what is only near it."""
    exact = _exact(value)
    if exact == 0:
        return "0"
    behind = digits - 1 - math.floor(math.log10(abs(exact)))
    if behind > 9:
        return f"{value:.{digits}g}".replace("-", "−", value < 0)
    text = fixed(exact, max(behind, 0), whole="1" if exact > 0 else "")
    return text.rstrip("0").rstrip(".") if "." in text else text


def missing(value: float | None) -> bool:
    return value is None or math.isnan(float(value))


def _exact(value: float | Decimal) -> Decimal:
    """Without the last digits of a float, which depend on the order of adding up."""
    exact = value if isinstance(value, Decimal) else Decimal(f"{float(value):.12g}")
    return Decimal(0) if abs(exact) < _NOTHING else exact
