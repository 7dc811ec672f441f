"""Adapted layers that are run as one give what PEFT's own layers give, and keep less."""

import pytest
import tiny_models as tiny
import torch
from peft.tuners.lora.layer import Linear
from torch.autograd.graph import saved_tensors_hooks

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, head, layouts

LORA = LoraSpec(rank=4, alpha=12)
PRECISIONS = ("fp32", "autocast", "bf16")


def prepared(kind, precision, lora=LORA):
    network = tiny.network(kind, dtype=torch.bfloat16 if precision == "bf16" else torch.float32)
    network.autocast = precision == "autocast"
    adapters.attach(network, lora, "lora", 0)
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(0.1 * torch.randn(tensor.shape, generator=draw))
    return network


def as_peft_runs_them(network):
    for layer in network.trained.layers.values():
        layer.__dict__.pop("forward", None)
    return network


def step(network):
    """Log-probs and all gradients of a batch, and the bytes that were kept beside the weights for the backward pass."""
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    weights = {p.untyped_storage().data_ptr() for p in network.model.parameters()}
    kept = {}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        logp_N = head.token_logps(network, head.hidden_ND(network, batch), batch.target_N)
    (logp_N * torch.linspace(0.5, 1.5, len(logp_N))).sum().backward()
    grads = [p.grad for p in adapters.trainable(network).values()]
    assert all(grad.dtype == torch.float32 for grad in grads)
    return logp_N.detach(), torch.cat([grad.flatten() for grad in grads]), sum(kept.values())


def apart(got, want):
    return float((got - want).norm() / want.norm())


@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_log_probs_and_gradients_are_those_of_the_layers_run_apart(kind):
    for got, want in zip(
        step(prepared(kind, "fp32"))[:2], step(as_peft_runs_them(prepared(kind, "fp32")))[:2], strict=True
    ):
        assert apart(got, want) < 1e-5


@pytest.mark.parametrize("precision", PRECISIONS[1:])
@pytest.mark.parametrize("kind", tiny.CONFIGS)
def test_bfloat16_is_as_near_to_fp32_as_with_the_layers_run_apart(kind, precision):
    exact = step(prepared(kind, "fp32"))
    joint, peft = step(prepared(kind, precision)), step(as_peft_runs_them(prepared(kind, precision)))
    for part in (0, 1):
        assert apart(joint[part], exact[part]) < 1.5 * apart(peft[part], exact[part])


@pytest.mark.parametrize("precision", PRECISIONS)
def test_no_more_is_kept_than_by_the_layers_run_apart(precision):
    *_, joint = step(prepared("llama", precision))
    *_, peft = step(as_peft_runs_them(prepared("llama", precision)))
    assert joint <= (1.0 if precision == "fp32" else 0.9) * peft


def test_what_is_measured_keeps_the_bits_of_peft():
    network, batch = prepared("llama", "fp32"), layouts.arrange(tiny.flat(tiny.pairs(2)), "padded", tiny.END)
    with torch.no_grad():
        joint = head.hidden_ND(network, batch)
        assert torch.equal(joint, head.hidden_ND(as_peft_runs_them(network), batch))


def test_an_adapter_switched_off_is_the_base_with_gradients_too():
    network = prepared("llama", "fp32")
    with adapters.off(network):
        batch = layouts.arrange(tiny.flat(tiny.pairs(2)), "padded", tiny.END)
        off = head.hidden_ND(network, batch)
    adapters.detach(network)
    assert torch.equal(off, head.hidden_ND(network, batch))


def test_layers_that_read_different_inputs_are_run_apart():
    network = prepared("llama", "fp32")
    layers = {n.rpartition(".")[2]: m for n, m in network.trained.layers.items() if ".0.self_attn." in f".{n}"}
    x, y = (torch.randn(2, 3, layers["q_proj"].in_features, requires_grad=True) for _ in range(2))
    got = layers["q_proj"](x), layers["k_proj"](y), layers["v_proj"](x)
    for layer, at, out in zip(("q_proj", "k_proj", "v_proj"), (x, y, x), got, strict=True):
        assert torch.allclose(out, Linear.forward(layers[layer], at), atol=1e-5)


def test_layers_with_dropout_are_left_to_peft():
    network = prepared("llama", "fp32", LoraSpec(rank=4, dropout=0.1))
    assert not any("forward" in layer.__dict__ for layer in network.trained.layers.values())


def test_gradients_are_the_same_with_layers_run_again_in_the_backward_pass():
    plain, again = prepared("llama", "fp32"), prepared("llama", "fp32")
    again.checkpointing(True)
    (_, want, _), (_, got, _) = step(plain), step(again)
    assert apart(got, want) < 1e-6
