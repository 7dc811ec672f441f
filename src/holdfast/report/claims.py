"""What the study declared and what it found, and what was published and whether that is found here."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.claims import NOT_ASKED
from holdfast.analysis.regimes import SHARED
from holdfast.report import gist, markup, speak, standing, tables
from holdfast.report.headline import plain
from holdfast.report.markup import Group
from holdfast.report.reading import Findings

_LEAD = (
    "A study says what it compares, and how large a difference would matter. What is smaller than that, with "
    "confidence, is equivalent; where neither is shown, the data cannot tell. {stands}"
)
_DECLARED = (
    "Asked: {asked}. ASR, accuracy and P(match) from 0 to 1, a slope per doubling of the "
    "budget, a coupling per point of capability. {level} intervals; p after Bonferroni’s correction in the family "
    "that the file names; interest: smallest difference of interest. Prompts are taken as {prompts}. {warnings}"
)
_SIGNS = (
    "Value and verdict of all that the study asks ({chosen}). {signs}. ASR, accuracy and P(match) from 0 to 1; slopes "
    "per doubling of the budget, couplings per point of capability."
)
_CLAIMS = (
    "Findings of {source}, on other models and data. Each is decided by verdicts on this study, by the rule that the "
    "file states; “not significant” there is taken as “equivalent” here. Corrected in families of their own, which are "
    "smaller than the answer’s: a comparison that is also the answer’s may show more here than there. {warnings}"
)


def group(findings: Findings) -> Group | None:
    """The section *What was asked, and what was found*; None where there is no table of findings."""
    every, study, mark = findings.answers, findings.study, findings.study.mark
    if every.empty:
        return None
    shared = every[every["regime"] == SHARED]
    published = findings.table("claims")
    published = published if study.trains else published.iloc[:0]
    mine, wanted = (standing.asked(rows, study) for rows in (shared, every))
    asked = shown(wanted)
    tables.save(findings, "findings", every, "What was found, declared and exploratory", shown(every))
    if len(published):
        tables.save(findings, "claims", published, "What was published, and whether it is found here")
    declared, chosen = study.declared, standing.chosen(findings.stands)
    caption = _DECLARED.format(
        asked=standing.in_words(wanted, study, findings.reference),
        level=speak.level(study.alpha),
        prompts="drawn from others like them" if declared.prompts == "sampled" else "all there are",
        warnings=_once(wanted["warning"]),
    )
    n = len(every) - len(wanted)
    blocks = []
    if len(asked):
        order = [x for x in (*findings.labels, "all") if x in set(asked["objective"])]
        full = markup.table(asked, mark, caption, labels=findings.labels)
        one, other = (
            markup.table(wide(shown(some), order), mark, _signs(some, chosen)) if len(some) else None
            for some in (mine, wanted[wanted["regime"] != SHARED])
        )
        blocks = [
            *([one] if one else []),
            *([markup.folded("Each objective at its own setting", other)] if other else []),
            markup.folded("Each with its interval, p and the smallest difference of interest", full),
        ]
    if n:
        more = "1 further finding was" if n == 1 else f"{n:,} further findings were"
        blocks.append(markup.said(f"{more} not asked for: exploratory, in tables/findings.csv."))
    made = published[published["verdict"] != NOT_ASKED]
    if len(made):
        told = made[["about", "verdict", "evidence"]].rename(columns={"about": "published"})
        words = told["evidence"].str.replace("miniature_", "").str.replace("_", " ")  # which can break, as names cannot
        told = told.assign(evidence=words)
        several = len(made[["model", "task"]].drop_duplicates()) > 1
        told = pd.concat([made[["model", "task"]], told], axis=1) if several else told
        blocks += [
            markup.title("What was published, and whether it is found here"),
            markup.table(told, mark, _CLAIMS.format(source=made["source"].iloc[0], warnings=_once(made["warning"]))),
        ]
    lead = _LEAD.format(stands=" ".join(standing.sentences(findings.stands)))
    line = gist.counted(mine, chosen) if len(mine) else ""
    return Group("asked", "What was asked, and what was found", lead, (), tuple(blocks), finding=line)


def _signs(found: pd.DataFrame, chosen: str) -> str:
    """With the signs that occur."""
    there = [f"{sign} {verdict}" for verdict, sign in markup.SIGNS.items() if (found["verdict"] == verdict).any()]
    return _SIGNS.format(chosen=chosen, signs="; ".join(there))


def _once(warnings: pd.Series) -> str:
    """Each sentence once, in order."""
    said = [s for w in warnings if w for s in w.removesuffix(".").split(". ")]
    return speak.own(" ".join(f"It{s[2:]}." if s.startswith("it ") else f"{s}." for s in dict.fromkeys(said)))


def wide(asked: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """A row per question, a column per objective: value and the sign of the verdict. ``asked``: of ``shown``."""
    key = [c for c in ("finding", "model", "task", "measure", "against", "budget", "regime") if c in asked]
    cells = asked.assign(said=asked["value"] + "\u00a0" + asked["verdict"].map(markup.SIGNS).fillna(""))  # on one line
    found = cells.groupby([*key, "objective"], sort=False)["said"].agg("; ".join).unstack("objective")
    first = dict.fromkeys(asked[key].itertuples(index=False, name=None))
    return (
        found.reindex(pd.MultiIndex.from_tuples(list(first), names=key)).reindex(columns=order).fillna("").reset_index()
    )


def shown(found: pd.DataFrame) -> pd.DataFrame:
    """Findings as a reader wants them: numbers with their intervals, words for what stands for something else."""
    several = [c for c in ("model", "task", "regime") if found[c].nunique() > 1]
    pairs = zip(found["low"], found["high"], strict=True)
    ends = ["–" if pd.isna(a) or pd.isna(b) else f"{speak.signed(a, 3)} to {speak.signed(b, 3)}" for a, b in pairs]
    columns = {
        "finding": found["finding"],
        **{c: found[c] for c in several},
        "objective": found["label"].where(found["label"] != "", "all"),
        "against": found["against"],
        "measure": [plain(m) for m in found["measure"]],
        "budget": ["ladder" if b < 0 else f"{b:,}" if b else "–" for b in found["budget"]],
        "value": ["–" if pd.isna(v) else speak.signed(v, 3) for v in found["value"]],
        "interval": ends,
        "p": [speak.p_value(p).removeprefix("p").removeprefix(" = ").strip() for p in found["p_adjusted"]],
        "interest": found["interest"],
        "verdict": found["verdict"],
    }
    return pd.DataFrame(columns).reset_index(drop=True)
