"""*How a mixture's weights went*: those that are scheduled or steered, step by step, and what a steered one holds."""

from __future__ import annotations

import pandas as pd

from holdfast.report.charts.path import path
from holdfast.report.charts.plot import Figure
from holdfast.report.phrases import phrase
from holdfast.report.reading import Setting
from holdfast.report.sections.section import Section
from holdfast.store.files import read_lines

POINTS = 100  # of a line at most
WEIGHT = " weight"  # ends the names under which a mixture logs its weights


def section(s: Setting) -> Section | None:
    paths = _paths(s)
    charts = [figure for _, rows in paths.groupby(["label", "part"], sort=False) for figure in _charts(s, rows)]
    return Section("weights", charts) if charts else None


def _charts(s: Setting, rows: pd.DataFrame) -> list[Figure]:
    """The weight of one part; and where it is steered, what by."""
    label, part, held = (str(rows[c].iloc[0]) for c in ("label", "part", "held"))
    about = phrase("weights.weight", part=part, held=held)
    weights = rows.assign(value=rows["weight"], target=float("nan"))
    found = [
        path(f"weight-{label}-{part}", f"Weight of {part} in {label}", "weight", _thin(weights), s.findings.look, about)
    ]
    if held:
        about = phrase("weights.held", part=part, held=held)
        steered = _thin(rows.dropna(subset=["value"]))
        found.append(path(f"held-{label}-{part}", f"{held} of {label}", held, steered, s.findings.look, about))
    return found


def _paths(s: Setting) -> pd.DataFrame:
    """label, part, seed, tokens, weight and, of one that is steered, ``held``, value and target: a row per step of each
    run that went furthest, for every weight that moves."""
    runs, found = s.mixtures, []
    for run in runs.to_dict("records"):
        at = s.findings.folder.run(run["trajectory"])
        lines = [line | line.pop("objective") for line in read_lines(at.metrics_jsonl)]
        names = [key for key in lines[0] if key.endswith(WEIGHT)]
        for key, part in zip(names, run["config"]["objective"]["params"]["parts"], strict=True):
            held = part["hold"] or {"quantity": "", "target": float("nan")}
            if len({line[key] for line in lines}) > 1:
                found += [
                    {
                        "label": run["label"],
                        "part": key.removesuffix(WEIGHT),
                        "seed": run["seed"],
                        "tokens": line["tokens"],
                        "weight": line[key],
                        "held": held["quantity"],
                        "value": line.get(held["quantity"], float("nan")),
                        "target": held["target"],
                    }
                    for line in lines
                ]
    columns = ["label", "part", "seed", "tokens", "weight", "held", "value", "target"]
    return pd.DataFrame(found, columns=columns)


def _thin(rows: pd.DataFrame) -> pd.DataFrame:
    """Every so many steps of each run, and its last: means would hide how a controller swings."""
    at = rows.groupby("seed").cumcount()
    size = rows.groupby("seed")["seed"].transform("size")
    kept = (at % (size // POINTS + 1) == 0) | (at == size - 1)
    return rows.loc[kept, ["label", "seed", "tokens", "value", "target"]].reset_index(drop=True)
