"""A real pretrained model with a longer context, adapters for it, and lm-eval's tasks over local rows."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

PLAIN = "package:holdfast.interop/plain.jinja"


@pytest.fixture(scope="session")
def made_up():
    """``made_up(root, prompts=…, **study)``: a study's folder with fabricated answers, analysed."""
    path = Path(__file__).parents[1] / "report" / "conftest.py"
    spec = importlib.util.spec_from_file_location("made_up_study", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.made_up


@pytest.fixture(scope="session")
def stories(need):
    return need("models/stories260K")


@pytest.fixture(scope="session")
def patient(stories, tmp_path_factory):
    """The same with room for a long dialogue: positions are rotary, and nonsense beyond 512 is so for everyone."""
    folder = tmp_path_factory.mktemp("models") / "stories"
    shutil.copytree(stories, folder)
    config = json.loads((folder / "config.json").read_text()) | {"max_position_embeddings": 2048}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="session")
def adapter(stories, tmp_path_factory):
    import torch

    from holdfast.config.study import LoraSpec, ModelSpec
    from holdfast.models import adapters
    from holdfast.models.network import load

    torch.set_num_threads(1)
    network = load(ModelSpec(name="stories", path=str(stories), template=PLAIN))
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)))
    folder = tmp_path_factory.mktemp("adapter")
    adapters.save(network, folder)
    return folder
