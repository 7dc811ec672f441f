"""A tiny model folder (headers of weights are all a plan reads), rows of one's own, and a study over them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from holdfast.config.study import Study

TEMPLATE = "{% for m in messages %}<|turn|>{{ m['role'] }}:{{ m['content'] }}<|end|>{% endfor %}<|turn|>assistant:"


@pytest.fixture(autouse=True)
def _at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def _model(folder: Path, weight: float = 0.0, template: str = TEMPLATE) -> Path:
    folder.mkdir()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<|turn|>", "<|end|>", "<pad>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {"eos_token": "<|end|>", "pad_token": "<pad>", "chat_template": template}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    (folder / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 4, "num_hidden_layers": 1}))
    shapes = {
        "model.embed_tokens.weight": (10, 4),
        "model.layers.0.self_attn.q_proj.weight": (4, 4),
        "model.layers.0.mlp.up_proj.weight": (8, 4),
        "model.norm.weight": (4,),
        "lm_head.weight": (10, 4),
    }
    save_file({k: np.full(s, weight, np.float32) for k, s in shapes.items()}, folder / "model.safetensors")
    return folder


def _rows(path: Path, n: int = 200, rejected: bool = True, salt: str = "") -> Path:
    rows = [
        {"prompt": f"question {i}{salt}", "chosen": f"answer {i}", "answer": f"answer {i}"}
        | ({"rejected": f"nothing {i}"} if rejected else {})
        for i in range(n)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def make_model() -> Callable[..., Path]:
    return _model


@pytest.fixture
def make_rows() -> Callable[..., Path]:
    return _rows


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., Study]:
    """A study of the tiny model; keyword arguments replace top-level keys."""
    _model(tmp_path / "model")
    _rows(tmp_path / "rows.jsonl")

    def made(**changes: Any) -> Study:
        plain: dict[str, Any] = {
            "name": "test",
            "models": [{"name": "tiny", "path": "model"}],
            "tasks": [{"name": "rows", "task": "jsonl", "params": {"path": "rows.jsonl"}}],
            "objectives": [{"label": "SFT", "objective": "sft"}, {"label": "DPO", "objective": "dpo"}],
            "budgets": [500, 1000],
            "controls": {"batch_rows": 4},
            "measures": [{"measure": "task_accuracy"}],
        }
        return Study.model_validate(plain | changes)

    return made
