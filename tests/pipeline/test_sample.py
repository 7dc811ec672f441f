"""Rejected responses drawn from the base model: wrong, kept by content, the same when drawn again."""

from __future__ import annotations

from pathlib import Path

from holdfast import jobs
from holdfast.store.digest import file_digest
from holdfast.store.folder import StudyFolder
from holdfast.study import files
from holdfast.study.materials import Materials

SAMPLED = (
    "params: {count: 24}, split: {validation: 0.1}, "
    "rejected: {source: sample, samples: 2, max_new_tokens: 16}, unsafe: {regime: none}"
)


def test_sampled_rejections_are_wrong_answers_and_the_same_when_drawn_again(tmp_path: Path, small_study: str) -> None:
    study = files.parse(small_study.replace("unsafe: {regime: as_published}", SAMPLED))
    folder = StudyFolder(tmp_path)
    files.save(study, folder.study_yaml)
    materials = Materials(study, folder)
    kept = folder.sampled(materials.sampled_key("miniature", "arithmetic"))

    jobs.sample(lambda event: None, tmp_path, "miniature", "arithmetic")
    first = file_digest(kept)
    jobs.sample(lambda event: None, tmp_path, "miniature", "arithmetic")
    assert file_digest(kept) == first

    task = materials.task("arithmetic")
    rejected = [e for e in materials.prepared("miniature", "arithmetic").train if e.rejected is not None]
    assert rejected, "a base that is right half of the time is wrong on some rows"
    assert all(task.check(e.rejected, e.answer).lenient == 0 for e in rejected)
