"""*Distance moved, and what it cost*: how far training moved each model, and what it was given to do so."""

from __future__ import annotations

from typing import Any

import pandas as pd

from holdfast.analysis.comparisons import AtDistance, reservations
from holdfast.report import words
from holdfast.report.charts import by_budget
from holdfast.report.charts.gap import gap
from holdfast.report.charts.plot import Figure
from holdfast.report.charts.trade_off import moved
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Block, Folded, Heading, Section, some
from holdfast.report.sections.unsafe_text import means
from holdfast.report.series import lead, plain
from holdfast.report.table import Table

SPENT = {  # column of the checkpoints → what a reader calls it
    "steps": "steps",
    "passes": "passes over the data",
    "shared_tokens": "shared tokens",
    "forward_tokens": "forward tokens",
    "supervised_tokens": "supervised tokens",
    "flops": "FLOPs",
    "kl_base": "KL from base (nats/token)",
    "adapter_norm": "adapter norm",
    "clipped_share": "clipped steps",
    "chosen_logp_per_token": "log-prob chosen (nats/token)",
    "rejected_logp_per_token": "log-prob rejected (nats/token)",
    "margin": "margin (nats)",
}
_WHAT = {"robustness": "Attack success", "persona": "P(match)"}


def section(s: Setting) -> Section:
    table = means(s, SPENT)
    charts, far = _moved(s) if len(table) else ([], pd.DataFrame(columns=["label", "budget", "value"]))
    blocks: list[Block] = [b for one in s.at_distance for b in _at_distance(s, one)]
    files = [Table(one.last, name=f"at-distance-{one.config.measure}", title=_title(one)) for one in s.at_distance]
    if len(table):
        blocks.append(Folded(phrase("cost.folded"), Table(table, phrase("cost.note"))))
        files.append(Table(table, name="cost", title="What each objective did"))
    last = far[far["budget"] == s.last].dropna(subset=["value"])
    line = words.least_to_most(f"KL from the base{words.at(s.last)}", last, words.significant, " nats per token")
    figures = (*some(charts), *(_gap(s, one) for one in s.at_distance))
    return Section("cost", figures, blocks, line, files)


def _moved(s: Setting) -> tuple[list[Figure | None], pd.DataFrame]:
    """Charts, and the distances that are charted: label, budget, value."""
    points, look, robust = s.checkpoints, s.findings.look, lead(s.shown, "robustness")
    found: list[Figure | None] = []
    far = pd.DataFrame(columns=["label", "budget", "value"])
    for column, title in (("kl_base", "KL from the base (nats per token)"), ("adapter_norm", "Adapter norm")):
        if column not in points or not points[column].notna().any():
            continue
        rows = points.assign(value=pd.to_numeric(points[column]))[["label", "budget", "value"]]
        rows = rows.groupby(["label", "budget"], sort=False)["value"].mean().reset_index()
        asked = column == "kl_base" and "examples" in points  # weights are asked nothing
        n = words.spread(points["examples"].dropna()) if asked else ""
        about = phrase("cost.moved", of=column, n=n, seeds=words.pooled(points["seed"].nunique()))
        found.append(by_budget.distance(column, title.split(" (")[0], title, rows, look, about))
        if column == "kl_base":
            far = rows
            if robust:
                found.insert(0, moved(robust, s.estimates, rows, look))
    return found, far


# -- safety at equal distance -----------------------------------------------------------------------------------------


def _at_distance(s: Setting, one: AtDistance) -> list[Block]:
    what, last = _WHAT[one.config.axis], one.last
    rows = last.to_dict("records")
    shown = pd.DataFrame(
        {
            "objective": last["label"],
            "distance": last["distance"].map(words.significant),
            "tokens": last["budget"].map(words.tokens),
            "runs": [f"{r.n_reached} of {r.n_seeds}" for r in last.itertuples()],
            what: [words.estimate(r) for r in rows],
            f"{one.sft} there": last["sft"].map(words.percent),
            f"from {one.sft}": [words.estimate(r, "gap", signed=True) for r in rows],
            "verdict": last["verdict"],
            "note": [reservations(r) for r in rows],
        }
    )
    shown = shown.drop(columns="note") if (shown["note"] == "").all() else shown
    return [Heading(f"{_title(one)} moved"), Table(shown, phrase("equal_distance.note", **_evidence(s, one)))]


def _gap(s: Setting, one: AtDistance) -> Figure:
    look, what = s.findings.look, _WHAT[one.config.axis]
    data = one.table[["label", "distance", "value", "sft", "gap", "gap_low", "gap_high"]]
    title = f"{what}{_on(one)} against {one.sft} at equal distance moved"
    caption = phrase("equal_distance.chart", what=what, sft=one.sft, **_evidence(s, one))
    said = ", ".join(
        f"{r.label} {words.points(r.gap)} at {words.significant(r.distance)}" for r in one.last.itertuples()
    )
    up, across = f"Less {one.sft}’s (↓ better)", "KL from the base (nats per token)"
    spec = gap(data.rename(columns={"distance": "level"}), look, across, up, share=False)
    name, tidy = f"distance-{one.config.measure}", data.rename(columns={"label": "objective"})
    return Figure(name, title, spec, caption, f"{title}. At the largest: {said}.", tidy, height=300)


def _title(one: AtDistance) -> str:
    return f"{_WHAT[one.config.axis]}{_on(one)} at equal distance"


def _on(one: AtDistance) -> str:
    return f" on {plain(str(one.config.measure))}"


def _evidence(s: Setting, one: AtDistance) -> dict[str, Any]:
    """What both texts say that these numbers rest on."""
    seeds = words.seeds(one.table["n_seeds"])
    return {"level": words.level(s.findings.study.alpha), "judge": one.judge, "n": one.prompts, "seeds": seeds}
