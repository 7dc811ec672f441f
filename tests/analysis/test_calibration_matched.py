"""The simulation behind the matched intervals: its truth is planted, and they cover it."""

import numpy as np
import pandas as pd
import pytest

from holdfast import rng
from tools.calibration import matched as simulation

SMALL = simulation.Design("even", seeds=3, prompts=60, validation=100, seed_sd=0.3)


def test_harm_at_the_match_is_planted_exactly():
    true = {}
    for label in simulation.LABELS:
        rise, start, true[label] = simulation.odds(SMALL, label)
        assert simulation._true(SMALL, rise, start) == pytest.approx(true[label], abs=1e-9)
    assert true["same"] == true["sft"]
    assert true["other"] == pytest.approx(true["sft"] + simulation.MARGIN)


def test_the_analysis_finds_what_was_planted():
    random = rng.generator("test of the simulation")
    wide = SMALL._replace(prompts=200, validation=300, seed_sd=0.0)
    found = [simulation.once(wide, simulation.study(), random) for _ in range(10)]
    for label in simulation.LABELS:
        values = np.array([table.loc[label, "value"] for table in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - simulation.odds(wide, label)[2]) < 4 * error


@pytest.mark.parametrize("shape", ["harm lost at once", "capability jumps"])
def test_what_happens_between_checkpoints_invents_no_gap(shape):
    """As measured, the line reads 4 points or more where there is no gap; the interval holds 0 all the same."""
    found = simulation.simulate(simulation.Design(shape, 5, 200, 200, 0.0), 12)
    assert found["bias"] > 0.03
    assert found["none"] == 1
    assert found["verdict"] == 0
    assert (found["untold"] > 0.8) == (shape == "harm lost at once")


def test_checkpoints_before_the_first_budget_show_harm_that_is_lost_at_once():
    design = simulation.Design("lost at once, three checkpoints more", 5, 200, 200, 0.0)
    found = simulation.simulate(design, 12)
    assert abs(found["bias"]) < 0.02
    assert found["untold"] == 0
    assert found["worse"] > 0.3


def test_a_coupling_is_not_biased_to_zero_and_its_gate_has_its_level():
    found = simulation.coupled(simulation.Coupled(0.2, 5, 200, 0.0), 20)
    assert found["told"] > 0.9
    assert found["value"] == pytest.approx(0.3, abs=0.05)
    assert simulation.coupled(simulation.Coupled(0.0, 5, 100, 0.0), 40)["told"] <= 0.1


def test_the_table_has_worst_and_best_over_seed_effects():
    rows = [{**SMALL._asdict(), "seed_sd": sd, **dict.fromkeys(simulation.COLUMNS, x)}
            for sd, x in ((0.0, 0.9), (0.6, 0.95))]  # fmt: skip
    table = simulation.table(pd.DataFrame(rows), ["seeds", "prompts", "validation"], simulation.COLUMNS)
    assert table.splitlines()[-1].startswith("| 3 | 60 | 100 | 90.0–95.0 |")


def test_couplings_miss_a_fifth_of_alpha_and_few_of_those_with_two_ends_do():
    """With sets at alpha 10% of the third that were told here missed, for those were told that saw capability move
    more than it does."""
    found = simulation.coupled(simulation.Coupled(0.1, 5, 300, 0.6), 200)
    assert 0.02 < found["told"] < 0.2
    assert found["holds"] >= 0.985


@pytest.mark.slow
@pytest.mark.parametrize("shape", list(simulation.SHAPES))
def test_intervals_cover_and_a_null_is_rarely_a_verdict(shape):
    sure = 3 * np.sqrt(0.05 * 0.95 / 100)
    for design in (SMALL, simulation.Design(shape, 5, 313, 200, 0.3)):
        found = simulation.simulate(design, 100)
        for what in ("level", "none", "margin"):
            assert found[what] > 0.93 - sure
        for what in ("p", "verdict", "equivalent"):
            assert found[what] < 0.05 + sure
