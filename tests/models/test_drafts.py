"""Drafts change how fast an answer comes, never the answer."""

import random
from dataclasses import replace

import pytest
import tiny_models as tiny
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.study import LoraSpec
from holdfast.models import adapters, cache, decoding, ragged
from holdfast.models.backend import InProcess
from holdfast.models.decoding import DecodingPrompt
from holdfast.models.drafts import BREAK, MOST, TOGETHER, Draft, ForwardCost
from holdfast.types import Request, Sampling, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)
BASE = Subject("base", "tiny")
WAYS = {"greedy": {}, "sampled": {"temperature": 0.8, "top_p": 0.9}}


@pytest.fixture(scope="module")
def networks():
    return {kind: tiny.network(kind) for kind in KINDS}


def prompts(n, limit=24, **how):
    found = []
    for i in range(n):
        ids = tuple(map(int, tiny.words(i, 1 + i * 7 % 13).split()))
        found.append(DecodingPrompt(f"k{i}", ids, max(1, limit - 3 * (i % 4)), **how))
    return found


def plain(network, asked):
    found = decoding.decode(network, [replace(p, drafts=()) for p in asked], (tiny.END,), tiny.END)
    return [(answer.ids, answer.finish) for answer in found]


def drafted(network, asked):
    found = decoding.decode(network, asked, (tiny.END,), tiny.END)
    return [(answer.ids, answer.finish) for answer in found]


def spoilt(ids, draw):
    """The ids with some changed, left out or put in."""
    found = []
    for i in ids:
        kind = draw.random()
        found += [i] if kind < 0.85 else [] if kind < 0.9 else [draw.randrange(3, tiny.VOCAB)] * draw.randrange(1, 3)
    return tuple(found)


