"""An eval config's answers as cluster sums."""

import numpy as np
import pytest
from rows import config_of, frame_of

from holdfast.analysis.cube import cluster_sums, cube_of
from holdfast.analysis.metrics import metrics
from holdfast.stats.linear import linearise


def sums_of(scores, groups=("a", "b")):
    frame = frame_of(scores, groups)
    config = config_of(groups)["c"]
    return cluster_sums(cube_of(frame, config.summary), metrics(frame, config.summary, 0.5)[0])


def test_records_become_sums_by_subject_seed_prompt_and_group():
    base = [[0.0, 1.0], [0.0, 0.0], [1.0, np.nan]]
    sft = {("sft", k): np.full((3, 2), float(k)) for k in (0, 1)}
    made = sums_of({("base", -1): base, **sft})
    assert made.who["label"].tolist() == ["base", "sft"]
    assert made.seeds == (0, 1)
    assert made.sums.shape == made.counts.shape == (2, 2, 3, 2)
    assert made.values()[0, 0] == pytest.approx(made.values()[0, 1], nan_ok=True)  # the base under every seed
    assert made.means(np.array([0.5, 0.5])) == pytest.approx([(1 / 3 + 1 / 2) / 2, 0.5])
    assert made.means(np.array([1.0, 0.0]))[0] == pytest.approx(1 / 3)


def test_means_of_these_sums_are_those_of_the_linearised_estimate():
    y = np.random.default_rng(0).random((3, 9, 2))
    y[1, 4, 0] = y[2, 0, 1] = np.nan
    made = sums_of({("sft", k): y[k] for k in range(3)})
    w = np.array([0.3, 0.7])
    assert made.means(w)[0] == pytest.approx(linearise(y, w).value, abs=1e-12)


def test_samples_of_a_prompt_count_as_their_mean():
    made = sums_of({("sft", 0): [[[1.0, 0.0, np.nan]], [[1.0, 1.0, 1.0]]]}, ("a",))
    assert made.sums[0, 0, :, 0].tolist() == [0.5, 1.0]
    assert made.counts[0, 0, :, 0].tolist() == [1.0, 1.0]
