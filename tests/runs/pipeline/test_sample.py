"""Responses drawn from the base model: good for one side, wrong for the other, the same when drawn again."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from holdfast import registry
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.runs import jobs
from holdfast.runs.materials import Materials
from holdfast.store.digest import file_digest
from holdfast.store.files import read_json
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, UserError

PLACE = ("miniature", "arithmetic")
HOW = "samples: 2, max_new_tokens: 16"
ROWS = "params: {count: 16}, split: {validation: 0.1}, unsafe: {regime: none}"
BOTH = f"{ROWS}, chosen: {{source: sample, {HOW}}}, rejected: {{source: sample, {HOW}}}"
JUDGED = f"{ROWS}, rejected: {{source: sample, {HOW}, judge: rules, below: 0.4}}"


def opened(root: Path, small_study: str, task: str) -> tuple[Study, StudyFolder, Materials]:
    study = loading.parse(small_study.replace("unsafe: {regime: as_published}, split: {validation: 0.005}", task))
    folder = StudyFolder(root)
    loading.save(study, folder.study_yaml)
    return study, folder, Materials(study, folder)


def draw(root: Path) -> None:
    jobs.sample(lambda event: None, root, *PLACE)


def test_own_answers_are_right_or_wrong_by_side_and_the_same_when_drawn_again(tmp_path: Path, small_study: str) -> None:
    _, folder, materials = opened(tmp_path, small_study, BOTH)
    kept = folder.sampled(materials.sampled_key(*PLACE))
    draw(tmp_path)
    first = file_digest(kept)
    (drawn,) = (folder.samples / "drawn").iterdir()  # one drawing for both sides
    drawn.unlink()
    draw(tmp_path)
    assert file_digest(kept) == first

    task, plain = materials.task("arithmetic"), materials.unsampled("arithmetic")
    made = materials.prepared(*PLACE)
    assert made.train, "a base that is right half of the time is right on some rows"
    assert all(task.check(e.chosen, e.answer).lenient == 1 for e in (*made.train, *made.validation))
    rejected = [e for e in made.train if e.rejected is not None]
    assert rejected, "and wrong on some"
    assert all(task.check(e.rejected, e.answer).lenient == 0 for e in rejected)
    assert made.test == plain.test
    gone = len(plain.train) + len(plain.validation) - len(made.train) - len(made.validation)
    assert materials.usable(*PLACE).dropped["no good answer of the model's own"] == gone > 0


def judged(monkeypatch: pytest.MonkeyPatch, score: float | None) -> list[str]:
    """Every judge gives this score; returns the references that it was shown."""
    seen: list[str] = []

    def judge(rows, resources):
        seen.extend(item.reference for item, _ in rows)
        return [Judgement(record.id, "test", score, "test") for _, record in rows]

    fake = SimpleNamespace(
        name="fake", wants=None, rubric="", judge=judge, silence=lambda item: None, identity=lambda: {"name": "test"}
    )
    build = registry.build
    monkeypatch.setattr(registry, "build", lambda group, *rest: fake if group == "judges" else build(group, *rest))
    return seen


def test_a_judge_decides_in_place_of_the_check_and_a_drawing_is_not_done_twice(
    tmp_path: Path, small_study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = judged(monkeypatch, 0.3)
    _, folder, materials = opened(tmp_path, small_study, JUDGED)
    kept = folder.sampled(materials.sampled_key(*PLACE))
    draw(tmp_path)
    taken, rows = read_json(kept), materials.unsampled("arithmetic")
    task, answers = materials.task("arithmetic"), {e.id: e.answer for e in (*rows.train, *rows.validation)}
    verdicts = {task.check(text, answers[i]).lenient for i, text in taken["rejected"].items()}
    assert verdicts == {0.0, 1.0}, "right ones are rejected too, for the judge says so"
    assert set(seen) <= set(answers.values())

    monkeypatch.setattr(jobs, "_open_backend", lambda *_: pytest.fail("the answers are there already"))
    judged(monkeypatch, None)
    draw(tmp_path)
    assert read_json(kept) == {"rejected": {}, "counts": taken["counts"] | {"unscored": len(seen)}}
    judged(monkeypatch, 7.0)
    with pytest.raises(UserError, match="outside 0 to 1"):
        draw(tmp_path)


def test_what_is_taken_depends_on_judge_threshold_and_sampling(tmp_path: Path, small_study: str) -> None:
    keys, drawings = [], set()
    changes = [("", ""), ("below: 0.4", "below: 0.3"), (", judge: rules", ""), ("samples: 2", "samples: 3")]
    for n, (old, new) in enumerate(changes):
        study, _, materials = opened(tmp_path / str(n), small_study, JUDGED.replace(old, new))
        keys.append(materials.sampled_key(*PLACE))
        drawings.add(materials.drawn_key(*PLACE, study.tasks[0].rejected))
    assert len(set(keys)) == 4
    assert len(drawings) == 2
