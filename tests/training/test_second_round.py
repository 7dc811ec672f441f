"""A second round of training goes on from the first one's adapter, and is else a run like any other."""

from __future__ import annotations

import pytest
import tiny_world
from tiny_world import job

from holdfast.config.study import LoraSpec
from holdfast.models import adapters
from holdfast.store.adapter_files import adapter_digest
from holdfast.store.files import read_json
from holdfast.training.loop import train

DROPOUT = LoraSpec(rank=4, alpha=8, dropout=0.5)


class Killed(Exception):
    """The process ends here."""


@pytest.fixture
def first(network, tmp_path):
    this = job(network, "sft", budgets=(4,), lora=DROPOUT)
    train(this, tiny_world.folder(tmp_path / "first"), network)
    return tmp_path / "first" / "checkpoints" / str(this.budgets[0])


def test_at_rate_0_a_second_round_keeps_the_first_adapter_and_its_proof_names_it(network, tmp_path, first):
    folder = tiny_world.folder(tmp_path / "second")
    this = job(network, "sft", start=first, learning_rate=0.0, lora=DROPOUT)
    train(this, folder, network)
    assert adapter_digest(folder.checkpoint(this.budgets[-1])) == adapter_digest(first)
    adapters.load(network, first)
    assert read_json(folder.controls_json)["controlled"]["lora_init"] == adapters.fingerprint(network)
    assert read_json(folder.config_json)["start"] == adapter_digest(first)


def test_a_second_round_differs_from_a_fresh_run_and_keeps_the_base_as_reference(network, tmp_path, first):
    found = {}
    for name, start in (("fresh", None), ("second", first)):
        folder = tiny_world.folder(tmp_path / name)
        this = job(network, "dpo", start=start, lora=DROPOUT)
        train(this, folder, network)
        found[name] = (adapter_digest(folder.checkpoint(this.budgets[-1])), tiny_world.lines(folder.metrics_jsonl))
    assert found["fresh"][0] != found["second"][0]
    # DPO's first loss is ln 2 only where policy and reference are one: the second round begins away from its reference.
    fresh, second = (found[k][1][0] for k in ("fresh", "second"))
    assert fresh.loss == pytest.approx(0.693147, abs=1e-5)
    assert second.loss != pytest.approx(0.693147, abs=1e-4)
    assert (fresh.lr, fresh.step) == (second.lr, second.step)  # warm-up begins anew


def test_a_killed_second_round_ends_with_the_same_bytes(network, tmp_path, first):
    this = job(network, "sft", start=first, lora=DROPOUT)
    train(this, tiny_world.folder(tmp_path / "whole"), network)

    def kill(event):
        if event["done"] >= this.stream.tokens_after[7]:
            raise Killed

    with pytest.raises(Killed):
        train(this, tiny_world.folder(tmp_path / "killed"), network, kill)
    train(this, tiny_world.folder(tmp_path / "killed"), network)
    assert tiny_world.contents(tmp_path / "killed") == tiny_world.contents(tmp_path / "whole")


def test_a_second_round_draws_other_dropout_noise_than_the_first(network, first):
    assert job(network, start=first).noise != job(network).noise
