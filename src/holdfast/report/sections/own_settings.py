"""*Each at its own setting*: what was chosen for each objective, whether a conclusion changes with it, and the frontier
as a curve over the coefficient."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from holdfast import registry
from holdfast.analysis.regimes import SHARED, TUNED
from holdfast.analysis.table_files import TRIED
from holdfast.config.decisions import Choice, choices
from holdfast.config.study import Study, VariantSpec
from holdfast.config.study_runs import settings
from holdfast.report import words
from holdfast.report.charts import trade_off
from holdfast.report.charts.plot import Figure
from holdfast.report.charts.theme import BASE
from holdfast.report.phrases import evidence, phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.repeatability import proof
from holdfast.report.sections.section import Block, Folded, Heading, Section, some
from holdfast.report.series import Series, lead, plain
from holdfast.report.table import Table


def section(s: Setting) -> Section | None:
    """None where the study tries no settings, or has not chosen yet."""
    findings, study = s.findings, s.findings.study
    chosen = [c for c in choices(study, findings.folder) if (c.model, c.task) == (s.model, s.task)]
    if not chosen:
        return None
    said = {"level": words.level(study.alpha), "budget": words.tokens(study.budgets[-1])}
    levels = _by_regime(s)  # of all seeds
    tried = levels.pop(TRIED)
    every = _settings(s, chosen, tried)
    files = [Table(every, name="tuned-settings", title="Settings that were tried")]
    assert study.tuned is not None
    seeds = words.seeds([x.n_seeds for c in chosen for x in c.settings])
    note = phrase("tuned.chosen", measure=plain(study.tuned.measure), seeds=seeds, **said)
    blocks: list[Block] = [
        Heading("What was chosen"),
        Table(_chosen(chosen), note),
        Folded("Every setting that was tried", Table(every, f"{phrase('tuned.every')} {note}")),
    ]
    changed, compared, against = list[str](), list[str](), ""
    for x in (lead(s.shown, axis) for axis in ("capability", "robustness", "persona")):
        if x is not None:
            beside, against = _beside(s, x, levels)
            files.append(Table(beside, name=f"tuned-{x.axis}", title=f"{x.title}: shared and tuned"))
            seeds = words.seeds(x.of(levels[SHARED])["n_seeds"])
            note = phrase("tuned.beside", title=x.title, against=against, seeds=seeds, **said)
            blocks += [Heading(x.title), Table(beside, note)]
            compared.append(words.lower(x.title))
            turned = beside.loc[beside["conclusion"] == "changes", "objective"]
            changed += [f"{words.lower(x.title)} of {words.join(turned)}"] if len(turned) else []
    line = phrase("tuned.line", compared=compared, against=against, changed=changed)
    charts = some([curve(s, kind, chosen, tried) for kind in ("coefficient", "learning rate")])
    blocks += proof(findings, [x for x in settings(study) if x.of in findings.labels])
    return Section("tuned", charts, blocks, line, files)


def _by_regime(s: Setting) -> dict[str, pd.DataFrame]:
    """Levels at the last budget: of every setting that was tried, and of each regime."""
    every = s.findings.table("settings")
    mine = every[(every["of_model"] == s.model) & (every["of_task"] == s.task)]
    return {
        regime: rows.drop(columns=["of_model", "of_task", "regime"]).reset_index(drop=True)
        for regime, rows in mine.groupby("regime", sort=False)
    }


# -- tables ------------------------------------------------------------------------------------------------------------


def in_words(varies: Mapping[str, str]) -> str:
    return ", ".join(f"{plain(k)} {v}" for k, v in varies.items()) or "the study’s own"


def _chosen(chosen: list[Choice]) -> pd.DataFrame:
    rows = []
    for c in chosen:
        own, best = c.of(c.label), c.of(c.chosen)
        row = {"objective": c.label, "chosen": in_words(best.varies), "its score": words.estimate(vars(best))}
        rows.append(row | {"own setting’s": words.estimate(vars(own)), "settings tried": len(c.settings)})
    return pd.DataFrame(rows)


def _settings(s: Setting, chosen: list[Choice], tried: pd.DataFrame) -> pd.DataFrame:
    """A row per setting: its score in the choice, and what it does at the last budget."""
    others = [x for axis in ("capability", "robustness", "persona") if (x := lead(s.shown, axis))]
    rows = []
    for c in chosen:
        for one in c.settings:
            row = {"objective": c.label, "setting": in_words(one.varies), "score": words.estimate(vars(one))}
            row |= {x.short: _at(_levels(tried, x), one.label) for x in others}
            rows.append(row | {"chosen": "yes" if one.label == c.chosen else ""})
    return pd.DataFrame(rows)


def _beside(s: Setting, x: Series, levels: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, str]:
    """A row per objective, and whom it is compared with: SFT or, in a study without it, the base model."""
    every = {k: s.answers(k) for k in (SHARED, TUNED)}
    mine = {k: a[(a["estimand"] == "last") & (a["measure"] == x.measure)] for k, a in every.items()}
    mine = {k: a[a["metric"] == x.metric] for k, a in mine.items()}
    side = "sft" if (mine[SHARED]["against"] == "sft").any() else "base"
    against = s.findings.reference if side == "sft" else "the base"
    found = {k: a[a["against"] == side].set_index("label").to_dict("index") for k, a in mine.items()}
    at = {k: _levels(levels[k], x) for k in found}
    rows = []
    for label in (BASE, *s.findings.labels):
        row: dict[str, Any] = {"objective": label} | {k: _at(at[k], label) for k in at}
        there = {k: a[label] for k, a in found.items() if label in a}
        for k in found:
            told = f"{words.estimate(there[k], signed=True)} {there[k]['verdict']}" if k in there else ""
            row[f"from {against}, {k}"] = told
        same = "the same" if len({r["verdict"] for r in there.values()}) == 1 else "changes"
        rows.append(row | {"conclusion": same if len(there) == 2 else ""})
    return pd.DataFrame(rows), against


def _levels(table: pd.DataFrame, x: Series) -> pd.DataFrame:
    """The measure's levels by label, whatever bracket a setting has."""
    return x.of(table.assign(bracket="")).set_index("label")


