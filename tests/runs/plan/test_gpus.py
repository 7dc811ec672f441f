"""A model on several GPUs: what the study file says of it, what jobs are given, and what does not change."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from holdfast import machine
from holdfast.analysis.declaration import content
from holdfast.config.decisions import _asked
from holdfast.config.loading import dump, parse
from holdfast.config.study import ModelSpec, Study
from holdfast.evals.judges.judge import JudgeModel
from holdfast.runs import costs, jobs
from holdfast.runs.executors.executor import Job, Resources
from holdfast.runs.plan import expand
from holdfast.runs.sizes import Shape
from holdfast.runs.stages import Work

Make = Callable[..., Study]


def spread(make: Make, gpus: int, **more: Any) -> Study:
    return make(models=[{"name": "tiny", "path": "model", "gpus": gpus}], **more)


def test_how_many_gpus_a_model_lies_on_is_in_no_identity(make: Make) -> None:
    tuned = {"measure": "task_accuracy", "learning_rate": [1e-4, 2e-4]}
    whole = [[{"label": "tuned", "weights": {"name": "whole", "path": "model", "gpus": n}}] for n in (1, 2)]
    one, two = (spread(make, n, tuned=tuned, given=given) for n, given in zip((1, 2), whole, strict=True))
    assert [t.id for t in expand(two).runs] == [t.id for t in expand(one).runs]
    assert content(two) == content(one)
    assert _asked("tuned", two) == _asked("tuned", one)


def test_a_study_file_keeps_it_and_says_nothing_where_it_is_one(make: Make) -> None:
    two = spread(make, 2)
    assert parse(dump(two)) == two
    assert "gpus" not in dump(spread(make, 1))


@pytest.mark.parametrize("device", ["cpu", "cuda:1"])
def test_a_device_that_is_one_cannot_be_several(device: str) -> None:
    with pytest.raises(ValueError, match=f"its `device` cannot be {device}: leave it at auto, or set `gpus: 1`"):
        ModelSpec(name="m", path="p", device=device, gpus=2)


class Recording:
    """An executor that keeps what it is asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, list[str]]] = []

    def map(self, some: list[Job], resources: Resources) -> Iterator[dict[str, Any]]:
        assert resources.memory == 7
        self.asked.append((resources.gpus, [job.name for job in some]))
        return iter(())


def test_jobs_are_given_the_gpus_of_the_models_that_they_load(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    rubric = {"judge": "strongreject_rubric", "params": {"model": {"name": "j", "path": "p", "gpus": 3}}}
    drawn = {"source": "sample", "judge": rubric}
    models = [{"name": "tiny", "path": "model", "gpus": 2}, {"name": "small", "path": "model"}]
    task = {"name": "rows", "task": "jsonl", "params": {"path": "rows.jsonl"}}
    given = [{"label": "tuned", "weights": {"name": "whole", "path": "model", "gpus": 4}}]
    study = make(models=models, tasks=[task | {"rejected": drawn}], given=given)
    executor = Recording()
    work = Work(study, None, executor, SimpleNamespace(begin=lambda *_: None), None)  # type: ignore[arg-type]
    monkeypatch.setattr(Work, "plan", SimpleNamespace(cost=SimpleNamespace(least=7)))
    monkeypatch.setattr(Work, "materials", SimpleNamespace(tasks={"rows": study.tasks[0]}))
    judge = JudgeModel(ModelSpec(name="judge", path="p", gpus=3))
    work.do(
        "any",
        [
            Job("train tiny", jobs.train, {}, "tiny"),
            Job("train small", jobs.train, {}, "small"),
            Job("respond whole", jobs.respond, {}, "whole"),
            Job("judge small by rules", jobs.judge, {"wants": None}, "small"),
            Job("judge small by its base", jobs.judge, {"wants": JudgeModel()}, "small"),
            Job("judge tiny by another", jobs.judge, {"wants": judge}, "tiny"),
            Job("sample small", jobs.sample, {"task": "rows"}, "small"),
            Job("translate", jobs.translate, {}),
        ],
    )
    assert executor.asked == [
        (1, ["train small", "judge small by rules", "judge small by its base", "translate"]),
        (2, ["train tiny"]),
        (3, ["judge tiny by another", "sample small"]),
        (4, ["respond whole"]),
    ]


BIG = Shape(70_000_000_000, 8192, 80, 3_000_000, 140_000_000_000, 6_000_000, 68_000_000_000)


@pytest.mark.parametrize(
    ("gpus", "said"),
    [
        (1, "about 143 GB on a GPU, which 1 of 80 GB has no room for: `gpus: 3` of the model spreads it over 3"),
        (2, "about 143 GB on a GPU, which 2 of 80 GB have no room for: `gpus: 3` of the model spreads it over 3"),
        (3, ""),
    ],
)
def test_a_plan_says_which_model_has_no_room_and_what_would_do(
    make: Make, monkeypatch: pytest.MonkeyPatch, gpus: int, said: str
) -> None:
    monkeypatch.setattr("holdfast.runs.plan.shapes", lambda *_: {"tiny": BIG})
    notes = [note for note in expand(spread(make, gpus)).notes if "no room" in note]
    assert [note[: len("tiny takes ") + len(said)] for note in notes] == ([f"tiny takes {said}"] if said else [])


@pytest.mark.parametrize(
    ("model", "fits"), [({"quantization": "4bit"}, 0), ({"dtype": "float32"}, 5), ({"device": "cpu"}, 0)]
)
def test_what_a_model_takes_is_of_its_precision(make: Make, model: dict[str, str], fits: int) -> None:
    study = make(models=[{"name": "tiny", "path": "model"} | model])
    (*notes,) = costs.crowded(study, {"tiny": BIG})
    assert [f"`gpus: {fits}`" in note for note in notes] == [True] * bool(fits)
    assert costs.crowded(study, {"tiny": None}) == []


def test_as_many_jobs_run_at_once_as_there_are_shares_of_gpus(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    monkeypatch.setattr(machine, "gpu_bytes", lambda: 0)
    assert [expand(spread(make, n)).cost.workers for n in (1, 2, 5)] == [5, 2, 1]


def test_the_memory_of_the_smallest_gpu_is_asked_of_its_driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert machine.gpu_bytes() == 0
    driver = tmp_path / "nvidia-smi"
    driver.write_text("#!/bin/sh\necho 81559\necho 40960\n")
    driver.chmod(0o755)
    assert machine.gpu_bytes() == 40960 * 2**20
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert machine.gpu_bytes() == 0
