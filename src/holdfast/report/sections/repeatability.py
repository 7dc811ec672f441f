"""*Would it come out the same?*: how far the scores move with trivial choices of procedure: shares of variance, ranges,
and verdicts that flip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from holdfast.analysis.comparisons import Consistency
from holdfast.config.study_runs import variations
from holdfast.config.variant import Variant
from holdfast.report import words
from holdfast.report.charts.bars import stacked
from holdfast.report.charts.plot import Figure, expr, tips
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import phrase
from holdfast.report.reading import Findings
from holdfast.report.sections.fairness import flat
from holdfast.report.sections.section import Alarm, Block, Folded, Paragraph, Section, some
from holdfast.report.series import plain
from holdfast.report.table import Table

PROMPT, REST = "prompt", "rest"  # effects that are of no choice
PROMPTS, TOGETHER = "prompts and noise", "choices together"
_TITLES = {
    "measuring": "What moves a score: choices of measuring",
    "training": "What moves a score: choices of training",
    "benchmarks": "What moves a score: the benchmark",
}


def section(findings: Findings) -> Section | None:
    """None where the study varies nothing."""
    found = findings.repeated
    if findings.study.consistency is None or found.ranges.empty:
        return None
    shown, shares = repeats(found, [BASE, *findings.labels]), components(found)
    level = words.level(findings.study.alpha)
    note, blocks = phrase("consistency.repeats", level=level), list[Block]()
    if len(whole := shown[shown["over"] == "all"]):
        blocks.append(Table(whole.drop(columns="over"), note))
    blocks.append(Folded("By choice", Table(shown[shown["over"] != "all"], note)))
    files = [Table(shown, name="consistency-repeats", title="Scores and verdicts over repeats")] * bool(len(shown))
    if len(shares):
        blocks.append(Folded("Components of variance", Table(shares, phrase("consistency.components", level=level))))
        files.append(Table(shares, name="consistency-components", title="Components of variance"))
    charts, second = some([chart(found, design) for design in _TITLES]), "second round" in set(found.ranges["factor"])
    blocks += proof(findings, variations(findings.study))
    return Section("consistency", charts, blocks, moving(found), files, said={"second": second})


def moving(found: Consistency) -> str:
    """The widest range of a score over choices that ought not to matter, all together."""
    r = found.ranges[found.ranges["factor"] == "all"]
    apart = (r["high"] - r["low"]).astype(float)
    return phrase("consistency.line", wide=r.loc[apart.idxmax()], apart=100 * apart.max()) if len(r) else ""


# -- tables ------------------------------------------------------------------------------------------------------------


def repeats(found: Consistency, labels: Sequence[str] = ()) -> pd.DataFrame:
    """A row per measure, objective and factor: ranges of the score beside flips of verdicts; in the labels' order."""
    if found.ranges.empty:
        return pd.DataFrame()
    several = [c for c in ("model", "task") if found.ranges[c].nunique() > 1]
    rows = []
    for r, f in zip(found.ranges.to_dict("records"), found.flips.to_dict("records"), strict=True):
        rows.append(
            {c: r[c] for c in several}
            | {"measure": plain(str(r["measure"])), "objective": r["objective"], "over": r["factor"]}
            | {"repeats": int(r["runs"]), "own": words.percent(r["value"])}
            | {"lowest": words.percent(r["low"]), "highest": words.percent(r["high"])}
            | {"flipped": words.estimate(f | {"value": f["flipped"]})}
            | {"one sample": words.percent(f.get("one_sample", float("nan")))}
        )
    table = pd.DataFrame(rows)
    place = {label: k for k, label in enumerate(labels)}
    rank = table.assign(_m=pd.factorize(table["measure"])[0], _o=table["objective"].map(place))
    table = table.loc[rank.sort_values([*several, "_m", "_o"], kind="stable").index].reset_index(drop=True)
    return table if (table["one sample"] != "–").any() else table.drop(columns="one sample")


def components(found: Consistency) -> pd.DataFrame:
    """Effects that are anything, largest first within a measure."""
    if found.components.empty:
        return pd.DataFrame()
    c = found.components[found.components["score_share"] > 0.0005]
    c = c.sort_values(["design", "measure", "score_share"], ascending=[True, True, False], kind="stable")

    def shares(share: str, low: str, high: str) -> list[str]:
        return [f"{words.percent(v)} {words.interval(a, b)}".strip() for v, a, b in c[[share, low, high]].to_numpy()]

    return pd.DataFrame(
        {
            "choices of": c["design"],
            "measure": [plain(str(m)) for m in c["measure"]],
            "effect": c["effect"],
            "SD": [words.fixed(100 * v, 1) for v in c["sd"]],
            "of a score": shares("score_share", "score_low", "score_high"),
            "of one answer": shares("share", "share_low", "share_high"),
        }
    ).reset_index(drop=True)


