"""What a section found, in the one line that is read while it is folded; "" where there is nothing to say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from holdfast.analysis.consistency import Consistency
from holdfast.report import speak, tables
from holdfast.report.headline import Series, plain
from holdfast.report.reading import Setting
from holdfast.report.tables import Control
from holdfast.report.theme import BASE

_VERDICTS = (
    "better", "worse", "shown", "refuted", "differs", "small but real", "equivalent", "cannot tell", "one seed",
)  # fmt: skip


def verdicts(found: pd.DataFrame) -> str:
    """``better: DPO; equivalent: IP and KL; cannot tell: CFT``."""
    by = {v: list(dict.fromkeys(some["label"])) for v, some in found.groupby("verdict", sort=False)}
    return "; ".join(f"{v}: {speak.join(by[v])}" for v in _VERDICTS if v in by)


def counted(found: pd.DataFrame) -> str:
    """``60 declared comparisons: 6 better, 2 worse, …``; "exploratory" where none of them is declared."""
    n = found["verdict"].value_counts()
    s = "" if len(found) == 1 else "s"
    kind = "declared" if found["declared"].any() else "exploratory"
    return f"{len(found)} {kind} comparison{s}: {speak.join([f'{n[v]} {v}' for v in _VERDICTS if v in n])}."


def equal(s: Setting) -> str:
    """Attack success at the stated capability."""
    a = s.answers()
    there = a[(a["finding"] == "matched") & a["value"].notna()]
    return f"Attack success there, against {s.findings.reference}: {verdicts(there)}." if len(there) else ""


def front(s: Setting) -> str:
    a = s.answers()
    robust = [x.measure for x in s.shown if x.axis == "robustness"][:1]
    there = a[(a["finding"] == "front") & a["measure"].isin(robust) & (a["label"] != BASE)]
    likely = there[there["value"] >= 0.5].sort_values("value", ascending=False)
    said = [f"{r.label} ({100 * r.value:.0f}%)" for r in likely.itertuples()]
    if not len(there):
        return ""
    if not said:
        return speak.own("No objective is on the front in most draws.")
    return f"On the front in most draws: {speak.join(said)}."


def own(table: pd.DataFrame, robust: Series | None) -> str:
    """Attack success under each objective's own string, of the table of ``tables.own_conditions``."""
    rows = table[table["measure"] == robust.title] if robust and len(table) else table.iloc[:0]
    told = [
        f"{r['objective']} {r['level']} ({r['asked with']}) instead of {r['plain prompt'].split()[0]}"
        for r in rows.to_dict("records")
    ]
    return f"{robust.title}: {'; '.join(told)}." if robust and told else ""


def slopes(s: Setting) -> str:
    a = s.answers()
    there = a[(a["finding"] == "slope") & (a["axis"] == "robustness") & (a["against"] == "base")]
    there = there[there["measure"] == there["measure"].iloc[0]] if len(there) else there
    return f"Slope of attack success over budgets: {verdicts(there)}." if len(there) else ""


def coherent(s: Setting, robusts: Sequence[Series]) -> str:
    e = s.estimates
    keep = (e["metric"] == "coherent") & (e["estimate"] == "level") & (e["condition"] == "macro")
    keep &= (e["budget"] == s.last) & (e["seed"] == -1) & (e["bracket"] == "") & (e["format"] == "default")
    rows = e[keep & e["measure"].isin([x.measure for x in robusts])].dropna(subset=["value"])
    return _range("Coherent under attack", rows, speak.percent)


def moved(s: Setting) -> str:
    points = s.checkpoints
    if "kl_base" not in points or points["kl_base"].isna().all():
        return ""
    rows = points[points["budget"] == s.last]
    rows = rows.assign(value=pd.to_numeric(rows["kl_base"])).groupby("label", sort=False)["value"].mean().reset_index()
    return _range("KL from the base", rows, lambda v: f"{v:.2g}", " nats per token")


def _range(what: str, rows: pd.DataFrame, number: Callable[[float], str], unit: str = "") -> str:
    if rows.empty:
        return ""
    least, most = rows.loc[rows["value"].idxmin()], rows.loc[rows["value"].idxmax()]
    if number(least["value"]) == number(most["value"]):
        return f"{what}: {number(most['value'])}{unit} throughout."
    return (
        f"{what}: from {number(least['value'])} ({least['label']}) to {number(most['value'])} ({most['label']}){unit}."
    )


def unsafe(s: Setting) -> str:
    table, column = tables.unsafe(s), tables.UNSAFE["unsafe_tokens"]
    if column not in table:
        return ""
    who = list(dict.fromkeys(table.loc[table[column] > 0, "objective"]))
    return f"{speak.join(who)} read unsafe text." if who else "No objective did."


def stable(found: pd.DataFrame) -> str:
    """Of the comparisons of attack success; ``found``: of ``analysis.stability``."""
    turned = int((found["flips"] != "").sum())
    least, most = (f"{100 * v:.0f}" for v in (found["agree"].min(), found["agree"].max()))
    flips = f"one other choice reverses {turned} of {len(found)}" if turned else "no other choice alone reverses one"
    share = least if least == most else f"{least}–{most}"
    if (found["unclear"] == 1).all():
        return "No way to ask gives a clear verdict."
    return f"A verdict holds in {share}% of the ways to ask; {flips}."


def moving(found: Consistency) -> str:
    """The widest range of a score over choices that ought not to matter, all together."""
    r = found.ranges[found.ranges["factor"] == "all"]
    if r.empty:
        return ""
    wide = r.loc[(r["high"] - r["low"]).idxmax()]
    return (
        f"Up to {100 * (wide['high'] - wide['low']):.1f} points apart: {plain(wide['measure'])} of {wide['objective']}."
    )


def agreed(pairs: pd.DataFrame) -> str:
    if pairs.empty:
        return ""
    r = pairs[pairs["responses"] == "all"].iloc[0]
    return f"{r['judges'][:1].upper()}{r['judges'][1:]}: κ {r['κ']}."


def beside(found: pd.DataFrame) -> str:
    n = found["verdict"].value_counts()
    return f"{len(found)} figures: {speak.join([f'{k} {verdict}' for verdict, k in n.items()])}."


def controls(found: Sequence[Control]) -> str:
    if not found:
        return ""
    bad = sorted({c.name for c in found if not c.equal and not c.declared})
    if bad:
        return f"Not everything was held fixed: {speak.join(bad)}."
    return f"All {len({c.name for c in found if not c.declared})} controls are equal over objectives."


def brackets(shown: pd.DataFrame) -> str:
    if shown.empty:
        return ""
    good = int((shown["shown"] == "yes").sum())
    return f"{good} of {len(shown)} bracketing runs show what they must."


def left_out(dropped: pd.DataFrame, gone: pd.DataFrame) -> str:
    of_all = dropped[dropped["for"] == "all objectives"]
    rows, responses = (int(t[c].sum()) if len(t) else 0 for t, c in ((of_all, "rows"), (gone, "responses")))
    if not rows and not responses:
        return "Nothing."
    return f"{rows:,} training rows for all objectives, {responses:,} responses without a score."
