"""What every objective asks of its parameters, said in one sentence each. Raises UserError."""

from __future__ import annotations

import math
from collections.abc import Iterable

from holdfast.types import UserError


def at_least(owner: object, name: str, low: float, *, strictly: bool = False) -> None:
    """The parameter is a finite number ``>= low``, or ``> low`` if strictly."""
    value = getattr(owner, name)
    if not (math.isfinite(value) and (value > low if strictly else value >= low)):
        raise UserError(
            f"{_who(owner)}: `{name}` must be {'more than' if strictly else 'at least'} {low}, but is {value}."
        )


def share(owner: object, name: str) -> None:
    """The parameter is a number in [0, 1]."""
    value = getattr(owner, name)
    if not 0 <= value <= 1:
        raise UserError(f"{_who(owner)}: `{name}` is a share and must lie in [0, 1], but is {value}.")


def one_of(owner: object, name: str, known: Iterable[str]) -> None:
    """The parameter is one of the known words."""
    value, known = getattr(owner, name), list(known)
    if value not in known:
        raise UserError(f"{_who(owner)}: `{name}` must be one of {', '.join(known)}, but is {value!r}.")


def _who(owner: object) -> str:
    return f"objective {getattr(owner, 'name', type(owner).__name__)}"
