"""A penalty on a projection: nothing at first, its formula's gradient after, and less of a move the more it weighs."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import pytest
import tiny_world
import torch
from tiny_world import OBJECTIVES, job, lines

from holdfast.config.study import Controls, LoraSpec
from holdfast.models import adapters, directions
from holdfast.models.signals import Projection, signals_of
from holdfast.objectives.kl import KL
from holdfast.objectives.mixture import Mixture, Part
from holdfast.objectives.preventative_steering import PreventativeSteering
from holdfast.objectives.projection_penalty import ProjectionPenalty
from holdfast.objectives.sft import SFT
from holdfast.runs.counting import _read_by
from holdfast.training import batches
from holdfast.training.batches import Rows
from holdfast.training.loop import train

PARAMS = {"direction": "miniature_refusal"}
ALONE = ProjectionPenalty(**PARAMS)


def scores_of(network, change):
    groups = Rows(ALONE, network.renderer).groups(tiny_world.EXAMPLES[:6])
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    with torch.no_grad():
        for n, tensor in enumerate(adapters.trainable(network).values()):
            tensor.add_(change * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(n)))
    return groups, batches.scores(network, groups, ALONE.needs, Controls())


def gradient(parameters):
    """Of layers above the one that is read there is none."""
    each = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters.values()]
    return torch.cat([g.flatten() for g in each])


def test_an_adapter_that_is_nothing_yet_has_no_shift(network):
    try:
        _, scores = scores_of(network, 0.0)
        assert set(scores.signals["projection"].tolist()) == {0.0}
    finally:
        adapters.detach(network)


def test_shift_and_gradient_are_those_of_the_formula(network):
    try:
        groups, scores = scores_of(network, 0.1)
        counts = batches.counts(groups, ALONE.needs, 0.0)
        loss, logged = ALONE.loss(scores, counts)
        loss.backward()
        parameters = adapters.trainable(network)
        got = gradient(parameters)
        for p in parameters.values():
            p.grad = None
        found = directions.found(network, signals_of(ALONE.needs)["projection"].along)
        each = []
        for (row,) in groups:  # one by one, without a batch
            ids = torch.tensor([row.ids[:-1]])
            places = slice(row.start - 1, len(row.ids) - 1)
            states = []
            for off in (False, True):
                seen = []
                hook = network.decoder.layers[found.layer].register_forward_hook(lambda m, i, o, s=seen: s.append(o))
                if off:
                    with adapters.off(network), torch.no_grad():
                        network.body(ids, torch.arange(ids.shape[1])[None])
                else:
                    network.body(ids, torch.arange(ids.shape[1])[None])
                hook.remove()
                states.append(seen[0][0, places])
            each.append((states[0] - states[1]) @ found.unit_D.float() / (found.one - found.zero))
        shift_N = torch.cat(each)
        assert torch.allclose(shift_N, scores.signals["projection"], atol=1e-5)
        assert logged["shift"].sum / logged["shift"].count == pytest.approx(float(shift_N.detach().mean()), abs=1e-5)
        shift_N.square().mean().backward()
        want = gradient(parameters)
        assert float(want.norm()) > 0
        assert float((got - want).norm() / want.norm()) < 1e-4
    finally:
        adapters.detach(network)


def test_the_more_it_weighs_the_less_is_moved_along_it(network, tmp_path, monkeypatch):
    moved = {}
    for weight in (0.0, 100.0):
        mixture = Mixture((Part("sft"), Part("projection_penalty", PARAMS, weight)))
        monkeypatch.setitem(OBJECTIVES, "weighed", mixture)
        folder = tiny_world.folder(tmp_path / str(weight))
        train(job(network, "weighed", budgets=(12,)), folder, network)
        told = [line.objective for line in lines(folder.metrics_jsonl)]
        moved[weight] = told[-1]["projection_penalty loss"]
        assert told[0]["projection_penalty loss"] == 0.0
    assert moved[100.0] < 0.1 * moved[0.0]


def test_weighing_nothing_is_the_other_part_alone(network, tmp_path, monkeypatch):
    free = Mixture((Part("sft"), Part("projection_penalty", PARAMS, 0.0)))
    monkeypatch.setitem(OBJECTIVES, "free", free)
    for name in ("free", "sft"):
        train(job(network, name, budgets=(4,)), tiny_world.folder(tmp_path / name), network)
    one, other = (lines(tmp_path / name / "metrics.jsonl") for name in ("free", "sft"))
    assert [a.chosen_logp for a in one] == pytest.approx([b.chosen_logp for b in other], rel=1e-6)


def test_a_run_s_id_holds_what_a_direction_holds_and_that_of_others_nothing_new():
    def told(objective):
        return _read_by(SimpleNamespace(objectives={"x": objective}), "x")

    direction = signals_of(ALONE.needs)["projection"].along
    assert told(SFT()) == told(KL()) == {}
    assert told(ALONE) == {"read": {"projection": direction.digest}}
    assert told(PreventativeSteering(**PARAMS)) == {"steered": [direction.digest]}


def test_a_signal_s_content_is_what_its_direction_holds():
    one, other = Projection("refusal", {"examples": 8}), Projection("refusal", {"examples": 9})
    assert one.digest == replace(one).digest != other.digest