# -- the picture -------------------------------------------------------------------------------------------------------


def part(effect: str) -> str:
    """Which part of the bar an effect is counted in."""
    factors = effect.split(" × ")
    if PROMPT in factors or effect == REST:
        return PROMPTS
    return effect if len(factors) == 1 else TOGETHER


def chart(found: Consistency, design: str) -> Figure | None:
    """A bar per measure, split by what moves its score."""
    c = found.components
    c = c[c["design"] == design] if len(c) else c
    if c.empty or not c["score_share"].sum():
        return None
    several = [k for k in ("model", "task") if c[k].nunique() > 1]
    names = [" · ".join([plain(str(r["measure"])), *(str(r[k]) for k in several)]) for r in c.to_dict("records")]
    data = c.assign(measure=names, part=[part(e) for e in c["effect"]])
    data = data.groupby(["measure", "part"], sort=False)["score_share"].sum().rename("share").reset_index()
    whole = data.groupby("measure")["share"].transform("sum")
    still = list(dict.fromkeys(data.loc[whole == 0, "measure"]))
    data = data[whole > 0]
    own = [p for p in dict.fromkeys(data["part"]) if p not in (PROMPTS, TOGETHER)]
    data = data.assign(
        order=data["part"].map([*own, TOGETHER, PROMPTS].index),
        text=[_in_bar(p, v) for p, v in zip(data["part"], data["share"], strict=True)],
        pale=data["part"].isin((PROMPTS, TOGETHER)),
    )
    data, tip = tips(data, ("measure", "measure", str), ("part", "choice", str), ("share", "share", words.percent))
    spec = stacked(
        data, "Share of the score's variance", ("measure", list(dict.fromkeys(names))),
        ("part", {"domain": [PROMPTS, TOGETHER, *own], "range": "diverging"}), tip,
        (("cell-low", "datum.pale === true"), ("cell-high", "datum.pale === false")),
        narrow=2, wide=5, names={"labelLimit": expr("width < 420 ? 90 : 180")},
        shown=[p for p in (PROMPTS, TOGETHER, *own) if p in set(data["part"])], size=expr("width < 420 ? 0 : 11"),
    )  # fmt: skip
    most = data[data["part"] != PROMPTS].sort_values("share").groupby("measure", sort=False).last()
    said = "; ".join(f"{m}: most of all {r['part']}, {words.percent(r['share'])}" for m, r in most.iterrows())
    asked = c.loc[c["n_prompts"] > 0, "n_prompts"]
    n = words.spread(asked) if len(asked) else ""
    caption = f"{phrase(f'consistency.{design}')} {phrase('consistency.shares', n=n, still=still)}"
    title, height = _TITLES[design], 44 * data["measure"].nunique() + 80
    rows = data[["measure", "part", "share"]]
    return Figure(f"consistency-{design}", title, spec, caption, f"{title}. {said}.", rows, height=height)


def _in_bar(part: str, share: float) -> str:
    """What has room in its part of the bar."""
    number = words.fixed(100 * share, 0)
    return f"{part} {number}" if share >= 0.012 * (len(part) + 4) else number if share >= 0.04 else ""


# -- proof of control of the variations --------------------------------------------------------------------------------


def undeclared(findings: Findings, made: Sequence[Variant]) -> Mapping[str, Sequence[str]]:
    """By run: what differs from the study's own run in its proof of control, though it was not declared."""
    runs = findings.runs
    found: dict[str, list[str]] = {}
    by_label = {x.label: x for x in made}
    proofs = {
        (r["model"], r["task"], r["label"], r["seed"]): flat(r["controls"].get("controlled", {}))
        for r in runs.to_dict("records")
    }
    for r in runs[runs["bracket"] != ""].to_dict("records") if len(runs) else ():
        if (x := by_label.get(r["label"])) is None:
            continue
        mine = proofs[r["model"], r["task"], r["label"], r["seed"]]
        own = proofs.get((r["model"], r["task"], x.of, r["seed"]), {})
        differ = [k for k in mine if k in own and mine[k] != own[k] and not x.declares(k)]
        found[f"{r['label']} seed {r['seed']}"] = differ
    return found


def proof(findings: Findings, made: Sequence[Variant]) -> list[Block]:
    """Whether the runs differ from the study's own in what they declare and in nothing else."""
    found = undeclared(findings, made)
    if not found:
        return []
    bad = {k: v for k, v in found.items() if v}
    if not bad:
        return [Paragraph(phrase("consistency.proof", n=len(found)), calm=True)]
    said = "; ".join(f"{k}: {words.join(v)}" for k, v in bad.items())
    return [Alarm("Not only the declared choice varied.", f"{said}.")]
