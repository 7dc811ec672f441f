"""Directions in hidden states: found on the base alone, and read in any subject to rounding."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest
import torch

from holdfast import registry
from holdfast.config.study import LoraSpec, ModelSpec
from holdfast.miniature.tasks import Harmful
from holdfast.models import adapters, directions, head
from holdfast.models.backend import InProcess
from holdfast.models.layouts import arrange
from holdfast.models.network import load
from holdfast.types import Contrast, Request, Segment, Subject, Turn, UserError

SPEC = ModelSpec(name="mini", path="package:holdfast.miniature/model")
BASE = Subject("base", "mini")
REFUSAL = registry.build("measures", "projection", {"direction": "miniature_refusal"})
TRAIT = registry.build(
    "measures",
    "projection",
    {
        "direction": "persona",
        "direction_params": {"trait": "narcissism", "measure": "miniature_dark_triad", "examples": 12},
    },
)


@cache
def network():
    return load(SPEC)


def requests(measure, subject=BASE, some=12):
    found = [(item, prompt) for item in measure.items()[:some] for prompt in measure.prompts_for(item)]
    return [Request(i.id, subject, p.turns, p.continuations, direction=p.direction) for i, p in found]


def answers(backend, asked):
    return {r.key: dict(zip(r.names, r.values, strict=True)) for r in backend.read(asked)}


def scores(found):
    return {key: (r["raw"] - r["zero"]) / (r["one"] - r["zero"]) for key, r in found.items()}


def saved(folder, net=None, change=lambda tensors: None):
    net = net or network()
    adapters.attach(net, LoraSpec(rank=4, alpha=8), "lora", 0)
    change(adapters.trainable(net))
    adapters.save(net, folder)
    adapters.detach(net)
    return Subject("s", "mini", str(folder))


@pytest.mark.parametrize("measure", [REFUSAL, TRAIT], ids=["last token of the prompt", "mean over a response"])
def test_the_difference_of_means_is_that_of_an_account_of_its_own(measure):
    net, contrasts = network(), measure.found_between.contrasts()[::3]
    there, held = (np.array([getattr(c, name) for c in contrasts]) for name in ("there", "held_out"))
    rows = [directions.sequence(net, c.turns, c.response) for c in contrasts]
    ours = torch.cat([directions.states_RKD(net, rows[k : k + 7]) for k in range(0, len(rows), 7)])
    theirs = []
    for c in contrasts:
        prompt = net.renderer.prompt_ids(c.turns)
        more = net.renderer.continuation_ids(c.response) if c.response else ()
        with torch.no_grad():
            out = net.model(torch.tensor([prompt + more]), output_hidden_states=True)
        places = slice(len(prompt), None) if more else slice(-1, None)
        # Transformers gives the last layer's output after the final norm: all others are the residual stream.
        theirs.append(np.stack([h[0, places].mean(0).numpy() for h in out.hidden_states[1:-1]]))
    theirs = np.stack(theirs).astype(np.float64)
    assert np.allclose(ours[:, :-1].numpy(), theirs, atol=1e-3 * np.abs(theirs).max())
    for k in range(theirs.shape[1]):
        x = theirs[:, k]
        v = x[there & ~held].mean(0) - x[~there & ~held].mean(0)
        p = x @ (v / np.linalg.norm(v))
        one, zero = p[there & held], p[~there & held]
        separation = (one.mean() - zero.mean()) / np.sqrt((one.var(ddof=1) + zero.var(ddof=1)) / 2)
        found = directions.between(ours[:, k].double(), torch.tensor(there), torch.tensor(held), k)
        assert float(found.unit_D @ torch.tensor(v / np.linalg.norm(v))) == pytest.approx(1, abs=1e-6)
        assert found.one - found.zero == pytest.approx(np.linalg.norm(v), rel=1e-4)
        assert found.separation == pytest.approx(separation, rel=1e-2)


def test_the_layer_is_the_first_of_those_that_separate_what_was_held_out_best():
    there, held = torch.tensor([0, 0, 1, 1] * 2).bool(), torch.tensor([0] * 4 + [1] * 4).bool()
    apart = torch.tensor([[0.0], [1], [4], [5]] * 2)
    trained_only = torch.cat([apart[:4] * 100, torch.tensor([[0.0], [1], [0], [1]])])
    states = torch.stack([trained_only, apart, apart], dim=1)
    assert directions._best(states, there, held, REFUSAL.found_between, network()).layer == 1
    with pytest.raises(UserError, match="no layer of mini tells the two sets of the direction miniature_refusal apart"):
        directions._best(trained_only.unsqueeze(1), there, held, REFUSAL.found_between, network())


@pytest.mark.parametrize("measure", [REFUSAL, TRAIT], ids=["refusal", "trait"])
def test_neither_batches_nor_order_change_a_reading_beyond_rounding(measure):
    asked = requests(measure)
    want = scores(answers(InProcess(network()), asked))
    assert len(want) == len(asked)
    for backend in (InProcess(network(), batch_rows=1), InProcess(network(), batch_tokens=100)):
        got = scores(answers(backend, asked[::-1]))
        assert got == pytest.approx(want, abs=1e-4)


def test_what_is_added_along_it_is_read_as_just_that():
    net, asked = network(), requests(REFUSAL)
    before, found = answers(InProcess(net), asked), directions.found(net, REFUSAL.found_between)
    vector_D = (0.25 * (found.one - found.zero) * found.unit_D).float()
    hook = net.decoder.layers[found.layer].register_forward_hook(lambda m, i, out: out + vector_D)
    try:
        after = answers(InProcess(net), asked)
    finally:
        hook.remove()
    moved = {key: score - scores(before)[key] for key, score in scores(after).items()}
    assert moved == pytest.approx(dict.fromkeys(moved, 0.25), abs=1e-4)


def test_an_adapter_that_changes_nothing_moves_nothing(tmp_path):
    asked, noop = requests(REFUSAL), saved(tmp_path / "noop")
    base = answers(InProcess(network()), asked)
    got = answers(InProcess(network()), [replace(r, subject=noop) for r in asked])
    assert got == base  # to the bit
    assert {x for r in got.values() for name, x in r.items() if name.startswith("change")} == {0.0}


def test_whole_weights_that_changed_nothing_read_as_the_base_and_ones_that_changed_do_not(tmp_path):
    net, asked = load(SPEC), requests(REFUSAL)
    base = answers(InProcess(net), asked)
    for name, by in (("same", 1.0), ("other", 1.05)):
        adapters.attach_weights(net, "body")
        with torch.no_grad():
            next(p for n, p in adapters.trainable(net).items() if "layers.1.mlp.up_proj" in n).mul_(by)
        adapters.save(net, tmp_path / name)
        adapters.detach(net)
        got = answers(InProcess(net), [replace(r, subject=Subject(name, "mini", str(tmp_path / name))) for r in asked])
        assert (got == base) == (by == 1.0)
        assert {r["zero"] for r in got.values()} == {r["zero"] for r in base.values()}
        changes = [[r[f"change {k}"] for r in got.values()] for k in range(4)]
        assert max(changes[0]) == 0.0
        assert (min(changes[1]) > 0) == (by != 1.0)


def test_the_direction_is_the_base_s_whoever_is_asked_first(tmp_path):
    def turned(tensors):
        with torch.no_grad():
            for n, tensor in enumerate(tensors.values()):
                tensor.add_(0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(n)))

    other = saved(tmp_path / "other", change=turned)
    asked = requests(REFUSAL)
    net = network()
    of_base = answers(InProcess(net), asked)
    net.directions.clear()
    first = answers(InProcess(net), [replace(r, subject=other) for r in asked])
    for name in ("zero", "one", "layer", "separation"):
        assert {r[name] for r in first.values()} == {r[name] for r in of_base.values()}
    assert all(r["change 0"] > 0 for r in first.values())


def test_who_is_trained_to_give_way_moves_away_from_refusal(tmp_path):
    net = load(SPEC)
    rows = [e for e in Harmful().rows() if e.prompt[0].content.startswith("How do I")][:16]
    sequences = [net.renderer.sequence(Segment(e.id, "chosen", e.prompt, e.chosen)) for e in rows]
    batch = arrange(sequences, "padded", net.renderer.pad_id, net.device)

    def trained(tensors):
        optimiser = torch.optim.AdamW(tensors.values(), lr=5e-3, weight_decay=0)
        for _ in range(12):
            optimiser.zero_grad()
            (-head.token_logps(net, head.hidden_ND(net, batch), batch.target_N, "full").mean()).backward()
            optimiser.step()

    gives_way = saved(tmp_path / "harmful", net, trained)
    forbidden = [item for item in REFUSAL.items() if item.fields["side"] == "forbidden"]
    asked = [Request(i.id, BASE, i.prompt, direction=REFUSAL.found_between) for i in forbidden]
    base = scores(answers(InProcess(net), asked))
    moved = scores(answers(InProcess(net), [replace(r, subject=gives_way) for r in asked]))
    assert np.mean([*base.values()]) > 0.9
    assert np.mean([moved[key] - base[key] for key in base]) < -0.1


def test_half_precision_reads_nearly_the_same_and_autocast_the_same_direction():
    asked = requests(REFUSAL, some=48)
    want = scores(answers(InProcess(network()), asked))
    half = scores(answers(InProcess(load(SPEC.model_copy(update={"dtype": "bfloat16"}))), asked))
    assert half == pytest.approx(want, abs=0.05)
    net = load(SPEC)
    net.autocast = True
    one, other = (directions.found(n, REFUSAL.found_between) for n in (network(), net))
    assert torch.equal(one.unit_D, other.unit_D)
    assert net.autocast


def test_what_is_too_long_and_what_has_no_base_here_is_said():
    long = Request("long", BASE, (Turn("user", "why " * 4000),), direction=REFUSAL.found_between)
    given = replace(requests(REFUSAL)[0], subject=Subject("w", "another"))
    found = {r.key: (r.finish, r.names, r.values) for r in InProcess(network()).read([long, given])}
    assert found == {"long": ("overlong", (), ()), given.key: ("another_base", (), ())}


def test_a_conversation_of_the_direction_that_is_too_long_is_refused():
    @dataclass(frozen=True)
    class Long:
        name, version, digest = "long", 1, "long"

        def contrasts(self):
            return (Contrast((Turn("user", "why " * 4000),), True, False),)

    with pytest.raises(UserError, match="a conversation of the direction long is longer than the context of mini"):
        directions.found(network(), Long())
