"""Makes ``tiny_world`` importable from the tests of this folder, and the tiny model once per session."""

import sys
from pathlib import Path

import pytest
import torch

sys.path.append(str(Path(__file__).parent))

import tiny_world


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory) -> Path:
    return tiny_world.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def network(model_folder):
    torch.set_num_threads(1)
    return tiny_world.network(model_folder)
