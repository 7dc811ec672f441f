"""The section *Each at its own setting*: what was chosen for each objective, whether a conclusion changes with it, and
the frontier as a curve over the coefficient."""

from __future__ import annotations

from typing import Any

import altair as alt
import pandas as pd

from holdfast.analysis import tuned
from holdfast.analysis.regimes import SHARED, TUNED
from holdfast.analysis.tables import TRIED
from holdfast.config.decisions import choices
from holdfast.config.study_runs import settings, tuning_seeds
from holdfast.report import consistency, markup, speak, tables
from holdfast.report import labels as place
from holdfast.report.charts import Figure, colour, layer, lower, opacity_of, shape, share_axis, tips
from holdfast.report.headline import Series, lead, plain
from holdfast.report.markup import Group
from holdfast.report.reading import Findings, Setting
from holdfast.report.theme import BASE

_GOOD = {"higher": " (↑ better)", "lower": " (↓ better)", "": ""}
_LEAD = (
    "One setting for all compares points of operation: an objective may look worse because that setting suits another. "
    "Here each has the setting that did best on validation rows. Safety was not looked at in choosing."
)
_CHOSEN = (
    "Accuracy on {measure} after {budget} tokens, with {level} intervals. {seeds}. The best of several noisy scores is "
    "too high by itself: capability is reported on other rows below."
)
_EVERY = "Score: what it was chosen by. All else from other rows, of the same seeds."
_BESIDE = (
    "{title} after {budget} tokens with {level} intervals, and the difference from {against} in points, paired by seed "
    "and prompt; verdicts after Bonferroni’s correction within each regime. Shared: the study’s one setting; "
    "tuned: each at its own. {seeds}."
)
_CURVE = (
    "One line per objective through its values of {factor} (at its ends), all else as in the study, after "
    "{budget} tokens. Large points: the study’s own setting; ringed: the chosen one. Diamond: the base model. Crosses: "
    "{level} intervals. An objective without such a value stands alone. "
)


def group(s: Setting) -> Group | None:
    """None where the study tries no settings, or has not chosen yet."""
    findings, study = s.findings, s.findings.study
    chosen = [c for c in choices(study, findings.folder) if (c["model"], c["task"]) == (s.model, s.task)]
    if not chosen:
        return None
    mark, names = study.mark, findings.labels
    said = {"level": speak.level(study.alpha), "budget": speak.tokens(study.budgets[-1])}
    levels = _by_regime(s)  # of all seeds
    tried = levels.pop(TRIED)
    shown, every = _chosen(chosen), _settings(s, chosen, tried)
    tables.save(s, "tuned-settings", every, "Settings that were tried")
    assert study.tuned is not None
    counted = speak.seeds([x["n_seeds"] for c in chosen for x in c["settings"]])
    caption = _CHOSEN.format(measure=plain(study.tuned.measure), seeds=counted, **said)
    blocks = [
        markup.title("What was chosen"),
        markup.table(shown, mark, caption, labels=names),
        markup.folded("Every setting that was tried", markup.table(every, mark, f"{_EVERY} {caption}", labels=names)),
    ]
    changed, compared, against = list[str](), list[str](), ""
    for x in (lead(s.shown, axis) for axis in ("capability", "robustness", "persona")):
        if x is not None:
            beside, against = _beside(s, x, levels)
            tables.save(s, f"tuned-{x.axis}", beside, f"{x.title}: shared and tuned")
            counted = speak.seeds(x.of(levels[SHARED])["n_seeds"])
            caption = _BESIDE.format(title=x.title, against=against, seeds=counted, **said)
            blocks += [markup.title(x.title), markup.table(beside, mark, caption, labels=names)]
            compared.append(lower(x.title))
            turned = beside.loc[beside["conclusion"] == "changes", "objective"]
            changed += [f"{lower(x.title)} of {speak.join(turned)}"] if len(turned) else []
    made = [x for x in settings(study) if x.of in names]
    versus = f" against {against}" if against else ""
    found = f"Of {speak.join(compared)} " if compared else ""
    found += f"the verdicts{versus} change: {speak.join(changed)}." if changed else f"no verdict{versus} changes."
    found = found[:1].upper() + found[1:]
    figures = tuple(f for kind in ("coefficient", "learning rate") if (f := curve(s, kind, chosen, tried)))
    return Group(
        "tuned", "Each at its own setting", _LEAD, figures, (*blocks, *consistency.proof(findings, made)), finding=found
    )


def _by_regime(s: Setting) -> dict[str, pd.DataFrame]:
    """Levels at the last budget: of every setting that was tried, and of each regime."""
    every = s.findings.table("settings")
    mine = every[(every["of_model"] == s.model) & (every["of_task"] == s.task)]
    return {
        regime: rows.drop(columns=["of_model", "of_task", "regime"]).reset_index(drop=True)
        for regime, rows in mine.groupby("regime", sort=False)
    }


