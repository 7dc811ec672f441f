"""Trained weights in a network: the base beside them is the base to the bit, and their gradient is the true one."""

from __future__ import annotations

import copy
import json

import pytest
import safetensors.torch
import tiny_models as tiny
import torch
from transformers import AutoModelForCausalLM

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, head, layouts
from holdfast.models.backend import InProcess
from holdfast.models.identity import subject_id
from holdfast.store.adapter_files import adapter_digest, check_adapter
from holdfast.types import Request, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)  # qwen3's embeddings and head are one matrix
HEADS = {"full": "full", "body": "frozen"}
IDS = torch.tensor([list(range(3, 23))])


def logits(network):
    with torch.no_grad():
        return network.model(IDS).logits


def moved(network, seed=0):
    """The weights with other values, as training would leave them."""
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(0.02 * torch.randn(tensor.shape, generator=draw))
    return network


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", HEADS)
def test_off_and_taken_out_it_is_the_base_to_the_bit(kind, which):
    network = tiny.network(kind)
    base, sound = logits(network), adapters.base_fingerprint(network)
    adapters.attach_weights(network, which)
    assert torch.equal(logits(network), base)
    assert adapters.norm(network) == 0.0
    own = logits(moved(network))
    assert not torch.allclose(own, base, atol=1e-2)
    with adapters.off(network):
        assert torch.equal(logits(network), base)
        with adapters.off(network):
            assert torch.equal(logits(network), base)
        assert torch.equal(logits(network), base)
    assert torch.equal(logits(network), own)
    assert adapters.base_fingerprint(network) == sound == network.sound
    adapters.detach(network)
    assert torch.equal(logits(network), base)
    assert adapters.base_fingerprint(network) == sound
    assert not any(p.requires_grad for p in network.model.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_full_is_every_parameter_and_body_all_but_embeddings_and_head(kind):
    network = tiny.network(kind)
    every = dict(network.model.named_parameters())
    adapters.attach_weights(network, "full")
    assert sorted(every) == list(adapters.trainable(network))
    adapters.attach_weights(network, "body")
    assert sorted(set(every) - {"model.embed_tokens.weight", "lm_head.weight"}) == list(adapters.trainable(network))
    trainable = {id(p) for p in network.model.parameters() if p.requires_grad}
    assert trainable == {id(p) for p in adapters.trainable(network).values()}


def test_a_tied_matrix_stays_one():
    network = tiny.network("qwen3")
    adapters.attach_weights(network, "full")
    ends = network.model.get_input_embeddings(), network.model.get_output_embeddings()
    assert ends[0].weight is ends[1].weight is adapters.trainable(network)["model.embed_tokens.weight"]
    with adapters.off(network):
        assert ends[0].weight is ends[1].weight


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("which", HEADS)
def test_the_gradient_is_that_of_the_models_own_logits_in_float64(kind, which):
    network = tiny.network(kind)
    exact = copy.deepcopy(network.model).double().requires_grad_()
    adapters.attach_weights(network, which)
    sequences = tiny.flat(tiny.pairs(4))
    batch = layouts.arrange(sequences, "padded", tiny.END)
    hidden_ND = head.hidden_ND(network, batch)
    with torch.no_grad(), adapters.off(network):
        base_ND = head.hidden_ND(network, batch) + 0.1  # another reference than where it stands, or KL had no gradient
    logp_N = head.token_logps(network, hidden_ND, batch.target_N, HEADS[which])
    kl_N = head.token_kls(network, hidden_ND, base_ND, "policy_reference", HEADS[which])
    weight_N = torch.linspace(0.5, 1.5, len(logp_N))
    ((logp_N + 0.3 * kl_N) * weight_N).sum().backward()

    fixed = copy.deepcopy(exact).requires_grad_(False)
    total, at = torch.zeros((), dtype=torch.float64), 0
    for s in sequences:
        ids = torch.tensor([s.ids])
        n = len(s.ids) - s.start
        mine = exact(ids).logits[0, s.start - 1 : -1].log_softmax(-1)
        there = base_ND[at : at + n].double()
        network_like = copy.copy(network)
        network_like.model, network_like.decoder = fixed, fixed.get_decoder()
        theirs = network_like.own_logits(there).log_softmax(-1)
        logp = mine.gather(1, ids[0, s.start :, None])[:, 0]
        kl = (mine.exp() * (mine - theirs)).sum(-1)
        total = total + ((logp + 0.3 * kl) * weight_N[at : at + n]).sum()
        at += n
    total.backward()
    want = {name: p.grad for name, p in exact.named_parameters()}
    for name, p in adapters.trainable(network).items():
        error = float((p.grad.double() - want[name]).norm() / want[name].norm().clamp_min(1e-6))
        assert error < 1e-4, f"{name} is off by {error:.1e}"


def test_kl_and_distances_keep_the_bases_own_head_where_the_head_is_trained():
    network, batch = tiny.network(), layouts.arrange(tiny.flat(tiny.pairs(3)), "padded", tiny.END)
    with torch.no_grad():
        base_ND = head.hidden_ND(network, batch)
        want = head.token_logps(network, base_ND, batch.target_N, "full")
    for attach in (
        lambda: adapters.attach_weights(network, "full"),
        lambda: adapters.attach(network, LoraSpec(rank=4, targets=("lm_head",)), "lora"),
    ):
        attach()
        with torch.no_grad():
            assert float(head.token_kls(network, base_ND, base_ND, "policy_reference", "full").abs().max()) < 1e-6
            moved(network)
            moved(network, 1)  # of a LoRA both of its matrices: what is moved first is zero
            assert float(head.token_kls(network, base_ND, base_ND, "policy_reference", "full").max()) > 1e-4
            with adapters.off(network):
                assert torch.equal(head.token_logps(network, base_ND, batch.target_N, "full"), want)


def test_saved_weights_have_equal_bytes_and_come_back(tmp_path):
    network = tiny.network("qwen3")
    adapters.attach_weights(network, "full")
    want = logits(moved(network))
    adapters.save(network, tmp_path / "a")
    adapters.attach(network, LoraSpec(rank=2), "lora")
    adapters.load(network, tmp_path / "a")
    assert torch.equal(logits(network), want)
    assert not any(p.requires_grad for p in network.model.parameters())
    adapters.save(network, tmp_path / "b")
    for name in ("trained_config.json", "trained.safetensors"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert adapter_digest(tmp_path / "a") == adapter_digest(tmp_path / "b")
    assert json.loads((tmp_path / "a/trained_config.json").read_text())["trainable"] == "full"
    whole = AutoModelForCausalLM.from_config(network.model.config)
    missing = whole.load_state_dict(safetensors.torch.load_file(tmp_path / "a/trained.safetensors"), strict=False)
    assert missing.missing_keys in ([], ["lm_head.weight"])  # which is the embeddings
    with torch.no_grad():
        torch.testing.assert_close(whole.eval()(IDS).logits, want)


def test_one_network_measures_base_adapter_and_weights_in_any_order(tmp_path):
    network = tiny.network()
    for k, make in enumerate(
        (lambda: adapters.attach(network, LoraSpec(rank=2), "lora"), lambda: adapters.attach_weights(network, "full"))
    ):
        make()
        moved(moved(network), 1)
        adapters.save(network, tmp_path / str(k))
        adapters.detach(network)
    subjects = {"base": Subject("base", "m"), **{k: Subject(k, "m", str(tmp_path / k)) for k in "01"}}

    def said(backend, who):
        asked = [Request(f"{who}{i}", subjects[who], (Turn("user", tiny.words(i, 4)),), ("5 6", "7")) for i in range(3)]
        answers = [Request(r.key, r.subject, r.turns) for r in asked]
        scored = sorted((s.key, s.logps) for s in backend.score(asked))
        return scored, sorted((r.key, r.text) for r in backend.generate(answers))

    alone = {who: said(InProcess(tiny.network()), who) for who in subjects}
    assert len({str(answer) for answer in alone.values()}) == 3
    together = InProcess(tiny.network())
    for who in ("1", "base", "0", "1", "0", "base", "1"):
        assert said(together, who) == alone[who]
    assert together.identity(subjects["1"]) == subject_id("base-llama", "speech", tmp_path / "1")
    together.assert_live(subjects["1"], (Turn("user", "5 6"),))


def test_what_a_run_left_is_asked_again_after_another_was_trained_on_the_network(tmp_path):
    network = tiny.network()
    adapters.attach_weights(network, "full")
    adapters.save(moved(network), tmp_path)
    adapters.detach(network)
    backend = InProcess(network)
    asked = [Request("k", Subject("s", "m", str(tmp_path)), (Turn("user", "5 6"),), ("7", "8"))]
    before = list(backend.score(asked))
    adapters.attach(network, LoraSpec(rank=2), "lora")
    adapters.detach(network)
    assert list(backend.score(asked)) == before


def test_a_base_that_moves_is_noticed_when_the_weights_are_taken_out():
    network = tiny.network()
    adapters.attach_weights(network, "body")
    with torch.no_grad():
        network.trained.base["model.norm.weight"].data[3] += 1e-6
    with pytest.raises(UserError, match="taken out changes the base model itself"):
        adapters.detach(network)


def test_training_takes_float32_and_measuring_the_bases_precision(tmp_path):
    network = tiny.network(dtype=torch.bfloat16)
    with pytest.raises(UserError, match=r"trained in float32, and llama is loaded in bfloat16.*set `dtype: float32`"):
        adapters.attach_weights(network, "full")
    assert network.trained is None
    plain = tiny.network()
    adapters.attach_weights(plain, "full")
    adapters.save(moved(plain), tmp_path)
    adapters.load(network, tmp_path)
    assert {p.dtype for p in adapters.trainable(network).values()} == {torch.bfloat16}


def test_weights_that_do_not_belong_are_refused_by_name(tmp_path):
    network = tiny.network()
    adapters.attach_weights(network, "full")
    adapters.save(network, tmp_path)
    other = tiny.network(hidden_size=16)
    base = logits(other)
    with pytest.raises(UserError, match="another model's"):
        adapters.load(other, tmp_path)
    assert torch.equal(logits(other), base)
    file = tmp_path / "trained.safetensors"
    tensors = safetensors.torch.load_file(file)
    safetensors.torch.save_file({k: v for k, v in tensors.items() if k != "model.norm.weight"}, file)
    with pytest.raises(UserError, match=r"it has no model\.norm\.weight"):
        adapters.load(network, tmp_path)
    tensors["model.norm.weight"][0] = float("nan")
    safetensors.torch.save_file(tensors, file)
    with pytest.raises(UserError, match=r"is damaged: model\.norm\.weight"):
        adapters.load(network, tmp_path)
    (tmp_path / "trained_config.json").write_text('{"trainable": "half"}')
    with pytest.raises(UserError, match="does not say what was trained"):
        check_adapter(tmp_path)
