"""Safety at equal distance moved, for the section on distance: the gap from SFT as a function of it, and a table."""

from __future__ import annotations

import pandas as pd

from holdfast.analysis.against_sft import reservations
from holdfast.analysis.distance import AtDistance
from holdfast.report import gap, markup, speak, tables
from holdfast.report.charts import Figure, Look
from holdfast.report.headline import plain
from holdfast.report.markup import Block
from holdfast.report.reading import Setting

_WHERE = (
    "Each run is read off where its KL from the base, smoothed so that it never falls, first is the same as SFT’s; up "
    "to the largest that every seed of both reaches, which is each objective’s own."
)
_WHAT = {"robustness": "Attack success", "persona": "P(match)"}
_ACROSS = "KL from the base (nats per token)"


def at_equal(s: Setting) -> tuple[tuple[Figure, ...], tuple[Block, ...]]:
    """A chart and a table per measure of robustness and persona; nothing where no distance is known."""
    found = s.at_distance
    blocks: list[Block] = []
    for one in found:
        blocks += _table(s, one)
    return tuple(_figure(one, s.findings.look) for one in found), tuple(blocks)


def _table(s: Setting, one: AtDistance) -> list[Block]:
    study, what = s.findings.study, _WHAT[one.config.axis]
    title = f"{what}{_on(one)} at equal distance"
    tables.save(s, f"at-distance-{one.config.measure}", one.last, title)
    last = one.last
    shown = pd.DataFrame(
        {
            "objective": last["label"],
            "distance": last["distance"].map(speak.significant),
            "tokens": last["budget"].map(speak.tokens),
            "runs": [f"{r.n_reached} of {r.n_seeds}" for r in last.itertuples()],
            what: [speak.estimate(r) for r in last.to_dict("records")],
            f"{one.sft} there": last["sft"].map(speak.percent),
            f"from {one.sft}": [speak.estimate(r, "gap", signed=True) for r in last.to_dict("records")],
            "verdict": last["verdict"],
            "note": [reservations(r) for r in last.to_dict("records")],
        }
    )
    shown = shown.drop(columns="note") if (shown["note"] == "").all() else shown
    caption = (
        f"Distance: nats per token; tokens: median over runs. {_WHERE} Differences in points, paired by seed. Verdicts "
        f"after Bonferroni’s correction over objectives. {_evidence(one, study.alpha)}"
    )
    return [
        markup.title(f"{title} moved"),
        markup.table(shown, study.mark, caption, labels=s.findings.labels),
    ]


def _figure(one: AtDistance, look: Look) -> Figure:
    data = one.table[["label", "distance", "value", "sft", "gap", "gap_low", "gap_high"]]
    what = _WHAT[one.config.axis]
    title = f"{what}{_on(one)} against {one.sft} at equal distance moved"
    caption = (
        f"{what} of each objective less {one.sft}’s at the same distance (a scale of square roots, for most happens "
        f"near 0). {_WHERE} Bands: {speak.level(look.alpha)} intervals, point by point. "
        f"{_evidence(one, look.alpha)}"
    )
    said = ", ".join(
        f"{r.label} {speak.points(r.gap)} at {speak.significant(r.distance)}" for r in one.last.itertuples()
    )
    spec = gap.chart(
        data.rename(columns={"distance": "level"}), look, _ACROSS, f"Less {one.sft}’s (↓ better)", share=False
    )
    tidy = data.rename(columns={"label": "objective"})
    name = f"distance-{one.config.measure}"
    return Figure(name, title, spec, caption, f"{title}. At the largest: {said}.", tidy, height=300)


def _on(one: AtDistance) -> str:
    return f" on {plain(str(one.config.measure))}"


def _evidence(one: AtDistance, alpha: float) -> str:
    judge = "" if one.judge == "own" else f"By {plain(one.judge)}. "
    return (
        f"Prompts and seeds are resampled together, {speak.level(alpha)}; distance has no noise of prompts, for its "
        f"prompts are fixed. {judge}n = {one.prompts} prompts. {speak.seeds(one.table['n_seeds'])}."
    )
