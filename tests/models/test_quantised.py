"""A base in four bits is taken where the hardware has it, and refused in one sentence where it has not."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from holdfast.config.study import ModelSpec
from holdfast.models import network, quantised
from holdfast.store.model_files import model_digest
from holdfast.store.sources import model_folder
from holdfast.types import UserError

PLAIN = ModelSpec(name="m", path="package:holdfast.miniature/model")
FOUR = PLAIN.model_copy(update={"quantization": "4bit"})
CPU, GPU = torch.device("cpu"), torch.device("cuda")


def config(**quantization):
    return SimpleNamespace(quantization_config=quantization) if quantization else SimpleNamespace()


def asked(spec, config, device):
    return quantised.options(spec, config, torch.bfloat16, device)


def test_plain_weights_are_loaded_plainly():
    assert asked(PLAIN, config(), CPU) == {}


@pytest.mark.parametrize(("spec", "own"), [(FOUR, {}), (PLAIN, {"quant_method": "bitsandbytes", "load_in_4bit": True})])
def test_four_bits_are_refused_without_a_gpu_and_taken_with_one(spec, own, monkeypatch):
    with pytest.raises(UserError, match=r"^the model m in 4 bits needs a CUDA GPU and the package bitsandbytes"):
        asked(spec, config(**own), CPU)
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="bitsandbytes"):
        asked(spec, config(**own), GPU)
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: object())
    monkeypatch.setattr(quantised.transformers, "BitsAndBytesConfig", lambda **how: how)
    found = asked(spec, config(**own), GPU)
    assert found["device_map"] == {"": GPU}
    assert ("quantization_config" in found) == (not own), "a folder that is quantised says itself how"


def test_four_bits_are_refused_before_any_weight_is_read_and_asked_of_transformers_with_a_gpu(monkeypatch):
    """As far as this goes without a GPU: with one it has never been run."""
    given = {}

    def pretrained(auto, folder, who, **how):
        given.update(how)
        raise Loaded

    monkeypatch.setattr(network, "pretrained", pretrained)
    with pytest.raises(UserError, match=r"^the model m in 4 bits needs a CUDA GPU"):
        network.load(FOUR.model_copy(update={"device": "cpu"}))
    assert not given
    monkeypatch.setattr(network, "_devices", lambda spec: (GPU,))
    monkeypatch.setattr(quantised.importlib.util, "find_spec", lambda name: object())
    with pytest.raises(Loaded):
        network.load(FOUR.model_copy(update={"dtype": "float32"}))
    asked = given["quantization_config"].to_dict()
    assert {k: asked[k] for k in ("load_in_4bit", "bnb_4bit_quant_type", "bnb_4bit_use_double_quant")} == {
        "load_in_4bit": True,
        "bnb_4bit_quant_type": "nf4",
        "bnb_4bit_use_double_quant": True,
    }
    assert (asked["bnb_4bit_compute_dtype"], given["dtype"]) == ("float32", torch.float32)
    assert given["device_map"] == {"": GPU}


class Loaded(Exception):
    pass


def test_another_quantisation_is_refused_by_name():
    with pytest.raises(UserError, match="quantised by gptq"):
        asked(PLAIN, config(quant_method="gptq"), GPU)


def test_fewer_bits_are_another_subject():
    folder = model_folder(PLAIN.path)
    assert model_digest(folder, "4bit") != model_digest(folder) == model_digest(folder, "none")
