import random
from functools import partial

import pytest
import tiny_models as tiny
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.models import cache, frozen, prefixes
from holdfast.models.backend import InProcess
from holdfast.types import Request, Sampling, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)
BASE = Subject("base", "tiny")
ids = st.lists(st.integers(0, 2), min_size=1, max_size=7).map(tuple)
prompts = st.lists(ids, min_size=1, max_size=9)


def most_saved(heads, forward):
    """By trying, at each prefix, to take it whole or to leave it to the longer ones."""

    def best(depth, members):
        whole = depth * (len(members) - 1) - forward if depth else 0
        longer = {heads[i][: depth + 1] for i in members if len(heads[i]) > depth}
        parts = [[i for i in members if heads[i][: depth + 1] == prefix] for prefix in longer]
        return max(whole, sum(best(depth + 1, part) for part in parts), 0)

    return best(0, range(len(heads)))


@given(prompts, st.integers(0, 6))
def test_the_plan_of_prefixes_saves_as_much_as_any(asked, forward):
    lengths = prefixes.plan(asked, forward)
    groups = {}
    for prompt, n in zip(asked, lengths, strict=True):
        assert 0 <= n < len(prompt)
        if n:
            groups[prompt[:n]] = groups.get(prompt[:n], 0) + 1
    saved = sum(len(prefix) * (n - 1) - forward for prefix, n in groups.items())
    assert saved == most_saved([prompt[:-1] for prompt in asked], forward)


@given(prompts, st.randoms())
def test_the_plan_of_prefixes_does_not_depend_on_order(asked, draw):
    want = dict(zip(asked, prefixes.plan(asked, 3), strict=True))
    draw.shuffle(asked)
    assert dict(zip(asked, prefixes.plan(asked, 3), strict=True)) == want


def test_a_prefix_that_saves_less_than_a_forward_is_left():
    assert prefixes.plan([(1, 2, 3), (1, 2, 4)], forward=2) == [0, 0]
    assert prefixes.plan([(1, 2, 3), (1, 2, 4)], forward=1) == [2, 2]
    many = [(1,) * 2000 + (n,) for n in range(3)] + [(1,) * n for n in range(1, 2000)]  # deep, and no recursion
    assert max(prefixes.plan(many)) > 500


def rows(seed, continuations=(), sampling=Sampling(max_new_tokens=6)):  # noqa: B008
    """Requests of which some share a long beginning, some a short one, some all, some none."""
    draw = random.Random(seed)

    def some(n):
        return [str(draw.randrange(3, tiny.VOCAB)) for _ in range(n)]

    system = some(draw.randrange(1, 30))
    heads = [system + some(draw.randrange(1, 12)), system + some(draw.randrange(1, 12)), some(9), []]
    texts = [[*head, *some(draw.randrange(1, 10))] for head in heads for _ in range(draw.randrange(1, 4))]
    texts += [texts[0]]
    return [
        Request(f"{seed}-{i}", BASE, (Turn("user", " ".join(text)),), continuations, sampling)
        for i, text in enumerate(texts)
    ]


def answers(backend, asked):
    said = backend.score(asked) if asked[0].continuations else backend.generate(asked)
    return {a.key: a for a in said}


@pytest.fixture
def eager(monkeypatch):
    """Every prefix pays."""
    monkeypatch.setattr(prefixes, "plan", partial(prefixes.plan, forward=0))


@pytest.fixture(scope="module")
def networks():
    return {kind: tiny.network(kind) for kind in KINDS}


