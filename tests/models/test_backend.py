import random
from dataclasses import replace

import pytest
import tiny_models as tiny
import torch
from transformers import AutoModelForCausalLM

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, decoding
from holdfast.models.backend import InProcess, NotLive
from holdfast.models.identity import subject_id
from holdfast.types import Request, Sampling, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)
BASE = Subject("base", "tiny")
GREEDY = Sampling(max_new_tokens=12)


@pytest.fixture
def subjects(tmp_path):
    """The base and three adapters, of two kinds."""
    found = [BASE]
    network = tiny.network()
    for i, rank in enumerate((4, 4, 2)):
        adapters.attach(network, LoraSpec(rank=rank, alpha=8), "lora", i)
        with torch.no_grad():
            for tensor in adapters.trainable(network).values():
                tensor.add_(0.3 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(i)))
        adapters.save(network, tmp_path / str(i))
        found.append(Subject(f"s{i}", "tiny", str(tmp_path / str(i))))
    return found


def requests(n, subject=BASE, sampling=GREEDY, continuations=()):
    prompts = [tiny.words(i, 1 + i * 7 % 13) for i in range(n)]
    return [
        Request(f"{subject.id}-{i}", subject, (Turn("user", p),), continuations, sampling)
        for i, p in enumerate(prompts)
    ]


def texts(backend, asked):
    return {r.key: (r.text, r.finish) for r in backend.generate(asked)}


