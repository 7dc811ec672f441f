"""Attacks of several rounds: success round by round, and the conversations behind the answers that are shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from holdfast import registry
from holdfast.analysis.config_info import ConfigInfo
from holdfast.evals.attackers import Attackers, Unwritten
from holdfast.evals.episodes import answer_in_conversation
from holdfast.evals.measures.measure import Measure, before_last, round_of
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings, Setting
from holdfast.report.series import Series
from holdfast.report.table import Table
from holdfast.store import tables
from holdfast.store.folder import EvalFolder
from holdfast.types import Item, UserError

MOST = 64  # rounds of an attack that are looked for
Key = tuple[str, str, str]  # item, attack, subject


def by_round(s: Setting) -> list[Table]:
    """A table for each measure of robustness that has such attacks: the last budget, a row an attack and round."""
    found = [(x, _levels(s, x)) for x in s.series if x.axis == "robustness"]
    note = phrase("attacks.rounds", at=words.at(float(s.last)))
    return [
        Table(_shown(levels), note, f"rounds-{x.measure}", f"{x.title}, round by round", full=levels)
        for x, levels in found
        if len(levels)
    ]


def _levels(s: Setting, x: Series) -> pd.DataFrame:
    """Columns: attack, round, objective, value, low, high, n_prompts."""
    mine = s.estimates[(s.estimates["measure"] == x.measure) & (s.estimates["bracket"] == "")]
    earlier = mine[mine["format"].isin(earlier_formats())]
    only = x.about.summary.macro_over or ()
    alone = (
        {"macro": only[0]} if len(only) == 1 and set(earlier["condition"]) == {"macro"} else {}
    )  # no other was asked
    earlier = earlier[earlier["condition"].isin(alone) | (earlier["condition"] != "macro")]
    last = {attack: max(map(round_of, some)) for attack, some in earlier.groupby("condition")["format"]}
    rows = []
    for attack, rounds in last.items():
        for n in range(1, rounds + 2):
            levels = replace(x, format=before_last(n) if n <= rounds else x.format).of(mine, condition=str(attack))
            at_end = levels[(levels["budget"] == s.last) | (levels["label"] == BASE)]
            some = at_end[["label", "value", "low", "high", "n_prompts"]].rename(columns={"label": "objective"})
            rows.append(some.assign(attack=words.attack(alone.get(str(attack), str(attack))), round=n))
    found = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=["objective"])
    found = found[found["objective"].isin((BASE, *s.findings.labels))]
    return found[["attack", "round", *(c for c in found if c not in ("attack", "round"))]] if rows else found


def _shown(levels: pd.DataFrame) -> pd.DataFrame:
    """With a column for each objective."""
    columns = list(dict.fromkeys(levels["objective"]))
    wide = levels.pivot(index=["attack", "round"], columns="objective", values="value")[columns]
    return wide.map(words.percent).reset_index().rename_axis(columns=None)


def transcripts(
    findings: Findings, about: ConfigInfo, at: EvalFolder, records: pd.DataFrame, items: pd.DataFrame
) -> dict[Key, list[tuple[str, str, str]]]:
    """What was said before the last answer: of each round what was asked, the response and its record's id, and at last
    what was asked then, with no response. An attack that can no longer be put together leaves "" for what it asked.

    ``records``: of the rounds before the last, of one sample.
    """
    measure, every = _measure(findings, about), {i.id: i for i in tables.read_rows(at.items, "items", Item)}
    by = Attackers(findings.folder.judge_cache)
    found: dict[Key, list[tuple[str, str, str]]] = defaultdict(list)
    order = records.assign(round=records["format"].map(round_of)).sort_values("round", kind="stable")
    for r in order.to_dict("records"):
        said = found[r["item"], r["attack"], r["subject"]]
        said.append((_asked(measure, every[r["item"]], r["attack"], said, by), r["response"], r["id"]))
    for (item, attack, _), said in found.items():
        said.append((_asked(measure, every[item], attack, said, by), "", ""))
    return found


def earlier_formats() -> list[str]:
    """The formats of all rounds before a last one."""
    return [before_last(n) for n in range(1, MOST)]


def _asked(measure: Measure | None, item: Item, attack: str, said: list[tuple[str, str, str]], by: Attackers) -> str:
    try:
        answers = [answer_in_conversation(response) for _, response, _ in said]
        turns = measure.conversation(item, attack, answers, by.next) if measure else None
    except (UserError, Unwritten):  # its file of texts is no longer there, or what its attacker wrote
        return ""
    return next((t.content for t in reversed(turns or ()) if t.role == "user"), "")


def _measure(findings: Findings, about: ConfigInfo) -> Measure | None:
    spec: Mapping[str, Any] = {m.label: m for m in findings.study.measures}
    if about.measure not in spec:
        return None
    try:
        return registry.build("measures", spec[about.measure].measure, spec[about.measure].params)
    except UserError:
        return None
