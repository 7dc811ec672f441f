"""The simulation behind the matched intervals: its truth is planted, and they cover it."""

import numpy as np
import pandas as pd
import pytest

from holdfast import rng
from holdfast.analysis import calibration_matched as simulation

SMALL = simulation.Design(seeds=3, prompts=60, validation=100, seed_sd=0.3)


def test_harm_at_the_match_is_planted_exactly():
    true = {}
    for label in simulation.ABLE:
        rise, start, true[label] = simulation._odds(SMALL, label)
        assert simulation._true(SMALL, rise, start) == pytest.approx(true[label], abs=1e-9)
    assert true["same"] == true["sft"]
    assert true["other"] == pytest.approx(true["sft"] + simulation.MARGIN)


def test_the_analysis_finds_what_was_planted():
    random = rng.generator("test of the simulation")
    wide = SMALL._replace(prompts=200, validation=300, seed_sd=0.0)
    found = [simulation.once(wide, simulation.study(), random) for _ in range(10)]
    for label in simulation.ABLE:
        values = np.array([table.loc[label, "value"] for table in found])
        error = values.std(ddof=1) / np.sqrt(len(values))
        assert abs(values.mean() - simulation._odds(wide, label)[2]) < 4 * error


def test_the_table_has_worst_and_best_over_seed_effects():
    rows = [{**SMALL._asdict(), "seed_sd": sd, **dict.fromkeys(simulation.COLUMNS, x), "width": x}
            for sd, x in ((0.0, 0.9), (0.6, 0.95))]  # fmt: skip
    last = simulation.table(pd.DataFrame(rows)).splitlines()[-1]
    assert last.startswith("| 3 | 60 | 100 | 90.0–95.0 |")


@pytest.mark.slow
@pytest.mark.parametrize("design", [SMALL, simulation.Design(5, 313, 200, 0.3)])
def test_intervals_cover_and_a_null_is_rarely_a_verdict(design):
    found = simulation.simulate(design, 150)
    sure = 3 * np.sqrt(0.05 * 0.95 / 150)
    for what in ("level", "gap, none", "gap, margin"):
        assert found[what] > 0.93 - sure
    for what in ("p", "verdict", "equivalent"):
        assert found[what] < 0.05 + sure
