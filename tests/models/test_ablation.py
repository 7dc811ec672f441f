"""A direction that is projected out while answers are written: it is gone at every layer, and from no other answer."""

from __future__ import annotations

from functools import cache

import pytest
import torch

from holdfast import registry
from holdfast.config.study import ModelSpec
from holdfast.evals.judges.rules import Rules
from holdfast.evals.measures.robustness import Robustness
from holdfast.evals.respond import request_key
from holdfast.models import directions
from holdfast.models.backend import InProcess
from holdfast.models.network import load
from holdfast.types import Prompt, Request, Sampling, Subject

PARAMS = {"direction": "miniature_refusal"}
ATTACK = registry.build("attacks", "refusal_ablation", PARAMS)
BASE = Subject("base", "mini")


@cache
def network():
    return load(ModelSpec(name="mini", path="package:holdfast.miniature/model"), threads=1)


def forbidden():
    measure = registry.build("measures", "projection", PARAMS)
    return [item.prompt for item in measure.items() if item.fields["side"] == "forbidden"]


def requests(without, n=24):
    how = Sampling(max_new_tokens=24)
    return [
        Request(f"{k} {without is None}", BASE, t, sampling=how, without=without) for k, t in enumerate(forbidden()[:n])
    ]


def test_no_layer_gives_anything_along_it():
    net, found = network(), directions.found(network(), ATTACK.without)
    rows = [directions.sequence(net, turns) for turns in forbidden()]
    with directions.without(net, found):
        seen = {}
        hooks = [
            layer.register_forward_hook(lambda m, i, out, k=k: seen.setdefault(k, out))
            for k, layer in enumerate(net.decoder.layers)
        ]
        net.body(torch.tensor([rows[0].ids]), torch.arange(len(rows[0].ids))[None])
        for hook in hooks:
            hook.remove()
    assert len(seen) == len(net.decoder.layers)
    for out in seen.values():
        assert float((out @ found.unit_D.float()).abs().max()) < 1e-4 * float(out.norm(dim=-1).max())


def test_answers_without_it_are_those_of_one_row_at_a_time_and_no_other_answer_changes():
    net = network()
    plain, ablated = requests(None, 8), requests(ATTACK.without, 8)
    alone = {r.key: r.text for r in InProcess(net).generate(plain)}
    mixed = [r for pair in zip(plain, ablated, strict=True) for r in pair]
    got = {r.key: r.text for r in InProcess(net).generate(mixed)}
    assert {key: got[key] for key in alone} == alone
    found = directions.found(net, ATTACK.without)
    for r in ablated:
        ids = list(net.renderer.prompt_ids(r.turns))
        start = len(ids)
        with torch.no_grad(), directions.without(net, found):
            while len(ids) - start < r.sampling.max_new_tokens:
                token = int(net.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
                if token in net.renderer.end_ids:
                    break
                ids.append(token)
        assert got[r.key] == net.renderer.decode(ids[start:])
    again = {r.key: r.text for r in InProcess(net, batch_rows=1).generate(mixed)}
    assert again == got


def test_the_miniature_refuses_less_without_its_refusal_direction():
    rules = Rules()
    refused = [
        sum(rules.refuses(r.text) for r in InProcess(network()).generate(requests(without)))
        for without in (None, ATTACK.without)
    ]
    assert refused[0] > 20
    assert refused[1] < refused[0] / 2


def test_it_is_an_attack_like_others_whose_requests_are_its_own():
    measure = registry.build(
        "measures",
        "miniature_robustness",
        {"attacks": ["refusal_ablation"], "attack_params": {"refusal_ablation": PARAMS}},
    )
    assert isinstance(measure, Robustness)
    direct, ablated = measure.prompts_for(measure.items()[0])
    assert direct.turns == ablated.turns
    assert (direct.without, ablated.attack) == (None, "refusal_ablation")
    keys = [request_key(BASE, p, Sampling(), 0) for p in (direct, ablated)]
    assert keys[0] != keys[1]
    assert keys[0] == request_key(BASE, Prompt("i", direct.turns), Sampling(), 0)
    other = registry.build("attacks", "refusal_ablation")
    assert other.hash != ATTACK.hash


@pytest.mark.parametrize("dtype", ["bfloat16"])
def test_in_half_precision_what_is_left_is_rounding(dtype):
    net = load(ModelSpec(name="mini", path="package:holdfast.miniature/model", dtype=dtype), threads=1)
    found = directions.found(net, ATTACK.without)
    out = torch.randn(2, 3, len(found.unit_D), generator=torch.Generator().manual_seed(0)).to(torch.bfloat16)
    left = directions._ablated(found.unit_D.float(), out)
    assert left.dtype == torch.bfloat16
    assert float((left.float() @ found.unit_D.float()).abs().max()) < 0.02