def both_ways(network, asked, monkeypatch, **bounds):
    with monkeypatch.context() as m:
        m.setattr(prefixes, "plan", lambda prompts: [0] * len(prompts))
        plain = answers(InProcess(network), asked)
    with monkeypatch.context() as m:
        m.setattr(prefixes, "plan", partial(prefixes.plan, forward=0))
        backend = InProcess(network, **bounds)
        shared = answers(backend, asked)
    assert backend._goes_on
    return plain, shared


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None, derandomize=True)  # a tie of two tokens to 1e-5 would be no fault
@given(seed=st.integers(0, 10**6), small=st.booleans())
def test_greedy_texts_are_the_same_with_and_without_a_shared_prefix(kind, seed, small, networks):
    bounds = {"batch_tokens": 90} if small else {}
    with pytest.MonkeyPatch.context() as m:
        plain, shared = both_ways(networks[kind], rows(seed), m, **bounds)
    assert shared == plain


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10**6), small=st.booleans())
def test_log_probs_are_the_same_with_and_without_a_shared_prefix(kind, seed, small, networks):
    bounds = {"batch_tokens": 90} if small else {}
    asked = rows(seed, ("7", "8 9 10", "8 9", "11 12"))
    with pytest.MonkeyPatch.context() as m:
        plain, shared = both_ways(networks[kind], asked, m, **bounds)
    assert shared.keys() == plain.keys()
    for key, got in shared.items():
        assert got.logps == pytest.approx(plain[key].logps, abs=1e-5, rel=1e-5)
        assert got.n_tokens == plain[key].n_tokens


def test_samples_are_the_same_with_and_without_a_shared_prefix(networks, monkeypatch):
    sampling = Sampling(max_new_tokens=9, temperature=0.9, top_p=0.9)
    for seed in range(4):
        plain, shared = both_ways(networks["llama"], rows(seed, sampling=sampling), monkeypatch)
        assert shared == plain


@pytest.fixture
def counted(monkeypatch):
    """A network that counts the positions it runs, and the rows that its head is given."""
    network, counts = tiny.network(), {"positions": 0, "head": 0}

    def positions(module, args, out):
        counts["positions"] += out.shape[:2].numel()

    def logits(head, hidden_CD, real=frozen.Head.logits):
        counts["head"] += len(hidden_CD)
        return real(head, hidden_CD)

    network.model.get_input_embeddings().register_forward_hook(positions)
    monkeypatch.setattr(frozen.Head, "logits", logits)
    return network, counts


def ready(network, counts):
    """A backend that has made its checks."""
    backend = InProcess(network)
    list(backend.score(rows(0, ("7", "8"))))
    list(backend.generate(rows(0)))
    counts.update(positions=0, head=0)
    return backend


@pytest.mark.usefixtures("eager")
def test_a_prefix_is_run_once(counted):
    network, counts = counted
    backend, head = ready(network, counts), tiny.words(1, 40)
    turns = [(Turn("user", f"{head} {3 + i} {tiny.words(i, 5)}"),) for i in range(10)]
    list(backend.score([Request(str(i), BASE, t, ("7 8", "9"), Sampling()) for i, t in enumerate(turns)]))
    assert counts["positions"] == 40 + 10 * (6 + 1)  # of "7 8" only its first token is run
    counts.update(positions=0)
    list(backend.generate([Request(str(i), BASE, t, (), Sampling(1)) for i, t in enumerate(turns)]))
    assert counts["positions"] == 40 + 10 * 6
    counts.update(positions=0)
    backend.batch_rows = 2
    list(backend.generate([Request(str(i), BASE, t, (), Sampling(1)) for i, t in enumerate(turns)]))
    assert counts["positions"] == 40 + 10 * 6  # in five batches


def test_answers_of_one_token_cost_one_row_of_logits(counted):
    network, counts = counted
    backend = ready(network, counts)
    asked = [Request(str(i), BASE, (Turn("user", tiny.words(i, 7)),), tuple("3456789"), Sampling()) for i in range(5)]
    list(backend.score(asked))
    assert counts == {"positions": 5 * 7, "head": 5}


@pytest.mark.usefixtures("eager")
def test_a_model_that_cannot_go_on_from_a_prefix_runs_all(networks, monkeypatch):
    network, asked = networks["llama"], rows(3)
    want = answers(InProcess(network), asked)

    def wrong(network, past, *args, real=cache.run):
        return cache.Past(len(past), tuple((-k, v) for k, v in real(network, past).layers))

    monkeypatch.setattr(cache, "run", wrong)
    with pytest.raises(UserError, match="cannot go on from a shared prefix"):
        cache.check(network, (5, 6, 7, 8), 2)
    backend = InProcess(network)
    assert answers(backend, asked) == want
    assert backend._goes_on is False
