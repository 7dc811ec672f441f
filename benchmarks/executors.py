"""What an executor costs: seconds to start, milliseconds per job that does nothing, and what a second worker gains.

    python benchmarks/executors.py --executors local ray slurm.yaml --out executors.json

Each is a registered name or a YAML file, as of ``holdfast run --executor``. The study of the second part is trained,
asked and judged with one worker and with two, by turns; what is timed are its jobs, the workers' starts among them.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from statistics import median
from typing import Any

from common import machine, spread, table

from holdfast.config.executor import ExecutorSpec
from holdfast.config.loading import parse
from holdfast.runs import pipeline
from holdfast.runs.executors.executor import Executor, Job, Resources, chosen, make

STUDY = """
name: executors
mark: "miniature: a synthetic world, not evidence about real models"
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic, unsafe: {regime: as_published}}]
objectives: [{label: SFT, objective: sft}, {label: DPO, objective: dpo}, {label: ORPO, objective: orpo}]
budgets: [2500]
seeds: [0, 1]
controls: {batch_rows: 4, warmup_steps: 2, learning_rate: 1.0e-3}
measures:
  - {measure: task_accuracy, items: 40, max_new_tokens: 24}
  - {measure: miniature_robustness, items: 12, max_new_tokens: 24}
"""


def of(name: str, workers: int, folder: Path) -> Executor:
    where = chosen(name, ExecutorSpec())
    return make(where.name, workers=workers, folder=folder, **where.params)


def overhead(name: str, jobs: int, folder: Path) -> dict[str, float]:
    """Of one worker: seconds from nothing to its first job's end, then seconds per job."""

    def do(pool: Executor, n: int) -> float:
        began = time.perf_counter()
        # ``bool`` of the report: nothing. On CPUs, for a GPU to be free need not be waited for.
        list(pool.map([Job(f"job {k}", bool, {}) for k in range(n)], Resources(gpus=0)))
        return time.perf_counter() - began

    with of(name, 1, folder) as pool:
        return {"start": do(pool, 1), "job": do(pool, jobs) / jobs}


class Timed(AbstractContextManager["Timed"]):
    """An executor, and the seconds that its jobs took."""

    def __init__(self, inside: Executor) -> None:
        self._inside, self.seconds = inside, 0.0

    def map(self, *asked: Any) -> Iterator[Any]:
        began = time.perf_counter()
        yield from self._inside.map(*asked)
        self.seconds += time.perf_counter() - began

    def close(self) -> None:
        self._inside.close()

    def __exit__(self, *_: object) -> None:
        self.close()


def of_study(name: str, workers: int, folder: Path) -> float:
    """Seconds of a study's jobs."""
    timed = Timed(of(name, workers, folder))
    pipeline.make = lambda *_, **__: timed  # type: ignore[assignment]
    for stage in ("analyse", "report"):  # no jobs
        pipeline.STAGES.pop(stage, None)
    pipeline.run(parse(STUDY), folder, quiet=True)
    return timed.seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--executors", nargs="+", default=["local", "ray"])
    parser.add_argument("--jobs", type=int, default=200, help="that do nothing")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="that all machines see; default: a temporary one of this machine")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    root = Path(tempfile.mkdtemp(dir=asked.folder))
    load = os.getloadavg()[0]
    found: dict[str, dict[str, Any]] = {name: {"empty": [], "1": [], "2": []} for name in asked.executors}
    for repeat in range(asked.repeats):
        for name, into in found.items():
            into["empty"].append(overhead(name, asked.jobs, root))
        for workers in (1, 2):
            for name, into in found.items():
                folder = root / f"{Path(name).stem}-{workers}-{repeat}"
                folder.mkdir()
                into[str(workers)].append(of_study(name, workers, folder))
    about = {**machine(1, "torch", "ray"), "load": [round(load, 1), round(os.getloadavg()[0], 1)]}
    print(about)
    rows = [
        [
            name,
            f"{median(e['start'] for e in its['empty']):.1f} s",
            f"{1000 * median(e['job'] for e in its['empty']):.1f} ms",
            f"{median(its['1']):.0f} s",
            f"{median(its['2']):.0f} s",
            spread([a / b for a, b in zip(its["1"], its["2"], strict=True)]),
        ]
        for name, its in found.items()
    ]
    print(table(["executor", "start", "an empty job", "study, 1 worker", "2 workers", "× faster"], rows))
    if asked.out:
        asked.out.write_text(json.dumps({**about, "executors": found}, indent=2) + "\n")


if __name__ == "__main__":
    main()
