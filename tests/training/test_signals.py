"""An objective asks for a signal of its own, and the loop is not changed for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest
import tiny_world
import torch
from test_invariance import step_of
from tiny_world import OBJECTIVES, job

from holdfast import registry
from holdfast.config.study import Controls
from holdfast.objectives import views
from holdfast.objectives.objective import Total
from holdfast.training.loop import train
from holdfast.types import Needs, UserError


@dataclass(frozen=True)
class Ramp:
    """Of what a layer gives, on a ramp."""

    layer: int = 1

    name: ClassVar[str] = "ramp"
    version: ClassVar[int] = 1
    reference: ClassVar[bool] = False

    def layers(self, network):
        return (self.layer,)

    def compute(self, forward):
        hidden_ND = forward.layers[self.layer].float()
        return hidden_ND @ torch.linspace(-1, 1, hidden_ND.shape[1])


@dataclass(frozen=True)
class Tethered:
    """SFT that pays for being off that ramp."""

    layer: int = 1
    weight: float = 0.5

    name: ClassVar[str] = "tethered"
    version: ClassVar[int] = 1

    @property
    def needs(self):
        return Needs(signals={"ramp": {"layer": self.layer}})

    def view(self, example):
        return (views.chosen(example),)

    def loss(self, scores, counts):
        moved = scores.signals["ramp"].square().sum()
        nll = -scores.logp_N.sum()
        return (nll + self.weight * moved) / counts.chosen_tokens, {"moved": Total(float(moved.detach()), counts.rows)}


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    build = registry.build
    monkeypatch.setattr(
        registry,
        "build",
        lambda group, name, params=None: Ramp(**params) if name == "ramp" else build(group, name, params),
    )
    for layer in (1, 99):
        monkeypatch.setitem(OBJECTIVES, f"tethered-{layer}", Tethered(layer))
    monkeypatch.setitem(OBJECTIVES, "untied", Tethered(1, 0.0))


def test_layout_and_split_change_neither_its_loss_nor_its_gradient(network, tmp_path):
    loss, gradient = step_of(network, "tethered-1", Controls(), tmp_path)
    for layout, micro_tokens in (("padded", 60), ("packed", 8192), ("shared", 100)):
        other, turned = step_of(network, "tethered-1", Controls(layout=layout, micro_tokens=micro_tokens), tmp_path)
        assert other == pytest.approx(loss, rel=1e-6)
        assert float((turned - gradient).norm() / gradient.norm()) < 1e-6


def test_its_gradient_reaches_the_layers_below(network, tmp_path):
    plain, free = (step_of(network, name, Controls(), tmp_path) for name in ("sft", "untied"))
    assert free[0] == pytest.approx(plain[0], rel=1e-6)
    assert float((step_of(network, "tethered-1", Controls(), tmp_path)[1] - plain[1]).norm() / plain[1].norm()) > 1e-3


def test_gradient_checkpointing_changes_nothing(network, tmp_path):
    for folder, kept in (("a", False), ("b", True)):
        made = job(network, "tethered-1", budgets=(3,), gradient_checkpointing=kept)
        train(made, tiny_world.folder(tmp_path / folder), network)
    assert (tmp_path / "a/metrics.jsonl").read_bytes() == (tmp_path / "b/metrics.jsonl").read_bytes()


def test_a_layer_that_is_not_there_is_named(network, tmp_path):
    with pytest.raises(UserError, match=r"has the layers 0 to \d+, and no layer 99"):
        step_of(network, "tethered-99", Controls(), tmp_path)
