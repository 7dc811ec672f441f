"""A study of 800,000 subjects, planned and asked how far it is; nothing is trained or asked.

100 models × 10 tasks × 20 variants × 5 seeds × 8 budgets. The models are copies of the miniature's that differ by a
byte; a task has 200 rows. The folder holds what `status` reads when all is trained and half is measured: the table of
subjects, and what jobs noted. Each part is a process of its own.

    python benchmarks/scale.py --folder /tmp/scale            # 0.5 GB, which --remove takes away
    python benchmarks/scale.py --folder /tmp/scale --readers  # no two models read alike: rows are counted for each
    python benchmarks/scale.py --folder /tmp/small --models 2 --seeds 1

    python benchmarks/scale.py --folder /tmp/records --only records --seeds 12    # 792 subjects × 11,020 records, 2 GB

The last makes up records and verdicts of 6 objectives × 11 budgets × the seeds, one judge, and reads them: as the
analysis does, and a subject at a time into the sums that its cubes are made of (``--again`` so many times).
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

import holdfast
from holdfast.analysis.cube import headline_cube
from holdfast.analysis.load import configs, load_records
from holdfast.analysis.record_files import Texts, answered, judged
from holdfast.config import loading
from holdfast.config.study import Study
from holdfast.evals import noted
from holdfast.runs import jobs, pipeline
from holdfast.runs.materials import Materials
from holdfast.runs.plan import Plan, expand
from holdfast.store import schemas, tables
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder

MODEL = Path(holdfast.__file__).parent / "miniature/model"
MEASURES = ["task_accuracy", "miniature_robustness", "miniature_dark_triad"]


def made(root: Path, asked: argparse.Namespace) -> Study:
    """The study, with its models and rows made in the folder."""
    for k in range(asked.models):
        at = root / f"models/m{k}"
        if not at.exists():
            shutil.copytree(MODEL, at)
            with (at / "model.safetensors").open("r+b") as weights:
                weights.seek(-100, 2)
                weights.write(bytes([k]))
    for k in range(asked.tasks):
        for part, n in (("rows", 200), ("test", 20)):
            draw, file = random.Random(f"{k} {part}"), root / f"data/t{k}-{part}.jsonl"
            file.parent.mkdir(parents=True, exist_ok=True)
            rows = ((draw.randrange(1000), draw.randrange(1000)) for _ in range(n))
            file.write_text("".join(json.dumps(_row(k, a, b)) + "\n" for a, b in rows))
    dates = [f"{1 + k % 28} Jul {2000 + k // 28}" if asked.readers else "26 Jul 2024" for k in range(asked.models)]
    files = [{"path": str(root / f"data/t{k}-rows.jsonl"), "test": str(root / f"data/t{k}-test.jsonl")}
             for k in range(asked.tasks)]  # fmt: skip
    dpo = [{"label": f"dpo{k}", "objective": "dpo", "params": {"beta": 0.05 * k}} for k in range(1, asked.variants)]
    return Study.model_validate(
        {
            "name": "scale",
            "models": [{"name": f"m{k}", "path": str(root / f"models/m{k}"), "date": d} for k, d in enumerate(dates)],
            "tasks": [{"name": f"t{k}", "task": "jsonl", "params": paths} for k, paths in enumerate(files)],
            "objectives": [{"label": "sft", "objective": "sft"}, *dpo],
            "budgets": [400 * (k + 1) for k in range(asked.budgets)],
            "seeds": list(range(asked.seeds)),
            "controls": {"passes": 10, "warmup_steps": 0, "batch_rows": 4},
            "measures": [{"measure": name, "items": 10} for name in MEASURES],
        }
    )


def _row(task: int, a: int, b: int) -> dict[str, str]:
    said = "{a} and {b} make {c}. The answer is {c}."
    return {
        "prompt": f"Task {task}: what are {a} and {b} together?",
        "chosen": said.format(a=a, b=b, c=a + b),
        "rejected": said.format(a=a, b=b, c=a + b + 1),
        "answer": str(a + b),
    }


def half_way(folder: StudyFolder) -> None:
    """What a run leaves that has trained all and measured half."""
    planned, configs = Plan.read(folder), jobs.eval_configs(Materials(loading.load(folder.study_yaml), folder))
    who = [(t, budget) for t in planned.runs for budget in t.budgets]
    frame = pd.DataFrame({"subject": [digest([t.id, budget]) for t, budget in who]})
    for name in ("model", "task", "label", "objective", "seed"):
        frame[name] = [getattr(t, name) for t, _ in who]
    frame["params"], frame["budget"] = [json.dumps(dict(t.params)) for t, _ in who], [budget for _, budget in who]
    frame["trajectory"], frame["bracket"], frame["weights"] = [t.id for t, _ in who], "", ""
    frame["adapter"] = [f"trajectories/{t.id}/checkpoints/{budget}" for t, budget in who]
    tables.write(folder.subjects, "subjects", frame)
    noted.begin(folder, len(frame))
    for n, run in enumerate(planned.runs):
        with (folder.progress / f"process-{n % 64}").open("a") as file:
            file.write(f"{noted._trained(run.budgets)} {run.id}\n")
    asked = [noted._Asked(config) for config in configs]
    for n, (row, subjects) in enumerate(noted._alike(folder, configs)):
        plans = [a.plan(row, j) for a in asked if a.config.concerns(row) for j in ("", *a.config.judges)]
        with (folder.progress / f"process-{n % 64}").open("a") as file:
            file.writelines(f"{p} {s:012x}\n" for s in subjects[::2] for p in plans)


def records(folder: StudyFolder, asked: argparse.Namespace) -> None:
    """Made-up answers of many subjects to what ``page.py`` asks, by one judge, read as the analysis reads them."""
    import page

    study = page.study_of(11, asked.seeds, 5)
    if not folder.subjects.exists():
        with timed("records, made"):
            page.write_text(folder.study_yaml, yaml.safe_dump(study.model_dump(mode="json", by_alias=True)))
            frame = pd.DataFrame(page._subjects(study))
            for about, items, asks in page._cells(334, 5):
                about["judges"] = about["judges"][:1]
                at = folder.config(about["measure"], about["cell"])
                page.write_json(at.config_json, about)
                tables.write(at.items, "items", items)
                for place, who in enumerate(frame.to_dict("records")):
                    _made_up(folder, about, items, asks, who["subject"], place)
            tables.write(folder.subjects, "subjects", frame)
    if asked.again:
        with timed(f"read {asked.again} times, a subject at a time"):
            print(f"{sum(_summed(folder) for _ in range(asked.again)):,} records")
        return
    with timed("loaded"):
        frame = load_records(folder, tuning=True, numbered=True)
    print(f"{len(frame):,} records, {frame.memory_usage().sum() / 2**20:,.0f} MiB")
    about = configs(folder)
    with timed("cubes, all"):
        for (config, judge), rows in frame.groupby(["cell", "judge"], sort=False):
            _, cube = headline_cube(rows.reset_index(drop=True), about[str(config)], study.threshold)
            print(judge, cube.values.shape)


def _made_up(
    folder: StudyFolder, about: dict[str, Any], items: pd.DataFrame, asks: pd.DataFrame, subject: str, place: int
) -> None:
    import page

    draw, n, item = np.random.default_rng([place, len(asks)]), len(asks), asks["item"].to_numpy()
    ids = pa.Array.from_buffers(
        pa.string(),
        n,
        [None, pa.py_buffer(np.arange(n + 1, dtype=np.int32) * 64), pa.py_buffer(draw.bytes(32 * n).hex().encode())],
    )
    yes = draw.random(n) < 0.3 + 0.4 * (place % 7) / 7
    texts = pa.array(page._TEXTS).take(pa.array(np.where(yes, draw.integers(1, len(page._TEXTS), n), 0)))

    def same(text: str) -> pa.Array:
        return pa.repeat(pa.scalar(text), n)

    none = pa.ListArray.from_arrays(np.zeros(n + 1, np.int32), pa.array([], pa.string()))
    answers = {
        "id": ids, "subject": same(subject), "measure": same(about["measure"]),
        "item": pa.array(items["id"], pa.string()).take(pa.array(item)),
        "attack": pa.array(asks["attack"], pa.string()),
        "format": same("default"), "sample": pa.array(asks["sample"]), "response": texts, "plain": texts,
        "n_tokens": pa.array(np.full(n, 60)), "finish": same("stop"), "continuations": none,
        "logps": pa.ListArray.from_arrays(np.zeros(n + 1, np.int32), pa.array([], pa.float64())),
    }  # fmt: skip
    said = {
        "record": ids, "judge": same(about["judges"][0]), "score": pa.array(yes.astype(float)),
        "label": pa.array(["refusal", "answer"]).take(pa.array(yes.astype(int))), "reason": pa.nulls(n, pa.string()),
        "details": same("{}"), "judge_id": same(digest("judge")), "rubric": same(""), "words": same(""),
    }  # fmt: skip
    at = folder.config(about["measure"], about["cell"]).shard(subject, 0)
    judged_at = folder.judgement(about["measure"], about["cell"], about["judges"][0], subject, 0)
    for file, name, columns in ((at, "records", answers), (judged_at, "judgements", said)):
        version, schema = schemas.SCHEMAS[name]
        tables._put(file, name, version, pa.table(columns, schema=schema))


def _summed(folder: StudyFolder) -> int:
    """Sum and number of scores of each prompt under each attack, subject by subject: nothing else is kept."""
    n, found = 0, configs(folder)
    for at in folder.configs():
        about = next(c for c in found.values() if at.root.name.endswith(c.id[:12]))
        ids = pa.array(tables.read(at.items, "items")["id"], pa.string())
        attacks, texts = Texts(), defaultdict[str, Texts](Texts)
        sums = []
        for shard in at.shards():
            table = answered([shard], ids, None, None, False)
            file = folder.judgements / at.root.name / about.judges[0] / shard.parent.name / shard.name
            score = judged([file], table["id"], about.judges, ["own"], texts)[about.judges[0]].score
            place = table["item"].to_numpy() * 8 + attacks.numbers(table["attack"])
            scored = ~np.isnan(score)
            sums.append(np.bincount(place, np.where(scored, score, 0.0), 8 * len(ids)))
            sums.append(np.bincount(place, scored, 8 * len(ids)))
            n += len(table)
    return n


@contextmanager
def timed(what: str) -> Iterator[None]:
    began, cpu = time.perf_counter(), time.process_time()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    took = f"{time.perf_counter() - began:.1f} s, of them processor {time.process_time() - cpu:.1f}"
    print(f"{what}: {took}; peak {peak:,.0f} MiB", flush=True)


def plan(folder: StudyFolder, asked: argparse.Namespace) -> None:
    study = made(folder.root, asked)
    far = [m.model_copy(update={"path": f"nobody/{m.name}"}) for m in study.models]
    with timed("planned, of models that are not here"):
        expand(study.model_copy(update={"models": tuple(far)}))
    with timed("planned, counted"):
        planned = expand(study)
    print(f"{len(planned.runs):,} runs, {planned.subjects:,} subjects")
    loading.save(study, folder.study_yaml)
    with timed("plan written"):
        planned.write(folder)
    with timed("plan read"):
        assert Plan.read(folder).runs == planned.runs


def status(folder: StudyFolder, asked: argparse.Namespace) -> None:
    if not folder.progress.exists():
        with timed("half-way, made"):
            half_way(folder)
    with timed("status"):
        found = pipeline.status(folder.root)
    print(json.dumps({k: [s["present"], s["planned"]] for k, s in found["stages"].items()}))


def job(folder: StudyFolder, asked: argparse.Namespace) -> None:
    """What a worker does before it begins: opens the study, and makes the order that it trains on."""
    planned = Plan.read(folder)
    for n, run in enumerate(replace(t) for t in planned.runs[:3]):
        with timed(f"a job's start, {'the first of its worker' if not n else 'a later one'}"):
            bench = jobs.open_bench(folder.root)
            assert bench.materials.stream(run.model, run.task, run.seed, run.budgets[-1], run.label).digest == run.order


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--models", type=int, default=100)
    parser.add_argument("--tasks", type=int, default=10)
    parser.add_argument("--variants", type=int, default=20)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--budgets", type=int, default=8)
    parser.add_argument("--readers", action="store_true", help="models have different templates")
    parser.add_argument("--only", choices=["plan", "status", "job", "records"], help="one part, here")
    parser.add_argument("--again", type=int, help="of records: read so many times over, a subject at a time")
    parser.add_argument("--remove", action="store_true")
    asked = parser.parse_args()
    folder = StudyFolder(asked.folder.resolve())
    parts = {"plan": plan, "status": status, "job": job}
    if asked.only:
        (parts | {"records": records})[asked.only](folder, asked)
        return
    for name in parts:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", name], check=True)
    if asked.remove:
        shutil.rmtree(folder.root)


if __name__ == "__main__":
    main()