def kinds_of_draft(ids, draw):
    return {
        "right": (ids,),
        "wrong": (tuple(draw.randrange(3, tiny.VOCAB) for _ in range(20)),),
        "empty": ((),),
        "none": (),
        "shorter": (ids[: len(ids) // 2],),
        "longer": ((*ids, 5, 6, 7, 8, 9, *ids),),
        "with ends": ((*ids[:3], tiny.END, *ids[3:], tiny.END, tiny.END),),
        "begins elsewhere": (ids[5:],),
        "spoilt": (spoilt(ids, draw),),
        "several": (spoilt(ids, draw), (7, 8), spoilt(ids, draw)),
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_is_the_same_whatever_its_draft(kind, way, networks):
    network, draw = networks[kind], random.Random(kind)
    asked = prompts(9, **WAYS[way])
    want = plain(network, asked)
    made = [kinds_of_draft(ids, draw) for ids, _ in want]
    for name in made[0]:
        got = drafted(network, [replace(p, drafts=m[name]) for p, m in zip(asked, made, strict=True)])
        assert got == want, name
    # rows of unlike acceptance beside one another
    names = list(made[0])
    mixed = [replace(p, drafts=m[names[i % len(names)]]) for i, (p, m) in enumerate(zip(asked, made, strict=True))]
    assert drafted(network, mixed) == want


@settings(max_examples=25, deadline=None, derandomize=True)  # a tie of two tokens to 1e-5 would be no fault
@given(
    drafts=st.lists(
        st.lists(st.lists(st.integers(0, tiny.VOCAB - 1), max_size=30).map(tuple), max_size=3), min_size=5, max_size=5
    ),
    kind=st.sampled_from(KINDS),
    way=st.sampled_from(list(WAYS)),
    taken=st.integers(0, 24),
)
def test_any_drafts_leave_the_answers_as_they_are(drafts, kind, way, taken, networks):
    asked = prompts(5, **WAYS[way])
    want = plain(networks[kind], asked)
    mixed = [replace(p, drafts=(*some, ids[taken:])) for p, some, (ids, _) in zip(asked, drafts, want, strict=True)]
    assert drafted(networks[kind], mixed) == want


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_that_go_on_from_a_shared_prefix_may_have_drafts(kind, networks):
    network = networks[kind]
    head = tuple(map(int, tiny.words(99, 11).split()))
    asked = [replace(p, ids=(*head, *p.ids), shared=len(head) if i % 3 else 0) for i, p in enumerate(prompts(7))]
    want = plain(network, asked)
    past = cache.run(network, head)
    mixed = [replace(p, drafts=(spoilt(ids, random.Random(1)),)) for p, (ids, _) in zip(asked, want, strict=True)]
    got = decoding.decode(network, mixed, (tiny.END,), tiny.END, [past if p.shared else None for p in mixed])
    assert [(answer.ids, answer.finish) for answer in got] == want


@pytest.fixture
def forwards(monkeypatch):
    """Counts the forwards of whole rows and of rows apart, and the tokens of the latter."""
    counts = {"in step": 0, "apart": 0, "tokens": 0}

    def apart(network, new, *args, real=ragged.forward):
        counts["apart"] += 1
        counts["tokens"] += sum(map(len, new))
        return real(network, new, *args)

    def in_step(network, *args, real=tiny.Network.step):
        counts["in step"] += 1
        return real(network, *args)

    monkeypatch.setattr(ragged, "forward", apart)
    monkeypatch.setattr(tiny.Network, "step", in_step)
    return counts


def test_a_right_draft_saves_most_forwards_and_a_wrong_one_costs_no_more_than_none(networks, forwards):
    network = networks["llama"]
    asked = [replace(p, max_new_tokens=60) for p in prompts(4)]
    want = plain(network, asked)
    longest = max(len(ids) for ids, _ in want)
    assert longest == 60
    forwards.update({"in step": 0, "apart": 0, "tokens": 0})
    assert drafted(network, [replace(p, drafts=(ids,)) for p, (ids, _) in zip(asked, want, strict=True)]) == want
    assert forwards["in step"] == 1
    assert forwards["apart"] <= longest / 5
    forwards.update({"in step": 0, "apart": 0, "tokens": 0})
    wrong = [replace(p, drafts=((3, 4) * 30,)) for p in asked]
    assert drafted(network, wrong) == want
    assert forwards["apart"] <= longest
    forwards.update({"in step": 0, "apart": 0, "tokens": 0})
    assert plain(network, asked) == want
    assert forwards == {"in step": longest, "apart": 0, "tokens": 0}  # without a draft nothing is as it was not


def test_a_token_that_nearly_was_another_is_counted(networks, monkeypatch):
    network, asked = networks["llama"], prompts(3)
    want = plain(network, asked)
    with_drafts = [replace(p, drafts=(ids,)) for p, (ids, _) in zip(asked, want, strict=True)]
    found = decoding.decode(network, with_drafts, (tiny.END,), tiny.END)
    assert [answer.near for answer in found] == [0, 0, 0]
    monkeypatch.setitem(decoding.NEAR, torch.float32, 1e9)
    found = decoding.decode(network, with_drafts, (tiny.END,), tiny.END)
    assert [answer.near for answer in found] == [len(a.ids) + (a.finish == "stop") for a in found]
    sampled = [replace(p, temperature=1.0) for p in with_drafts]
    assert all(answer.near == 0 for answer in decoding.decode(network, sampled, (tiny.END,), tiny.END))


@pytest.mark.parametrize("how", ["bfloat16", "autocast"])
@pytest.mark.parametrize("kind", KINDS)
def test_in_bfloat16_answers_part_at_near_ties_alone(kind, how):
    network = tiny.network(kind, torch.float32 if how == "autocast" else torch.bfloat16)
    network.autocast = how == "autocast"
    asked = prompts(9)
    want = plain(network, asked)
    with_drafts = [replace(p, drafts=(ids,)) for p, (ids, _) in zip(asked, want, strict=True)]
    found = decoding.decode(network, with_drafts, (tiny.END,), tiny.END)
    same = [(answer.ids, answer.finish) == told for answer, told in zip(found, want, strict=True)]
    assert sum(same) >= 6
    assert all(answer.near for answer, one in zip(found, same, strict=True) if not one)


def requests(n, drafts=()):
    return [
        Request(str(i), BASE, (Turn("user", tiny.words(i, 4 + i)),), (), Sampling(16), drafts[i] if drafts else ())
        for i in range(n)
    ]


def answers(backend, asked):
    return {r.key: r for r in backend.generate(asked)}


def test_the_backend_goes_along_with_requests_drafts(networks, forwards):
    backend = InProcess(networks["llama"])
    want = answers(backend, requests(6))
    assert forwards["apart"] == 0
    drafts = [(want[str(i)].text,) for i in range(6)]
    assert answers(backend, requests(6, drafts)) == want
    assert 0 < forwards["apart"] < 16
    assert answers(backend, requests(6, [("",)] * 6)) == want


@pytest.mark.parametrize("fault", ["wrong", "refused"])
def test_a_model_whose_rows_cannot_go_on_apart_is_asked_without_drafts(fault, networks, monkeypatch, forwards):
    network = networks["llama"]
    want = answers(InProcess(network), requests(4))

    def attend(self, module, query, keys, values, mask, *args, real=ragged.Step.attend, **more):
        if fault == "wrong":
            return real(self, module, query, keys, -values, mask, *args, **more)
        return real(self, module, query, keys, values, mask, *args, s_aux=query, **more)

    monkeypatch.setattr(ragged.Step, "attend", attend)
    with pytest.raises(UserError, match="cannot go on apart"):
        ragged.check(network, (5, 6, 7))
    backend = InProcess(network)
    assert answers(backend, requests(4, [(want[str(i)].text,) for i in range(4)])) == want
    assert backend._goes_apart is False
    assert network.attention == "sdpa"


# -- the place in a draft, and how much of it is tried ---------------------------------------------------------------


def follow(draft, said):
    text = []
    for token in said:
        text.append(token)
        draft.said(token, text)
    return draft


def test_a_place_is_found_again_by_the_last_tokens():
    draft = Draft([(1, 2, 3, 4, 5, 6, 7)])
    assert draft.next(3) == [1, 2, 3]
    assert follow(draft, (1, 2)).next(9) == [3, 4, 5, 6, 7]
    assert follow(Draft([(1, 2, 3, 4, 5, 6, 7)]), (1, 9)).next(9) == []  # 1 9 is nowhere
    assert follow(Draft([(1, 2, 3, 4, 5, 6, 7)]), (1, 9, 4, 5)).next(9) == [6, 7]
    assert follow(Draft([(1, 2, 3, 9, 2, 3, 4)]), (8, 2, 3)).next(1) == [9]  # the nearer of two
    assert follow(Draft([(1, 2, 3, 9, 5, 2, 3, 4)]), (8, 5, 2, 3)).next(1) == [4]  # the longer of two
    assert follow(Draft([(1, 2), (1, 3, 4)]), (1, 2)).next(9) == []  # none goes on into the next
    assert follow(Draft([(1, 2), (1, 3, 4)]), (1, 3)).next(9) == [4]
    assert Draft([]).next(9) == []
    assert Draft([()]).next(9) == []
    assert len(Draft([tuple(range(100))]).next(99)) == MOST
    assert BREAK not in range(tiny.VOCAB)


def test_as_much_is_tried_as_pays():
    small, large = ForwardCost(fixed=100, place=0), ForwardCost(fixed=0, place=0)
    sure, poor = [0.99**n for n in range(1, 9)], [0.05] * 3
    assert small.lengths([sure], 10) == [8]
    assert small.lengths([sure, poor, []], 10) == [
        8,
        0,
        0,
    ]  # the poor draft of one row does not cost the good of another
    assert large.lengths([sure, poor], 10) == [0, 0]  # where each token costs what the last did, none is worth a guess
    assert small.lengths([[], []], 10) == [0, 0]
    assert small.lengths([], 10) == []
    padded = ForwardCost(fixed=20, place=1e-2)
    assert padded.lengths([sure] + [[]] * 63, 400)[0] < 8  # attention is padded to the longest row
    falling = small.lengths([[0.9**n for n in range(1, 33)] for _ in range(4)], 10)
    assert len(set(falling)) == 1
    assert sum(small.lengths([[1.0] * 32] * 40, 10)) == TOGETHER - 40
    assert 0 < falling[0] < 32


def test_the_rule_is_of_counts_and_sizes_alone():
    network = tiny.network()
    cost = ForwardCost.of(network)
    assert cost.fixed > 1000  # so small a model is bound by its launches
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    assert ForwardCost.of(network) == cost
