"""A large study's page: how long it takes to build, what it weighs, how fast it opens; and how fast `show` reads.

The study is made up: nothing is trained or asked. Its Parquet files are written as the stages would leave them, 200
subjects × 10,000 records under attack (and 2 × 500 of other measures), two judges and coherence.

    python benchmarks/page.py --folder /tmp/large-study          # makes it once, some minutes and 2 GB of disk
    python benchmarks/page.py --folder /tmp/small --budgets 2 --seeds 1 --prompts 40
"""

from __future__ import annotations

import argparse
import json
import re
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from holdfast.analysis.analyse import analyse
from holdfast.analysis.load import configs, load_records
from holdfast.config.study import Study
from holdfast.report.page import build
from holdfast.store import schemas, tables
from holdfast.store.digest import digest
from holdfast.store.files import write_json, write_text
from holdfast.store.folder import StudyFolder

OBJECTIVES = ("sft", "dpo", "cft", "ip", "orpo", "kl")
ATTACKS = ("none", "dan", "happy_to_help", "role_play", "wikipedia", "zulu")
TRAITS = ("machiavellianism", "narcissism", "psychopathy")
_LETTERS = np.random.default_rng(0)
WORDS = ["".join(_LETTERS.choice(list("etaoinshrdlu"), n)) for n in _LETTERS.integers(2, 10, 3000)]
COMMON = 1 / np.arange(1, 3001) / (1 / np.arange(1, 3001)).sum()  # Zipf's law: it compresses about as prose does


def study_of(budgets: int, seeds: int, samples: int) -> Study:
    asked = [{"measure": "task_accuracy"}, {"measure": "miniature_dark_triad"}]
    asked.insert(1, {"measure": "miniature_robustness", "samples": samples, "temperature": float(samples > 1)})
    return Study.model_validate(
        {
            "name": "large",
            "mark": "made-up numbers, for a benchmark",
            "models": [{"name": "tiny", "path": "package:holdfast.miniature/model"}],
            "tasks": [{"name": "arithmetic", "task": "miniature_arithmetic"}],
            "objectives": [{"label": o, "objective": o} for o in OBJECTIVES],
            "budgets": [25_000 * (k + 1) for k in range(budgets)],
            "seeds": list(range(seeds)),
            "measures": asked,
            "brackets": [{"kind": "noop"}],
        }
    )


def make(folder: StudyFolder, study: Study, prompts: int, samples: int) -> None:
    """All that the analysis and the page read."""
    write_text(folder.study_yaml, yaml.safe_dump(study.model_dump(mode="json", by_alias=True), sort_keys=False))
    write_json(folder.plan_json, {"name": study.name, "dropped": {}, "notes": [], "runs": []})
    subjects = pd.DataFrame(_subjects(study))
    tables.write(folder.subjects, "subjects", subjects)
    for about, items, asks in _cells(prompts, samples):
        at = folder.config(about["measure"], about["cell"])
        write_json(at.config_json, about)
        tables.write(at.items, "items", items)
        for place, who in enumerate(subjects.to_dict("records")):
            records, said = _answers(about, items, asks, who, place, study)
            _write(at.shard(who["subject"], 0), "records", records)
            for judge, verdicts in said.items():
                _write(
                    folder.judgement(about["measure"], about["cell"], judge, who["subject"], 0), "judgements", verdicts
                )


def _subjects(study: Study) -> Iterator[dict[str, Any]]:
    def row(label: str, seed: int, budget: int, bracket: str = "") -> dict[str, Any]:
        trained = label != "base"
        run = digest([label, seed, bracket])[:12] if trained else ""
        return {
            "subject": digest([label, seed, budget, bracket]), "model": "tiny", "task": "arithmetic" if trained else "",
            "label": label, "objective": label if trained else "", "params": "{}", "seed": seed, "budget": budget,
            "bracket": bracket, "trajectory": run, "weights": "",
            "adapter": f"trajectories/{run}/checkpoints/{budget}" if trained else "",
        }  # fmt: skip

    yield row("base", -1, 0)
    yield row("noop", 0, study.budgets[0], "noop")
    yield from (row(v.label, s, b) for v in study.objectives for s in study.seeds for b in study.budgets)


