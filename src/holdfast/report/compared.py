"""A comparison of two studies, for a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from holdfast.analysis.compare import Comparison
from holdfast.report import speak
from holdfast.report.headline import plain
from holdfast.store import defuse

_KINDS = {"level": "level", "vs_base": "from base", "vs_sft": "from SFT"}


def show(found: Comparison, console: Console | None = None) -> None:
    console = console or defuse.console()

    def say(text: str) -> None:
        console.print(text, markup=False, highlight=False, soft_wrap=True)

    say(f"A: {found.a}\nB: {found.b}\n")
    unlike = found.held[~found.held["equal"]]
    if len(unlike):
        table = Table("part", "what", "A", "B", title="Not held equal", title_justify="left")
        for r in unlike.itertuples():
            table.add_row(plain(str(r.part)), str(r.what), str(r.a), str(r.b))
        console.print(table, markup=False)
    else:
        say("All that was written down is equal.")
    equal = found.held[found.held["equal"]]
    say(f"Held equal: {len(equal)} of {len(found.held)} things" + (f" ({_named(equal)})" if len(equal) else "") + ".\n")

    e, same = found.estimates, found.estimates["a"] == found.estimates["b"]
    last = e["budget"] == e.groupby("label")["budget"].transform("max")
    listed = ~same & (last | e["differs"])
    table = Table(
        "estimate", "subject", "measure", "A", "B", "B − A", "interval", "p (Holm)",
        title="Estimates that both have", title_justify="left",
    )  # fmt: skip
    for r in (
        e[listed].sort_values(["differs", "measure", "estimate"], ascending=[False, True, True]).to_dict("records")
    ):
        who = f"{r['label']} {speak.tokens(r['budget'])}" if r["budget"] else r["label"]
        gap = speak.interval(r["low"], r["high"], signed=True)
        levels = ((speak.percent if r["estimate"] == "level" else speak.points)(r[side]) for side in ("a", "b"))
        row = [
            _KINDS[r["estimate"]],
            who,
            plain(r["measure"]),
            *levels,
            speak.points(r["value"]),
            gap,
            speak.p_value(r["p_holm"]),
        ]
        table.add_row(*row, style="bold" if r["differs"] else None)
    if listed.any():
        console.print(table, markup=False)
    if rest := int((~same & ~listed).sum()):
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


def _named(equal: object) -> str:
    names = list(dict.fromkeys(f"{plain(str(r.part))}: {r.what}" for r in equal.itertuples()))  # type: ignore[attr-defined]
    return ", ".join(names[:8]) + (", …" if names[8:] else "")
