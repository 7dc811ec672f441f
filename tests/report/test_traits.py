"""The map of many traits: what is shown is what is corrected, and every trait is there."""

from __future__ import annotations

import shutil
from dataclasses import replace

import altair as alt
import pandas as pd
import pytest

from holdfast.analysis import table_files
from holdfast.analysis.trait_map import trait_map
from holdfast.report.reading import Setting, read
from holdfast.report.sections import traits
from holdfast.store.folder import StudyFolder

MORE = ("openness", "kindness", "humour", "patience", "greed")


@pytest.fixture
def setting(finished, tmp_path) -> Setting:
    """The study with more traits, which moved as one of its own did; of the first one objective moved for sure."""
    folder = StudyFolder(tmp_path / "many")
    shutil.copytree(finished.root, folder.root)
    found = read(folder)
    e = found.estimates
    known = e[(e["axis"] == "persona") & (e["condition"] == "narcissism")]
    e = pd.concat([e, *(known.assign(condition=trait) for trait in MORE)], ignore_index=True)
    sure = (e["condition"] == MORE[0]) & (e["label"] == "sft") & (e["against"] == "base")
    e.loc[sure, "p"] = 1e-9
    table_files.write(folder, "traits", trait_map(e, found.configs, found.study))
    return replace(found, estimates=e).settings()[0]


def test_every_trait_is_in_the_map_and_its_line_says_which_moved(setting):
    section = traits.section(setting)
    (figure,) = section.charts
    alt.LayerChart.from_dict(figure.spec, validate=True)
    every = {"machiavellianism", "narcissism", "psychopathy", *MORE}
    assert set(figure.data["trait"]) == every
    sure = figure.data[figure.data["p_holm"] < 0.05]
    assert ("sft", MORE[0]) in set(zip(sure["objective"], sure["trait"], strict=True))
    assert section.finding.startswith("Of 8 traits")
    assert f"sft moved {MORE[0]}" in section.finding
    assert figure.alt.endswith(f"{len(sure)} of {len(figure.data)} moves {'is' if len(sure) == 1 else 'are'} shown.")
    named = next(row["encoding"]["y"]["scale"]["domain"] for row in figure.spec["layer"])
    assert {n for n in named if n.strip()} == every
    assert len(named) == len(set(named))


def test_three_traits_have_no_map(finished):
    assert traits.section(read(finished).settings()[0]) is None
