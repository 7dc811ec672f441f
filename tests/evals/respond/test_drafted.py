"""Drafts from other subjects' records: the same records, in whatever run, with them and without."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest

from holdfast.config.study import LoraSpec
from holdfast.evals import shards
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow, befores
from holdfast.models import adapters
from holdfast.models.identity import subject_id
from holdfast.store import tables
from holdfast.types import Record

torch = pytest.importorskip("torch")

FEW = {"prompts": 5, "facts": 4, "max_new_tokens": 20, "params": {"attacks": ["dan", "prefill", "persistent"]}}
WAYS = {"greedy": {}, "sampled": {"temperature": 1.0, "samples": 2}}


@pytest.fixture(scope="module")
def run(network, tmp_path_factory):
    """The base and two checkpoints of one run."""
    rows = [SubjectRow(subject_id(network.digest, network.renderer.digest), "tiny")]
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    for budget in (1000, 2000):
        folder = tmp_path_factory.mktemp(str(budget))
        with torch.no_grad():
            for n, tensor in enumerate(adapters.trainable(network).values()):
                tensor.add_(0.03 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(budget + n)))
        adapters.save(network, folder)
        of = subject_id(network.digest, network.renderer.digest, folder)
        params = json.dumps({})
        rows.append(SubjectRow(of, "tiny", "sums", "cft", "cft", params, 0, budget, "", "t", str(folder)))
    adapters.detach(network)
    return rows


@pytest.fixture(autouse=True)
def small_shards(monkeypatch):
    monkeypatch.setattr(shards, "SHARD", 7)


class Watched:
    """A backend that keeps what it is asked, and may end the process."""

    def __init__(self, network, dies_after=None):
        from holdfast.models.backend import InProcess

        self.backend, self.asked, self.dies_after = InProcess(network), [], dies_after

    def assert_live(self, subject, turns):
        self.backend.assert_live(subject, turns)

    def generate(self, requests):
        self.asked += requests
        for n, response in enumerate(self.backend.generate(requests)):
            if self.dies_after is not None and len(self.asked) + n > self.dies_after:
                os.kill(os.getpid(), 9)
            yield response

    def score(self, requests):
        self.asked += requests
        yield from self.backend.score(requests)


def respond(network, row, found, folder, rows, **how):
    backend = Watched(network, **how)
    respond_subject(backend, network.renderer, row, found, folder, others=befores([row], rows)[0])
    return backend


def test_who_is_measured_before_whom(run):
    base, first, second = run
    other = replace(first, subject="o", trajectory="u", seed=1)
    given = SubjectRow("g", "tiny", label="given", adapter="elsewhere", budget=500)
    rows = [second, other, given, first, base]
    assert befores([base, first, second], rows) == [[], [base], [first, base]]
    assert befores([other, given], rows) == [[base], [base]]
    another = replace(base, subject="p", model="another")
    assert befores([first], [another, *rows]) == [[base]]


@pytest.mark.parametrize("way", ["sampled", pytest.param("greedy", marks=pytest.mark.slow)])
def test_records_are_the_same_with_drafts_and_without(way, network, run, make, study_folder, kit):
    found = make(**FEW, **WAYS[way])
    with_drafts, without = study_folder(found, "with"), study_folder(found, "without")
    asked = {}
    for row in run:
        asked[row.subject] = respond(network, row, found, with_drafts, run).asked
        for plain in respond(network, row, found, without, []).asked:
            assert plain.drafts == ()
    assert kit.content(with_drafts) == kit.content(without)
    generated = {s: [r for r in requests if not r.continuations] for s, requests in asked.items()}
    base, first, second = (generated[row.subject] for row in run)
    assert not any(r.drafts for r in base)
    assert any(r.drafts for r in first)
    assert any(r.drafts for r in second)
    assert not any(r.drafts for requests in asked.values() for r in requests if r.continuations)
    said = {}
    for p in with_drafts.record_shards():
        for r in tables.read_rows(p, "records", Record):
            said.setdefault(r.subject, set()).add(r.response)
    assert {d for r in first for d in r.drafts} <= said[run[0].subject]
    assert {d for r in second for d in r.drafts} <= said[run[1].subject]
    # the objective's own condition was put to the budget before, and not to the base
    assert 0 < sum(bool(r.drafts) for r in first) < sum(bool(r.drafts) for r in second)


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 40])
def test_a_killed_process_goes_on_to_the_same_bytes(after, network, run, make, study_folder, kit):
    found = make(**FEW)
    whole, broken = study_folder(found, "whole"), study_folder(found, "broken")
    for row in run:
        respond(network, row, found, whole, run)
    respond(network, run[0], found, broken, run)
    child = os.fork()
    if child == 0:
        respond(network, run[1], found, broken, run, dies_after=after)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 9
    there = [p for p in broken.record_shards() if run[1].subject[:12] in str(p)]
    assert bool(there) == (after > 3)
    for row in run[1:]:
        assert respond(network, row, found, broken, run).asked
    assert kit.content(broken) == kit.content(whole)
