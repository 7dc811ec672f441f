"""A comparison of two studies, for a terminal."""

from __future__ import annotations

from typing import Any

import pandas as pd
from rich.console import Console

from holdfast.analysis.compare import Comparison
from holdfast.report import words
from holdfast.report.series import plain
from holdfast.report.table import Table, as_rich
from holdfast.store import defuse

_KINDS = {"": "level", "base": "from base", "sft": "from SFT"}


def show(found: Comparison, console: Console | None = None) -> None:
    console = console or defuse.console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"A: {found.a}\nB: {found.b}\n")
    unlike = found.held[~found.held["equal"]]
    if len(unlike):
        parts = [(plain(str(r.part)), str(r.what), str(r.a), str(r.b)) for r in unlike.itertuples()]
        table = Table(pd.DataFrame(parts, columns=["part", "what", "A", "B"]), title="Not held equal")
        console.print(as_rich(table), markup=False)
    else:
        say("All that was written down is equal.")
    equal = found.held[found.held["equal"]]
    say(f"Held equal: {len(equal)} of {len(found.held)} things" + (f" ({_named(equal)})" if len(equal) else "") + ".\n")

    e, same = found.estimates, found.estimates["a"] == found.estimates["b"]
    last = e["budget"] == e.groupby("label")["budget"].transform("max")
    here = ~same & (last | e["differs"])
    listed = e[here].sort_values(["differs", "measure", "against"], ascending=[False, True, True])
    if len(listed):
        rows = [_row(r) for r in listed.to_dict("records")]
        table = Table(pd.DataFrame(rows), title="Estimates that both have")
        console.print(as_rich(table, list(listed["differs"])), markup=False)
    if rest := int((~same & ~here).sum()):
        say(f"{rest} more, at smaller budgets, do not differ, and are listed by --json alone.")
    if same.any():
        say(f"{int(same.sum())} estimates are the same number in both, and are not listed.")
    say(
        f"{int(e['differs'].sum())} of {len(e)} differ at {found.alpha:g} after Holm's correction (bold). Points are "
        f"percentage points. Compared: {'; '.join(f'{how} ({n})' for how, n in e['how'].value_counts().items())}."
    )
    if found.alone:
        say(
            f"Only one of the two has {len(found.alone)} more: {'; '.join(found.alone[:6])}"
            + (" …" if found.alone[6:] else "")
        )


def _row(r: dict[Any, Any]) -> dict[str, str]:
    level = words.percent if r["against"] == "" else words.points
    return {
        "estimate": _KINDS[r["against"]],
        "subject": f"{r['label']} {words.tokens(r['budget'])}" if r["budget"] else r["label"],
        "measure": plain(r["measure"]),
        "A": level(r["a"]),
        "B": level(r["b"]),
        "B − A": words.points(r["value"]),
        "interval": words.interval(r["low"], r["high"], signed=True),
        "p (Holm)": words.p_value(r["p_adjusted"]),
    }


def _named(equal: object) -> str:
    names = list(dict.fromkeys(f"{plain(str(r.part))}: {r.what}" for r in equal.itertuples()))  # type: ignore[attr-defined]
    return ", ".join(names[:8]) + (", …" if names[8:] else "")
