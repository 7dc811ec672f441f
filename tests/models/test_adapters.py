import json

import peft
import pytest
import tiny_models as tiny
import torch
from transformers import AutoModelForCausalLM

from holdfast.models import adapters, head, layouts
from holdfast.spec import LoraSpec
from holdfast.store.digest import adapter_digest
from holdfast.words import UserError

KINDS = list(tiny.CONFIGS)
LORA = LoraSpec(rank=4, alpha=8)


def logps(network):
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    with torch.no_grad():
        return head.token_logps(network, head.hidden_ND(network, batch), batch.target_N)


def shaken(network, seed=0):
    """The adapter with other values, as training would leave it."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=draw))
    return network


@pytest.mark.parametrize("kind", KINDS)
def test_a_new_adapter_is_the_base_and_off_is_the_base(kind):
    network = tiny.network(kind)
    base = logps(network)
    adapters.attach(network, LORA, "lora", 0)
    assert torch.equal(logps(network), base)
    shaken(network)
    assert not torch.allclose(logps(network), base, atol=1e-2)
    with adapters.off(network):
        assert torch.equal(logps(network), base)
    assert not torch.allclose(logps(network), base, atol=1e-2)
    adapters.detach(network)
    assert torch.equal(logps(network), base)
    assert not any("lora" in name for name, _ in network.model.named_parameters())


def test_every_linear_layer_but_the_head_has_an_adapter_in_fp32():
    network = tiny.network(dtype=torch.bfloat16)
    adapters.attach(network, LORA, "lora", 0)
    assert len(network.lora.layers) == 3 * 7
    assert all(p.dtype == torch.float32 for p in adapters.trainable(network).values())
    assert list(adapters.trainable(network)) == sorted(adapters.trainable(network))
    trainable = [p for p in network.model.parameters() if p.requires_grad]
    assert {id(p) for p in trainable} == {id(p) for p in adapters.trainable(network).values()}


def test_initialisation_depends_on_its_names_alone():
    network = tiny.network()
    torch.manual_seed(1)
    before = torch.get_rng_state()
    adapters.attach(network, LORA, "lora", 0)
    first = adapters.fingerprint(network)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    adapters.attach(network, LORA, "lora", 0)
    assert adapters.fingerprint(network) == first
    adapters.attach(network, LORA, "lora", 1)
    assert adapters.fingerprint(network) != first
    a = network.lora.layers["model.layers.0.self_attn.q_proj"].lora_A["default"].weight
    assert a.abs().max() <= 32**-0.5
    assert float(a.detach().std()) == pytest.approx((32**-0.5) / 3**0.5, rel=0.2)


def test_saved_adapters_have_equal_bytes_and_come_back(tmp_path):
    network = tiny.network()
    adapters.attach(network, LORA, "lora", 0)
    want = logps(shaken(network))
    adapters.save(network, tmp_path / "a")
    adapters.attach(network, LORA, "lora", 5)
    adapters.load(network, tmp_path / "a")
    assert torch.equal(logps(network), want)
    adapters.detach(network)
    adapters.load(network, tmp_path / "a")
    assert torch.equal(logps(network), want)
    adapters.save(network, tmp_path / "b")
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert adapter_digest(tmp_path / "a") == adapter_digest(tmp_path / "b")


@pytest.mark.parametrize("kind", KINDS)
def test_peft_reads_what_is_saved(kind, tmp_path):
    network = tiny.network(kind)
    adapters.attach(network, LORA, "lora", 0)
    want = logps(shaken(network))
    adapters.save(network, tmp_path)
    model = AutoModelForCausalLM.from_config(network.model.config, attn_implementation=network.attention)
    adapters.detach(network)
    model.load_state_dict(network.model.state_dict())
    other = peft.PeftModel.from_pretrained(model, tmp_path).base_model.model.eval().requires_grad_(False)
    torch.testing.assert_close(logps(tiny.network(kind, model=other)), want, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("settings", [{"use_dora": True}, {"use_rslora": True}, {"target_modules": ["q_proj"], "r": 2}])
def test_an_adapter_that_peft_made_is_read(settings, tmp_path):
    network = tiny.network()
    config = peft.LoraConfig(**{"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | settings)
    model = AutoModelForCausalLM.from_config(network.model.config)
    model.load_state_dict(network.model.state_dict())
    made = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name:
                parameter.normal_(std=0.2)
    made.save_pretrained(tmp_path)
    want = logps(tiny.network(model=made.base_model.model))
    adapters.attach(network, LORA, "lora", 0)
    adapters.load(network, tmp_path)
    torch.testing.assert_close(logps(network), want, atol=1e-6, rtol=1e-6)


def test_the_file_holds_no_path_of_this_machine(tmp_path):
    network = tiny.network()
    network.spec.path = str(tmp_path)
    adapters.attach(network, LORA, "lora", 0)
    adapters.save(network, tmp_path)
    assert str(tmp_path) not in (tmp_path / "adapter_config.json").read_text()
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] == "llama"


def test_norm_is_that_of_the_change_of_the_weights():
    network = tiny.network()
    adapters.attach(network, LORA, "lora", 0)
    assert adapters.norm(network) == 0.0
    shaken(network)
    deltas = [layer.get_delta_weight("default") for layer in network.lora.layers.values()]
    want = torch.cat([d.flatten() for d in deltas]).norm()
    assert adapters.norm(network) == pytest.approx(float(want.detach()), rel=1e-5)


def test_dropout_is_off_but_where_it_is_asked_for_and_is_keyed():
    network = tiny.network()
    adapters.attach(network, LoraSpec(rank=4, alpha=8, dropout=0.5), "lora", 0)
    shaken(network)
    plain = logps(network)
    state = torch.get_rng_state()
    noisy = []
    for step in (1, 1, 2):
        with adapters.dropout(network, "dropout", step):
            noisy.append(logps(network))
    assert torch.equal(noisy[0], noisy[1])
    assert not torch.allclose(noisy[0], noisy[2])
    assert torch.equal(logps(network), plain)
    assert torch.equal(torch.get_rng_state(), state)


def test_gradient_checkpointing_changes_no_gradient():
    network, batch = tiny.network(), layouts.arrange(tiny.flat(tiny.pairs(3)), "packed", tiny.END)
    adapters.attach(network, LORA, "lora", 0)
    shaken(network)
    grads = []
    for on in (False, True):
        network.checkpointing(on)
        for p in adapters.trainable(network).values():
            p.grad = None
        head.token_logps(network, head.hidden_ND(network, batch), batch.target_N).sum().backward()
        grads.append(torch.cat([p.grad.flatten() for p in adapters.trainable(network).values()]))  # type: ignore
    assert torch.equal(*grads)
    network.checkpointing(False)
    assert not any(module.training for module in network.model.modules())


def test_mistakes_are_one_clear_sentence(tmp_path):
    network = tiny.network()
    with pytest.raises(UserError, match="holds no adapter"):
        adapters.load(network, tmp_path)
    with pytest.raises(UserError, match="does not fit llama"):
        adapters.attach(network, LoraSpec(targets=("no_such_layer",)), "lora")
    adapters.attach(network, LORA, "lora")
    adapters.save(network, tmp_path)
    other = tiny.network(hidden_size=16)
    with pytest.raises(UserError, match="another model's"):
        adapters.load(other, tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"peft_type": "IA3"}))
    with pytest.raises(UserError, match="only LORA"):
        adapters.load(network, tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config | {"modules_to_save": ["lm_head"]}))
    with pytest.raises(UserError, match="more than LoRA"):
        adapters.load(network, tmp_path)
