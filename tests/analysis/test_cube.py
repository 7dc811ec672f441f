"""An eval config's answers as scores."""

import numpy as np
import pytest
from rows import config_of, frame_of

from holdfast.analysis.cube import places_of
from holdfast.analysis.metrics import metrics
from holdfast.stats.linear import linearise


def scores_of(scores, groups=("a", "b")):
    frame = frame_of(scores, groups)
    config = config_of(groups)["c"]
    return places_of(frame, config.summary).cube(metrics(frame, config.summary, 0.5)[0])


def test_records_become_scores_by_subject_seed_prompt_and_group():
    base = [[0.0, 1.0], [0.0, 0.0], [1.0, np.nan]]
    sft = {("sft", k): np.full((3, 2), float(k)) for k in (0, 1)}
    made = scores_of({("base", -1): base, **sft})
    assert made.who["label"].tolist() == ["base", "sft"]
    assert made.seeds == (0, 1)
    assert made.values.shape == (2, 2, 3, 2)
    assert made.values[0, 0] == pytest.approx(made.values[0, 1], nan_ok=True)  # the base under every seed
    assert linearise(made.values, np.array([0.5, 0.5])).value == pytest.approx([(1 / 3 + 1 / 2) / 2, 0.5])
    assert linearise(made.values, np.array([1.0, 0.0])).value[0] == pytest.approx(1 / 3)
    assert [made.at["base", 0], made.at["sft", 100]] == [0, 1]


def test_samples_of_a_prompt_count_as_their_mean():
    made = scores_of({("sft", 0): [[[1.0, 0.0, np.nan]], [[1.0, 1.0, 1.0]]]}, ("a",))
    assert made.values[0, 0, :, 0].tolist() == [0.5, 1.0]
