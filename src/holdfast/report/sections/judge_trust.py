"""*Can the judges be trusted?*: agreement, confusion with people, corrected rates."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.load import human_judges, judges
from holdfast.analysis.table_files import of_model
from holdfast.report import words
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.section import Block, Folded, Heading, Section
from holdfast.report.series import plain
from holdfast.report.table import Table

_STEMS = {"_corrected": "prediction-powered", "_rogan_gladen": "Rogan–Gladen, if the judge errs alike on all"}
CONFUSED = {
    "both_pass": "both passed",
    "judge_only": "the judge only",
    "humans_only": "people only",
    "neither": "neither",
}


def section(findings: Findings) -> Section:
    level = words.level(findings.study.alpha)
    tables = [
        Table(rows, phrase(f"judges.{name}", level=level), f"judge-{name}", title)
        for name, title, rows in (
            ("agreement", "Agreement between judges", agreements(findings)),
            ("confusion", "Judges against people", confusions(findings)),
            ("unscored", "Responses that a judge gave no score", unscored(findings)),
            ("corrected", "Rates corrected by people’s labels", corrected(findings)),
        )
    ]
    there, blocks = [t for t in tables if len(t.rows)], list[Block]()
    for table in there:
        first, rest, more = _parted(table.rows)
        blocks += [Heading(table.title), Table(first, table.note)]
        blocks += [Folded(more, Table(rest))] if len(rest) else []
    return Section("judges", (), blocks, agreed(tables[0].rows), there)


def kappas(pairs: pd.DataFrame) -> pd.Series:
    """Cohen's κ as numbers, of the table of agreements; NaN where it is not defined."""
    return pairs["κ"].str.extract(r"^([-−]?[\d.]+)")[0].str.replace("−", "-").astype(float)


def agreed(pairs: pd.DataFrame) -> str:
    """The pair that agrees least, of all responses."""
    whole = pairs[pairs["responses"] == "all"] if len(pairs) else pairs
    if not len(whole):
        return ""
    kappa = kappas(whole)
    r = whole.loc[kappa.idxmin()] if kappa.notna().any() else whole.iloc[0]
    where = f" on {r['measure']}" if whole["measure"].nunique() > 1 else ""
    undefined = int(kappa.isna().sum())
    return phrase("judges.line", who=r["judges"], where=where, kappa=r["κ"], of=len(whole), undefined=undefined)


def _parted(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """What is shown at once, what is folded away, and under which words."""
    if "responses" in table:
        by_model = "By model, and by " if table["responses"].str.startswith(of_model("")).any() else "By "
        return table[(whole := table["responses"] == "all")], table[~whole], f"{by_model}coherence of the responses"
    if "objective" in table:
        lead = table["judge"] == table.groupby("measure")["judge"].transform("first")
        return table[lead], table[~lead], "By the other judges"
    return table, table[:0], ""


def agreements(findings: Findings) -> pd.DataFrame:
    """A row per measure, pair of judges and stratum of responses."""
    pairs = findings.table("agreement")
    return pd.DataFrame([_pair(findings.configs[pair["cell"]], pair) for pair in pairs.to_dict("records")])


def _pair(config: ConfigInfo, pair: Mapping[str, Any]) -> dict[str, Any]:
    who = plain(pair["judge_a"]) + (f" and {plain(pair['judge_b'])}" if pair["judge_b"] else "")
    about = {"measure": plain(str(config.measure)), "judges": who, "responses": pair["stratum"], "n": pair["n"]}
    return about | {sign: agreement(pair, name) for name, sign in (("raw", "raw"), ("kappa", "κ"), ("alpha", "α"))}


def agreement(pair: Mapping[str, Any], name: str, digits: int = 2) -> str:
    ends = [pair[f"{name}{end}"] for end in ("", "_low", "_high")]
    if words.missing(ends[0]):
        return "–"
    value, *rest = (words.fixed(v, digits, whole="1", more=2) for v in ends if not words.missing(v))
    return f"{value} [{', '.join(rest)}]" if rest else value


def confusions(findings: Findings) -> pd.DataFrame:
    """A row per measure, judge and people."""
    rows = []
    for found in findings.table("confusion").to_dict("records"):
        about = {"measure": plain(str(findings.configs[found.pop("cell")].measure))}
        about |= {who: plain(found.pop(who)) for who in ("judge", "people")}
        rows.append(about | {CONFUSED.get(k, k): v for k, v in found.items()})
    return pd.DataFrame(rows)


def unscored(findings: Findings) -> pd.DataFrame:
    """A row per measure and judge that left responses unscored, where there are several judges."""
    rows, every = [], findings.table("verdicts")
    for id, config in findings.configs.items():
        seated = list(dict.fromkeys([*judges(config), *human_judges(config)]))
        for judge in seated if len(seated) > 1 else ():
            mine = every[(every["cell"] == id) & (every["judge"] == judge)]
            gone = mine[mine["reason"].notna()]
            if len(gone):
                why = ", ".join(f"{r.reason} {r.responses:,}" for r in gone.itertuples())
                n, of = int(gone["responses"].sum()), int(mine["responses"].sum())
                about = {"measure": plain(str(config.measure)), "judge": plain(judge)}
                rows.append(about | {"unscored": words.percent(n / of), "why": why, "of": of})
    return pd.DataFrame(rows)


def corrected(findings: Findings) -> pd.DataFrame:
    """A row per subject at the last budget (and the base), measure and judge: raw rate and the corrected ones."""
    table = findings.estimates
    levels = table[(table["against"] == "") & (table["bracket"] == "") & (table["condition"] == "macro")]
    levels = levels[levels["format"] == DEFAULT]
    levels = levels[(levels["seed"] == -1) | (levels["label"] == BASE)]
    right = levels[levels["metric"].str.endswith(tuple(_STEMS))]
    if right.empty:
        return pd.DataFrame()
    last = right.groupby("label")["budget"].transform("max")
    key = ["model", "task", "label", "budget", "measure", "judge", "format"]
    stem = right["metric"].str.replace("|".join(f"{s}$" for s in _STEMS), "", regex=True)
    rows = []
    for who, part in right[right["budget"] == last].groupby(key, sort=False):
        about = dict(zip(key, who, strict=True))
        same = (levels[key] == pd.Series(about)).all(axis=1)
        raw = levels[same & levels["metric"].isin(set(stem.loc[part.index]))]
        shown = {"objective": about["label"], "measure": plain(about["measure"]), "judge": plain(about["judge"])}
        own = {end: part[part["metric"].str.endswith(end)] for end in _STEMS}
        said = {name: words.estimate(own[end].iloc[0]) if len(own[end]) else "–" for end, name in _STEMS.items()}
        lead, other = said
        labels = own["_corrected"]["effective_n"]
        shown |= {lead: said[lead], "own labels": int(labels.iloc[0]) if len(labels) else 0}
        rows.append(shown | {"by the judge": words.estimate(raw.iloc[0]) if len(raw) else "–", other: said[other]})
    first = {plain(j): k for config in findings.configs.values() for k, j in enumerate(judges(config))}
    return pd.DataFrame(rows).sort_values("judge", key=lambda c: c.map(first), kind="stable", ignore_index=True)
