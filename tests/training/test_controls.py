"""The controls of all six objectives agree, and a planted difference is caught."""

from __future__ import annotations

from dataclasses import replace

import pytest
import tiny_world
import torch
from tiny_world import SIX, job

from holdfast.models import adapters
from holdfast.store.files import read_json
from holdfast.training.batches import Rows
from holdfast.training.controls import controls, differences
from holdfast.training.loop import train
from holdfast.types import UserError


def proof(network, name="sft", plant=lambda network: None, **changes):
    this = job(network, name, budgets=(2, 6), **changes)
    adapters.attach(network, this.lora, "lora", this.seed)
    plant(network)
    try:
        return {**controls(this, network, Rows(this.objective, network.renderer)), "label": changes.get("label", name)}
    finally:
        adapters.detach(network)


def test_controls_of_six_objectives_are_equal(network):
    assert differences([proof(network, name) for name in SIX]) == []


def other_order(network):
    made = tiny_world.rows(network, steps=6)
    steps = (made.steps[1], made.steps[0], *made.steps[2:])
    return {"stream": replace(made, steps=steps)}


def moved_init(network):
    with torch.no_grad():
        next(iter(adapters.trainable(network).values()))[0, 0] += 1e-3


class OtherEnd:
    """A renderer that forgets the end of turn."""

    def __init__(self, true):
        self.true = true

    def __getattr__(self, name):
        return getattr(self.true, name)

    def sequence(self, segment):
        whole = self.true.sequence(segment)
        return replace(whole, ids=whole.ids[:-1])


def test_a_planted_difference_of_any_control_is_found(network, monkeypatch):
    plain = proof(network, "sft")

    def found(**kwargs):
        said = differences([plain, proof(network, "dpo", label="other", **kwargs)])
        return {line.split(" differs")[0].split(".")[0] for line in said}

    assert found() == set()
    assert found(**other_order(network)) == {"order"}
    assert found(plant=moved_init) == {"lora_init"}
    assert found(seed=1, stream=tiny_world.rows(network, steps=6)) == {"lora_init"}
    assert found(learning_rate=1e-4) == {"optimiser"}
    assert found(clip=0.5) == {"optimiser"}
    assert found(layout="packed") == {"computation"}
    with monkeypatch.context() as m:
        m.setattr(network.renderer, "digest", "another")
        assert found() == {"template"}
    with monkeypatch.context() as m:
        m.setattr(network, "renderer", OtherEnd(network.renderer))
        assert found() == {"response_ids"}
    with monkeypatch.context() as m:
        m.setattr(network, "digest", "another")
        assert found() == {"base"}
    torch.set_num_threads(2)
    try:
        assert found() == {"numerics"}
    finally:
        torch.set_num_threads(1)


def test_a_difference_names_the_control_and_the_labels(network):
    said = differences([proof(network, "sft"), proof(network, "dpo"), proof(network, "kl", clip=0.5)])
    assert said == ["optimiser.clip differs: 1.0 in sft, dpo; 0.5 in kl"]


def test_exposure_counts_what_each_objective_read(network):
    read = {name: proof(network, name)["exposure"] for name in SIX}
    last = {name: list(e.values())[-1] for name, e in read.items()}
    assert len({(e["rows"], e["steps"], e["shared_tokens"]) for e in last.values()}) == 1
    for name, e in last.items():
        assert (e["unsafe_tokens"] > 0) == (name in ("dpo", "cft", "orpo"))
        assert e["supervised_tokens"] < e["forward_tokens"]
    assert last["sft"]["forward_tokens"] == last["sft"]["shared_tokens"]
    assert last["dpo"]["forward_tokens"] > last["sft"]["forward_tokens"]
    assert 0 < last["ip"]["notes"]["instruction"] < last["ip"]["rows"]
    assert last["cft"]["notes"]["safe"] == last["cft"]["notes"]["unsafe"]


def test_a_resumed_run_under_other_controls_is_refused(network, tmp_path, monkeypatch):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft", budgets=(2,)), folder, network)
    monkeypatch.setattr(network.renderer, "digest", "another")
    with pytest.raises(UserError, match="template differs"):
        train(job(network, "sft", budgets=(2, 4)), folder, network)


def test_a_resumed_run_under_other_numerics_goes_on_and_says_so(network, tmp_path, monkeypatch):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "sft", budgets=(2,)), folder, network)
    assert "resumed_under" not in read_json(folder.controls_json)
    torch.set_num_threads(2)
    try:
        train(job(network, "sft", budgets=(2, 4)), folder, network)
    finally:
        torch.set_num_threads(1)
    written = read_json(folder.controls_json)
    assert written["controlled"]["numerics"]["threads"] == 1
    assert [n["threads"] for n in written["resumed_under"]] == [2]
    assert differences([written]) == ["sft was resumed under other numerics"]
    train(job(network, "sft", budgets=(2, 4, 5)), folder, network)  # and back again
    assert [n["threads"] for n in read_json(folder.controls_json)["resumed_under"]] == [2]
