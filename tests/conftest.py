"""What tests of several rooms share."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

DATA = Path(os.environ.get("HOLDFAST_TEST_DATA", Path(__file__).parents[1] / "../shared/data"))


@pytest.fixture(scope="session")
def need() -> Callable[[str], Path]:
    """``need("gsm8k")``: a file or folder of the real ones; the test is skipped, by that name, where it is missing."""

    def given(path: str) -> Path:
        if not (DATA / path).exists():
            pytest.skip(f"{path} is not in HOLDFAST_TEST_DATA")
        return DATA / path

    return given


@pytest.fixture
def hears_ctrl_c() -> Iterator[None]:
    """A shell's background jobs ignore it, and what they start does."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def data(need) -> Path:
    """The folder of all real files."""
    return need("MANIFEST.md").parent


@pytest.fixture(scope="session")
def two_adapters(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two adapters of the miniature that do something, as somebody else's training might leave them."""
    import torch

    from holdfast.config.study import LoraSpec, ModelSpec
    from holdfast.models import adapters
    from holdfast.models.network import load

    network = load(ModelSpec(name="m", path="package:holdfast.miniature/model"), threads=1)
    folders = []
    for seed in (1, 2):
        adapters.attach(network, LoraSpec(rank=2, alpha=4), "test", seed)
        with torch.no_grad():
            for name, tensor in sorted(network.lora.tensors.items()):
                if "lora_B" in name:
                    tensor.copy_(0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed)))
        folders.append(tmp_path_factory.mktemp("adapter"))
        adapters.save(network, folders[-1])
    return folders