def by_hand(network, request):
    """Greedy, one row, no cache, no padding."""
    ids = list(network.renderer.prompt_ids(request.turns))
    start = len(ids)
    while len(ids) - start < request.sampling.max_new_tokens:
        token = int(network.model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
        if token in network.renderer.end_ids:
            return network.renderer.decode(ids[start:]), "stop"
        ids.append(token)
    return network.renderer.decode(ids[start:]), "length"


@pytest.mark.parametrize("kind", KINDS)
def test_greedy_equals_one_row_without_a_cache(kind):
    network = tiny.network(kind)
    asked = requests(9)
    want = {r.key: by_hand(network, r) for r in asked}
    assert texts(InProcess(network), asked) == want
    assert texts(InProcess(network, batch_rows=2), asked) == want
    assert texts(InProcess(network, batch_tokens=1), asked) == want


def test_rows_end_at_their_own_limit_and_leave():
    network = tiny.network()
    asked = [r for n in (1, 3, 9, 40) for r in requests(5, Subject(f"b{n}", "tiny"), Sampling(max_new_tokens=n))]
    want = {r.key: by_hand(network, r) for r in asked}
    prompts = [
        decoding.DecodingPrompt(r.key, network.renderer.prompt_ids(r.turns), r.sampling.max_new_tokens) for r in asked
    ]
    got = decoding.decode(network, prompts, network.renderer.end_ids, tiny.END)
    assert {p.key: (network.renderer.decode(d.ids), d.finish) for p, d in zip(prompts, got, strict=True)} == want


def test_every_end_id_stops():
    network = tiny.network()
    asked = requests(6, sampling=Sampling(max_new_tokens=30))
    first = by_hand(network, asked[0])[0].split()
    prompts = [decoding.DecodingPrompt(r.key, network.renderer.prompt_ids(r.turns), 30) for r in asked]
    got = decoding.decode(network, prompts, (tiny.END, int(first[3])), tiny.END)[0]
    assert got == decoding.Decoded(tuple(int(i) for i in first[: first.index(first[3])]), "stop")


def test_neither_adapter_order_nor_row_order_changes_a_response(subjects):
    asked = [r for s in subjects for r in requests(6, s)]
    want = texts(InProcess(tiny.network()), asked)
    for seed in range(3):
        random.Random(seed).shuffle(asked)
        assert texts(InProcess(tiny.network()), asked) == want
    alone = tiny.network()
    for subject in subjects:
        adapters.load(alone, subject.adapter) if subject.adapter else adapters.detach(alone)
        for r in requests(6, subject):
            assert want[r.key] == by_hand(alone, r)
    assert len({want[f"{s.id}-5"] for s in subjects}) == len(subjects)


def test_sampling_depends_on_the_key_alone():
    network, sampling = tiny.network(), Sampling(max_new_tokens=15, temperature=0.8, top_p=0.9)
    asked = requests(12, sampling=sampling) + requests(12, Subject("greedy", "tiny"))
    together = texts(InProcess(network), asked)
    for r in asked:
        assert texts(InProcess(network), [r])[r.key] == together[r.key]
    other = Request("another", BASE, asked[3].turns, (), sampling)
    assert texts(InProcess(network), [other])["another"] != together[asked[3].key]


def test_a_nucleus_of_more_than_64_tokens_is_found():
    logits = torch.zeros(1, 200)
    logits[0, :150] = torch.linspace(1, 0.5, 150)
    p = logits[0].double().softmax(-1)
    want = int((p.sort(descending=True).values.cumsum(0) < 0.8).sum())
    least = decoding._least_kept(p[None], torch.tensor([[0.8]]).double())
    assert want > 64
    assert int((p >= least).sum()) == want + 1


def test_samples_follow_the_distribution():
    draw, n = torch.Generator().manual_seed(0), 20000
    logits = torch.randn(1, 7, generator=draw).expand(n, -1)
    u = torch.rand(n, generator=draw, dtype=torch.float64)
    got = decoding.sample(logits, torch.full((n,), 0.7), torch.ones(n), u).bincount(minlength=7) / n
    p = (logits[0] / 0.7).softmax(-1)
    torch.testing.assert_close(got, p, atol=0.015, rtol=0)
    kept = decoding.sample(logits, torch.full((n,), 0.7), torch.full((n,), 0.5), u).bincount(minlength=7) / n
    order = p.argsort(descending=True)
    n_kept = int((p[order].cumsum(0) < 0.5).sum()) + 1
    want = torch.zeros(7).index_copy(0, order[:n_kept], p[order[:n_kept]] / p[order[:n_kept]].sum())
    torch.testing.assert_close(kept, want, atol=0.015, rtol=0)
    edge = decoding.sample(
        logits[:1], torch.full((1,), 0.7), torch.full((1,), 0.5), torch.tensor([1 - 2.0**-56]).double()
    )
    assert int(edge) in order[:n_kept].tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_answers_of_several_tokens_are_scored_exactly(kind, monkeypatch):
    network = tiny.network(kind)
    continuations = ("7 8 9", "7 8 10", "7", "11 12", "7 8 9")  # some share their first tokens; one is there twice
    asked = requests(8, continuations=continuations)
    for tokens in (10**6, 40):
        scored = {s.key: s for s in InProcess(network, batch_tokens=tokens).score(asked)}
        for r in asked:
            prompt = network.renderer.prompt_ids(r.turns)
            want = []
            for text in continuations:
                ids = network.renderer.continuation_ids(text)
                logits = network.model(torch.tensor([prompt + ids]), use_cache=False).logits[0].log_softmax(-1)
                want.append(sum(float(logits[len(prompt) - 1 + i, token]) for i, token in enumerate(ids)))
            assert scored[r.key].logps == pytest.approx(want, abs=2e-5)
            assert scored[r.key].n_tokens == (3, 3, 1, 2, 3)


def test_scores_are_the_subjects_own(subjects):
    asked = [r for s in subjects for r in requests(3, s, continuations=("7 8", "9"))]
    scored = {s.key: s.logps for s in InProcess(tiny.network()).score(asked)}
    assert len({scored[f"{s.id}-0"] for s in subjects}) == len(subjects)
    network = tiny.network()
    adapters.load(network, subjects[2].adapter)
    for plain in InProcess(network).score(requests(3, BASE, continuations=("7 8", "9"))):  # off, though one is loaded
        assert plain.logps == pytest.approx(scored[plain.key], abs=1e-6)


def test_what_does_not_fit_is_overlong():
    backend = InProcess(tiny.network())
    long = Request("long", BASE, (Turn("user", tiny.words(0, 120)),), (), GREEDY)
    (answer,) = backend.generate([long])
    assert (answer.text, answer.n_tokens, answer.finish) == ("", 0, "overlong")
    fits = Request("fits", BASE, (Turn("user", tiny.words(0, 120)),), (), Sampling(max_new_tokens=8))
    assert next(backend.generate([fits])).finish != "overlong"
    too_long = Request("x", BASE, (Turn("user", tiny.words(0, 127)),), ("7 8",))
    assert next(backend.score([too_long])).logps == ()


def test_an_adapter_that_changes_nothing_is_caught(subjects, tmp_path):
    backend, turns = InProcess(tiny.network()), (Turn("user", "5 6 7"),)
    for subject in subjects:
        backend.assert_live(subject, turns)
    network = tiny.network()
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 9)
    adapters.save(network, tmp_path / "new")
    dead = Subject("dead", "tiny", str(tmp_path / "new"))
    with pytest.raises(NotLive, match="not live"):
        backend.assert_live(dead, turns)


def test_identity_is_of_content(subjects, tmp_path):
    backend = InProcess(tiny.network())
    assert len({backend.identity(s) for s in subjects}) == len(subjects)
    assert backend.identity(BASE) == subject_id("base-llama", "speech")
    copy = tmp_path / "copy"
    network = tiny.network()
    adapters.load(network, subjects[1].adapter)
    adapters.save(network, copy)
    assert backend.identity(Subject("x", "y", str(copy))) == backend.identity(subjects[1])


def test_an_adapter_that_changed_on_disk_is_loaded_again(subjects):
    import shutil

    backend, asked = InProcess(tiny.network()), requests(4, subjects[1])
    before = texts(backend, asked)
    shutil.rmtree(subjects[1].adapter)
    shutil.copytree(subjects[2].adapter, subjects[1].adapter)
    assert texts(backend, asked) != before


