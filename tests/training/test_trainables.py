"""What is trained, of every sort: it learns, stands still at rate 0, and goes on after a kill with the same bytes."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import time
from dataclasses import replace

import pytest
import tiny_world
from tiny_world import OBJECTIVES, contents, job, lines

from holdfast.config.study import LoraSpec
from holdfast.store.adapter_files import adapter_digest
from holdfast.training import loop
from holdfast.training.loop import train

SORTS = {
    "rslora": {"lora": LoraSpec(rank=4, alpha=8, rslora=True)},
    "dora": {"lora": LoraSpec(rank=4, alpha=8, dora=True)},
    "full": {"trainable": "full", "head": "full", "learning_rate": 1e-3},
    "body": {"trainable": "body", "learning_rate": 1e-3},
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
    assert network.trained is None


@pytest.mark.parametrize("sort", SORTS)
def test_at_rate_0_nothing_moves_at_all(network, tmp_path, sort):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "kl", budgets=(3,), **SORTS[sort] | {"learning_rate": 0.0}), folder, network)
    (about,) = lines(folder.root / "checkpoints.jsonl")
    assert about.distance["kl_base"] == about.distance["adapter_norm"] == 0
    assert about.distance["margin"] == about.distance["base_margin"]
    assert {m.objective["kl"] for m in lines(folder.metrics_jsonl)} == {0.0}


def test_all_weights_learn_at_least_as_much_of_the_same_tokens_as_an_adapter_at_the_same_rate(network, tmp_path):
    held, last = {"learning_rate": 1e-3, "head": "full"}, {}
    for which in ("lora", "full"):
        folder = tiny_world.folder(tmp_path / which)
        train(job(network, "sft", trainable=which, **held), folder, network)
        last[which] = lines(folder.metrics_jsonl)[-1]
    assert last["full"].tokens == last["lora"].tokens
    assert last["full"].loss <= last["lora"].loss


@pytest.mark.parametrize("name", OBJECTIVES)
def test_every_objective_trains_all_weights_as_it_trains_an_adapter(network, tmp_path, name):
    folder = tiny_world.folder(tmp_path)
    train(job(network, name, budgets=(4,), **SORTS["full"]), folder, network)
    metrics, (about,) = lines(folder.metrics_jsonl), lines(folder.root / "checkpoints.jsonl")
    assert len(metrics) == 4
    assert about.distance["kl_base"] > 0
    if name == "dpo":  # the base's log-probs are of its own head, too
        assert metrics[0].loss == pytest.approx(math.log(2), rel=1e-5)
    if name == "kl":
        assert metrics[0].objective["kl"] == pytest.approx(0, abs=1e-7)
        assert metrics[-1].objective["kl"] > 0


@pytest.mark.parametrize("name", ["dpo", "kl"])
def test_a_split_step_has_the_whole_steps_gradient(network, tmp_path, name):
    folders = [tiny_world.folder(tmp_path / str(n)) for n in (64, 8192)]
    for n, folder in zip((64, 8192), folders, strict=True):
        train(job(network, name, budgets=(2,), micro_tokens=n, **SORTS["full"]), folder, network)
    one, other = (lines(folder.metrics_jsonl) for folder in folders)
    for a, b in zip(one, other, strict=True):
        assert a.loss == pytest.approx(b.loss, rel=1e-5)
        assert a.grad_norm == pytest.approx(b.grad_norm, rel=1e-4)


@pytest.mark.parametrize("which", ["full", "body"])
@pytest.mark.parametrize("how", [{"gradient_checkpointing": True}, {"layout": "packed"}, {"layout": "shared"}])
def test_running_layers_again_and_layouts_change_no_gradient_of_weights(network, tmp_path, which, how):
    folders = [tiny_world.folder(tmp_path / str(n)) for n in range(2)]
    for folder, more in zip(folders, ({}, how), strict=True):
        train(job(network, "dpo", budgets=(2,), **SORTS[which] | more), folder, network)
    plain, other = (lines(folder.metrics_jsonl) for folder in folders)
    for a, b in zip(plain, other, strict=True):
        assert (a.loss, a.grad_norm) == pytest.approx((b.loss, b.grad_norm), rel=1e-4)


def test_a_second_round_goes_on_from_the_firsts_weights(network, tmp_path):
    first, then = tiny_world.folder(tmp_path / "first"), tiny_world.folder(tmp_path / "then")
    this = job(network, "kl", budgets=(4,), **SORTS["full"])
    train(this, first, network)
    start = first.checkpoint(this.budgets[-1])
    train(replace(this, start=start, learning_rate=0.0), then, network)
    assert adapter_digest(then.checkpoint(this.budgets[-1])) == adapter_digest(start)
    assert lines(then.metrics_jsonl)[0].objective["kl"] > 0  # from the base, not from where it began


def test_a_run_of_all_weights_killed_by_the_system_ends_with_the_same_bytes(network, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY", 2)
    this = job(network, "kl", **SORTS["full"])
    train(this, tiny_world.folder(tmp_path / "whole"), network)
    killed, context = tiny_world.folder(tmp_path / "killed"), multiprocessing.get_context("fork")
    for after in (3, 5):
        made = context.Value("i", 0)

        def count(event, made=made):
            made.value += event["unit"] == "tokens"

        process = context.Process(target=train, args=(this, killed, network, count))
        process.start()
        while made.value < after and process.is_alive():
            time.sleep(0.001)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert (killed.state / "state.safetensors").exists()
    assert not killed.done.exists()
    train(this, killed, network)
    assert contents(killed.root) == contents(tmp_path / "whole")


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
