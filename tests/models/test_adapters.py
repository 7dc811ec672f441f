import copy
import json

import peft
import pytest
import safetensors.torch
import tiny_models as tiny
import torch
from transformers import AutoModelForCausalLM

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, head, layouts
from holdfast.store.adapter_files import adapter_digest
from holdfast.types import UserError

KINDS = list(tiny.CONFIGS)
LORA = LoraSpec(rank=4, alpha=8)
SORTS = {
    "LoRA": LORA,
    "rsLoRA": LoraSpec(rank=4, alpha=8, rslora=True),
    "DoRA": LoraSpec(rank=4, alpha=8, dora=True),
    "rsDoRA": LoraSpec(rank=4, alpha=8, rslora=True, dora=True),
}


def logps(network, kind="frozen"):
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    with torch.no_grad():
        return head.token_logps(network, head.hidden_ND(network, batch), batch.target_N, kind)


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
    assert len(network.trained.layers) == 3 * 7
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
    a = network.trained.layers["model.layers.0.self_attn.q_proj"].lora_A["default"].weight
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


def trained(network, steps=3):
    """The adapter after a few steps of a plain loss."""
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    optimiser = torch.optim.AdamW(adapters.trainable(network).values(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        head.token_logps(network, head.hidden_ND(network, batch), batch.target_N).mean().neg().backward()
        optimiser.step()
    return network


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_new_adapter_of_every_sort_has_moved_by_exactly_nothing(sort, dtype):
    network = tiny.network(dtype=dtype)
    base = logps(network)
    adapters.attach(network, SORTS[sort], "lora", 0)
    assert torch.equal(logps(network), base)
    assert adapters.norm(network) == 0.0


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("kind", KINDS)
def test_peft_gives_the_logits_of_what_was_trained_and_the_norm_is_of_what_it_merges(sort, kind, tmp_path):
    network = tiny.network(kind)
    base = {name: p.detach().clone() for name, p in network.model.named_parameters()}
    adapters.attach(network, SORTS[sort], "lora", 0)
    before = adapters.trainable(network)
    start = {name: p.detach().clone() for name, p in before.items()}
    trained(network)
    assert all(not torch.equal(p, start[name]) for name, p in before.items())  # magnitudes too
    ids = torch.tensor([list(range(1, 20))])
    with torch.no_grad():
        want = network.model(ids).logits
    norm = adapters.norm(network)
    adapters.save(network, tmp_path)
    model = AutoModelForCausalLM.from_config(network.model.config, attn_implementation=network.attention)
    model.load_state_dict(base, strict=False)
    theirs = peft.PeftModel.from_pretrained(model, tmp_path).eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(ids).logits, want, atol=1e-6, rtol=1e-6)
        adapters.detach(network)
        plain = network.model(ids).logits
        assert not torch.allclose(plain, want, atol=1e-2)
    merged = dict(theirs.merge_and_unload().named_parameters())
    moved = sum(float((merged[name].double() - p.double()).square().sum()) for name, p in base.items()) ** 0.5
    assert norm == pytest.approx(moved, rel=1e-5)


def test_rslora_scales_by_the_root_of_the_rank():
    network = tiny.network()
    for sort, scale in (("LoRA", 2.0), ("rsLoRA", 4.0)):
        adapters.attach(network, SORTS[sort], "lora", 0)
        assert {layer.scaling["default"] for layer in network.trained.layers.values()} == {scale}


@pytest.mark.parametrize(
    "settings",
    [
        {"use_dora": True},
        {"use_rslora": True},
        {"target_modules": ["q_proj"], "r": 2},
        {"target_modules": r"model\.layers\.[01]\.mlp\.(up|down)_proj"},
        {"exclude_modules": ["v_proj", "o_proj"]},
        {"rank_pattern": {"q_proj": 2, r"layers\.1\.mlp\.up_proj": 1}, "alpha_pattern": {"down_proj": 32}},
        {"layers_to_transform": [0, 2], "target_modules": ["q_proj"]},
        {"layers_to_transform": 1, "layers_pattern": "layers", "target_modules": ["q_proj"]},
        {"init_lora_weights": "gaussian", "lora_dropout": 0.3},
        {"init_lora_weights": "orthogonal"},
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj", "embed_tokens"]},
    ],
)
def test_an_adapter_that_peft_made_is_read(settings, tmp_path):
    network = tiny.network()
    config = peft.LoraConfig(**{"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | settings)
    model = AutoModelForCausalLM.from_config(network.model.config)
    model.load_state_dict(network.model.state_dict())
    made = peft.get_peft_model(model, config)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if "lora_B" in name or "lora_embedding_B" in name:
                parameter.normal_(std=0.2)
    made.eval().save_pretrained(tmp_path)
    want = logps(tiny.network(model=made.base_model.model), "full")
    base = logps(network, "full")
    adapters.attach(network, LORA, "lora", 0)
    adapters.load(network, tmp_path)
    torch.testing.assert_close(logps(network, "full"), want, atol=1e-6, rtol=1e-6)
    assert not torch.allclose(want, base, atol=1e-3)
    adapters.detach(network)
    assert torch.equal(logps(network, "full"), base)


@pytest.mark.parametrize(
    "setting", [{"layer_replication": [[0, 2], [1, 3]]}, {"kasa_config": {"beta": 1e-4, "gamma": 1e-3}}]
)
def test_an_adapter_that_moves_the_base_is_refused_before_anything_is_asked(setting, monkeypatch):
    network = tiny.network()
    config = {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"], **setting}
    monkeypatch.setattr(adapters, "essential", lambda config: config)  # as if its setting had been taken
    with pytest.raises(UserError, match="the adapter at x changes the base model itself"):
        adapters._inject(network, config, "x")
    with pytest.raises(UserError, match="changes the base model itself"):
        adapters.detach(network)


def test_a_base_that_moves_under_an_adapter_is_noticed_when_it_is_taken_out():
    network = tiny.network()
    adapters.attach(network, LORA, "lora", 0)
    before = adapters.base_fingerprint(network)
    assert before == network.sound
    with torch.no_grad():
        network.trained.layers["model.layers.2.mlp.up_proj"].get_base_layer().weight.data[3, 4] += 1e-6
    assert adapters.base_fingerprint(network) != before
    with pytest.raises(UserError, match="taken out changes the base model itself"):
        adapters.detach(network)


def test_the_base_has_one_fingerprint_with_an_adapter_and_without():
    for kind in KINDS:
        network = tiny.network(kind)
        bare = adapters.base_fingerprint(network)
        adapters.attach(network, LORA, "lora", 0)
        logps(shaken(network))
        assert adapters.base_fingerprint(network) == bare
        network.checkpointing(True)
        network.checkpointing(False)
        adapters.detach(network)
        assert adapters.base_fingerprint(network) == bare


def test_a_head_adapter_with_another_bases_head_is_refused(tmp_path):
    network = tiny.network()
    model = AutoModelForCausalLM.from_config(network.model.config)
    made = peft.get_peft_model(model, peft.LoraConfig(r=2, target_modules=["lm_head"], task_type="CAUSAL_LM"))
    made.save_pretrained(tmp_path)
    with pytest.raises(UserError, match=r"more than LoRA layers \(its base_model.model.lm_head.base_layer.weight"):
        adapters.load(network, tmp_path)
    assert network.trained is None


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_an_adapter_with_a_number_that_is_not_finite_is_refused_by_name(bad, tmp_path):
    network = tiny.network()
    adapters.attach(network, LORA, "lora", 0)
    with torch.no_grad():
        adapters.trainable(network)["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"][0, 0] = bad
    adapters.save(network, tmp_path)
    with pytest.raises(UserError, match=r"is damaged: base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"):
        adapters.load(network, tmp_path)


def test_a_part_of_an_adapter_is_not_taken_for_the_whole(tmp_path):
    network = tiny.network()
    adapters.attach(network, LORA, "lora", 0)
    adapters.save(network, tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    tensors = safetensors.torch.load_file(file)
    del tensors["base_model.model.model.layers.1.mlp.up_proj.lora_B.weight"]
    safetensors.torch.save_file(tensors, file)
    with pytest.raises(UserError, match=r"has no base_model\S*layers.1.mlp.up_proj.lora_B.weight"):
        adapters.load(network, tmp_path)


def test_the_embeddings_are_not_trained():
    network = tiny.network()
    with pytest.raises(UserError, match="embed_tokens is none: leave it out"):
        adapters.attach(network, LoraSpec(rank=2, targets=("embed_tokens",)), "lora")
    assert network.trained is None


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
    deltas = [layer.get_delta_weight("default") for layer in network.trained.layers.values()]
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


@pytest.mark.parametrize("which", ["LoRA", "rsLoRA", "full", "body"])
def test_scaled_weights_lie_on_the_line_between_base_and_checkpoint(which):
    network, by = tiny.network(), 0.3
    base = {name: p.detach().double() for name, p in network.model.named_parameters()}

    def fresh():
        if which in SORTS:
            adapters.attach(network, SORTS[which], "lora", 0)
        else:
            adapters.attach_weights(network, which)
        return shaken(network)

    fresh()
    norm = adapters.norm(network)
    merged = copy.deepcopy(network)
    adapters.detach(merged, merge=True)
    end = {name: p.detach().double() for name, p in merged.model.named_parameters()}
    adapters.scale(network, by)
    assert adapters.norm(network) == pytest.approx(by * norm, rel=1e-5)
    adapters.detach(network, merge=True)
    for name, p in network.model.named_parameters():
        torch.testing.assert_close(p.double(), base[name] + by * (end[name] - base[name]), atol=1e-6, rtol=1e-5)


def test_a_dora_is_not_scaled():
    network = tiny.network()
    adapters.attach(network, SORTS["DoRA"], "lora", 0)
    with pytest.raises(UserError, match="between it and its base lies no DoRA"):
        adapters.scale(network, 0.5)