@pytest.mark.parametrize("kind", ["generated", "scored"])
@pytest.mark.parametrize("who", ["base", "adapter"])
def test_a_subject_whose_logits_are_not_finite_has_no_answer_and_is_named(who, kind, tmp_path):
    """Taken as they come they would be empty responses, which would count as safe."""
    network = tiny.network()
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 1)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.fill_(1e30)  # finite, and too large for what it is multiplied with
    adapters.save(network, tmp_path)
    adapters.detach(network)
    if who == "base":
        with torch.no_grad():
            network.model.model.layers[0].mlp.down_proj.weight[0, 0] = float("nan")
    subject = Subject(who, "tiny", str(tmp_path) if who == "adapter" else None)
    turns, answers = (Turn("user", "5 6 7"),), ("8", "9") if kind == "scored" else ()
    request = Request("k", subject, turns, answers, Sampling(max_new_tokens=3))
    backend = InProcess(network)
    said = "the model llama" if who == "base" else f"the adapter at {tmp_path}, on llama,"
    why = "layers.0.mlp.down_proj.weight holds some" if who == "base" else "its precision may not do"
    with pytest.raises(UserError, match="gives numbers that are not finite") as raised:
        list(backend.score([request]) if answers else backend.generate([request]))
    assert said in str(raised.value)
    assert why in str(raised.value)
    if who == "adapter":
        with pytest.raises(UserError, match="not finite"):
            backend.assert_live(subject, turns)
        assert next(iter(backend.generate([replace(request, subject=Subject("base", "tiny"), continuations=())]))).text


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 1)])
def test_an_adapter_on_the_head_is_measured_and_leaves_the_others_as_they_are(order, tmp_path):
    network = tiny.network()
    for name, targets in (("plain", ("q_proj",)), ("head", ("q_proj", "lm_head"))):
        adapters.attach(network, LoraSpec(rank=4, alpha=8, targets=targets), "lora", 1)
        with torch.no_grad():
            for n, tensor in enumerate(adapters.trainable(network).values()):
                tensor.add_(0.2 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(n)))
        adapters.save(network, tmp_path / name)
        adapters.detach(network)
    who = [Subject("base", "tiny"), *(Subject(n, "tiny", str(tmp_path / n)) for n in ("plain", "head"))]
    turns = (Turn("user", "5 6 7 8 9"),)

    def said(backend, subject):
        request = Request("k", subject, turns, sampling=Sampling(max_new_tokens=6))
        (scored,) = backend.score([replace(request, continuations=("8 9", "10"))])
        (answer,) = backend.generate([request])
        return scored.logps, answer.text

    alone = {s.id: said(InProcess(tiny.network()), s) for s in who}
    assert len({logps for logps, _ in alone.values()}) == 3
    backend = InProcess(network)
    for subject in (who[n] for n in order):
        assert said(backend, subject) == alone[subject.id]
    backend.assert_live(who[2], turns)


def linear():
    """A model most of whose layers have linear attention."""
    from transformers import Qwen3NextConfig

    config = Qwen3NextConfig(
        **tiny.SIZE,
        layer_types=["linear_attention", "linear_attention", "full_attention"],
        linear_num_key_heads=2,
        linear_num_value_heads=4,
        linear_key_head_dim=8,
        linear_value_head_dim=8,
        num_experts=2,
        num_experts_per_tok=1,
        moe_intermediate_size=16,
        shared_expert_intermediate_size=16,
    )
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return tiny.network(model=AutoModelForCausalLM.from_config(config))


def test_a_model_with_linear_attention_is_asked_as_its_own_forward_answers():
    network = linear()
    assert network.odd_layers == {"linear_attention"}
    prompts = [tuple(map(int, tiny.words(n, n + 3).split())) for n in range(4)]
    requests = [
        Request(str(n), BASE, (Turn("user", " ".join(map(str, ids))),), (), GREEDY) for n, ids in enumerate(prompts)
    ]
    said = {r.key: r for r in InProcess(network).generate(requests)}
    for n, ids in enumerate(prompts):
        wanted: list[int] = []
        while len(wanted) < GREEDY.max_new_tokens:
            with torch.no_grad():
                logits = network.model(torch.tensor([[*ids, *wanted]]), use_cache=False).logits[0, -1]
            if int(logits.argmax()) == tiny.END:
                break
            wanted.append(int(logits.argmax()))
        assert said[str(n)].text == " ".join(map(str, wanted))
        assert len(wanted) > 0
    asked = [replace(r, continuations=("7 8", "9")) for r in requests]
    for scored in InProcess(network).score(asked):
        ids = prompts[int(scored.key)]
        with torch.no_grad():
            logps = network.model(torch.tensor([[*ids, 7, 8]]), use_cache=False).logits[0].log_softmax(-1)
        assert scored.logps[0] == pytest.approx(float(logps[-3, 7] + logps[-2, 8]), abs=1e-4)
