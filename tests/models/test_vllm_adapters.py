"""What vLLM cannot serve is refused from the files, before any engine starts."""

import json

import pytest
import safetensors.torch
import tiny_models as tiny
import torch

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, vllm_adapters
from holdfast.models.backend import InProcess, NotLive
from holdfast.store.adapter_files import CONFIG, WEIGHTS, adapter_digest
from holdfast.types import Subject, Turn, UserError


@pytest.fixture
def adapter(tmp_path):
    """``adapter(rank, **config)``: a folder; with ``rename`` its tensors have other names."""

    def made(rank=4, rename=("", ""), **config):
        network = tiny.network()
        adapters.attach(network, LoraSpec(rank=rank), "lora", rank)
        for tensor in adapters.trainable(network).values():
            tensor.data.add_(0.3)
        folder = tmp_path / f"{rank}{rename}{sorted(config)}"
        adapters.save(network, folder)
        about = json.loads((folder / CONFIG).read_text())
        (folder / CONFIG).write_text(json.dumps(about | config))
        tensors = safetensors.torch.load_file(folder / WEIGHTS)
        renamed = {name.replace(*rename): tensor for name, tensor in tensors.items()}
        safetensors.torch.save_file(renamed, folder / WEIGHTS)
        return folder

    return made


def test_an_adapter_says_what_room_it_needs(adapter):
    small, large = vllm_adapters.read(adapter(4)), vllm_adapters.read(adapter(24))
    assert (small.rank, large.rank) == (4, 24)
    assert small.modules == {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert small.digest == adapter_digest(adapter(4))
    assert [vllm_adapters.room(some) for some in ([small], [large], [small, large])] == [8, 32, 32]


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ({"rank": 513}, "rank 513"),
        ({"use_dora": True}, "DoRA"),
        ({"rank_pattern": {"q_proj": 2}}, "rank_pattern, which vLLM does not read"),
        ({"alpha_pattern": {"q_proj": 2}}, "alpha_pattern, which vLLM does not read"),
        ({"alora_invocation_tokens": [5]}, "aLoRA"),
        ({"rename": ("q_proj.lora_A.weight", "q_proj.lora_magnitude_vector")}, "lora_magnitude_vector"),
        ({"rename": ("layers.0.self_attn.q_proj", "lm_head")}, "changes lm_head"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"bias": "all"}, "bias"),
        ({"init_lora_weights": "pissa"}, "begun with pissa"),
        ({"peft_type": "IA3"}, "IA3"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_sentence(adapter, how, why):
    with pytest.raises(UserError, match=why) as said:
        vllm_adapters.read(adapter(**how))
    assert "\n" not in str(said.value)


def test_a_folder_without_an_adapter_is_refused(tmp_path, adapter):
    with pytest.raises(UserError, match="holds no adapter"):
        vllm_adapters.read(tmp_path / "none")
    broken = adapter(2)
    (broken / WEIGHTS).write_bytes(b"no tensors")
    with pytest.raises(UserError, match="is cut off or no safetensors file"):
        vllm_adapters.read(broken)


def test_an_adapter_of_zeros_says_what_the_base_says(adapter, tmp_path):
    zero = vllm_adapters.write_zero(vllm_adapters.read(adapter(4)), tmp_path / "zero")
    backend, turns = InProcess(tiny.network()), (Turn("user", "5 6 7"),)
    backend.assert_live(Subject("a", "tiny", str(adapter(4))), turns)
    with pytest.raises(NotLive):
        backend.assert_live(Subject("zero", "tiny", str(zero.folder)), turns)
    tensors = safetensors.torch.load_file(zero.folder / WEIGHTS)
    assert not any(torch.count_nonzero(t) for t in tensors.values())


def test_without_vllm_the_extra_is_named(monkeypatch):
    from holdfast.config.study import ModelSpec
    from holdfast.models import vllm_engine

    monkeypatch.setattr(vllm_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="install the extra `vllm`"):
        vllm_engine.VLLM(ModelSpec(name="miniature", path="package:holdfast.miniature/model"))
