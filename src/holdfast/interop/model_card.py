"""A model card for every checkpoint: what it was trained with, and what the study found of it.

The card's metadata are those of the hub: ``model-index`` (huggingface.co/docs/hub/model-cards) with every headline
estimate, and ``.eval_results/*.yaml`` (huggingface.co/docs/hub/eval-results) for measures whose items are a data set of
the hub. A checkpoint's folder is then ready to push. Its identity is its weights: a card changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from holdfast import __version__, registry
from holdfast.analysis import rounding
from holdfast.analysis.estimates_file import headlines
from holdfast.analysis.load import configs
from holdfast.config import loading
from holdfast.config.study import MeasureSpec, Study
from holdfast.config.study_runs import variants
from holdfast.evals.subject import SubjectRow
from holdfast.interop.finished import estimates, of_subject, subjects
from holdfast.report import words
from holdfast.store.defuse import as_code, file_name
from holdfast.store.defuse import for_markdown as text
from holdfast.store.files import read_json, write_text
from holdfast.store.folder import StudyFolder
from holdfast.store.sources import is_hub_id
from holdfast.types import UserError

_WHAT = {
    "lora": "A LoRA adapter",
    "full": "All weights, trained in float32,",
    "body": "All weights but embeddings and head, trained in float32,",
}
_USE = {
    True: """from peft import PeftModel
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained({base})
model = PeftModel.from_pretrained(model, "THIS FOLDER")""",
    False: """from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

model = AutoModelForCausalLM.from_pretrained({base}, dtype="float32")
model.load_state_dict(load_file("THIS FOLDER/trained.safetensors"), strict=False)""",
}


def write(root: Path, label: str | None = None, budget: int | None = None) -> list[Path]:
    """Cards of a study's checkpoints, all or those of a label or budget; returns their folders.

    Raises UserError where nothing is estimated yet, or no checkpoint is meant.
    """
    folder = StudyFolder(root)
    lead = headlines(estimates(folder), configs(folder), each_seed=True)
    study = loading.load(folder.study_yaml)
    rows = [r for r in subjects(folder) if r.trajectory and r.role.is_study]
    chosen = [r for r in rows if label in (None, r.label) and budget in (None, r.budget)]
    if not chosen:
        known = ", ".join(sorted({r.label for r in rows})) or "none"
        raise UserError(f"{root} has no such checkpoint; the labels are {known}, the budgets {list(study.budgets)}")
    written = []
    for row in chosen:
        at = folder.root / row.adapter
        found = of_subject(lead, row, [row.task])
        write_text(at / "README.md", _card(study, folder, row, found))
        for name, entries in _eval_results(study, found).items():
            write_text(at / ".eval_results" / f"{file_name(name)}.yaml", yaml.safe_dump(entries, sort_keys=False))
        written.append(at)
    return written


def _levels(found: pd.DataFrame) -> list[dict[Hashable, Any]]:
    return found[(found["against"] == "") & found["value"].notna()].to_dict("records")


def _card(study: Study, folder: StudyFolder, row: SubjectRow, found: pd.DataFrame) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    path = next(m.path for m in study.models if m.name == row.model)
    base = path if is_hub_id(path) else None
    task = next(t for t in study.tasks if t.name == row.task)
    results = [
        EvalResult(
            task_type="text-generation",
            dataset_type=_data(study, str(e["measure"])) or str(e["measure"]),
            dataset_name=str(e["measure"]),
            metric_type=str(e["metric"]),
            metric_name=f"{e['metric']} ({e['condition']}, judge {e['judge']})",
            metric_value=round(float(e["value"]), 6),
        )
        for e in _levels(found)
    ]
    trained = variants(study)[row.label].controls(study.controls).trainable
    name = f"{study.name}-{row.label}-{row.budget}-seed{row.seed}"
    learnt = str(
        task.params.get("path") or registry.describe("tasks", task.task)["params"].get("path", {}).get("default")
    )
    data = ModelCardData(
        model_name=name,
        base_model=base,
        library_name="peft" if trained == "lora" else "transformers",
        pipeline_tag="text-generation",
        tags=[trained, "holdfast", f"objective:{row.objective}"],
        datasets=[learnt] if is_hub_id(learnt) else None,
        eval_results=results,
    )
    proof = read_json(folder.run(row.trajectory).controls_json, "controlled")
    said = [
        f"# {text(name)}",
        f"{_WHAT[trained]} of {text(base or row.model)}, trained with the objective **{text(row.objective)}** on "
        f"{text(task.name)} for {row.budget:,} tokens (prompt + chosen), seed {row.seed}, in the study "
        f"*{text(study.name)}* by holdfast {__version__}.",
        *([f"> {text(study.mark)}"] if study.mark else []),
        "## What was measured",
        _table(found),
        f"Intervals are {100 * (1 - study.alpha):g}%; differences are paired by prompt. Responses without a score are "
        "in no rate. The whole study, its other objectives and the proof of what was held fixed are on its report.",
        "## How it was trained",
        f"Objective parameters: {as_code(row.params)}. Controls, as digests and values that are equal over the study's "
        "objectives:",
        "```json\n" + json.dumps(proof.get("controlled", {}), indent=1, sort_keys=True) + "\n```",
        "## Use",
        "```python\n" + _USE[trained == "lora"].format(base=json.dumps(base or "BASE")) + "\n```",
    ]
    return f"---\n{data.to_yaml()}\n---\n\n" + "\n\n".join(said) + "\n"


def _table(found: pd.DataFrame) -> str:
    lines = ["| measure | metric | level | against the base | n prompts | judge |", "|---|---|---|---|---|---|"]
    levels, against = (found[found["against"] == other] for other in ("", "base"))
    for e in levels.to_dict("records"):
        other = against[(against["measure"] == e["measure"]) & (against["metric"] == e["metric"])]
        other = other[(other["condition"] == e["condition"]) & (other["judge"] == e["judge"])].to_dict("records")
        level = "unscored" if pd.isna(e["value"]) else f"{fixed(e['value'])} [{fixed(e['low'])}, {fixed(e['high'])}]"
        moved = _moved(other[0]) if other else "–"
        what = f"{e['metric']}" + (f" ({e['condition']})" if e["condition"] else "")
        cells = (text(e["measure"]), text(what), level, moved, str(int(e["n_prompts"])), text(e["judge"]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def fixed(value: float) -> str:
    return rounding.fixed(value, 3, whole="1")


def _moved(r: Mapping[Hashable, Any]) -> str:
    value, low, high = (rounding.signed(r[k], 3) for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def _eval_results(study: Study, found: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Entries by file; measures of a data set that is not on the hub have none."""
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries: dict[str, list[dict[str, Any]]] = {}
    for e in _levels(found):
        if data := _data(study, str(e["measure"])):
            what, ends = f"{e['metric']} ({e['condition']})", words.interval(e["low"], e["high"])
            notes = f"{what}, judge {e['judge']}, {ends}, {int(e['n_prompts'])} prompts, holdfast"
            entry = EvalResultEntry(dataset_id=data, task_id=str(e["metric"]), value=float(e["value"]), notes=notes)
            entries[str(e["measure"])] = eval_result_entries_to_yaml([entry])
    return entries


def _data(study: Study, measure: str) -> str:
    """The hub's id of the items of a measure; "" where they are a local file's, or a task's."""
    spec: MeasureSpec = next(m for m in study.measures if m.label == measure)
    default = registry.describe("measures", spec.measure)["params"].get("path", {}).get("default")
    path = str(spec.params.get("path") or default or "")
    return path if is_hub_id(path) else ""
