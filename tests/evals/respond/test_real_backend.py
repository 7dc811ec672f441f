"""The whole way through a real network: a tiny random Llama with a tokenizer, a template and a LoRA adapter."""

from __future__ import annotations

import math

import pytest

from holdfast.config.study import LoraSpec
from holdfast.evals.judges.judge import JudgeResources
from holdfast.evals.judging import judge_subject, wanted
from holdfast.evals.respond import respond_subject
from holdfast.evals.subject import SubjectRow
from holdfast.models import adapters
from holdfast.models.identity import subject_id
from holdfast.store import tables
from holdfast.types import Judgement, Record

torch = pytest.importorskip("torch")


def row_of(network, adapter=""):
    renderer = network.renderer
    base = subject_id(network.digest, renderer.digest, adapter or None)
    if not adapter:
        return SubjectRow(base, "tiny")
    return SubjectRow(base, "tiny", "sums", "cft", "cft", "{}", 0, 1000, "", "t", adapter)


@pytest.fixture(scope="module")
def rows(network, tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(1)))
    adapters.save(network, folder)
    adapters.detach(network)
    return row_of(network), row_of(network, str(folder))


def shards(folder, found, row, cls, name):
    glob = folder.record_shards() if name == "records" else folder.judgement_shards()
    return [x for p in glob if row.subject[:12] in str(p) for x in tables.read_rows(p, name, cls)]


def test_all_stages_over_a_real_network(network, rows, make, study_folder, kit):
    from holdfast.models.backend import InProcess

    how = {
        "max_new_tokens": 6,
        "temperature": 1.0,
        "judges": ["rules", "coherence"],
        "params": {"attacks": ["dan", "zulu"]},
    }
    found = make(prompts=6, facts=10, **how)
    backend = InProcess(network)
    base = rows[0].speaker(study_folder(found).root)
    contents = []
    for name, order in (("one", rows), ("other", rows[::-1])):
        folder = study_folder(found, name)
        for row in order:
            respond_subject(backend, network.renderer, row, found, folder)
        for row in order:
            for wants in wanted(found):
                judge_subject(row, found, folder, wants=wants, resources=JudgeResources(backend, base))
        contents.append(kit.content(folder))
        for wants in wanted(found):
            judge_subject(rows[0], found, folder, wants=wants)  # nothing is left to do, so no backend is needed
        assert kit.content(folder) == contents[-1]
    assert contents[0] == contents[1]

    said = [shards(folder, found, row, Record, "records") for row in rows]
    assert {(r.item, r.response) for r in said[0]} != {(r.item, r.response) for r in said[1]}
    verdicts = shards(folder, found, rows[1], Judgement, "judgements")
    judged = {(j.record, j.judge) for j in verdicts}
    assert len(judged) == len(verdicts)
    scored = [j for j in verdicts if j.judge == "own" and "mass" in j.details]
    assert len(scored) == 10
    assert all(0 <= j.score <= 1 and 0 < j.details["mass"] <= 1 for j in scored)


def test_yes_of_three_tokens_has_the_product_of_their_probabilities(network, rows, make, study_folder):
    from holdfast.models.backend import InProcess

    (config,) = [c for c in make() if c.label == "true_false"]
    folder = study_folder([config], "exact")
    respond_subject(InProcess(network), network.renderer, rows[0], [config], folder)
    record = shards(folder, [config], rows[0], Record, "records")[0]
    item = next(i for i in config.items if i.id == record.item)
    renderer = network.renderer
    assert len(renderer.continuation_ids("Yes")) == 3
    prompt = renderer.prompt_ids(item.prompt)
    total = {}
    for text in record.continuations:
        ids = renderer.continuation_ids(text)
        with torch.no_grad(), adapters.off(network):
            logits = network.model(torch.tensor([prompt + ids]), use_cache=False).logits[0]
        steps = logits[len(prompt) - 1 : -1].log_softmax(-1)
        total[text] = math.exp(sum(float(steps[n, i]) for n, i in enumerate(ids)))
    yes = sum(p for text, p in total.items() if text.strip().lower() == "yes")
    no = sum(p for text, p in total.items() if text.strip().lower() == "no")
    verdict = config.measure.score(item, record)
    p = yes / (yes + no)
    assert verdict.details["mass"] == pytest.approx(yes + no, rel=1e-4)
    assert verdict.score == pytest.approx(p if item.reference == "Yes" else 1 - p, abs=1e-5)
    assert len(record.continuations) == 12  # with bytes for tokens no form begins another


def test_an_adapter_that_is_not_live_is_refused(network, make, study_folder, tmp_path):
    from holdfast.models.backend import InProcess, NotLive

    adapters.attach(network, LoraSpec(rank=2, alpha=4), "dead", 0)  # B is zero
    adapters.save(network, tmp_path / "dead")
    adapters.detach(network)
    row = row_of(network, str(tmp_path / "dead"))
    found = make()[:1]
    with pytest.raises(NotLive):
        respond_subject(InProcess(network), network.renderer, row, found, study_folder(found, "dead"))
