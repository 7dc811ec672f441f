"""A study small enough to run many times: two objectives, two budgets, a handful of items."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

import pytest

from holdfast.config.loading import parse
from holdfast.runs import pipeline, stages
from holdfast.runs.executors.executor import Event, Job
from holdfast.store.files import write_text

SMALL = """
name: small
mark: "miniature: a synthetic world, not evidence about real models"
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic, unsafe: {regime: as_published}, split: {validation: 0.005}}]
objectives:
  - {label: SFT, objective: sft}
  - {label: DPO, objective: dpo}
budgets: [600, 1200]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
measures:
  - {measure: task_accuracy, items: 6, max_new_tokens: 24}
  - {measure: miniature_robustness, items: 3, max_new_tokens: 24}
  - {measure: miniature_dark_triad, items: 12}
control_runs: [{kind: noop}]
workers: 2
"""


@pytest.fixture
def small_study() -> str:
    return SMALL


class Here(AbstractContextManager):
    """Workers that are this process, which has torch already. ``ran``: what was done, in order."""

    ran: ClassVar[list[str]] = []

    def __init__(self, *_: object, **__: object) -> None: ...

    def map(self, jobs: Iterable[Job], resources: object = None) -> Iterator[Event]:
        for job in jobs:
            self.ran.append(f"{job.function.__name__} {job.name}")
            job.function(lambda event: None, **job.arguments)
            yield {"job": job.name, "finished": True}

    def close(self) -> None: ...

    def __exit__(self, *_: object) -> None: ...


def no_page(work: stages.Work) -> Path:
    """In place of the page, which takes as long as all else."""
    page = work.folder.report / "index.html"
    write_text(page, "")
    return page


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A study that is done, but for its page, and its file. Tests that change it work on a copy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(stages.STAGES, "report", no_page)
        patch.setattr(pipeline, "make", Here)
        return pipeline.run(parse(SMALL), tmp_path_factory.mktemp("finished") / "out", quiet=True), SMALL


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies are run in this process, and have no page."""
    monkeypatch.setattr(pipeline, "make", Here)
    monkeypatch.setitem(stages.STAGES, "report", no_page)
