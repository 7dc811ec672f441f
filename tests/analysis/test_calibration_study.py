"""Simulated studies go through the code that judges a real one, and their answers are rarely wrong."""

import numpy as np
import pytest

from tools.calibration import studies as simulation
from tools.calibration.studies import Cell, cells, rows, scores, simulate


def test_a_simulated_study_is_one_family_of_all_comparisons_of_its_answer():
    table = rows(Cell("trade", 3, 0.15, 40), 5, np.random.default_rng(0))
    assert table.groupby("model").size().eq(4 * (6 + 5)).all()
    assert table.groupby("family").size().eq(44).all()
    truth = table[(table["against"] == "sft") & (table["label"] == "ip")].groupby("measure")["value"].mean()
    assert truth["harm"] == pytest.approx(-0.10, abs=0.05)
    assert truth["persona"] == pytest.approx(0.05, abs=0.03)


@pytest.mark.slow
def test_an_objective_whose_seeds_scatter_more_is_not_judged_by_the_others_spread():
    """By the pooled spread alone a false difference stood in 9% of these studies, with 10 seeds as with 5."""
    found = simulate(Cell("thrice", 5, 0.15, 200), 400)
    assert found["false difference"] <= 0.06


@pytest.mark.parametrize("truth", ["nothing", "margin", "trade"])
def test_few_answers_of_simulated_studies_are_wrong(truth):
    found = simulate(Cell(truth, 3, 0.3, 100), 60)
    assert max(np.nan_to_num([found[k] for k in found if k.startswith("false")])) <= 0.12


def test_three_prompts_are_never_shown_to_be_equivalent():
    table = scores(20)
    assert (table.loc[table["prompts"] < 35, "equivalent"] == 0).all()
    assert table.loc[table["prompts"] == 1000, "equivalent"].max() == 1  # where none differs in truth


def test_the_document_is_written_between_its_markers(tmp_path, monkeypatch):
    monkeypatch.setattr(simulation, "SETS", 40)
    monkeypatch.setattr(simulation, "cells", lambda: [Cell("nothing", 3, 0.15, 40), Cell("better by 10", 3, 0.15, 40)])
    page = tmp_path / "findings.md"
    page.write_text(f"# Before\n{simulation.BEGIN}\nwhat was there\n{simulation.END}\nafter\n")
    simulation.main(["--quick", "--out", str(page)])
    text = page.read_text()
    assert text.startswith("# Before\n")
    assert text.endswith("after\n")
    assert "what was there" not in text
    assert "| better by 10 | 3 | 0.15 | 40 |" in text


@pytest.mark.slow
@pytest.mark.parametrize("cell", [c for c in cells() if c.truth in simulation.TRUTHS], ids=str)
def test_any_false_sentence_stands_in_five_per_cent_of_studies_at_most(cell):
    found = simulate(cell, 600)
    wrong = [found[k] for k in found if k.startswith("false")]
    assert np.nanmax(wrong) <= 0.05 + 2.5 * np.sqrt(0.05 * 0.95 / 600)
