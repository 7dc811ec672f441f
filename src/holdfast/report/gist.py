"""What a section found, in the one line that is read while it is folded; "" where there is nothing to say.

Each is made of the very table that its section shows, and speaks of all of it: no row is left out for being awkward.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pandas as pd

from holdfast.analysis.answer_rows import one_seed
from holdfast.analysis.coherent import QUADRANTS
from holdfast.analysis.consistency import Consistency
from holdfast.analysis.matched import Matched
from holdfast.analysis.pareto import Front
from holdfast.report import speak, tables
from holdfast.report.headline import plain
from holdfast.report.tables import Control
from holdfast.report.theme import BASE

_VERDICTS = (
    "better", "worse", "shown", "refuted", "differs", "small but real", "equivalent", "inconclusive", "one seed",
)  # fmt: skip
_INCOHERENT = [q for q in QUADRANTS if q.endswith(" incoherent")]


def _ordered(found: pd.Series) -> list[str]:
    """The verdicts that there are, those that are known first."""
    there = [v for v in found.unique() if v]
    return [*(v for v in _VERDICTS if v in there), *(v for v in there if v not in _VERDICTS)]


def verdicts(found: pd.DataFrame) -> str:
    """``better: DPO; equivalent: IP and KL; inconclusive: CFT``."""
    if one_seed(found):
        return "no verdict, for each rests on one seed"
    by = {v: list(dict.fromkeys(some["label"])) for v, some in found.groupby("verdict", sort=False)}
    return "; ".join(f"{v}: {speak.join(by[v])}" for v in _ordered(found["verdict"]))


def counted(found: pd.DataFrame, chosen: str) -> str:
    """``60 comparisons (declared): 6 better, 2 worse, …``. ``chosen``: how they came to be, of ``standing.chosen``."""
    n = found["verdict"].value_counts()
    s = "" if len(found) == 1 else "s"
    said = speak.join([f"{n[v]} {v}" for v in _ordered(found["verdict"])])
    said = "none has a verdict, for each rests on one seed" if one_seed(found) else said
    return f"{len(found)} comparison{s} ({chosen}): {said}."


def equal(every: Sequence[Matched]) -> str:
    """Attack success at the stated capability, of every measure of it."""
    said = []
    for one in every:
        if not one.sft or one.at_target.empty:
            continue
        table = one.at_target[one.at_target["label"] != one.sft]
        there, never = table[table["n_reached"] > 0], list(table.loc[table["n_reached"] == 0, "label"])
        where = "" if len(every) == 1 else f" on {plain(one.harm.measure)}"
        parts = [verdicts(there)] * bool(len(there)) + [f"never there: {speak.join(never)}"] * bool(never)
        if parts:
            said.append(f"Attack success{where} there, against {one.sft}: {'; '.join(parts)}.")
    return " ".join(said)


def front(every: Sequence[Front], budgets: Sequence[int]) -> str:
    """Who is on the front in most draws at the last budget, of every measure of attack success."""
    said = []
    for one in every:
        last = one.points[one.points["budget"] == one.points["budget"].max()]
        last = last[last["label"] != BASE].dropna(subset=["probability"])
        likely = last[last["probability"] >= 0.5].sort_values("probability", ascending=False, kind="stable")
        who = speak.join([f"{r.label} ({speak.percent(r.probability, 0)})" for r in likely.itertuples()])
        where = "" if len(every) == 1 else f" on {plain(one.measure)}"
        at = speak.at(float(last["budget"].max())) if len(last) and len(budgets) > 1 else ""
        if len(last):
            none = speak.own("no objective")
            draws = "draws of prompts, from one run each" if one.n_seeds == 1 else "draws"
            said.append(f"On the front{where} in most {draws}{at}: {who or none}.")
    return " ".join(said)


def own(table: pd.DataFrame) -> str:
    """What each objective's own string does to every measure, of the table of ``tables.own_conditions``."""
    told = []
    for (objective, asked), rows in table.groupby(["objective", "asked with"], sort=False) if len(table) else ():
        each = rows.to_dict("records")
        parts = [f"{r['measure']} {r['level']} instead of {r['plain prompt'].split()[0]}" for r in each]
        told.append(f"{objective} ({asked}): {', '.join(parts)}.")
    return " ".join(told)


def slopes(found: pd.DataFrame) -> str:
    """Of the findings on slopes: of attack success against the base, on every measure of it."""
    there = found[(found["finding"] == "slope") & (found["axis"] == "robustness") & (found["against"] == "base")]
    several = there["measure"].nunique() > 1
    said = [
        f"Slope of attack success{f' on {plain(str(measure))}' if several else ''} over budgets, against the base: "
        f"{verdicts(some)}."
        for measure, some in there.groupby("measure", sort=False)
    ]
    return " ".join(said)


def coherent(rates: pd.DataFrame, judged: int, gone: int, at: str) -> str:
    """How much is incoherent: under attack at the last budget (``rates``: of ``analysis.coherent``), and that
    ``gone`` are of all that were ``judged``, whatever their budget, format and attack."""
    shares = rates[rates["what"].isin(_INCOHERENT)]
    shares = shares.groupby(["measure", "judge", "label"], sort=False)["value"].sum(min_count=1).dropna()
    if shares.empty or not judged:
        return ""
    frame = shares.rename("value").reset_index()
    return (
        f"{_range(f'Incoherent under attack{at}', frame, speak.percent)} Of all {judged:,} responses that were "
        f"judged {gone:,} {'is' if gone == 1 else 'are'} incoherent."
    )


def moved(rows: pd.DataFrame, at: str) -> str:
    """Of the chart's rows at the last budget: label, value."""
    return _range(f"KL from the base{at}", rows.dropna(subset=["value"]), speak.significant, " nats per token")


