"""The sections on equal capability and on stability say what was found, and what cannot be said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from holdfast.report import distance, figures, matched, stability
from holdfast.report.reading import Setting, read
from holdfast.spec import MatchedSpec
from holdfast.store.folder import StudyFolder


@pytest.fixture(scope="module")
def setting(finished: StudyFolder) -> Setting:
    return read(finished).settings()[0]


def aiming(setting: Setting, **goal: Any) -> Setting:
    spec = MatchedSpec(**{"measure": "task_accuracy"} | goal)
    study = setting.findings.study.model_copy(update={"matched": spec})
    findings = replace(setting.findings, study=study)
    findings.__dict__["whole"] = setting.findings.whole  # read once
    return replace(setting, findings=findings)


def said(group: Any) -> str:
    return " ".join(block.html for block in group.tables)


def test_every_objective_is_compared_where_it_reaches_the_target(setting: Setting) -> None:
    group = matched.group(aiming(setting, target=0.05))
    text = said(group)
    assert "At a capability of" in text
    assert "Who is on the front" in text
    for label in setting.findings.labels:
        assert f'data-label="{label}"' in text
    assert "the very rows that are reported" in text
    (gap,) = group.figures
    assert "sft" in gap.caption
    assert set(gap.data["objective"]) <= set(setting.findings.labels) - {"sft"}


def test_a_void_target_and_one_out_of_reach_are_said_to_be_so(setting: Setting) -> None:
    void = said(matched.group(aiming(setting, target=0.01, relative="absolute")))
    assert "already meets the target" in void
    beyond = said(matched.group(aiming(setting, target=1.0, relative="absolute")))
    assert "never" in beyond


def test_the_grid_tells_verdicts_by_sign_as_well_as_by_colour(setting: Setting) -> None:
    group = stability.group(setting)
    for figure in group.figures:
        kinds = figure.data[figure.data["value"].abs() > 1e-9].groupby("kind")["glyph"].unique()
        assert all(list(glyphs) == [stability.GLYPHS[kind]] for kind, glyphs in kinds.items())
        assert figure.data["declared"].sum() == figure.data["label"].nunique()
        assert figures.for_page(figure, "mark")["description"]
    assert "reversed by" in said(group)


def test_coherence_has_its_bounds_and_quadrants(setting: Setting) -> None:
    rates, four = matched.coherence(setting)
    assert all(word in rates.html for word in ("coherent only", "least", "most"))
    assert "harmful, incoherent" in four.html


def test_the_gap_from_sft_is_drawn_over_the_distance_moved(setting: Setting) -> None:
    drawn, told = distance.at_equal(setting)
    assert [f.name for f in drawn] == ["distance-miniature_robustness", "distance-miniature_dark_triad"]
    furthest = {"dpo": 0.08, "cft": 0.064, "ip": 0.072, "orpo": 0.04, "kl": 0.024}  # and SFT 0.08
    for figure in drawn:
        far = figure.data.groupby("objective")["distance"].max()
        assert far.to_dict() == pytest.approx(furthest)
        assert all(word in figure.caption for word in ("sft", "95%", "prompts", "seed"))
    assert 'data-label="orpo"' in told[1].html
