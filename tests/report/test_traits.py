"""The map of many traits: what is shown is what is corrected, and every trait is there."""

from __future__ import annotations

import altair as alt

from holdfast.report.reading import read
from holdfast.report.sections import traits

MANY = ("machiavellianism", "narcissism", "psychopathy", "openness", "kindness", "humour", "patience", "greed")


def test_every_trait_is_in_the_map_and_its_line_counts_those_that_moved(
    make_study, fabrication, tmp_path_factory, monkeypatch
):
    monkeypatch.setattr(fabrication, "TRAITS", MANY)
    monkeypatch.setitem(make_study.__globals__, "_fabricate", lambda: fabrication)
    folder = make_study(tmp_path_factory.mktemp("many"), prompts=64, seeds=[0, 1])
    setting = read(folder).settings()[0]
    section = traits.section(setting)
    (figure,) = section.charts
    alt.LayerChart.from_dict(figure.spec, validate=True)
    assert set(figure.data["trait"]) == set(MANY)
    assert section.finding.startswith("Of 8 traits")
    sure = figure.data[figure.data["p_holm"] < 0.05]
    assert figure.alt.endswith(f"{len(sure)} of {len(figure.data)} moves are shown." if len(sure) else "none is.")
    named = next(row["encoding"]["y"]["scale"]["domain"] for row in figure.spec["layer"])
    assert {n for n in named if n.strip()} == set(MANY)
    assert len(named) == len(set(named))


def test_three_traits_have_no_map(finished):
    assert traits.section(read(finished).settings()[0]) is None
