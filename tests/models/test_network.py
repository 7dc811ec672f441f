import json

import pytest
import tiny_models as tiny
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM

from holdfast.config.study import LoraSpec, ModelSpec
from holdfast.models import adapters, head, layouts
from holdfast.models.backend import InProcess
from holdfast.models.network import load
from holdfast.types import Request, Sampling, Segment, Subject, Turn, UserError

TEMPLATE = (
    "{% for m in messages %}{{ 'go ' if m.role == 'assistant' else '' }}{{ m.content }} {% endfor %}"
    "{% if add_generation_prompt %}go {% endif %}"
)


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A folder for each architecture, with a tokenizer of words and a template."""
    found = {}
    for kind, config in tiny.CONFIGS.items():
        folder = tmp_path_factory.mktemp(kind)
        with torch.random.fork_rng():
            torch.manual_seed(0)
            AutoModelForCausalLM.from_config(config()).save_pretrained(folder)
        words = {"<pad>": 0, "<s>": 1, "</s>": 2, "go": 3, "<unk>": 4} | {f"w{i}": i for i in range(5, tiny.VOCAB)}
        tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
        tokenizer.add_special_tokens(["<pad>", "<s>", "</s>"])
        tokenizer.save(str(folder / "tokenizer.json"))
        names = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>", "unk_token": "<unk>"}
        (folder / "tokenizer_config.json").write_text(json.dumps(names | {"chat_template": TEMPLATE}))
        found[kind] = folder
    return found


def spec(folder, **changes):
    return ModelSpec(name="tiny", path=str(folder), device="cpu", **changes)


@pytest.mark.parametrize("kind", list(tiny.CONFIGS))
def test_a_folder_is_loaded_frozen_and_runs(folders, kind, capfd):
    network = load(spec(folders[kind]), threads=1)
    assert not any(p.requires_grad or p.dtype != torch.float32 for p in network.model.parameters())
    assert not any(m.training for m in network.model.modules())
    assert network.attention == ("eager" if kind == "gemma2" else "sdpa")  # Gemma-2's soft-capping has no sdpa
    assert network.max_positions == 128
    segment = Segment("e", "chosen", (Turn("user", "w5 w6"),), "w7 w8 w9")
    batch = layouts.arrange([network.renderer.sequence(segment)] * 2, "shared", network.renderer.pad_id)
    head.check(network, batch)
    adapters.attach(network, LoraSpec(rank=2), "lora")
    requests = [Request("k", Subject("b", "tiny"), (Turn("user", "w9"),), (), Sampling(max_new_tokens=4))]
    (response,) = InProcess(network).generate(requests)
    assert response.n_tokens <= 4
    out, err = capfd.readouterr()
    assert out == err == ""


def test_dtypes_are_those_asked_for_and_log_probs_are_fp32(folders):
    network = load(spec(folders["llama"], dtype="bfloat16"), threads=1)
    assert {p.dtype for p in network.model.parameters()} == {torch.bfloat16}
    batch = layouts.arrange(tiny.flat(tiny.pairs(2)), "padded", 0)
    adapters.attach(network, LoraSpec(rank=2), "lora")
    assert head.token_logps(network, head.hidden_ND(network, batch), batch.target_N).dtype == torch.float32
    cast = load(spec(folders["llama"]), threads=1)
    cast.autocast = True
    plain = load(spec(folders["llama"]), threads=1)
    adapters.attach(cast, LoraSpec(rank=2), "lora")
    head.check(cast, batch)
    logps = [head.token_logps(n, head.hidden_ND(n, batch), batch.target_N) for n in (cast, plain)]
    assert not torch.equal(*logps)
    assert (logps[0] - logps[1]).norm() < 0.02 * logps[1].norm()
    logps[0].sum().backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float32 for p in adapters.trainable(cast).values())


def test_mistakes_are_one_clear_sentence(folders, tmp_path):
    with pytest.raises(UserError, match="there is no model"):
        load(spec(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="holds no model"):
        load(spec(tmp_path))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no_such_architecture"}))
    with pytest.raises(UserError, match="holds no weights"):
        load(spec(tmp_path))
    (tmp_path / "model.safetensors").write_bytes((folders["llama"] / "model.safetensors").read_bytes())
    with pytest.raises(UserError, match="cannot be loaded"):
        load(spec(tmp_path))
    (tmp_path / "config.json").write_bytes((folders["llama"] / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"model\.safetensors is cut off or no safetensors file"):
        load(spec(tmp_path))
    with pytest.raises(UserError, match="device"):
        load(ModelSpec(name="tiny", path=str(folders["llama"]), device="cuda:77"))
    with pytest.raises(UserError, match="device"):
        load(ModelSpec(name="tiny", path=str(folders["llama"]), device="gpu"))


def changed(folder, to, **tensors):
    """A copy with other tensors; None takes one out."""
    from safetensors.torch import load_file, save_file

    for path in folder.iterdir():
        (to / path.name).write_bytes(path.read_bytes())
    there = load_file(to / "model.safetensors") | tensors
    save_file({n: t for n, t in there.items() if t is not None}, to / "model.safetensors", {"format": "pt"})
    return to


def test_weights_that_are_missing_or_of_another_shape_are_refused_by_name(folders, tmp_path):
    up = "model.layers.0.mlp.up_proj.weight"
    with pytest.raises(UserError, match=f"lacks 1 of its weights, {up} first"):
        load(spec(changed(folders["llama"], tmp_path, **{up: None})))
    with pytest.raises(UserError, match=rf"{up} has the shape \(40, 32\) and should have \(48, 32\)"):
        load(spec(changed(folders["llama"], tmp_path, **{up: torch.ones(40, 32)})))
    with pytest.raises(UserError, match=r"lacks 1 of its weights, lm_head\.weight first"):
        load(spec(changed(folders["llama"], tmp_path, **{"lm_head.weight": None})))


def test_weights_that_the_configuration_leaves_unused_are_said_and_saved_constants_are_not(folders, tmp_path):
    attention = "model.layers.0.self_attn"
    bias = {f"{attention}.{name}.bias": torch.ones(32) for name in ("q_proj", "o_proj")}
    unused = load(spec(changed(folders["llama"], tmp_path, **bias))).unused
    assert unused.startswith(f"the weights hold {attention}.o_proj.bias, {attention}.q_proj.bias, which")
    old = {f"{attention}.{name}": torch.ones(4) for name in ("rotary_emb.inv_freq", "bias", "masked_bias")}
    assert load(spec(changed(folders["llama"], tmp_path, **old))).unused == ""
    tied = folders["qwen3"]  # its head may stand in the file too
    assert load(spec(tied)).unused == ""
    assert load(spec(changed(tied, tmp_path, **{"lm_head.weight": torch.ones(tiny.VOCAB, 32)}))).unused == ""


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused_by_name(folders, tmp_path, bad):
    from safetensors.torch import load_file, save_file

    for path in folders["llama"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    tensors = load_file(tmp_path / "model.safetensors")
    tensors["model.layers.1.mlp.down_proj.weight"][0, 0] = bad
    save_file(tensors, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(UserError, match=r"is damaged: model\.layers\.1\.mlp\.down_proj\.weight holds"):
        load(spec(tmp_path))


def test_a_layer_of_another_kind_is_refused_in_packed_rows(folders):
    network = load(spec(folders["llama"]), threads=1)
    network.odd_layers = {"linear_attention"}
    sequences = tiny.flat(tiny.pairs(2))
    head.hidden_ND(network, layouts.arrange(sequences, "padded", 0))
    with pytest.raises(UserError, match=r"no rows can be packed: to train it, set `controls: \{layout: padded\}`"):
        head.hidden_ND(network, layouts.arrange(sequences, "packed", 0))
