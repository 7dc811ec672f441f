"""What one study published, asked of another: each finding as an estimand with a rule, and what became of it.

Findings of Vennemeyer, Pandey, Duong, Umeokoli and Ratnam, *Objective Matters* (arXiv 2601.12639, 2026), on other
models and data than the study at hand. Budgets are theirs, in tokens: a study without them is not asked. A claim is
decided by the verdicts and simultaneous intervals of ``findings`` alone, and refuted at its own threshold: that
something is lower, by what is shown not to be; that it is equivalent, by what is shown to lie beyond the margin. *Not
significant* in the source is *equivalent* here: what was not detected has not been shown to be absent.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas as pd

from holdfast.analysis.comparisons import NOT_ASKED
from holdfast.analysis.config_info import Configs
from holdfast.analysis.contrasts import sft_of
from holdfast.analysis.described import better, config
from holdfast.analysis.rounding import signed
from holdfast.config.study import Study
from holdfast.stats.equivalence import BETTER, CANNOT_TELL, DIFFERS, EQUIVALENT, ONE_SEED, SMALL, WORSE

SOURCE = "Vennemeyer et al., Objective Matters, arXiv 2601.12639"
REPRODUCED, CONTRADICTED = "reproduced", "contradicted"
COLUMNS = ["model", "task", "claim", "about", "verdict", "rule", "evidence", "warning", "source"]


@dataclass(frozen=True)
class Condition:
    """A statement about rows of the findings. ``says``: ``better``, ``worse`` (than 0), ``differs`` (from 0),
    ``equivalent``, ``no worse`` (not by the margin) or ``shown``. ``objective``: registered name, "" for all together,
    "*" for each; ``budgets``: from and to, in tokens. ``any``: one row that agrees is enough, and it takes all of them
    to go against it."""

    finding: str
    axis: str
    says: str
    objective: str = ""
    against: str = ""
    budgets: tuple[int, int] | None = None
    any: bool = False

    @property
    def rule(self) -> str:
        who = {"": "all objectives together", "*": "each objective"}.get(self.objective, self.objective.upper())
        versus = f" against {self.against.upper() if self.against == 'sft' else 'the base'}" if self.against else ""
        where = f", {self.budgets[0] // 1000}k–{self.budgets[1] // 1000}k tokens" if self.budgets else ""
        how = "somewhere" if self.any else "throughout"
        return f"{self.finding} of {self.axis}, {who}{versus}{where}: {how} {self.says}"


@dataclass(frozen=True)
class Claim:
    """Reproduced where every part agrees, contradicted where any part is gone against; not asked where a part has no
    rows."""

    name: str
    about: str
    parts: tuple[Condition, ...]

    @property
    def rule(self) -> str:
        return "; ".join(p.rule for p in self.parts)


def _couples(objective: str, name: str, axis: str, what: str) -> Claim:
    part = Condition("coupling", axis, "worse", objective, "base")
    return Claim(f"{objective}-couples-{name}", f"{objective.upper()} couples capability to {what}", (part,))


def _no_drift(objective: str) -> Claim:
    part = Condition("level", "persona", "equivalent", objective, "base")
    about = f"{objective.upper()} shows no significant persona drift at any budget"
    return Claim(f"{objective}-no-drift", about, (part,))


CLAIMS = (
    Claim(
        "similar-then-apart",
        "Safety is similar over objectives at 25k–50k tokens and apart at 200k–800k",
        (
            Condition("apart", "robustness", "equivalent", budgets=(25_000, 50_000)),
            Condition("apart", "robustness", "differs", budgets=(200_000, 800_000), any=True),
        ),
    ),
    _couples("sft", "asr", "robustness", "rising ASR"),
    _couples("sft", "drift", "persona", "Dark Triad drift"),
    _couples("dpo", "asr", "robustness", "rising ASR"),
    _couples("dpo", "drift", "persona", "Dark Triad drift"),
    _no_drift("orpo"),
    _no_drift("kl"),
    Claim(
        "ip-capability",
        "Inoculation (IP) matches the capability of SFT",
        (Condition("last", "capability", "no worse", "ip", "sft"),),
    ),
    Claim(
        "ip-asr",
        "Inoculation (IP) has a lower ASR than SFT",
        (Condition("last", "robustness", "better", "ip", "sft"),),
    ),
    Claim(
        "ip-dissociates",
        "Inoculation (IP) lowers ASR against SFT but not the persona drift",
        (Condition("dissociation", "robustness", "shown", "ip", "sft"),),
    ),
    Claim(
        "orpo-weak-early",
        "ORPO's capability is behind SFT's at 25k–100k tokens",
        (Condition("level", "capability", "worse", "orpo", "sft", (25_000, 100_000), any=True),),
    ),
    Claim(
        "orpo-recovers",
        "ORPO's capability recovers with the budget: its slope is above SFT's",
        (Condition("slope", "capability", "better", "orpo", "sft"),),
    ),
    Claim(
        "normative-stable",
        "Normative benchmarks are stable under every objective",
        (Condition("level", "normative", "equivalent", "*", "base"),),
    ),
    Claim(
        "drift-is-specific",
        "The persona drift of SFT and DPO is specific: normative benchmarks do not move with it",
        tuple(Condition("specificity", "persona", "shown", o, "base") for o in ("sft", "dpo")),
    ),
)


def claims(findings: pd.DataFrame, subjects: pd.DataFrame, study: Study, configs: Configs) -> pd.DataFrame:
    """A row a claim, for each model and task: ``COLUMNS``.

    ``subjects``: the table of them, which says which labels go by which objective; of several, the first of the study
    counts. ``configs`` say which way of a metric is good.
    A label whose objective is not known (a subject that was given) makes no claim about it.
    """
    what = ["measure", "axis", "metric"]
    ways = findings[what].drop_duplicates()  # a coupling's is that of its first measure
    ways["way"] = [
        better(config(configs, m.partition(" × ")[0], a), k.partition(" per ")[0]) for m, a, k in ways.to_numpy()
    ]
    findings = findings.merge(ways, on=what, how="left")
    places = findings[findings["model"] != ""][["model", "task"]].drop_duplicates()
    labels = {o: label for o in _objectives() if (label := _label(o, subjects, study))}
    found = []
    for place in places.itertuples(index=False):
        mine = findings[(findings["model"] == place.model) & (findings["task"] == place.task)]
        for claim in CLAIMS:
            rows = [_rows(part, mine, labels) for part in claim.parts]
            judged = [_judged(p, r) for p, r in zip(claim.parts, rows, strict=True)]
            said = {
                "claim": claim.name, "about": claim.about, "verdict": _verdict(judged), "rule": claim.rule,
                "evidence": "; ".join(e for r in rows for e in _evidence(r)), "source": SOURCE,
                "warning": " ".join(dict.fromkeys(w for r in rows for w in r["warning"] if w)),
            }  # fmt: skip
            found.append({"model": place.model, "task": place.task, **said})
    return pd.DataFrame(found, columns=COLUMNS)


def _objectives() -> set[str]:
    return {p.objective for c in CLAIMS for p in c.parts} - {"", "*"}


def _label(objective: str, subjects: pd.DataFrame, study: Study) -> str:
    if objective == "sft":
        return sft_of(subjects, study)
    there = set(subjects[(subjects["objective"] == objective) & (subjects["bracket"] == "")]["label"])
    return next((label for label in study.labels if label in there), "")


def _rows(part: Condition, mine: pd.DataFrame, labels: dict[str, str]) -> pd.DataFrame:
    named = (part.finding, "last") if part.finding == "level" else (part.finding,)  # the level at the last budget
    keep = mine["estimand"].isin(named) & (mine["axis"] == part.axis) & (mine["against"] == part.against)
    if part.objective != "*":
        keep &= mine["label"] == (labels.get(part.objective, "\0") if part.objective else "")
    if part.budgets:
        keep &= mine["budget"].between(*part.budgets)
    return mine[keep & mine["value"].notna()]


def _judged(part: Condition, rows: pd.DataFrame) -> str:
    if rows.empty:
        return NOT_ASKED
    agrees, opposed = (
        pd.Series([_stands(part.says, r, want) for r in rows.to_dict("records")]) for want in (True, False)
    )
    enough, too_much = (agrees.any(), opposed.all()) if part.any else (agrees.all(), opposed.any())
    return REPRODUCED if enough else CONTRADICTED if too_much else CANNOT_TELL


def _stands(says: str, r: dict[str, Any], want: bool) -> bool:
    """Whether a row shows the statement (``want``) or its contrary, each at the statement's own threshold."""
    verdict, low, high, far = r["verdict"], r["low_all"], r["high_all"], r["interest"]
    if verdict == ONE_SEED:
        return False
    if says == "shown":
        return bool(verdict == ("shown" if want else "refuted"))
    way = r["way"]
    moved = verdict in (BETTER, WORSE, SMALL, DIFFERS)
    good = (r["value"] > 0) == (way == "higher")
    gain_high = high if way == "higher" else -low
    if says in (BETTER, WORSE):
        return bool(moved and way and good == ((says == BETTER) == want))
    if says == DIFFERS:  # that it is exactly 0 cannot be shown
        return bool(want and moved)
    if want:
        return verdict in (EQUIVALENT, SMALL) or bool(says == "no worse" and moved and good)
    return bool(gain_high < -far) if says == "no worse" else bool(low > far or high < -far)


def _verdict(parts: list[str]) -> str:
    if NOT_ASKED in parts:
        return NOT_ASKED
    return next((v for v in (CONTRADICTED, CANNOT_TELL) if v in parts), REPRODUCED)


def _evidence(rows: pd.DataFrame) -> Iterator[str]:
    """The verdicts, counted, and the number itself where there is but one."""
    if len(rows) == 1:
        r = rows.iloc[0]
        ends = f" [{signed(r['low'], 3)}, {signed(r['high'], 3)}]" if pd.notna(r["low"]) and pd.notna(r["high"]) else ""
        yield f"{r['measure']}: {signed(r['value'], 3)}{ends}, {r['verdict']}"
        return
    for measure, some in rows.groupby("measure", sort=False):
        counts = some["verdict"].value_counts()
        yield f"{measure}: " + ", ".join(f"{n} of {len(some)} {verdict}" for verdict, n in counts.items())
