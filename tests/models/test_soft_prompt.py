"""Soft prompts: embeddings in a prompt are found by their gradient, change that prompt's answers and no others."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from holdfast import registry
from holdfast.config.study import LoraSpec, ModelSpec
from holdfast.evals.judges.rules import Rules
from holdfast.evals.respond import request_key
from holdfast.models import adapters, soft_prompt
from holdfast.models.backend import InProcess
from holdfast.models.network import load
from holdfast.types import Prompt, Request, Sampling, SoftPrompt, Subject, Turn
from tests.models.test_ablation import forbidden

BASE = Subject("base", "mini")
PARAMS = {"direction": "miniature_refusal", "direction_params": {"examples": 4}, "tokens": 6, "steps": 20, "rate": 0.2}


@cache
def network():
    return load(ModelSpec(name="mini", path="package:holdfast.miniature/model"), threads=1)


@cache
def soft() -> SoftPrompt:
    return registry.build("attacks", "soft_prompt", PARAMS).soft


@cache
def table() -> torch.Tensor:
    with adapters.off(network()):
        return soft_prompt.found(network(), soft())


def requests(soft, n=8):
    how = Sampling(max_new_tokens=24)
    return [Request(f"{k} {soft is None}", BASE, t, sampling=how, soft=soft) for k, t in enumerate(forbidden()[:n])]


def test_its_tokens_stand_behind_the_last_user_turn_s_text():
    net, (turns, *_) = network(), forbidden()
    ids, first = soft_prompt.ids(net, turns, soft()), soft_prompt.first_id(net)
    at = ids.index(first)
    assert ids[at : at + 6] == tuple(range(first, first + 6))
    assert (*ids[:at], *ids[at + 6 :]) == net.renderer.prompt_ids(turns)
    assert net.renderer.decode(list(ids[:at])).endswith(turns[-1].content)
    assert turns[-1].content not in net.renderer.decode(list(ids[at + 6 :]))


def test_ids_beyond_the_vocabulary_are_its_rows_and_others_stay():
    net, rows = network(), torch.randn(3, network().model.get_input_embeddings().weight.shape[1])
    embedding, first = net.model.get_input_embeddings(), soft_prompt.first_id(net)
    ids = torch.tensor([[5, first + 2, 7, first]])
    with soft_prompt.put(net, rows):
        out = embedding(ids)
    torch.testing.assert_close(out[0, [1, 3]], rows[[2, 0]])
    torch.testing.assert_close(out[0, [0, 2]], embedding.weight[[5, 7]])
    assert not embedding._forward_hooks
    assert not embedding._forward_pre_hooks


def likelihood(net, rows) -> float:
    """Mean log-prob of the words that it is to begin with, one conversation at a time."""
    target = list(net.renderer.continuation_ids(soft().begins))
    total = 0.0
    for turns in soft().asked:
        ids = [*soft_prompt.ids(net, turns, soft()), *target]
        with torch.no_grad(), soft_prompt.put(net, rows):
            logits = net.model(torch.tensor([ids]), use_cache=False).logits[0].float()
        logps = logits[-len(target) - 1 : -1].log_softmax(-1)
        total += float(logps[torch.arange(len(target)), target].mean())
    return total / len(soft().asked)


def test_what_is_found_makes_the_beginning_likely_the_same_every_time():
    net = network()
    with adapters.off(net):
        begun = soft_prompt.found(net, SoftPrompt(soft().asked, soft().begins, 6, 1, 1e-9, soft().digest))
        assert likelihood(net, table()) > likelihood(net, begun) + 1
        assert torch.equal(soft_prompt.found(net, soft()), table())


def test_its_gradient_is_that_of_the_loss_by_hand():
    net = network()
    one = SoftPrompt(soft().asked[:3], soft().begins, 6, 1, 1e-3, soft().digest)
    start = soft_prompt.found(net, SoftPrompt(one.asked, one.begins, 6, 1, 1e-30, one.digest))
    moved = soft_prompt.found(net, one) - start  # of Adam's first step: the rate, against the gradient's sign
    rows = start.clone().requires_grad_(True)
    target = list(net.renderer.continuation_ids(one.begins))
    loss = torch.zeros(())
    for turns in one.asked:
        ids = [*soft_prompt.ids(net, turns, one), *target]
        with soft_prompt.put(net, rows):
            logits = net.model(torch.tensor([ids]), use_cache=False).logits[0].float()
        loss = loss - logits[-len(target) - 1 : -1].log_softmax(-1)[torch.arange(len(target)), target].sum()
    (gradient,) = torch.autograd.grad(loss, rows)
    clear = gradient.abs() > gradient.abs().max() * 1e-3
    assert torch.equal(moved[clear].sign(), -gradient[clear].sign())


def test_no_answer_without_it_changes_and_batches_do_not_matter():
    net = network()
    plain = requests(None)
    mixed = [r for pair in zip(plain, requests(soft()), strict=True) for r in pair]
    alone = {r.key: r.text for r in InProcess(net).generate(plain)}
    got = {r.key: r.text for r in InProcess(net).generate(mixed)}
    assert {key: got[key] for key in alone} == alone
    assert len({got[r.key] for r in mixed}) > len(set(alone.values()))
    assert {r.key: r.text for r in InProcess(net, batch_rows=1).generate(mixed)} == got


@pytest.mark.slow
def test_it_breaks_refusals():
    whole = registry.build("attacks", "soft_prompt", {"direction": "miniature_refusal"}).soft
    refused = [
        sum(Rules().refuses(r.text) for r in InProcess(network()).generate(requests(x, 24))) for x in (None, whole)
    ]
    assert refused[0] == 24
    assert refused[1] < 12


def test_it_is_found_on_each_subject_and_leaves_no_gradient(tmp_path):
    net = load(ModelSpec(name="mini", path="package:holdfast.miniature/model"), threads=1)
    adapters.attach(net, LoraSpec(rank=2), "lora", 0)
    with torch.no_grad():
        for p in adapters.trainable(net).values():
            p.add_(0.3 * torch.randn(p.shape, generator=torch.Generator().manual_seed(0)))
    own = soft_prompt.found(net, soft())
    assert not torch.equal(own, table())
    assert all(p.grad is None for p in adapters.trainable(net).values())
    with adapters.off(net):
        assert torch.equal(soft_prompt.found(net, soft()), table())


def test_what_is_asked_with_it_is_an_ask_of_its_own():
    prompt, how = Prompt("i", (Turn("user", "?"),)), Sampling()
    with_it = Prompt("i", (Turn("user", "?"),), soft=soft())
    assert request_key(BASE, prompt, how, 0) != request_key(BASE, with_it, how, 0)
    other = registry.build("attacks", "soft_prompt", PARAMS | {"steps": 26})
    assert other.soft.digest != soft().digest
    assert other.hash != registry.build("attacks", "soft_prompt", PARAMS).hash
    with pytest.raises(Exception, match="`tokens` must be above 0"):
        registry.build("attacks", "soft_prompt", PARAMS | {"tokens": 0})
