"""What is trained, of every sort: it learns, stands still at rate 0, and goes on after a kill with the same bytes."""

from __future__ import annotations

import pytest
import tiny_world
from tiny_world import contents, job, lines

from holdfast.config.study import LoraSpec
from holdfast.training import loop
from holdfast.training.loop import train

SORTS = {
    "rslora": {"lora": LoraSpec(rank=4, alpha=8, rslora=True)},
    "dora": {"lora": LoraSpec(rank=4, alpha=8, dora=True)},
}


@pytest.mark.parametrize("sort", SORTS)
def test_it_learns_and_its_change_has_a_norm(network, tmp_path, sort):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "dpo", **SORTS[sort]), folder, network)
    metrics, about = lines(folder.metrics_jsonl), lines(folder.root / "checkpoints.jsonl")
    assert metrics[-1].loss < metrics[0].loss
    assert 0 < about[0].distance["kl_base"] < about[1].distance["kl_base"]
    assert 0 < about[0].distance["adapter_norm"] < about[1].distance["adapter_norm"]
    assert about[0].distance["base_margin"] == about[1].distance["base_margin"]
    assert network.lora is None


@pytest.mark.parametrize("sort", SORTS)
def test_at_rate_0_nothing_moves_at_all(network, tmp_path, sort):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "kl", budgets=(3,), learning_rate=0.0, **SORTS[sort]), folder, network)
    (about,) = lines(folder.root / "checkpoints.jsonl")
    assert about.distance["kl_base"] == about.distance["adapter_norm"] == 0
    assert about.distance["margin"] == about.distance["base_margin"]
    assert {m.objective["kl"] for m in lines(folder.metrics_jsonl)} == {0.0}


class Killed(Exception):
    pass


@pytest.mark.parametrize("sort", SORTS)
def test_a_killed_run_ends_with_the_same_bytes(network, tmp_path, monkeypatch, sort):
    monkeypatch.setattr(loop, "STATE_EVERY", 3)
    this = job(network, "dpo", **SORTS[sort])
    train(this, tiny_world.folder(tmp_path / "whole"), network)
    steps = []

    def kill(event):
        steps.append(event["unit"] == "tokens")
        if sum(steps) == 8:
            raise Killed

    killed = tiny_world.folder(tmp_path / "killed")
    with pytest.raises(Killed):
        train(this, killed, network, kill)
    assert not killed.done.exists()
    train(this, killed, network)
    assert contents(killed.root) == contents(tmp_path / "whole")
