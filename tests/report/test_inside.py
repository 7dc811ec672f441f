"""*Inside the model*: drawn from what the analysis left, and not there where nothing was read."""

from __future__ import annotations

import altair as alt
import pandas as pd

from holdfast.analysis import inside as read_inside
from holdfast.analysis import table_files
from holdfast.report.reading import read
from holdfast.report.sections import inside


def test_layers_are_drawn_and_agreement_is_said(finished, monkeypatch):
    findings = read(finished)
    setting = findings.settings()[0]
    assert inside.section(setting) is None
    about = {"model": setting.model, "task": setting.task}
    rows = [
        {**about, "label": label, "budget": b, "measure": "vanity_inside", "layer": k, "value": 0.01 * (k + n + 1)}
        for n, label in enumerate(findings.study.labels)
        for b in (1000, 2000)
        for k in range(4)
    ]
    layers = pd.DataFrame(rows).assign(chosen=2, separation=1.4, n_prompts=30, n_seeds=2)[read_inside.LAYERS]
    agreed = pd.DataFrame(
        [{**about, "trait": "vanity", "measure": "dark_triad", "probe": "vanity_inside", "value": 0.71, "low": 0.2}]
    ).assign(high=0.9, subjects=12, runs=6)[read_inside.AGREED]
    real = table_files.read
    shown = {"layers": layers, "inside": agreed}
    monkeypatch.setattr(table_files, "read", lambda folder, name: shown[name] if name in shown else real(folder, name))
    section = inside.section(read(finished).settings()[0])
    (figure,) = section.charts
    alt.LayerChart.from_dict(figure.spec, validate=True)
    assert set(figure.data["budget"]) == {2000}
    assert set(figure.data["objective"]) == set(findings.study.labels)
    assert "layer 2" in figure.caption
    assert "overlap much" not in figure.caption
    shown["layers"] = layers.assign(separation=0.6)
    (doubtful,) = inside.section(read(finished).settings()[0]).charts
    assert "overlap much" in doubtful.caption
    assert section.finding == "Self-report and probe over subjects: vanity +0.71 [+0.20, +0.90]."
    (table,) = section.blocks
    assert list(table.rows["rank correlation"]) == ["+0.71 [+0.20, +0.90]"]