def _range(what: str, rows: pd.DataFrame, number: Callable[[float], str], unit: str = "") -> str:
    if rows.empty:
        return ""
    least, most = rows.loc[rows["value"].idxmin()], rows.loc[rows["value"].idxmax()]
    if least["value"] == most["value"]:
        return f"{what}: {number(most['value'])}{unit} throughout."
    return (
        f"{what}: from {number(least['value'])} ({least['label']}) to {number(most['value'])} ({most['label']}){unit}."
    )


def unsafe(table: pd.DataFrame) -> str:
    """Of the table that is shown: of the last budget."""
    column = tables.UNSAFE["unsafe_tokens"]
    if column not in table:
        return ""
    who = list(dict.fromkeys(table.loc[table[column] > 0, "objective"]))
    return f"{speak.join(who)} read unsafe text." if who else "No objective did."


def stable(found: pd.DataFrame) -> str:
    """Of the comparisons of attack success; ``found``: of ``analysis.stability``."""
    turned = int((found["flips"] != "").sum())
    worst = found.loc[found["agree"].idxmin()]
    ways = speak.spread(found["n_distinct"])
    same = found["n_ways"].gt(found["n_distinct"]).any()
    copies = f" ({speak.spread(found['n_ways'])} choices, copies taken once)" if same else ""
    unclear = bool((found["unclear"] == 1).all())
    if ways == "1":
        n = speak.spread(found["n_ways"])
        alike = "There is one way to ask" if n == "1" else f"All {n} ways to ask give the same numbers"
        return f"{alike}{', and no clear verdict' * unclear}."
    if unclear:
        return f"None of {ways} distinct ways to ask gives a clear verdict{copies}."
    most = found["agree"].max()
    share = speak.percent(worst["agree"], 0)
    flips = f"one other choice reverses {turned} of {len(found)}" if turned else "no other choice alone reverses one"
    versus = f"{worst['label']} against {'the base' if worst['against'] == 'base' else 'SFT'}"
    least = f"as few as {share} ({versus})" if most > worst["agree"] else share
    return f"Of {ways} distinct ways to ask {least} agree with the study’s own{copies}; {flips}."


def moving(found: Consistency) -> str:
    """The widest range of a score over choices that ought not to matter, all together."""
    r = found.ranges[found.ranges["factor"] == "all"]
    if r.empty:
        return ""
    wide = r.loc[(r["high"] - r["low"]).idxmax()]
    apart = speak.fixed(100 * (wide["high"] - wide["low"]), 1)
    return f"Up to {apart} points apart: {plain(wide['measure'])} of {wide['objective']}."


def kappas(pairs: pd.DataFrame) -> pd.Series:
    """Cohen's κ as numbers, of the table of agreements; NaN where it is not defined."""
    return pairs["κ"].str.extract(r"^([-−]?[\d.]+)")[0].str.replace("−", "-").astype(float)


def agreed(pairs: pd.DataFrame) -> str:
    """The pair that agrees least, of all responses."""
    whole = pairs[pairs["responses"] == "all"] if len(pairs) else pairs
    if not len(whole):
        return ""
    kappa = kappas(whole)
    if kappa.isna().all():
        return "κ is not defined: each judge gave one verdict throughout."
    r = whole.loc[kappa.idxmin()]
    who = f"{r['judges'][:1].upper()}{r['judges'][1:]}"
    where = f" on {r['measure']}" if whole["measure"].nunique() > 1 else ""
    undefined = int(kappa.isna().sum())
    more = f", the lowest of {len(whole)} pairs" if len(whole) > 1 else ""
    return f"{who}{where}: κ {r['κ']}{more}{f'; not defined for {undefined}' if undefined else ''}."


def beside(found: pd.DataFrame) -> str:
    n = found["verdict"].value_counts()
    return (
        f"{len(found)} figure{'s' * (len(found) != 1)}: {speak.join([f'{k} {verdict}' for verdict, k in n.items()])}."
    )


def controls(found: Sequence[Control]) -> str:
    if not found:
        return ""
    bad = sorted({c.name for c in found if not c.equal and not c.declared})
    asked = {c.name for c in found if not c.equal and c.declared}
    if bad:
        return f"Not everything was held fixed: {speak.join(bad)}."
    other = len({c.name for c in found} - asked)
    if max(len(c.values) for c in found) < 2:
        return f"{other} controls were recorded of one objective: nothing to compare."
    by_design = f"; {len(asked)} differ{'s' * (len(asked) == 1)} because the study asks for it" if asked else ""
    return f"All {other} {'other ' * bool(asked)}controls are equal over objectives{by_design}."


def control_runs(shown: pd.DataFrame) -> str:
    if shown.empty:
        return ""
    good = int((shown["shown"] == "yes").sum())
    if len(shown) == 1:
        return f"The bracketing run {'shows' if good else 'does not show'} what it must."
    return f"{good} of {len(shown)} bracketing runs show what they must."


def left_out(dropped: pd.DataFrame, gone: pd.DataFrame) -> str:
    """Of both tables, whole: rows by whom they were kept from, and verdicts that are missing."""
    rows = dropped.groupby("for", sort=False)["rows"].sum() if len(dropped) else pd.Series(dtype=int)
    said = [f"{int(n):,} training row{'s' * (n != 1)} for {who}" for who, n in rows.items() if n]
    if n := int(gone["responses"].sum()) if len(gone) else 0:
        said.append(f"{n:,} verdict{'s' * (n != 1)} without a score")
    return f"{speak.join(said)}." if said else "Nothing."
