"""A study's records, taken apart once."""

import numpy as np
import pandas as pd
from rows import config_of, frame_of

from holdfast.analysis.metrics import metrics
from holdfast.analysis.records import records


def frames():
    """Two tasks of one model, two judges, a control run and another format."""
    scores = {who: np.eye(4)[:, :2] for who in (("base", -1), ("sft", 0), ("sft", 1))}
    own = frame_of(scores, ("a", "b"))
    other = own[own["label"] != "base"].assign(task="u", score=0.25)
    aside = [own.assign(bracket="noop", score=9.0), own.assign(format="safe", score=9.0)]
    frame = pd.concat([own, other, own.assign(judge="second", score=0.5), *aside], ignore_index=True)
    return frame.sample(frac=1, random_state=1, ignore_index=True)


def test_each_task_has_its_own_records_and_the_base_models():
    frame, config = frames(), config_of()["c"]
    found = {r.task: r for r in records(frame)}
    assert set(found) == {"t", "u"}
    part = found["u"].part(config)
    values = part.places.values(metrics(part.rows, config.summary, 0.5)[0])
    assert part.places.answerers["label"].tolist() == ["base", "sft", "sft"]
    assert (values[1:] == 0.25).all()
    assert (values[0] == np.eye(4)[:, :2]).all()


def test_a_judge_without_scores_has_no_records_and_records_are_selected_once():
    (mine, _) = records(frames())
    config = config_of()["c"].but(judges=("own", "second"))
    assert mine.part(config) is mine.part(config, "own")
    assert (mine.part(config, "second").rows["score"] == 0.5).all()
    assert mine.part(config, "third") is None
    assert mine.measured(config)
    assert not mine.measured(config.but(judges=("third",)))
    nowhere = config.but(id="d")
    assert not mine.measured(nowhere)