def method(findings: Findings) -> list[str]:
    """For a methods section; nothing of a study that tunes nothing."""
    study, section = findings.study, findings.study.tuned
    if section is None or not (chosen := choices(study, findings.folder)):
        return []
    tried = [
        f"learning rate{'s' * (len(section.learning_rate) > 1)} {speak.join(map(_number, section.learning_rate))}"
    ] * bool(section.learning_rate)
    for label, params in section.coefficients.items():
        tried += [f"{label} {plain(k)} {speak.join(map(_number, values))}" for k, values in params.items()]
    best = [f"{c['label']} {_spoken(_setting(c, c['chosen'])['varies'])}" for c in chosen if c["chosen"] != c["label"]]
    return [
        f"Beside this shared setting, each objective was compared at one of its own: of {'; '.join(tried)} "
        f"({'crossed' if section.cross == 'full' else 'each by itself'}), that with the highest accuracy on "
        f"{plain(section.measure)} after {study.budgets[-1]:,} tokens from seed "
        f"{speak.join(map(str, tuning_seeds(study)))}, without regard to safety; it was then trained from every seed.",
        f"Chosen: {speak.join(best)}; where nothing is named, the shared setting."
        if best
        else "It was the shared one for all.",
    ]


# -- tables ------------------------------------------------------------------------------------------------------------


def _spoken(varies: dict[str, str]) -> str:
    return ", ".join(f"{plain(k)} {v}" for k, v in varies.items()) or "the study’s own"


def _chosen(chosen: list[dict[str, Any]]) -> pd.DataFrame:
    rows = []
    for c in chosen:
        own, best = _setting(c, c["label"]), _setting(c, c["chosen"])
        scores = {"its score": speak.estimate(best), "own setting’s": speak.estimate(own)}
        rows.append(
            {"objective": c["label"], "chosen": _spoken(best["varies"]), **scores, "settings tried": len(c["settings"])}
        )
    return pd.DataFrame(rows)


def _setting(c: dict[str, Any], label: str) -> dict[str, Any]:
    """Of a choice, the setting that has this label; one without a score where none was given."""
    return next(
        (x for x in c["settings"] if x["label"] == label), {"varies": {}, "value": None, "low": None, "high": None}
    )


def _settings(s: Setting, chosen: list[dict[str, Any]], tried: pd.DataFrame) -> pd.DataFrame:
    """A row per setting: its score in the choice, and what it does at the last budget."""
    others = [x for axis in ("capability", "robustness", "persona") if (x := lead(s.shown, axis))]
    rows = []
    for c in chosen:
        for setting in c["settings"]:
            row = {"objective": c["label"], "setting": _spoken(setting["varies"]), "score": speak.estimate(setting)}
            for x in others:
                row[x.short] = _at(_levels(tried, x), setting["label"])
            rows.append(row | {"chosen": "yes" if setting["label"] == c["chosen"] else ""})
    return pd.DataFrame(rows)


def _beside(s: Setting, x: Series, levels: dict[str, pd.DataFrame]) -> tuple[pd.DataFrame, str]:
    """A row per objective, and whom it is compared with: SFT or, in a study without it, the base model."""
    found = {regime: s.answers(regime) for regime in levels}
    found = {
        k: a[(a["finding"] == "last") & (a["measure"] == x.measure) & (a["metric"] == x.metric)]
        for k, a in found.items()
    }
    sft = (found[SHARED]["against"] == "sft").any()
    against = s.findings.reference if sft else "the base"
    found = {k: a[a["against"] == ("sft" if sft else "base")].set_index("label") for k, a in found.items()}
    at = {regime: _levels(table, x) for regime, table in levels.items()}
    rows = []
    for label in (BASE, *s.findings.labels):
        row: dict[str, Any] = {"objective": label}
        row |= {k: _at(at[k], label) for k in (SHARED, TUNED)}
        verdicts = []
        for k in (SHARED, TUNED):
            r = found[k].loc[label].to_dict() if label in found[k].index else None
            ends = speak.interval(r["low"], r["high"], signed=True) if r else ""
            row[f"from {against}, {k}"] = f"{speak.points(r['value'])} {ends} {r['verdict']}".strip() if r else ""
            verdicts += [r["verdict"]] if r else []
        rows.append(
            row | {"conclusion": "" if len(verdicts) < 2 else "the same" if len(set(verdicts)) == 1 else "changes"}
        )
    return pd.DataFrame(rows), against


def _levels(table: pd.DataFrame, x: Series) -> pd.DataFrame:
    """The measure's levels by label, whatever bracket a setting has."""
    return x.of(table.assign(bracket="")).set_index("label")


def _at(levels: pd.DataFrame, label: str) -> str:
    return speak.estimate(levels.loc[label]) if label in levels.index else "–"


# -- the frontier as a curve -------------------------------------------------------------------------------------------


