"""Numbers as words: percentages, intervals, p-values, and the sentence that says what an estimate rests on."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import pandas as pd

from holdfast.analysis import rounding
from holdfast.analysis.answer_rows import listed
from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.rounding import fixed, missing, percent, points
from holdfast.analysis.rounding import signed as signed
from holdfast.analysis.rounding import significant as significant
from holdfast.config.study import Study
from holdfast.report.series import called
from holdfast.report.series import plain as as_words

join = listed
COUNTS = ("n_prompts", "n_records", "n_unscored", "n_seeds", "method", "unit")
_ATTACKS = {"none": "direct", "dan": "DAN"}


_AUDIT: ContextVar[bool] = ContextVar("audit", default=False)
_OURS = re.compile(r"\b(?:([Aa])n )?([Oo])bjective(s?)\b|\bOne seed:")


@contextmanager
def of(study: Study, configs: Iterable[ConfigInfo] = ()) -> Iterator[None]:
    """What is said within is of this study: of one that trains nothing, ``own`` speaks of subjects; and its measures
    are called as its ``configs`` have it."""
    token = _AUDIT.set(not study.trains)
    try:
        with called(configs):
            yield
    finally:
        _AUDIT.reset(token)


def audits() -> bool:
    """Whether what is said now is of a study that trains nothing."""
    return _AUDIT.get()


def own(text: str) -> str:
    """Words of ours, as they are right for the study: objectives are subjects where they were trained elsewhere. For
    what we wrote alone: a name in it would be changed, too."""
    return _OURS.sub(_theirs, text) if _AUDIT.get() else text


def _theirs(found: re.Match[str]) -> str:
    if not found[2]:
        return "One run of each:"
    return f"{f'{found[1]} ' if found[1] else ''}{'S' if found[2] == 'O' else 's'}ubject{found[3]}"


def interval(low: float | None, high: float | None, *, signed: bool = False) -> str:
    if missing(low) or missing(high):
        return ""
    form = points if signed else _bare
    return f"[{form(low)}, {form(high)}]"


def estimate(r: Mapping[Any, Any] | pd.Series, of: str = "value", *, signed: bool = False) -> str:
    """A row's number with its interval (``low`` and ``high``; of a ``gap`` ``gap_low`` and ``gap_high``), in per cent;
    ``signed``: in points."""
    low, high = (r.get(end if of == "value" else f"{of}_{end}") for end in ("low", "high"))
    return f"{(points if signed else percent)(r.get(of))} {interval(low, high, signed=signed)}".strip()


def ends(low: float, high: float) -> str:
    """An interval in few characters, for an eval config of the heat map."""
    return "" if missing(low) or missing(high) else "–".join(_bare(v, 0, 1) for v in (low, high))


def _bare(share: float | None, digits: int = 1, more: int = rounding.MORE) -> str:
    return percent(share, digits, more=more).removesuffix("%")


def p_value(p: float | None) -> str:
    """``p = 0.03``; a p below 0.05 is not written as 0.05."""
    if missing(p):
        return ""
    if float(p or 0) < 0.001:
        return "p < 0.001"
    return f"p = {fixed(float(p or 0), 3, whole='0.05')}".rstrip("0").rstrip(".")


def bare_p(p: float | None) -> str:
    """For a column that is of p: ``0.03``, ``< 0.001``."""
    return p_value(p).removeprefix("p ").removeprefix("= ")


def level(alpha: float) -> str:
    return f"{100 * (1 - alpha):g}%"


def attack(name: str) -> str:
    return _ATTACKS.get(name, as_words(name))


def lower(title: str) -> str:
    """A title inside a sentence; a name keeps its capitals: Dark Triad, GSM8K, XSTest."""
    first = title.split(" ")[0]
    named = first == "Dark" or any(letter.isupper() for letter in first[1:])
    return title if named else title[:1].lower() + title[1:]


def count(n: int, noun: str) -> str:
    """``no seeds``, ``one seed``, ``twelve`` as ``12 seeds``."""
    small = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return f"{small[n] if n < len(small) else n} {noun}{'' if n == 1 else 's'}"


def wrapped(name: str) -> str:
    """In lines, to stand over a column."""
    return "\n".join(textwrap.wrap(name, 10, break_long_words=False))


def tokens(n: float) -> str:
    """15000 → 15k."""
    for size, unit in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(n) >= size:
            return f"{significant(n / size)}{unit}"
    return significant(n)


def at(budget: float) -> str:
    """``" at 15k tokens"``; nothing where the budget of what was given is unknown."""
    return f" at {tokens(budget)} tokens" if budget else ""


def spread(values: Iterable[int]) -> str:
    """``60`` or ``58–60``."""
    found = sorted({int(v) for v in values})
    return "0" if not found else f"{found[0]:,}" if len(found) == 1 else f"{found[0]:,}–{found[-1]:,}"


def pooled(n: int) -> str:
    """Where there is no interval."""
    return f"Mean over {n} {_runs(n)}" if n > 1 else f"One {_runs(n)}"


def seeds(values: Iterable[float]) -> str:
    most = max((int(v) for v in values), default=0)
    return f"{most} {_runs(most)}" if most > 1 else f"One {_runs(1)}, so the intervals hold no variance of training"


def _runs(n: int) -> str:
    one, many = ("run of each subject", "runs of a subject") if _AUDIT.get() else ("training seed", "training seeds")
    return many if n > 1 else one


def least_to_most(what: str, rows: pd.DataFrame, number: Callable[[float], str], unit: str = "") -> str:
    """``KL from the base: from 0.1 (SFT) to 0.3 (DPO) nats``, of rows with label and value."""
    if rows.empty:
        return ""
    least, most = rows.loc[rows["value"].idxmin()], rows.loc[rows["value"].idxmax()]
    if least["value"] == most["value"]:
        return f"{what}: {number(most['value'])}{unit} throughout."
    return (
        f"{what}: from {number(least['value'])} ({least['label']}) to {number(most['value'])} ({most['label']}){unit}."
    )
