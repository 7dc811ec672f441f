"""Where a model lies that is given several devices. How it runs there is ``twin/on_two_devices.py``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import tiny_models as tiny
import torch
from torch import nn
from transformers import AutoModelForCausalLM, GPT2Config, LlamaConfig, MambaConfig

from holdfast.config.study import ModelSpec
from holdfast.models import spread
from holdfast.models.classifier import Classifier
from holdfast.models.network import load
from holdfast.types import UserError

FOUR = tuple(torch.device("cuda", k) for k in range(4))  # named, not there: where parts would lie
LLAMA_70B = {
    "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80, "num_attention_heads": 64,
    "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.skipif(not all(map(shutil.which, ("c++", "ninja"))), reason="no compiler: the devices cannot be built")
def test_a_model_on_two_devices_computes_what_it_does_on_one():
    """Half a minute of a processor, and a quarter of one more where the devices are built."""
    here = Path(__file__).parent
    file, path = here / "twin" / "on_two_devices.py", f"{here / 'twin'}{os.pathsep}{here.parent / 'training'}"
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-n", "0", str(file)],
        capture_output=True,
        text=True,
        timeout=1200,
        env={k: v for k, v in os.environ.items() if not k.startswith("PYTEST")} | {"PYTHONPATH": path},
    )
    assert done.returncode == 0, done.stdout[-6000:]


def test_shares_are_equal_and_what_is_no_layer_lies_on_the_first():
    placed = spread.placement(LlamaConfig(**LLAMA_70B), FOUR, "it")
    layers = [placed[f"model.layers.{n}"] for n in range(80)]
    assert layers == sorted(layers, key=FOUR.index), "one after another"
    counts = Counter(layers)
    assert [counts[d] for d in FOUR] == [18, 21, 20, 21]  # embeddings and head are as two and a half layers
    beside = {name: device for name, device in placed.items() if ".layers." not in name}
    assert set(beside) == {"model.embed_tokens", "model.norm", "model.rotary_emb", "lm_head"}
    assert set(beside.values()) == {FOUR[0]}


@pytest.mark.parametrize(
    "config", [*(make() for make in tiny.CONFIGS.values()), GPT2Config(n_layer=3, n_embd=32, n_head=2)]
)
def test_every_parameter_has_a_place_and_one_alone(config):
    placed = spread.placement(config, FOUR[:2], "it")
    with torch.device("meta"):
        names = [name for name, _ in AutoModelForCausalLM.from_config(config).named_parameters()]
    for name in names:
        assert sum(name.startswith(f"{part}.") for part in placed) == 1, name
    assert set(placed.values()) == set(FOUR[:2])


def test_on_a_processor_and_where_layers_are_no_list_it_is_a_sentence(monkeypatch):
    with pytest.raises(UserError, match=r"big is to lie on 2 GPUs \(`gpus`\) and this process sees none: set it lower"):
        load(ModelSpec(name="big", path="nowhere", gpus=2))
    with pytest.raises(UserError, match="the classifier big lies on one GPU: leave `gpus` out"):
        Classifier(ModelSpec(name="big", path="nowhere", gpus=2))
    monkeypatch.setattr(nn.ModuleList, "__len__", lambda self: 0)
    with pytest.raises(UserError, match="the layers of it are not one list, so it cannot lie on several GPUs"):
        spread.placement(MambaConfig(hidden_size=16, num_hidden_layers=2), FOUR, "it")
