import pytest
import tiny_models as tiny
import torch
from transformers import LlamaForCausalLM

from holdfast.models import frozen, head, layouts
from holdfast.models.backend import InProcess
from holdfast.types import Request, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)
N, V, D = 23, 61, 16


def random_head(cap, scale, bias):
    draw = torch.Generator().manual_seed(1)
    weight = torch.randn(V, D, generator=draw)
    return frozen.Head(weight, torch.randn(V, generator=draw) if bias else None, scale, cap), draw


def reference_logits(h: frozen.Head, hidden):
    z = hidden @ h.weight_VD.double().T
    z = (z if h.bias_V is None else z + h.bias_V.double()) * h.scale
    return z if h.cap is None else h.cap * torch.tanh(z / h.cap)


@pytest.mark.parametrize(("cap", "scale", "bias"), [(None, 1.0, False), (4.0, 1.0, False), (5.0, 0.3, True)])
@pytest.mark.parametrize("chunk", [1, 7 * V * 4, 2**26])
def test_frozen_head_equals_float64_autograd(cap, scale, bias, chunk, monkeypatch):
    monkeypatch.setattr(frozen, "CHUNK_BYTES", chunk)
    h, draw = random_head(cap, scale, bias)
    hidden, ref = (torch.randn(N, D, generator=draw) for _ in range(2))
    target, weights = torch.randint(0, V, (N,), generator=draw), torch.randn(N, generator=draw)

    exact = hidden.double().requires_grad_()
    p, q = reference_logits(h, exact).log_softmax(-1), reference_logits(h, ref.double()).log_softmax(-1)
    wanted = {
        "logps": p.gather(1, target[:, None])[:, 0],
        "policy_reference": (p.exp() * (p - q)).sum(-1),
        "reference_policy": (q.exp() * (q - p)).sum(-1),
    }
    for name, want in wanted.items():
        leaf = hidden.clone().requires_grad_()
        got = frozen.token_logps(h, leaf, target) if name == "logps" else frozen.token_kls(h, leaf, ref, name)  # type: ignore
        assert got.dtype == torch.float32
        got.backward(weights)
        (want_grad,) = torch.autograd.grad(want, exact, weights.double(), retain_graph=True)
        torch.testing.assert_close(got.double(), want, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(leaf.grad.double(), want_grad, atol=1e-5, rtol=1e-5)  # type: ignore[union-attr]


def test_kl_of_equals_is_zero_and_has_no_gradient():
    h, draw = random_head(None, 1.0, False)
    hidden = torch.randn(N, D, generator=draw)
    for direction in ("policy_reference", "reference_policy"):
        leaf = hidden.clone().requires_grad_()
        kl = frozen.token_kls(h, leaf, hidden, direction)
        kl.sum().backward()
        assert kl.abs().max() < 1e-6
        assert leaf.grad.abs().max() < 1e-5  # type: ignore[union-attr]


def test_no_gradient_is_prepared_where_none_is_wanted(monkeypatch):
    h, draw = random_head(None, 1.0, False)
    monkeypatch.setattr(frozen.Head, "pull", lambda *_: pytest.fail("not wanted"))
    hidden, target = torch.randn(N, D, generator=draw), torch.zeros(N, dtype=torch.long)
    frozen.token_logps(h, hidden, target)
    with torch.no_grad():
        frozen.token_kls(h, hidden.requires_grad_(), hidden, "policy_reference")


def test_what_is_not_finite_raises():
    h, draw = random_head(None, 1.0, False)
    hidden = torch.randn(N, D, generator=draw)
    hidden[3, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="log-prob is not finite"):
        frozen.token_logps(h, hidden, torch.zeros(N, dtype=torch.long))
    with pytest.raises(FloatingPointError, match="KL is not finite"):
        frozen.token_kls(h, hidden, hidden, "policy_reference")


@pytest.mark.parametrize("kind", KINDS)
def test_frozen_and_full_heads_agree_on_a_model(kind):
    network = tiny.network(kind)
    batch = layouts.arrange(tiny.flat(tiny.pairs(4)), "padded", tiny.END)
    hidden = head.hidden_ND(network, batch)
    ref = hidden + 0.1 * hidden.flip(0)
    results = {}
    for which in ("frozen", "full"):
        leaf = hidden.clone().requires_grad_()
        logp = head.token_logps(network, leaf, batch.target_N, which)
        kls = [head.token_kls(network, leaf, ref, d, which) for d in ("policy_reference", "reference_policy")]
        (logp.sum() + 2 * kls[0].sum() + 3 * kls[1].sum()).backward()
        results[which] = [logp, *kls, leaf.grad]
    for got, want in zip(results["frozen"], results["full"], strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_check_passes_every_layout(kind, dtype):
    network = tiny.network(kind, dtype)
    for layout in ("padded", "packed", "shared"):
        for which in ("frozen", "full"):
            head.check(network, layouts.arrange(tiny.flat(tiny.pairs(5)), layout, tiny.END), which)


class Halved(LlamaForCausalLM):
    """A model whose forward does to its logits what its configuration does not say."""

    def forward(self, *args, **kwargs):
        out = super().forward(*args, **kwargs)
        out.logits = out.logits / 2
        return out


def test_check_catches_a_head_that_does_more_than_its_configuration_says():
    network = tiny.network(model=Halved(tiny.CONFIGS["llama"]()))
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    with pytest.raises(UserError, match="head: full"):
        head.check(network, batch)
    head.check(network, batch, "full")


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_check_catches_a_wrong_soft_cap(dtype, monkeypatch):
    network = tiny.network("gemma2", dtype)
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    real = head._head
    monkeypatch.setattr(head, "_head", lambda n: frozen.Head(real(n).weight_VD, cap=6.0))
    with pytest.raises(UserError, match="head: full"):
        head.check(network, batch)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_check_catches_a_window_that_is_not_cut(dtype):
    network = tiny.network("gemma2", dtype)
    network._window = 100
    batch = layouts.arrange(tiny.flat(tiny.pairs(6)), "packed", tiny.END)
    with pytest.raises(UserError, match="layout: padded"):
        head.check(network, batch)


def test_a_trainable_head_is_refused():
    network = tiny.network()
    network.model.get_output_embeddings().weight.requires_grad_(True)
    with pytest.raises(UserError, match="not a plain frozen layer"):
        head.check(network, layouts.arrange(tiny.flat(tiny.pairs(2)), "padded", tiny.END))


@pytest.mark.parametrize("cap", [6.0, float("nan")])
def test_scoring_is_checked_before_it_begins(cap, monkeypatch):
    network = tiny.network("gemma2")
    batch = layouts.arrange(tiny.flat(tiny.pairs(3)), "shared", tiny.END)
    head.check_reading(network, batch)
    real = head._head
    monkeypatch.setattr(head, "_head", lambda n: frozen.Head(real(n).weight_VD, cap=cap))
    monkeypatch.setattr(frozen, "finite", lambda x_N, what: x_N)
    with pytest.raises(UserError, match="cannot be scored in a shared layout"):
        head.check_reading(network, batch)


def test_a_head_that_is_not_plain_is_read_by_the_models_own_forward():
    network = tiny.network(model=Halved(tiny.CONFIGS["llama"]()))
    turns, answers = (Turn("user", "5 6 7 8"),), ("7 8", "9", "9 10", "11")
    backend = InProcess(network)
    (scored,) = backend.score([Request("x", Subject("base", "tiny"), turns, answers)])
    assert backend._scoring == {False: ("full", "padded")}
    for text, logp in zip(answers, scored.logps, strict=True):
        ids = [int(word) for word in text.split()]
        own_LV = network.model(torch.tensor([[5, 6, 7, 8, *ids]])).logits[0].log_softmax(-1)
        assert logp == pytest.approx(sum(float(own_LV[3 + i, token]) for i, token in enumerate(ids)), abs=1e-5)
