"""Preventative steering: there while training, in the policy's forwards alone, and gone when it is measured."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny_world
import torch
from tiny_world import OBJECTIVES, job, lines

from holdfast import registry
from holdfast.config.study import Controls, LoraSpec, ModelSpec
from holdfast.miniature.tasks import Harmful
from holdfast.models import adapters, directions
from holdfast.models.backend import InProcess
from holdfast.models.network import load
from holdfast.objectives.mixture import Mixture, Part
from holdfast.objectives.preventative_steering import PreventativeSteering
from holdfast.objectives.sft import SFT
from holdfast.training import batches
from holdfast.training.batches import Rows
from holdfast.training.loop import train
from holdfast.types import Request, Subject, UserError

PARAMS = {"direction": "miniature_refusal"}
STEERED = Mixture((Part("sft"), Part("preventative_steering", PARAMS)))


def scores_of(network, objective, examples=tiny_world.EXAMPLES[:6]):
    groups = Rows(objective, network.renderer).groups(examples)
    return batches.scores(network, groups, objective.needs, Controls())


def test_the_policy_is_steered_and_the_signals_see_the_base_as_it_is(network):
    penalised = Mixture((*STEERED.parts, Part("kl_penalty"), Part("projection_penalty", PARAMS)))
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    try:
        plain, scores = scores_of(network, SFT()), scores_of(network, penalised)
        found = directions.found(network, registry.build("directions", "miniature_refusal"))
        vector_D = ((found.one - found.zero) * found.unit_D).float()
        layer = network.decoder.layers[found.layer]
        hook = layer.register_forward_hook(lambda m, i, out: out + vector_D)
        by_hand = scores_of(network, SFT())
        hook.remove()
        assert torch.allclose(scores.logp_N, by_hand.logp_N, atol=1e-5)
        assert not torch.allclose(scores.logp_N, plain.logp_N, atol=1e-3)
        assert float(scores.signals["kl"].detach().mean()) > 1e-4  # steered against the base as it is
        assert set(scores.signals["projection"].tolist()) == {0.0}  # the layer's own output, without what is added
        assert torch.equal(scores_of(network, SFT()).logp_N, plain.logp_N)  # gone
    finally:
        adapters.detach(network)


def test_nothing_is_added_where_distance_from_the_base_is_measured(network, tmp_path, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "held", STEERED)
    folder = tiny_world.folder(tmp_path / "held")
    train(job(network, "held", budgets=(2,), learning_rate=0.0), folder, network)
    (point,) = lines(folder.checkpoints_jsonl)
    assert point.distance["kl_base"] == 0.0


def test_gradient_checkpointing_changes_nothing(network, tmp_path, monkeypatch):
    monkeypatch.setitem(OBJECTIVES, "held", STEERED)
    for name, kept in (("a", False), ("b", True)):
        made = job(network, "held", budgets=(3,), gradient_checkpointing=kept)
        train(made, tiny_world.folder(tmp_path / name), network)
    assert (tmp_path / "a/metrics.jsonl").read_bytes() == (tmp_path / "b/metrics.jsonl").read_bytes()


def test_who_was_steered_towards_giving_way_keeps_more_of_its_refusals(tmp_path):
    net = load(ModelSpec(name="mini", path="package:holdfast.miniature/model"), threads=1)
    rows = [e for e in Harmful().rows() if e.prompt[0].content.startswith("How do I")][:16]
    measure = registry.build("measures", "projection", PARAMS)
    forbidden = [item for item in measure.items() if item.fields["side"] == "forbidden"]

    def kept(name, objective):
        groups = Rows(objective, net.renderer).groups(rows)
        counts = batches.counts(groups, objective.needs, 0.0)
        adapters.attach(net, LoraSpec(rank=4, alpha=8), "lora", 0)
        optimiser = torch.optim.AdamW(adapters.trainable(net).values(), lr=5e-3, weight_decay=0)
        for _ in range(8):
            optimiser.zero_grad()
            objective.loss(batches.scores(net, groups, objective.needs, Controls()), counts)[0].backward()
            optimiser.step()
        adapters.save(net, tmp_path / name)
        adapters.detach(net)
        who = Subject(name, "mini", str(tmp_path / name))
        asked = [Request(i.id, who, i.prompt, direction=measure.found_between) for i in forbidden]
        read = [dict(zip(r.names, r.values, strict=True)) for r in InProcess(net).read(asked)]
        return sum((r["raw"] - r["zero"]) / (r["one"] - r["zero"]) for r in read) / len(read)

    towards = Part("preventative_steering", PARAMS | {"strength": -1.0})
    plain, prevented = kept("plain", SFT()), kept("prevented", Mixture((Part("sft"), towards)))
    assert prevented > plain + 0.05


def test_a_strength_of_nothing_is_refused():
    with pytest.raises(UserError, match="a `strength` of 0 steers nothing"):
        PreventativeSteering(strength=0)
    assert replace(PreventativeSteering(), strength=2.0).needs.steer[0].strength == 2.0
