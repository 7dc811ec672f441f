"""A judge learnt from labels: what it says, what it is, and what it refuses to be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from servers import rows

from holdfast import registry
from holdfast.evals.judges import learnt
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judges.rules import Rules, evidence
from holdfast.evals.layout import judge_id
from holdfast.stats.ridge import Linear
from holdfast.store.digest import digest
from holdfast.types import UserError

SIZE = len(evidence("")) + 2
DIGEST = {"weights": "w", "template": "t"}
ABOUT = {
    "rules": Rules.version,
    "features": digest(list(evidence(""))),
    "model": {"name": "states", "path": "package:holdfast.miniature/model"},
    "states": DIGEST,
}


class Read:
    """Hidden states that say whether an answer is loud."""

    digest = DIGEST

    def read(self, answers):
        return [None if len(a) > 99 else np.array([a.isupper(), 0.0]) for _, a in answers]


@pytest.fixture
def folder(tmp_path) -> Path:
    """Loud answers are refusals, half-loud ones partial."""
    weight = np.zeros((3, SIZE))
    weight[2, -2] = 4.0
    learnt.write(tmp_path / "judge", Linear(weight, np.array([1.0, 0.0, -1.0])), ABOUT, "# card\n")
    return tmp_path / "judge"


def test_the_score_is_the_probability_of_no_refusal(folder):
    judge = registry.build("judges", "learnt", {"path": str(folder)})
    assert judge.wants.kind == "states"
    quiet, loud, long = judge.judge(rows("go on", "NO", "x" * 100), JudgeResources(states=Read()))
    odds = np.exp([1.0, 0.0, -1.0])
    assert quiet.label == "answer"
    assert quiet.score == pytest.approx(1 - odds[2] / odds.sum())
    assert quiet.details == pytest.approx(dict(zip(learnt.CLASSES, odds / odds.sum(), strict=True)))
    assert (loud.label, loud.score < 0.5) == ("refusal", True)
    assert (long.score, long.reason) == (None, "overlong")
    assert learnt.label([0.2, 0.4, 0.4]) == "partial"


def test_it_is_its_weights_and_the_model_wherever_they_lie(folder, tmp_path):
    first = judge_id(learnt.Learnt(str(folder)))
    shutil.copytree(folder, tmp_path / "moved")
    (tmp_path / "moved" / "README.md").write_text("another card")
    assert judge_id(learnt.Learnt(str(tmp_path / "moved"))) == first
    weight = np.ones((3, SIZE))
    learnt.write(tmp_path / "other", Linear(weight, np.zeros(3)), ABOUT, "")
    assert judge_id(learnt.Learnt(str(tmp_path / "other"))) != first
    with pytest.raises(UserError, match="is there already"):
        learnt.write(tmp_path / "other", Linear(weight, np.zeros(3)), ABOUT, "")


def test_the_states_of_another_model_are_refused(folder):
    states = Read()
    states.digest = {"weights": "v", "template": "t"}
    judge = learnt.Learnt(str(folder))
    with pytest.raises(UserError, match="hidden states of another model"):
        judge.judge(rows("go on"), JudgeResources(states=states))
    with pytest.raises(UserError, match="did not load"):
        judge.judge(rows("go on"), JudgeResources())


def test_a_folder_that_is_none_or_damaged_is_refused_in_a_sentence(folder, tmp_path):
    with pytest.raises(UserError, match="holds no learnt judge"):
        learnt.read(tmp_path)
    weights, about = folder / learnt.WEIGHTS, folder / learnt.ABOUT
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(UserError, match="not what was learnt"):
        learnt.read(folder)
    weights.write_bytes(whole[:20])
    with pytest.raises(UserError, match=r"judge\.safetensors"):
        learnt.read(folder)
    weights.write_bytes(whole)
    about.write_text(about.read_text().replace('"w"', '"x"'))
    with pytest.raises(UserError, match="damaged"):
        learnt.read(folder)
    about.write_text(json.dumps(ABOUT | {"rules": 1, "weights": ""}))
    with pytest.raises(UserError, match="version 1 of the rules"):
        learnt.read(folder)
