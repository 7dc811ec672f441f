"""Reference log-probs: right, kept, shared, and dependent on the example alone."""

from __future__ import annotations

import pytest
import tiny_world
import torch
from tiny_world import EXAMPLES

from holdfast.config.study import LoraSpec
from holdfast.models import adapters
from holdfast.objectives.dpo import DPO
from holdfast.training import references
from holdfast.training.batches import Rows
from holdfast.training.controls import numerics
from holdfast.training.loop import train
from holdfast.training.references import reference_logps


@pytest.fixture
def groups(network):
    return Rows(DPO(), network.renderer).groups(EXAMPLES[:12])


def test_references_are_the_base_models_log_probs_whatever_adapter_is_on(network, groups, tmp_path):
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    with torch.no_grad():
        for p in adapters.trainable(network).values():
            p += 0.1
    got = reference_logps(network, groups, tmp_path, numerics(network))
    adapters.detach(network)
    for group in groups:
        expected = []
        for s in group:
            logits = network.model(torch.tensor([s.ids])).logits[0].double().log_softmax(-1)
            expected += [float(logits[i - 1, s.ids[i]]) for i in range(s.start, len(s.ids))]
        torch.testing.assert_close(
            got[group].double(), torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-5
        )


def test_an_examples_references_do_not_depend_on_the_other_examples(network, groups, tmp_path):
    together = reference_logps(network, groups, tmp_path / "together", numerics(network))
    for group in groups:
        (alone,) = reference_logps(network, [group], tmp_path / "alone", numerics(network)).values()
        assert torch.equal(alone, together[group])


def test_cached_references_are_not_computed_again(network, groups, tmp_path, monkeypatch):
    monkeypatch.setattr(references, "CHUNK", 5)
    calls = []
    alone = references._alone
    monkeypatch.setattr(references, "_alone", lambda *a: calls.append(1) or alone(*a))
    first = reference_logps(network, groups[:8], tmp_path, numerics(network))
    assert len(calls) == 8
    again = reference_logps(network, groups, tmp_path, numerics(network))
    assert len(calls) == 12
    assert all(torch.equal(first[g], again[g]) for g in groups[:8])
    reference_logps(network, groups, tmp_path, {**numerics(network), "threads": 9})
    assert len(calls) == 24  # other numerics are other bytes


def test_variants_and_seeds_share_cached_references(network, tmp_path, monkeypatch):
    calls = []
    alone = references._alone
    monkeypatch.setattr(references, "_alone", lambda *a: calls.append(1) or alone(*a))
    shared = tmp_path / "references"
    few = EXAMPLES[:16]
    for beta, seed in ((0.1, 0), (0.5, 0), (0.1, 1)):
        made = tiny_world.rows(network, steps=4, seed=seed, examples=few)
        this = tiny_world.job(
            network, "dpo", budgets=(4,), stream=made, seed=seed, objective=DPO(beta=beta), references=shared
        )
        train(this, tiny_world.folder(tmp_path / f"{beta}-{seed}"), network)
    assert len(calls) == len(few)
