"""A made-up study, finished up to its estimates: the analysis's own fabrication, and what training would have left."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from holdfast.analysis import analyse as analysis
from holdfast.analysis.load import configs, load_records
from holdfast.config.study import Study
from holdfast.store import tables
from holdfast.store.digest import digest
from holdfast.store.files import write_json, write_text
from holdfast.store.folder import StudyFolder

MARK = "miniature: a synthetic world, not evidence about real models"


def _fabricate() -> ModuleType:
    path = Path(__file__).parents[1] / "analysis" / "fabricate.py"
    spec = importlib.util.spec_from_file_location("fabricate", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["fabricate"] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


def made_up(
    root: Path, *, odd_seed: bool = False, prompts: int = 24, analysed: bool = True, **study: Any
) -> StudyFolder:
    """``odd_seed`` plants a difference of control: one objective was given another order of data."""
    fabricate, folder = _fabricate(), StudyFolder(root)
    whole = fabricate.study_of(**({"mark": MARK} | study))
    fabricate.fabricate(root, study=whole, prompts=prompts)
    _training(folder, whole, odd_seed)
    if analysed:
        analyse(folder, whole)
    return folder


def analyse(folder: StudyFolder, study: Study) -> None:
    analysis.analyse(folder, study, configs(folder), load_records(folder, tuning=True))


def _training(folder: StudyFolder, study: Study, odd_seed: bool) -> None:
    subjects = tables.read(folder.subjects, "subjects")
    reads = {"dpo": 2.0, "cft": 2.0, "orpo": 2.0}
    pace = {"sft": 1.0, "dpo": 1.3, "cft": 0.8, "ip": 0.9, "orpo": 0.5, "kl": 0.3}
    for (run, label, seed, task), rows in subjects[subjects["trajectory"] != ""].groupby(
        ["trajectory", "label", "seed", "task"]
    ):
        at = folder.run(str(run))
        order = digest(["order", seed, task, label if odd_seed and label == "kl" else ""])
        controlled = {
            "base": digest("base"),
            "template": digest("template"),
            "order": {str(b): digest([order, b]) for b in rows["budget"]},
            "lora_init": digest(["init", seed]),
            "optimiser": {"name": "AdamW", "learning_rate": study.controls.learning_rate, "batch_rows": 16},
            "numerics": {"torch": "2.9", "threads": 1},
        }
        write_json(at.controls_json, {"id": run, "label": label, "seed": seed, "controlled": controlled})
        write_json(at.config_json, {"id": run, "label": label, "seed": seed})
        lines = []
        for budget in sorted(rows["budget"]):
            share = budget / study.budgets[-1]
            far = 0.08 * pace.get(str(label), 1.0) * share**0.7
            lines.append(
                {
                    "budget": int(budget),
                    "step": int(budget // 900),
                    "tokens": int(budget) + 37,
                    "clipped_share": 0.12 * share,
                    "distance": {
                        "kl_base": far, "adapter_norm": 9 * far**0.5, "chosen_logp_per_token": -0.9 + far,
                        "rejected_logp_per_token": -1.4 - far, "margin": 12 + 100 * far,
                    },
                    "exposure": {
                        "steps": int(budget // 900), "rows": int(budget // 60), "passes": share * 1.4,
                        "shared_tokens": int(budget) + 37, "forward_tokens": int(budget * reads.get(str(label), 1.0)),
                        "supervised_tokens": int(budget * 0.55 * reads.get(str(label), 1.0)), "unsafe_rows": 0,
                        "unsafe_tokens": int(0.04 * budget * (reads.get(str(label), 1.0) - 1)),
                    },
                }
            )  # fmt: skip
        write_text(at.root / "checkpoints.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    dropped = {study.tasks[0].name: {"longer than max_tokens": 3, "rejected equals chosen": 1}}
    write_json(folder.plan_json, {"name": study.name, "dropped": dropped, "notes": [], "runs": []})


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> StudyFolder:
    """Six objectives, three budgets, one seed, all measures, control runs; the page is not built yet."""
    return made_up(tmp_path_factory.mktemp("finished"), prompts=16)


@pytest.fixture(scope="session")
def make_study() -> Any:
    return made_up


@pytest.fixture(scope="session")
def fabrication() -> ModuleType:
    """What such studies are made by."""
    return _fabricate()


def _chromium() -> str | None:
    return next((p for n in ("chromium", "chromium-browser", "google-chrome") if (p := shutil.which(n))), None)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api")
    path = _chromium()
    if path is None:
        pytest.skip("there is no Chromium on this machine")
    with api.sync_playwright() as p:
        b = p.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"])
        yield b
        b.close()
