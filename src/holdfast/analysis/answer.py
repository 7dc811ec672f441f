"""The study's answer in words, from its findings, and saying no more than they do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import pandas as pd

from holdfast.analysis.answer_rows import CLEAR, answer_rows, listed, one_seed
from holdfast.analysis.config_info import Configs
from holdfast.analysis.findings import ANSWERED
from holdfast.analysis.rounding import missing, points
from holdfast.config.study import Study
from holdfast.stats.equivalence import CANNOT_TELL, DIFFERS, EQUIVALENT, ONE_SEED, SMALL
from holdfast.stats.methods import FEW_SEEDS


def sentences(findings: pd.DataFrame, study: Study, configs: Configs, needed: pd.DataFrame | None = None) -> list[str]:
    """What was asked, what holds, what is inconclusive; the sentence on a measure begins with its name and a colon.

    ``findings``: of one model, task and regime; ``configs``: what measures are called; ``needed``: of
    ``analysis.needed``, of the same model and task: what it would take is said where something is inconclusive. Every
    word on a comparison is the verdict of its row, and every row is spoken of: what is inconclusive is never called
    equal, nor is a measure left out because nothing was shown on it.
    """
    rows = answer_rows(findings, study, configs)
    if rows.empty:
        return ["Nothing has been compared yet, so there is no answer."]
    said = [_asked(rows, study)]
    never = (findings["estimand"] == "matched") & findings["value"].isna()
    for (finding, name), some in rows.groupby(["estimand", "name"], sort=False):
        lead = _lead(finding, name)
        said.append(f"{lead}: {_told(some, study, _checkpoints if one_seed(rows) else _verdicts)}")
        if finding == "last" and needed is not None:
            said[-1] += _would_take(some, study, needed)
        if finding == "matched" and never.any():
            said[-1] += f" Never there: {listed(findings.loc[never, 'label'])}."
    if never.any() and not (rows["estimand"] == "matched").any():
        said.append(f"At equal capability nothing is compared: no objective gets there with a seed of {study.sft()}’s.")
    if study.matched and not (findings["estimand"] == "matched").any():
        said.append("At the stated capability nothing is compared; the section on equal capability says why.")
    return [*said, *_together(findings, rows, study), _silence(rows, study)]


def in_short(findings: pd.DataFrame, study: Study, configs: Configs) -> list[str]:
    """The answer for a person in a hurry: what is shown, a sentence a measure that begins as the one of ``sentences``
    does, and of how many comparisons nothing is. With one seed, what the intervals of its checkpoints leave out."""
    rows = answer_rows(findings, study, configs)
    rows = rows[rows["family"].astype(str) != ""]  # what could not be tested is in no family, nor counted
    if rows.empty:
        return ["Nothing has been compared yet, so there is no answer."]
    one = one_seed(rows)
    apart = (rows["low_all"] > 0) | (rows["high_all"] < 0)
    clear = rows[apart if one else rows["verdict"].isin(CLEAR)]
    said = [
        f"{_lead(finding, name)}: {_than(some, study)}."
        for (finding, name), some in clear.groupby(["estimand", "name"], sort=False)
    ]
    if one:
        wide = f"{len(rows) - len(clear)} of {len(rows)} intervals of these checkpoints hold 0"
        return [*said, f"{wide}, each widened for there are so many." if len(rows) > 1 else f"{wide}."]
    equal, n = int((rows["verdict"] == EQUIVALENT).sum()), len(rows)
    rest = [f"{equal} of {n} comparisons {'is' if equal == 1 else 'are'} shown equivalent"] if equal else []
    if left := n - len(clear) - equal:
        of = "" if equal else f" of {n} comparisons"
        rest.append(f"{left}{of} {'is' if left == 1 else 'are'} inconclusive: too little was seen to say either way")
    if not said:
        said = ["Nothing is shown to differ."]
    return [*said, *([f"{' and '.join(rest)}."] if rest else [])]


def _lead(finding: str, name: str) -> str:
    return f"At equal capability, {name}" if finding == "matched" else name[:1].upper() + name[1:]


def _than(rows: pd.DataFrame, study: Study) -> str:
    """``better than the base model’s in ip and kl; worse than sft’s in dpo``: of rows of one measure."""
    whose = {"sft": f"{study.sft()}’s", "base": "the base model’s"}
    groups: dict[tuple[str, str], list[str]] = {}
    for r in rows.to_dict("records"):
        way = ("higher" if r["value"] > 0 else "lower") if r["verdict"] == ONE_SEED else _phrase(r)
        groups.setdefault((r["against"], way), []).append(r["label"])
    told = []
    for (against, phrase), who in groups.items():
        way, _, less = phrase.partition(" ")
        told.append(f"{way} than {whose[against]}{f', {less},' if less else ''} in {listed(who)}")
    return "; ".join(told)


def _asked(rows: pd.DataFrame, study: Study) -> str:
    model, task, budget = rows["model"].iloc[0], rows["task"].iloc[0], rows["budget"].max()
    sides = listed([*([study.sft()] if (rows["against"] == "sft").any() else []), "the base model"])
    at = f" after {budget:,} tokens" if budget > 0 else ""
    if not study.trains:
        return f"What was given is compared with {sides} ({model}){at}."
    seeds, n = int(rows["n_seeds"].max()), rows["label"].nunique()
    runs = f"{'one seed' if seeds < 2 else f'{seeds} seeds'}{' each' * (n > 1)}"
    what, they = ("1 objective", "it is") if n == 1 else (f"{n} objectives", "they are")
    said = f"{what} trained {model} on {task}, {runs}; here {they} compared with {sides}{at}."
    if one_seed(rows):
        said += " One seed speaks of its checkpoints, so there is no verdict on objectives."
    return said


def _told(rows: pd.DataFrame, study: Study, say: Callable[[pd.DataFrame], str]) -> str:
    """All rows of one measure, reference by reference, as their verdicts have it."""
    names = {"sft": study.sft(), "base": "the base model"}
    told: dict[str, list[str]] = {}  # what is said alike against both is said once
    for against, name in names.items():
        if len(some := rows[rows["against"] == against]):
            told.setdefault(say(some), []).append(name)
    text = "; ".join(f"against {listed(who)}, {what}" for what, who in told.items())
    return f"{text[:1].upper()}{text[1:]}."


def _would_take(rows: pd.DataFrame, study: Study, needed: pd.DataFrame) -> str:
    """Of one measure, where some comparison of it is inconclusive or rests on one seed."""
    names, told = {"sft": study.sft(), "base": "the base model"}, dict[str, list[str]]()
    open_ = rows[rows["verdict"].isin((CANNOT_TELL, ONE_SEED))]
    mine = needed[needed["measure"].isin(open_["measure"]) & needed["against"].isin(open_["against"])]
    for r in mine.to_dict("records"):
        told.setdefault(takes(r), []).append(names[r["against"]])
    if not told:
        return ""
    size = f"{100 * mine['interest'].iloc[0]:g}"
    each = "; ".join(f"{what} against {listed(who)}" for what, who in told.items())
    return f" What it would take to tell a difference of {size} points: {each}."


def takes(r: Mapping[Any, Any]) -> str:
    """``9 seeds or 800 prompts``, of a row of ``analysis.needed``."""
    counts = ((r["seeds_needed"], "seed"), (r["prompts_needed"], "prompt"))
    return " or ".join(f"{n:,.0f} {noun}s" for n, noun in counts if not missing(n)) or "out of reach"


LESS = "by less than matters"
_WAYS = {way: (f"is {way}", f"are {way}") for way in ("better", "worse", "higher", "lower")}
_WAYS |= {f"{way} {LESS}": (f"is {way} {LESS}", f"are {way} {LESS}") for way in ("higher", "lower")}
# What is said of one, and of several; in this order.
_PHRASES = _WAYS | {
    EQUIVALENT: ("is equivalent", "are equivalent"),
    CANNOT_TELL: ("is inconclusive", "are inconclusive"),
    ONE_SEED: ("rests on one seed", "rest on one seed"),
}


def _verdicts(rows: pd.DataFrame) -> str:
    """``ip is better, dpo is lower by less than matters, kl and cft are inconclusive``."""
    groups: dict[str, list[str]] = {}
    for r in rows.to_dict("records"):
        groups.setdefault(_phrase(r), []).append(r["label"])
    return ", ".join(_clause(p, groups[p], len(rows)) for p in sorted(groups, key=list(_PHRASES).index))


def _clause(phrase: str, who: list[str], of: int) -> str:
    one, several = _PHRASES[phrase]
    if len(who) < of or of == 1:
        return f"{listed(who)} {one if len(who) == 1 else several}"
    return f"{'both' if of == 2 else 'all'} {several}"


def _phrase(r: dict[str, Any]) -> str:
    if r["verdict"] not in (DIFFERS, SMALL):
        return str(r["verdict"])
    way = "higher" if r["value"] > 0 else "lower"
    return way if r["verdict"] == DIFFERS else f"{way} {LESS}"


def _checkpoints(rows: pd.DataFrame) -> str:
    """Of one seed: what is seen of these checkpoints, on other prompts like those asked."""
    said = []
    for way, some in (("higher", rows[rows["low_all"] > 0]), ("lower", rows[rows["high_all"] < 0])):
        if len(some):
            who = "all" if len(some) == len(rows) > 2 else listed(some["label"])
            said.append(f"{who} {'is' if len(some) == 1 else 'are'} {way} ({_by(some)})")
    left = len(rows) - len(rows[(rows["low_all"] > 0) | (rows["high_all"] < 0)])
    if not said:
        return "no interval leaves out 0" if left > 1 else "the interval holds 0"
    rest = f"the {'other interval holds' if left == 1 else f'{left} other intervals hold'} 0"
    return ", ".join([*said, *([rest] if left else [])])


def _by(rows: pd.DataFrame) -> str:
    """Of one its interval, of several the least and the most; these and their intervals stand in the tables."""
    if len(rows) == 1:
        r = rows.iloc[0]
        return f"{points(r['value'])} points [{points(r['low_all'])}, {points(r['high_all'])}]"
    ends = [points(v) for v in (min(rows["value"], key=abs), max(rows["value"], key=abs))]
    return f"{' to '.join(dict.fromkeys(ends))} points"


class Families(NamedTuple):
    """How many comparisons the answer makes (one family), and in how many families how many others stand."""

    answer: int
    families: int
    others: int


def families(findings: pd.DataFrame) -> Families:
    """Of all tests in a table of findings. Each family is corrected by itself, and nothing is over families."""
    tests = findings[findings["family"].astype(str) != ""]
    mine = tests["estimand"].isin(ANSWERED)
    return Families(int(mine.sum()), int(tests.loc[~mine, "family"].nunique()), int((~mine).sum()))


def _together(findings: pd.DataFrame, rows: pd.DataFrame, study: Study) -> Iterable[str]:
    n, judged = families(findings), not one_seed(rows)
    if n.answer > 1:
        said = (
            f"These {n.answer} comparisons are one family: their intervals{', and so all verdicts on them,' * judged} "
            f"hold together with {100 * (1 - study.alpha):g}% confidence."
        )
        if n.others == 1:
            said += " 1 further test stands by itself: it may be false by chance."
        elif n.others:
            noun = "a family" if n.families == 1 else f"{n.families} families"
            said += f" {n.others} further tests stand in {noun} of their own: of these some may be false by chance."
        yield said


def _silence(rows: pd.DataFrame, study: Study) -> str:
    """What the study cannot say."""
    seeds = int(rows["n_seeds"].max())
    if not study.trains:
        runs = "of another run of the same recipe, for each subject is one run that was not made here"
    elif seeds < 2:
        runs = "of another training run"
    elif seeds < FEW_SEEDS:
        runs = f"much of how far another run may differ, for {seeds} seeds know their own spread poorly"
    else:
        runs = "of other training settings"
    return f"The study cannot speak of other models or tasks, nor {runs}."