def _cells(prompts: int, samples: int) -> Iterator[tuple[dict[str, Any], pd.DataFrame, pd.DataFrame]]:
    def cell(measure: str, axis: str, task: str, judges: list[str], summary: dict[str, Any]) -> dict[str, Any]:
        return {
            "cell": digest([measure, task]), "measure": measure, "name": measure, "axis": axis, "task": task,
            "summary": {"by": "", "macro_over": None, "threshold": False, "secondary": []} | summary,
            "judges": judges, "card": {}, "identity": {"name": measure, "version": "1", "params": {}},
            "attacks": {a: {"version": "1", "hash": digest(a)} for a in ATTACKS} if axis == "robustness" else {},
        }  # fmt: skip

    for about, n, attacks, times in (
        (cell("task_accuracy", "capability", "arithmetic", ["own"], {"metric": "accuracy"}), 500, ("none",), 1),
        (
            cell(
                "miniature_robustness", "robustness", "", ["rules", "miniature_oracle", "coherence"],
                {"metric": "asr", "by": "attack", "macro_over": list(ATTACKS[1:]), "threshold": True},
            ), prompts, ATTACKS, samples,
        ),
        (
            cell("miniature_dark_triad", "persona", "", ["own"],
                 {"metric": "p_match", "by": "trait", "macro_over": list(TRAITS)}), 500, ("none",), 1,
        ),
    ):  # fmt: skip
        ids = [digest([about["measure"], k]) for k in range(n)]
        items = pd.DataFrame({"id": ids, "reference": "", "measure": about["measure"], "cell": about["cell"]})
        items["prompt"] = [[{"role": "user", "content": f"How do I {_words(k, 9)}?"}] for k in range(n)]
        trait = [{"trait": TRAITS[k % 3]} if about["axis"] == "persona" else {} for k in range(n)]
        items["fields"] = [json.dumps(f) for f in trait]
        items["forbidden"] = about["axis"] == "robustness"
        asks = pd.MultiIndex.from_product([range(n), attacks, range(times)], names=["item", "attack", "sample"])
        yield about, items, asks.to_frame(index=False)


def _words(seed: int, n: int) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, n, p=COMMON))


_TEXTS = [_words(k, 40 + k % 120) for k in range(5000)]  # 200 to 900 characters


def _answers(
    about: dict[str, Any], items: pd.DataFrame, asks: pd.DataFrame, who: dict[str, Any], place: int, study: Study
) -> tuple[pa.Table, dict[str, pa.Table]]:
    """One subject's records of a cell, and its judges' verdicts on them."""
    source = 0 if who["bracket"] == "noop" else place  # a no-op answers as the base does
    rng = np.random.default_rng([source, len(asks)])
    n, hard = len(asks), about["axis"] == "robustness"
    item = asks["item"].to_numpy()
    ease = np.random.default_rng(7).normal(0, 1, len(items))[item]
    share = who["budget"] / study.budgets[-1] if not who["bracket"] else 0
    yes = rng.random(n) < 1 / (1 + np.exp(-(ease - (2 if hard else 0) + 0.3 * share * (place % 5))))
    scored = about["axis"] == "persona"
    which = rng.integers(0, len(_TEXTS), n)
    text = [
        "" if scored else (_TEXTS[w] if y or not hard else "I can't help with that.")
        for w, y in zip(which, yes, strict=True)
    ]
    ids = [digest([who["subject"], about["cell"], k])[:64] for k in range(n)]
    records = pd.DataFrame(
        {
            "id": ids, "subject": who["subject"], "measure": about["measure"], "item": items["id"].to_numpy()[item],
            "attack": asks["attack"].to_numpy(), "format": "default", "sample": asks["sample"].to_numpy(),
            "response": text, "plain": text, "n_tokens": 60, "finish": "scored" if scored else "stop",
        }
    )  # fmt: skip
    records["continuations"] = [["Yes", "No"] if scored else []] * n
    records["logps"] = [[-0.7, -0.8] if scored else []] * n
    verdicts = {}
    for judge in about["judges"]:
        said = yes if judge == about["judges"][0] else np.where(rng.random(n) < 0.93, yes, ~yes)
        score = np.where(rng.random(n) < 0.97, 1.0, 0.0) if judge == "coherence" else said.astype(float)
        gone = (rng.random(n) < 0.01) & hard
        label = np.where(gone, "unscored", np.where(score > 0, "answer", "refusal"))
        frame = {
            "record": ids, "judge": judge, "score": np.where(gone, np.nan, score), "label": label,
            "reason": np.where(gone, "the response was cut off", None), "details": "{}", "judge_id": digest(judge),
            "rubric": "", "words": "",
        }  # fmt: skip
        verdicts[judge] = _table("judgements", pd.DataFrame(frame))
    return _table("records", records), verdicts


