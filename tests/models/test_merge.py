"""Merging: the merged model says what base and adapter say, or nothing is written."""

from __future__ import annotations

import pytest
import torch

from holdfast.config.study import LoraSpec, ModelSpec
from holdfast.models import adapters, merge
from holdfast.models.network import load
from holdfast.types import UserError

BASE = ModelSpec(name="m", path="package:holdfast.miniature/model")


@pytest.fixture(scope="module", params=[{}, {"rslora": True}, {"dora": True}], ids=["LoRA", "rsLoRA", "DoRA"])
def adapter(request, tmp_path_factory) -> str:
    network = load(BASE, threads=1)
    adapters.attach(network, LoraSpec(rank=4, alpha=8, **request.param), "merge")
    with torch.no_grad():
        for name, tensor in network.trained.tensors.items():
            if "magnitude" in name:
                tensor.mul_(1.1)
            if "lora_B" in name:
                tensor.copy_(0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(len(name))))
    folder = tmp_path_factory.mktemp("adapter")
    adapters.save(network, folder)
    return str(folder)


def test_merged_and_adapter_say_the_same_and_not_what_the_base_says(adapter, tmp_path):
    found = merge.merge(BASE, adapter, tmp_path / "merged")
    assert found.difference < 1e-4
    assert found.moved > 0.1
    assert found.same_choice == 1.0
    again = load(BASE.model_copy(update={"path": str(tmp_path / "merged")}), threads=1)
    alone = load(BASE, threads=1)
    adapters.load(alone, adapter)
    for a, b in zip(merge._logps(again), merge._logps(alone), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=0)
    assert [p.name for p in tmp_path.iterdir()] == ["merged"]


def test_what_does_not_agree_is_not_written(adapter, tmp_path, monkeypatch):
    monkeypatch.setattr(merge, "TOLERANCE", {torch.float32: -1.0})
    with pytest.raises(UserError, match="differ by"):
        merge.merge(BASE, adapter, tmp_path / "merged")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_and_fewer_bits_are_refused(adapter, tmp_path):
    with pytest.raises(UserError, match="there already"):
        merge.merge(BASE, adapter, tmp_path)
    with pytest.raises(UserError, match="4 bits"):
        merge.merge(BASE.model_copy(update={"quantization": "4bit"}), adapter, tmp_path / "merged")
