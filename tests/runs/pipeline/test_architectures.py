"""Four architectures with random weights: every objective takes a step on each, and each checkpoint is measured."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, Qwen2Config, Qwen3Config

from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.folder import StudyFolder

SIZE = {
    "vocab_size": 1024,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
}
ARCHITECTURES = {
    "llama": LlamaConfig(**SIZE),
    "gemma2": Gemma2Config(**SIZE, sliding_window=256, query_pre_attn_scalar=8),
    "qwen2": Qwen2Config(**SIZE),
    "qwen3": Qwen3Config(**SIZE),
}
OBJECTIVES = ("sft", "dpo", "cft", "ip", "orpo", "kl")


def make(folder: Path, name: str) -> Path:
    """A model folder in Hugging Face's format, with the miniature's tokenizer and template."""
    source = Path(str(resources.files("holdfast.miniature"))) / "model"
    here = folder / name
    config = ARCHITECTURES[name]
    ends = json.loads((source / "config.json").read_text())
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        setattr(config, key, ends.get(key))
    with torch.random.fork_rng():
        torch.manual_seed(3)
        AutoModelForCausalLM.from_config(config).save_pretrained(here)
    for file in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        if (source / file).exists():
            shutil.copy(source / file, here / file)
    return here


@pytest.mark.usefixtures("here")
def test_every_objective_trains_and_is_measured_on_every_architecture(tmp_path: Path) -> None:
    study = {
        "name": "architectures",
        "models": [
            {"name": n, "path": str(make(tmp_path, n)), "attention": "eager" if n == "gemma2" else "sdpa"}
            for n in ARCHITECTURES
        ],
        "tasks": [{"name": "arithmetic", "task": "miniature_arithmetic", "params": {"count": 60}}],
        "objectives": [{"label": o, "objective": o} for o in OBJECTIVES],
        "budgets": [500],  # two steps: at the first one KL is still SFT
        "controls": {"batch_rows": 4, "warmup_steps": 0, "learning_rate": 0.01},
        "measures": [
            {"measure": "task_accuracy", "items": 2, "max_new_tokens": 4},
            {"measure": "miniature_dark_triad", "items": 6},
        ],
    }
    out = tmp_path / "out"
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(study))
    for stage in ("train", "respond"):  # what is made of answers asks no model
        pipeline.stage(stage, tmp_path / "study.yaml", out)
    subjects = tables.read(StudyFolder(out).subjects, "subjects")
    assert len(subjects) == len(ARCHITECTURES) * (1 + len(OBJECTIVES))
    assert subjects["subject"].is_unique
    records = tables.read(StudyFolder(out).record_shards(), "records")
    scored = records[records["measure"] == "miniature_dark_triad"].groupby("subject")["logps"]
    assert set(scored.size()) == {6, 12}  # CFT's and IP's under their own condition, too
    assert set(scored.size().index) == set(subjects["subject"])
    assert np.isfinite(np.concatenate(records["logps"].dropna().tolist()).astype(float)).all()
