"""A micro-batch is as large as memory allows; where that was too much, the step is done again in smaller parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_world
import torch
from safetensors.torch import load_file
from tiny_world import job, lines

from holdfast import machine
from holdfast.config.study import MOST_TOKENS, Controls, LoraSpec
from holdfast.models import memory
from holdfast.runs.sizes import measured
from holdfast.store.files import read_json
from holdfast.training.controls import at_once, differences
from holdfast.training.job import Fits
from holdfast.training.loop import train
from holdfast.training.prepared import fits, prepared
from holdfast.types import UserError

FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def holding(network, rows):
    """A body that holds so many rows while it is trained, and no more."""
    real, asked = network.decoder.forward, []

    def forward(*args, **kwargs):
        if torch.is_grad_enabled():
            asked.append(len(kwargs["input_ids"]))
            if asked[-1] > rows:
                raise FULL
        return real(*args, **kwargs)

    network.decoder.forward = forward
    return asked


@pytest.mark.parametrize("name", ["sft", "dpo"])
def test_a_step_that_does_not_fit_is_done_again_in_smaller_parts(tmp_path, name):
    (made := tmp_path / "model").mkdir()
    tiny_world.make_model(made)
    whole, halved = tiny_world.folder(tmp_path / "whole"), tiny_world.folder(tmp_path / "halved")
    train(job(tiny_world.network(made), name), whole, tiny_world.network(made))
    network, said = tiny_world.network(made), []
    asked = holding(network, 2)
    this = job(network, name)
    train(this, halved, network, said.append)
    assert max(asked) > 2
    assert asked[-1] <= 2, "what was too much is not tried at every step again"
    want, got = (load_file(f.checkpoint(this.budgets[-1]) / "adapter_model.safetensors") for f in (whole, halved))
    for key, tensor in want.items():
        assert torch.allclose(got[key], tensor, rtol=1e-4, atol=1e-6), key
    losses = [[m.loss for m in lines(f.metrics_jsonl)] for f in (whole, halved)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)
    (first, *_) = kept = read_json(halved.controls_json)["less_memory"]
    assert first["step"] == 1
    assert kept[-1]["micro_tokens"] < MOST_TOKENS
    assert any("memory does not do for this batch" in event.get("note", "") for event in said)
    assert "less_memory" not in read_json(whole.controls_json)
    # A run that goes on does so with what memory was found to have room for, and the proof is not silent about it.
    assert at_once(halved, kept[-1]["step"], MOST_TOKENS) == min(m["micro_tokens"] for m in kept) < MOST_TOKENS
    assert at_once(halved, 0, MOST_TOKENS) == MOST_TOKENS
    proofs = [read_json(f.controls_json) for f in (whole, halved)]
    assert differences(proofs) == [f"{this.label} ran out of memory and went on in smaller micro-batches"]


def test_one_row_that_does_not_fit_is_a_sentence_with_the_mend(network, tmp_path):
    holding(network, 0)
    with pytest.raises(UserError, match=r"memory does not do for training sft, a row at a time: set `max_tokens`"):
        train(job(network, "sft"), tiny_world.folder(tmp_path), network)


def test_what_a_token_keeps_is_counted_on_the_model_and_reckoned_from_its_files(network):
    settings, counted = Controls(gradient_checkpointing=False), []

    def count(network, settings):
        counted.append(sum(memory.kept_bytes(network, settings, 64).values()))
        return 1

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("holdfast.training.prepared.micro_tokens", count)
        fits(network, settings)
        fits(network, settings.model_copy(update={"gradient_checkpointing": True}))
    reckoned = 4 * measured(Path(network.spec.path), "all-linear").widths
    assert counted[0] == pytest.approx(reckoned, rel=0.35)  # of so small a model what is not in layers is a good part
    assert counted[1] < counted[0] / 2


@pytest.mark.parametrize("granted", [None, 1])
def test_a_micro_batch_has_what_memory_allows_and_one_token_at_least(network, monkeypatch, granted):
    settings = Controls(lora=LoraSpec(rank=2, alpha=4))
    sizes = []
    for free in (0, 10**7, 2 * 10**7, 10**12):
        monkeypatch.setattr(machine, "free", lambda processes=1, free=free: free)
        monkeypatch.setattr(machine, "taken", lambda: 10**6)
        monkeypatch.setattr(machine, "granted", granted and free + 10**6)
        sizes.append(fits(network, settings).tokens)
    assert sizes[0] == 1
    assert sizes[-1] == MOST_TOKENS
    assert sizes == sorted(sizes)
    assert len(set(sizes)) == 4
    assert all(n & (n - 1) == 0 for n in sizes)
    assert network.trained is None


@pytest.mark.parametrize(("rows", "again"), [(8.0, False), (1.5, False), (0.5, True)])
def test_layers_are_run_again_where_the_longest_row_does_not_fit_without(network, monkeypatch, rows, again):
    settings = Controls(lora=LoraSpec(rank=2, alpha=4), max_tokens=256)
    with prepared(network, settings, settings.lora, 0):
        (kept,) = memory.kept_bytes(network, settings, 256).values()
        row = 256 * kept * memory.HELD_CPU
        trained = 12 * sum(p.numel() for p in network.model.parameters() if p.requires_grad)
    monkeypatch.setattr(machine, "free", lambda processes=1: int(rows * row) + trained)
    found = fits(network, settings)
    assert found.checkpointing is again
    assert found.tokens >= 256
    assert fits(network, settings.model_copy(update={"gradient_checkpointing": False})).tokens == found.tokens or again
    assert not any(getattr(m, "gradient_checkpointing", False) for m in network.model.modules())


def test_a_run_whose_layers_are_run_again_has_the_same_id_and_says_so(network, tmp_path):
    this = replace(job(network, "sft"), fits=Fits(MOST_TOKENS, True))
    assert this.config() == job(network, "sft").config()
    train(this, tiny_world.folder(tmp_path), network)
    computation = read_json(tiny_world.folder(tmp_path).controls_json)["controlled"]["computation"]
    assert computation["gradient_checkpointing"] is True
