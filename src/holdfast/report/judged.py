"""What judges' verdicts are worth: agreement, confusion with people, corrected rates; on the page and in a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from holdfast.analysis.config_info import ConfigInfo
from holdfast.analysis.contrasts import DEFAULT
from holdfast.analysis.load import human_judges, judges
from holdfast.report import gist, markup, speak, tables
from holdfast.report.headline import plain
from holdfast.report.markup import Block, Group
from holdfast.report.reading import Findings
from holdfast.report.theme import BASE

_LEAD = (
    "A rate is only as good as who decides. Judges that stand side by side are compared on the same responses, and "
    "where people labelled some of them, the rates are put right by those labels."
)
_AGREEMENT = (
    "Verdicts (score at or above the threshold, or not) of the responses that both judges scored. Raw: share of equal "
    "verdicts; κ: Cohen’s; α: Krippendorff’s, nominal; {level} intervals by a bootstrap over prompts. A dash: not "
    "defined, as where one verdict was given throughout."
)
_CONFUSION = (
    "Labelled responses, as they were drawn (not weighted). Passed: score at or above the threshold. Sensitivity: of "
    "what people passed, the share that the judge passed; specificity: of the rest, the share that it did not."
)
_CORRECTED = (
    "What people would have found, prediction-powered: by labels of the subject’s own responses, whatever the judge’s "
    "errors. Beside it the judge’s own rate and, by its error rates on all labels, Rogan–Gladen’s, which holds only if "
    "the judge errs alike on every subject, and misses far more often than its interval says where it does not. "
    "Mean over attacks, all seeds, {level} intervals."
)
_UNSCORED = "Share of the responses that each judge was shown. People label a sample: the rest is not labelled."
_STEMS = {"_corrected": "prediction-powered", "_rogan_gladen": "Rogan–Gladen, if the judge errs alike on all"}


# -- on the page ----------------------------------------------------------------------------------------------------


def group(findings: Findings) -> Group:
    """The section *Judges*."""
    mark, level = findings.study.mark, speak.level(findings.study.alpha)
    found = [
        ("judge-agreement", "Agreement between judges", agreements(findings), _AGREEMENT.format(level=level)),
        ("judge-confusion", "Judges against people", confusions(findings), _CONFUSION),
        ("judge-unscored", "Responses that a judge gave no score", unscored(findings), _UNSCORED),
        ("judge-corrected", "Rates corrected by people’s labels", corrected(findings), _CORRECTED.format(level=level)),
    ]
    blocks: list[Block] = []
    for name, title, table, caption in found:
        if len(table):
            tables.save(findings, name, table, title)
            first, rest, more = _parted(table)
            blocks += [markup.title(title), markup.table(first, mark, caption, labels=findings.labels)]
            blocks += [markup.folded(more, markup.table(rest, mark, labels=findings.labels))] if len(rest) else []
    absent, line = "No measure here has two judges.", gist.agreed(found[0][2])
    return Group("judges", "Can the judges be trusted?", _LEAD, (), tuple(blocks), absent, line)


def _parted(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    """What is shown at once, what is folded away, and under which words."""
    if "responses" in table:
        return table[(whole := table["responses"] == "all")], table[~whole], "By coherence of the responses"
    if "objective" in table:
        lead = table["judge"] == table.groupby("measure")["judge"].transform("first")
        return table[lead], table[~lead], "By the other judges"
    return table, table[:0], ""


def agreements(findings: Findings) -> pd.DataFrame:
    """A row per measure, pair of judges and stratum of coherence."""
    pairs = findings.table("agreement")
    return pd.DataFrame([_shown(findings.configs[pair["cell"]], pair) for pair in pairs.to_dict("records")])


def confusions(findings: Findings) -> pd.DataFrame:
    """A row per measure, judge and people."""
    rows = []
    for found in findings.table("confusion").to_dict("records"):
        about = {"measure": plain(str(findings.configs[found.pop("cell")].measure))}
        about |= {who: plain(found.pop(who)) for who in ("judge", "people")}
        rows.append(about | {_WORDS.get(k, k): v for k, v in found.items()})
    return pd.DataFrame(rows)


_WORDS = {
    "both_pass": "both passed",
    "judge_only": "the judge only",
    "humans_only": "people only",
    "neither": "neither",
}


def unscored(findings: Findings) -> pd.DataFrame:
    """A row per measure and judge that left responses unscored, where there are several judges."""
    rows, every = [], findings.table("verdicts")
    for id, config in findings.configs.items():
        for judge in (
            [*judges(config), *human_judges(config)] if len({*judges(config), *human_judges(config)}) > 1 else ()
        ):
            mine = every[(every["cell"] == id) & (every["judge"] == judge)]
            gone = mine[mine["reason"].notna()]
            if len(gone):
                why = ", ".join(f"{r.reason} {r.responses:,}" for r in gone.itertuples())
                n, of = int(gone["responses"].sum()), int(mine["responses"].sum())
                about = {"measure": plain(config.measure), "judge": plain(judge)}
                rows.append(about | {"unscored": speak.percent(n / of), "why": why, "of": of})
    return pd.DataFrame(rows)


def corrected(findings: Findings) -> pd.DataFrame:
    """A row per subject at the last budget (and the base), measure and judge: raw rate and the corrected ones."""
    table = findings.estimates
    levels = table[(table["estimate"] == "level") & (table["bracket"] == "") & (table["condition"] == "macro")]
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
        said = {words: speak.estimate(own[end].iloc[0]) if len(own[end]) else "–" for end, words in _STEMS.items()}
        lead, other = said
        labels = own["_corrected"]["effective_n"]
        shown |= {lead: said[lead], "own labels": int(labels.iloc[0]) if len(labels) else 0}
        rows.append(shown | {"by the judge": speak.estimate(raw.iloc[0]) if len(raw) else "–", other: said[other]})
    first = {plain(j): k for config in findings.configs.values() for k, j in enumerate(judges(config))}
    return pd.DataFrame(rows).sort_values("judge", key=lambda c: c.map(first), kind="stable", ignore_index=True)


def _shown(config: ConfigInfo, pair: Mapping[str, Any]) -> dict[str, Any]:
    who = plain(pair["judge_a"]) + (f" and {plain(pair['judge_b'])}" if pair["judge_b"] else "")
    about = {"measure": plain(config.measure), "judges": who, "responses": pair["stratum"], "n": pair["n"]}
    return about | {sign: _number(pair, name) for name, sign in (("raw", "raw"), ("kappa", "κ"), ("alpha", "α"))}


def _number(pair: Mapping[str, Any], name: str, digits: int = 2) -> str:
    value, low, high = (pair[f"{name}{end}"] for end in ("", "_low", "_high"))
    if speak.missing(value):
        return "–"
    value, low, high = (
        "" if speak.missing(v) else speak.fixed(v, digits, whole="1", more=2) for v in (value, low, high)
    )
    return f"{value} [{low}, {high}]" if low else value


# -- in a terminal --------------------------------------------------------------------------------------------------


def lines(summary: Mapping[str, Any]) -> Iterator[str]:
    """What ``holdfast judge`` prints of a file of responses."""
    yield f"{summary['responses']:,} responses to {summary['prompts']:,} prompts"
    wide = max(len(label) for label in summary["judges"])
    for label, judge in summary["judges"].items():
        said = ", ".join(f"{k} {v:,}" for k, v in judge["labels"].items())
        why = ", ".join(f"{k} {v:,}" for k, v in judge["reasons"].items())
        yield (
            f"  {label:<{wide}}  unscored {speak.percent(judge['share_unscored'])}"
            + (f" ({why})" if why else "")
            + (f"; {said}" if said else "")
        )
    if summary["agreement"]:
        yield "agreement, with 95% intervals clustered by prompt"
    for pair in summary["agreement"]:
        who = pair["judge_a"] + (f" and {pair['judge_b']}" if pair["judge_b"] else "")
        numbers = ", ".join(f"{n} {_number(pair, n, 3)}" for n in ("raw", "kappa", "alpha"))
        yield f"  {who}, {pair['stratum']} (n {pair['n']:,}): {numbers}"
    if summary.get("confusion"):
        yield f"against people (passed: score at or above {summary['threshold']:g})"
    for c in summary.get("confusion", ()):
        counts = ", ".join(f"{_WORDS[k]} {c[k]:,}" for k in _WORDS)
        rates = ", ".join(f"{k} {speak.percent(c[k])}" for k in ("sensitivity", "specificity"))
        yield f"  {c['judge']}, {c['stratum']}: {counts}; {rates}"
    for one in summary.get("pass_rate", ()):
        if one.get("raw") is not None:
            found = one["prediction_powered"]
            yield (
                f"  pass rate by {one['judge']} {speak.percent(one['raw'])}, corrected by "
                f"{found['n_labels']:,} labels {speak.estimate(found)}"
            )


def scored(summary: Mapping[str, Any]) -> Iterator[str]:
    """What ``holdfast score`` prints."""
    yield f"{summary['metric']} by {summary['measure']} {speak.estimate(summary)}"
    why = ", ".join(f"{k} {v:,}" for k, v in summary["reasons"].items())
    share = speak.percent(summary["share_unscored"])
    yield f"{summary['responses']:,} responses, unscored {share}" + (f" ({why})" if why else "")
    for name, value in summary["secondary"].items():
        yield f"  {name} {tables.number(value)}"