def _at(levels: pd.DataFrame, label: str) -> str:
    return words.estimate(levels.loc[label]) if label in levels.index else "–"


# -- the frontier as a curve -------------------------------------------------------------------------------------------


def curve(s: Setting, kind: str, chosen: list[Choice], tried: pd.DataFrame) -> Figure | None:
    """Capability against attack success at the last budget, a line per objective through the values of its coefficient
    or of the learning rate."""
    x, y, look, study = lead(s.shown, "capability"), lead(s.shown, "robustness"), s.findings.look, s.findings.study
    if x is None or y is None:
        return None
    points = lines(study)
    points = points[(points["factor"] == "learning_rate") == (kind == "learning rate")]
    numbers, up = ["value", "low", "high"], _levels(tried, y)
    both = _levels(tried, x)[numbers].add_suffix("_x").join(up[numbers].add_suffix("_y"))
    both = both.rename(columns=lambda c: c.replace("value_", ""))
    rest = [label for label in s.findings.labels if label not in set(points["of"])]  # no line, but where they stand
    alone = pd.DataFrame({"of": rest, "factor": "", "value": "", "label": rest, "own": True})
    data = pd.concat([points, alone]).join(both, on="label").dropna(subset=["x", "y"]).reset_index(drop=True)
    if points.empty or data.empty:
        return None
    best = {c.chosen for c in chosen}
    several = data.groupby("of")["factor"].nunique().max() > 1
    data = data.assign(
        label=data["of"], setting=data["label"], chosen=data["label"].isin(best), order=range(len(data)),
        line=data["of"] + " " + data["factor"],
        text=[f"{plain(r.factor)} " * bool(several and r.factor) + plain_number(r.value) for r in data.itertuples()],
    )  # fmt: skip
    base = both.loc[[BASE]].reset_index() if BASE in both.index else both.iloc[:0].reset_index()
    factor = "the learning rate" if kind == "learning rate" else "its coefficient"
    level, budget = words.level(look.alpha), words.tokens(study.budgets[-1])
    rests = evidence(up[up.index.isin([*data["setting"], BASE])].reset_index(), y)
    caption = phrase("tuned.curve", factor=factor, budget=budget, level=level, evidence=rests)
    return trade_off.curve(x, y, kind, data, base, look, caption)


def plain_number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def lines(study: Study) -> pd.DataFrame:
    """The settings along each factor, the others as they are in the study: of, factor, value, label, own; a line is the
    rows of one objective and factor, in order of value (of a factor without order: of the file)."""
    rows = []
    for v in study.objectives:
        mine = [x for x in settings(study) if x.of == v.label and len(x.overrides) == 1]
        for factor in dict.fromkeys(next(iter(x.overrides)) for x in mine):
            line = [(_value(v, factor, study), v.label)]
            line += [(_value(x.spec, factor, study), x.label) for x in mine if factor in x.overrides]
            if all(isinstance(value, (int, float)) for value, _ in line):
                line.sort()
            rows += [(v.label, factor, value, label, label == v.label) for value, label in line]
    return pd.DataFrame(rows, columns=["of", "factor", "value", "label", "own"])


def _value(v: VariantSpec, factor: str, study: Study) -> Any:
    if factor == "learning_rate":
        return v.learning_rate or study.controls.learning_rate
    return getattr(registry.build("objectives", v.objective, v.params), factor)