def curve(s: Setting, kind: str, chosen: list[dict[str, Any]], tried: pd.DataFrame) -> Figure | None:
    """Capability against attack success at the last budget, a line per objective through the values of its coefficient
    or of the learning rate."""
    x, y, look = lead(s.shown, "capability"), lead(s.shown, "robustness"), s.findings.look
    if x is None or y is None:
        return None
    points = tuned.lines(s.findings.study)
    points = points[(points["factor"] == "learning_rate") == (kind == "learning rate")]
    numbers = ["value", "low", "high"]
    across, up = _levels(tried, x), _levels(tried, y)
    both = (
        across[numbers]
        .add_suffix("_x")
        .join(up[numbers].add_suffix("_y"))
        .rename(columns=lambda c: c.replace("value_", ""))
    )
    rest = [label for label in s.findings.labels if label not in set(points["of"])]  # no line, but where they stand
    alone = pd.DataFrame({"of": rest, "factor": "", "value": "", "label": rest, "own": True})
    data = pd.concat([points, alone]).join(both, on="label").dropna(subset=["x", "y"]).reset_index(drop=True)
    if points.empty or data.empty:
        return None
    best = {c["chosen"] for c in chosen}
    several = data.groupby("of")["factor"].nunique().max() > 1
    data = data.assign(
        label=data["of"], setting=data["label"], chosen=data["label"].isin(best), order=range(len(data)),
        line=data["of"] + " " + data["factor"],
        text=[(f"{plain(r.factor)} " if several and r.factor else "") + _number(r.value) for r in data.itertuples()],
    )  # fmt: skip
    base = both.loc[[BASE]].reset_index() if BASE in both.index else both.iloc[:0].reset_index()
    drawn = pd.concat([data, base])
    dx, dy = (
        place.domain(drawn[["x", "low_x", "high_x"]], top=1.0),
        place.domain(drawn[["y", "low_y", "high_y"]], top=1.0),
    )
    sx, sy = alt.Scale(domain=dx, nice=False), alt.Scale(domain=dy, nice=False)
    ax = share_axis(f"{x.title}{_GOOD[x.better].translate({ord('↑'): '→', ord('↓'): '←'})}", dx)
    ay = share_axis(f"{y.title}{_GOOD[y.better]}", dy)
    ex, ey = alt.X("x:Q", scale=sx, axis=ax), alt.Y("y:Q", scale=sy, axis=ay)
    data, tip = tips(
        data,
        ("setting", "setting", str),
        *((k, t, speak.percent) for k, t in (("x", x.short), ("y", y.short), ("low_y", "from"), ("high_y", "to"))),
    )
    chart, own = alt.Chart(data), colour(look)
    thin = {"color": own, "opacity": opacity_of(0.2, 0.7)}
    marks = chart.mark_point(filled=True, style="halo", strokeWidth=1).encode(
        x=ex, y=ey, color=own, shape=shape(look), size=alt.condition("datum.own", alt.value(130), alt.value(45)),
        opacity=opacity_of(1), tooltip=tip,
    )  # fmt: skip
    outer = data["order"].isin(data.groupby("line")["order"].agg(["min", "max"]).to_numpy().ravel())
    named = data[outer & (data["factor"] != "")]  # in between the line says the order
    ends = place.beside(named.assign(label=named["text"]), data, dx, dy)
    layers: list[Any] = [
        chart.mark_rule(strokeWidth=1).encode(x=alt.X("low_x:Q", scale=sx, axis=ax), x2="high_x:Q", y=ey, **thin),
        chart.mark_rule(strokeWidth=1).encode(y=alt.Y("low_y:Q", scale=sy, axis=ay), y2="high_y:Q", x=ex, **thin),
        chart.mark_line(strokeWidth=2).encode(
            x=ex, y=ey, color=own, detail="line:N", order="order:Q", opacity=opacity_of(0.75)
        ),
        marks,
        alt.Chart(data[data["chosen"]])
        .mark_point(filled=False, shape="circle", size=320, strokeWidth=1.5)
        .encode(x=ex, y=ey, color=own, opacity=opacity_of(1)),
        alt.Chart(ends.assign(label=named["label"]))
        .mark_text(fontSize=11, baseline="middle", **{k: alt.expr(f"datum.{k}") for k in ("align", "dx", "dy")})
        .encode(x=ex, y=ey, text="text:N", color=own, opacity=opacity_of(1)),
        alt.Chart(base)
        .mark_point(filled=True, shape="diamond", size=120, style="base-point", opacity=1)
        .encode(x=ex, y=ey),
    ]  # fmt: skip
    title = f"{y.title} against {lower(x.title)}, over the {kind}"
    said = "; ".join(
        f"{line}: " + ", ".join(f"{r.text} {speak.percent(r.x)} and {speak.percent(r.y)}" for r in some.itertuples())
        for line, some in data.groupby("line", sort=False)
    )
    caption = _CURVE.format(
        factor="the learning rate" if kind == "learning rate" else "its coefficient",
        budget=speak.tokens(s.findings.study.budgets[-1]),
        level=speak.level(look.alpha),
    ) + speak.evidence(up[up.index.isin([*data["setting"], BASE])].reset_index(), y)
    tidy = data.rename(columns={"label": "objective"})
    keep = ["objective", "factor", "value", "setting", "own", "chosen", "x", "low_x", "high_x", "y", "low_y", "high_y"]
    name = f"tuned-{kind.replace(' ', '-')}"
    return Figure(name, title, layer(layers), caption, f"{title}. {said}.", tidy[keep], height=400)


def _number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
