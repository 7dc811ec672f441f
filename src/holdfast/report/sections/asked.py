"""*What was asked, and what was found*: what the study declared and what it found, and what was published and whether
that is found here."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.comparisons import NOT_ASKED
from holdfast.analysis.regimes import SHARED
from holdfast.report import words
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections import declaration_text
from holdfast.report.sections.section import Block, Folded, Heading, Paragraph, Section
from holdfast.report.sections.verdicts import SIGNS, counted
from holdfast.report.series import plain
from holdfast.report.table import Table


def section(findings: Findings) -> Section | None:
    """None where there is no table of findings."""
    every, study = findings.answers, findings.study
    if every.empty:
        return None
    published = findings.table("claims")
    published = published if study.trains else published.iloc[:0]
    wanted = declaration_text.asked(every, study)
    mine = declaration_text.asked(every[every["regime"] == SHARED], study)
    chosen = declaration_text.chosen(findings.stands)
    title = "What was found, declared and exploratory"
    files = [Table(shown(every, findings.reference), name="findings", title=title, full=every)]
    if len(published):
        files.append(Table(published, name="claims", title="What was published, and whether it is found here"))
    blocks: list[Block] = _asked(findings, wanted, mine, chosen) if len(wanted) else []
    if n := len(every) - len(wanted):
        more = "1 further finding was" if n == 1 else f"{n:,} further findings were"
        blocks.append(Paragraph(phrase("asked.more", more=more)))
    made = published[published["verdict"] != NOT_ASKED]
    blocks += _claims(made) if len(made) else []
    stands = Paragraph(" ".join(declaration_text.sentences(findings.stands)))
    line = counted(mine, chosen) if len(mine) else ""
    return Section("asked", (), [stands, *blocks], line, files)


def _asked(findings: Findings, wanted: pd.DataFrame, mine: pd.DataFrame, chosen: str) -> list[Block]:
    study, table = findings.study, shown(wanted, findings.reference)
    order = [x for x in (*findings.labels, "all") if x in set(table["objective"])]
    others = wanted[wanted["regime"] != SHARED]
    one, other = (_wide(some, findings.reference, order, chosen) for some in (mine, others))
    note = phrase(
        "asked.declared",
        asked=declaration_text.in_words(wanted, study, findings.reference),
        there=set(wanted["estimand"]),
        level=words.level(study.alpha),
        sampled=study.declared.prompts == "sampled",
        warnings=_once(wanted["warning"]),
    )
    return [
        *([one] if one else []),
        *([Folded("Each objective at its own setting", other)] if other else []),
        Folded(phrase("asked.folded"), Table(table, note)),
    ]


def _wide(found: pd.DataFrame, reference: str, order: list[str], chosen: str) -> Table | None:
    """With the signs that occur."""
    if found.empty:
        return None
    there = {sign: verdict for verdict, sign in SIGNS.items() if (found["verdict"] == verdict).any()}
    note = phrase("asked.signs", chosen=chosen, signs=there, there=set(found["estimand"]))
    return Table(wide(shown(found, reference), order), note)


def _claims(made: pd.DataFrame) -> list[Block]:
    told = made[["about", "verdict", "evidence"]].rename(columns={"about": "published"})
    broken = told["evidence"].str.replace("miniature_", "").str.replace("_", " ")  # which can break, as names cannot
    told = told.assign(evidence=broken)
    several = len(made[["model", "task"]].drop_duplicates()) > 1
    told = pd.concat([made[["model", "task"]], told], axis=1) if several else told
    note = phrase("asked.claims", source=made["source"].iloc[0], warnings=_once(made["warning"]))
    return [Heading("What was published, and whether it is found here"), Table(told, note)]


def _once(warnings: pd.Series) -> str:
    """Each sentence once, in order."""
    said = [s for w in warnings if w for s in w.removesuffix(".").split(". ")]
    return words.own(" ".join(f"It{s[2:]}." if s.startswith("it ") else f"{s}." for s in dict.fromkeys(said)))


def wide(asked: pd.DataFrame, order: list[str]) -> pd.DataFrame:
    """A row per question, a column per objective: value and the sign of the verdict. ``asked``: of ``shown``."""
    key = [c for c in ("finding", "model", "task", "measure", "against", "budget", "regime") if c in asked]
    cells = asked.assign(said=asked["value"] + "\u00a0" + asked["verdict"].map(SIGNS).fillna(""))  # on one line
    found = cells.groupby([*key, "objective"], sort=False)["said"].agg("; ".join).unstack("objective")
    first = dict.fromkeys(asked[key].itertuples(index=False, name=None))
    return (
        found.reindex(pd.MultiIndex.from_tuples(list(first), names=key)).reindex(columns=order).fillna("").reset_index()
    )


def shown(found: pd.DataFrame, reference: str) -> pd.DataFrame:
    """Findings as a reader wants them: numbers with their intervals, words for what stands for something else."""
    several = [c for c in ("model", "task", "regime") if found[c].nunique() > 1]
    pairs = zip(found["low"], found["high"], strict=True)
    ends = ["–" if pd.isna(a) or pd.isna(b) else f"{words.signed(a, 3)} to {words.signed(b, 3)}" for a, b in pairs]
    columns = {
        "finding": found["estimand"].str.replace("_", " "),
        **{c: found[c] for c in several},
        "objective": found["label"].where(found["label"] != "", "all"),
        "against": found["against"].replace("sft", reference),
        "measure": [plain(m) for m in found["measure"]],
        "budget": ["all" if b < 0 else f"{b:,}" if b else "–" for b in found["budget"]],
        "value": ["–" if pd.isna(v) else words.signed(v, 3) for v in found["value"]],
        "interval": ends,
        "p": found["p_adjusted"].map(words.bare_p),
        "interest": found["interest"],
        "verdict": found["verdict"],
    }
    return pd.DataFrame(columns).reset_index(drop=True)