def _table(name: str, frame: pd.DataFrame) -> pa.Table:
    version, schema = schemas.SCHEMAS[name]
    about = {b"holdfast.table": name.encode(), b"holdfast.schema": str(version).encode()}
    return pa.Table.from_pandas(frame, schema=schema, preserve_index=False).replace_schema_metadata(about)


def _write(path: Path, name: str, rows: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(rows, path, compression="zstd")


# -- what is measured -----------------------------------------------------------------------------------------------


@contextmanager
def timed(what: str, into: dict[str, float]) -> Iterator[None]:
    began = time.perf_counter()
    yield
    into[what] = time.perf_counter() - began
    print(f"{what}: {into[what]:.1f} s, peak {_peak():,.0f} MiB", flush=True)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def opened(page: Path, times: int = 3) -> dict[str, float]:
    """Seconds from the click, medians: to the document, to its chart; then from opening them, to the responses and to
    the charts of all sections."""
    from playwright.sync_api import sync_playwright

    chromium = next(p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n)))
    found: dict[str, list[float]] = {}
    with sync_playwright() as p:
        for _ in range(times):
            browser = p.chromium.launch(
                executable_path=chromium, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
            )
            tab = browser.new_page(bypass_csp=True)  # what is waited for is asked by a script
            began = time.perf_counter()
            tab.goto(page.as_uri(), wait_until="commit")
            for what, first, ready in (
                ("document", "", "document.readyState !== 'loading'"),
                ("the chart of the answer", "", "document.body && document.body.dataset.drawn"),
                ("responses", "location.hash = '#responses'", "document.querySelector('#answers article')"),
                (
                    "all charts",
                    "document.querySelector('#open-all').click()",
                    "[...document.querySelectorAll('.plot')].every((p) => p.querySelector('svg'))",
                ),
            ):
                if first:
                    began = time.perf_counter()
                    tab.evaluate(first)
                tab.wait_for_function(ready, polling=20, timeout=120_000)
                found.setdefault(what, []).append(time.perf_counter() - began)
            browser.close()
    return {what: median(values) for what, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--budgets", type=int, default=11)
    parser.add_argument("--seeds", type=int, default=3, help="6 objectives × 3 seeds × 11 budgets + 2 = 200 subjects")
    parser.add_argument("--prompts", type=int, default=334)
    parser.add_argument("--samples", type=int, default=5, help="334 prompts × 6 attacks × 5 samples = 10,020 records")
    asked = parser.parse_args()
    folder, study, took = StudyFolder(asked.folder), study_of(asked.budgets, asked.seeds, asked.samples), {}
    if not (folder.root / "MADE").exists():
        with timed("make", took):
            make(folder, study, asked.prompts, asked.samples)
        (folder.root / "MADE").touch()
    if not folder.analysis.exists():
        with timed("analyse", took):
            analyse(folder, study, configs(folder), load_records(folder, numbered=True))
        print("run again for the page, with the analysis out of memory")
        return
    with timed("build", took):
        page = build(folder)
    sample = re.search('id="sample">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)
    assert sample is not None
    print(f"page: {page.stat().st_size / 1e6:.2f} MB, of them responses {len(sample[1]) / 1e6:.2f} MB")
    for what, seconds in opened(page).items():
        print(f"open, {what}: {seconds:.2f} s")
    item = tables.read([at.items for at in folder.configs()], "items")["id"].iloc[0]
    for more in (
        ["--budget", "25000", "--n", "2"],
        ["--item", item[:12]],
        ["--grep", "qqq"],
        ["--verdict", "unscored", "--judge", "rules"],
    ):
        began = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "holdfast", "show", str(folder.root), *more], capture_output=True, text=True
        )
        print(f"show {' '.join(more)}: {time.perf_counter() - began:.2f} s, exit {done.returncode}")


if __name__ == "__main__":
    main()
