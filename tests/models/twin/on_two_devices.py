"""A model on one device and on two: the same numbers, and nothing that meets across devices (which ``twin`` refuses).

Run by ``test_spread``, in a process of its own: a device that is registered is there for all that a process does.
By hand: PYTHONPATH=tests/models/twin:tests/training pytest -n 0 tests/models/twin/on_two_devices.py
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_models as tiny
import tiny_world
import torch
import twin_device
from transformers import AutoModelForCausalLM

from holdfast.config.study import Controls, LoraSpec, ModelSpec
from holdfast.models import adapters, decoding, head, layouts, memory, ragged
from holdfast.models.backend import InProcess
from holdfast.models.network import Network, _devices, _model, load
from holdfast.store.files import read_json
from holdfast.training.controls import differences
from holdfast.training.loop import train
from holdfast.training.prepared import fits
from holdfast.types import Request, Sampling, Subject, Turn, UserError

KINDS = list(tiny.CONFIGS)
twin_device.register()
TWO = torch.device("twin", 0), torch.device("twin", 1)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def placed(folder: Path, gpus: int, load=load) -> Network:
    return load(ModelSpec(name="tiny", path=str(folder), device="twin", gpus=gpus, dtype="float32"))


def _speaking(spec: ModelSpec) -> Network:
    """As ``load``, of a folder without a tokenizer."""
    devices = _devices(spec)
    model, _ = _model(Path(spec.path), spec, torch.float32, devices)
    model.eval().requires_grad_(False)
    return Network(spec, model, tiny.Speech(), devices[0], torch.float32, "base", devices=devices)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def networks(tmp_path_factory):
    """Of each architecture on one twin and on both, layers on each."""
    found = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        torch.manual_seed(7)
        AutoModelForCausalLM.from_config(tiny.CONFIGS[kind]()).save_pretrained(folder)
        found[kind] = [placed(folder, gpus, _speaking) for gpus in (1, 2)]
    return found


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    folder = tiny_world.make_model(tmp_path_factory.mktemp("model"))
    return tiny_world.network(folder), placed(folder, 1), placed(folder, 2)


def moved(network: Network, seed: int = 0, **lora) -> dict[str, torch.Tensor]:
    """A trained adapter, as far as anybody can tell."""
    adapters.attach(network, LoraSpec(rank=4, alpha=8, **lora), "lora", seed)
    with torch.no_grad():
        for tensor in adapters.trainable(network).values():
            tensor.add_(
                (0.1 * torch.randn(tensor.shape, generator=torch.Generator().manual_seed(seed))).to(tensor.device)
            )
    return adapters.trainable(network)


def test_two_devices_are_held_apart_or_nothing_here_is_shown():
    with pytest.raises(RuntimeError, match=r"two devices|same device"):
        torch.ones(2, device=TWO[0]) @ torch.ones(2, device=TWO[1])
    with pytest.raises(RuntimeError, match=r"two devices|same device"):
        torch.ones(2, device=TWO[0]) + torch.ones(2)


@pytest.mark.parametrize("kind", KINDS)
def test_layers_lie_on_both_and_all_else_on_the_first(networks, kind):
    _, two = networks[kind]
    assert two.devices == TWO
    assert sum(two.layers_on.values()) == 3
    assert all(two.layers_on[d] for d in TWO)
    beside = {p.device for name, p in two.model.named_parameters() if ".layers." not in name}
    assert beside == {two.device} == {TWO[0]}
    lora = moved(two)
    assert {p.device for p in lora.values()} == set(TWO)
    for name, layer in two.trained.layers.items():
        assert {p.device for p in layer.parameters()} == {layer.get_base_layer().weight.device}, name
    adapters.detach(two)


@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("layout", ["padded", "packed", "shared"])
@pytest.mark.parametrize("kind", KINDS)
def test_log_probs_and_gradients_are_those_of_one_device(networks, kind, layout, checkpointing):
    found = []
    for network in networks[kind]:
        lora = moved(network)
        network.checkpointing(checkpointing)
        batch = layouts.arrange(tiny.flat(tiny.pairs(4)), layout, tiny.END, network.device)
        head.check(network, batch)
        with network.reading([0, 2]) as layers:
            hidden_ND = head.hidden_ND(network, batch)
        assert {h.device for h in (*layers.values(), hidden_ND)} == {TWO[0]}
        logp_N = head.token_logps(network, hidden_ND, batch.target_N)
        logp_N.sum().backward()
        found.append([logp_N.detach().cpu(), *(p.grad.cpu() for p in lora.values())])  # type: ignore[union-attr]
        network.checkpointing(False)
        adapters.detach(network)
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("name", list(tiny_world.OBJECTIVES))
def test_an_objective_trains_as_on_one_device(worlds, tmp_path, name):
    """Losses and gradients are the same to the bit; their norm is summed in another order, over devices."""
    done = []
    for k, network in enumerate(worlds):
        folder = tiny_world.folder(tmp_path / str(k))
        train(tiny_world.job(network, name, budgets=(3, 6), micro_tokens=200), folder, network)
        done.append(folder)
    steps = [tiny_world.lines(folder.metrics_jsonl) for folder in done]
    for cpu, one, two in zip(*steps, strict=True):
        for key in ("loss", "grad_norm"):
            assert getattr(two, key) == pytest.approx(getattr(one, key), rel=1e-6)
            assert getattr(two, key) == pytest.approx(getattr(cpu, key), rel=1e-5)
    assert steps[2][0].loss == steps[1][0].loss
    # What one leaves the other reads, and the proof says where each was trained.
    adapters.load(worlds[0], done[2].checkpoint(max(tiny_world.job(worlds[0], name, budgets=(3, 6)).budgets)))
    got = adapters.trainable(worlds[0])
    adapters.load(worlds[1], done[1].checkpoint(max(tiny_world.job(worlds[0], name, budgets=(3, 6)).budgets)))
    for key, p in adapters.trainable(worlds[1]).items():
        torch.testing.assert_close(got[key].detach(), p.detach().cpu(), rtol=1e-5, atol=1e-6)
    for network in worlds:
        adapters.detach(network)
    (said,) = differences([read_json(folder.controls_json) for folder in done[1:]])
    assert said.startswith("numerics.device differs: ")
    assert read_json(done[1].config_json) == read_json(done[2].config_json)


@pytest.mark.parametrize("changes", [{"gradient_checkpointing": True}, {"layout": "shared"}, {"dropout": 0.2}], ids=str)
def test_a_run_is_stopped_and_goes_on_where_it_stood(worlds, tmp_path, changes):
    """On two devices throughout, with the same bytes; and taken up by one, to rounding."""
    *_, one, two = worlds
    lora = LoraSpec(rank=4, alpha=8, dropout=changes.get("dropout", 0.0))
    more = {k: v for k, v in changes.items() if k != "dropout"}
    more |= {"lora": lora, "micro_tokens": 200, "references": tmp_path / "base"}
    job = tiny_world.job(two, "dpo", budgets=(3, 6), **more)
    whole = tiny_world.folder(tmp_path / "whole")
    train(job, whole, two)
    for k, network in enumerate((two, one)):
        part = tiny_world.folder(tmp_path / f"part{k}")
        train(replace(job, budgets=job.budgets[:1]), part, two)
        train(job, part, network)
        ends = [tiny_world.lines(folder.metrics_jsonl)[-1].loss for folder in (whole, part)]
        assert ends[1] == pytest.approx(ends[0], rel=1e-5)
        if network is two:
            assert tiny_world.contents(part.root) == tiny_world.contents(whole.root)
        else:
            assert read_json(part.controls_json)["resumed_under"]


@pytest.mark.parametrize("how", [{}, {"temperature": 0.8, "top_p": 0.9}], ids=["greedy", "sampled"])
@pytest.mark.parametrize("kind", KINDS)
def test_answers_are_those_of_one_device_with_prefixes_and_drafts(networks, kind, how, tmp_path):
    found = []
    for network in networks[kind]:
        moved(network)
        adapters.save(network, tmp_path / "adapter")
        adapters.detach(network)
        backend, start = InProcess(network, batch_rows=8), tiny.words(99, 20)
        asked = [
            Request(
                f"{who.id}{i}",
                who,
                (Turn("user", f"{start} {tiny.words(i, 1 + i % 5)}"),),
                (),
                Sampling(14 - i % 6, **how),
            )
            for who in (Subject("b", "tiny"), Subject("a", "tiny", str(tmp_path / "adapter")))
            for i in range(8)
        ]
        plain = {r.key: r.text for r in backend.generate(asked)}
        drafted = [replace(r, drafts=(plain[r.key], tiny.words(1, 9))) for r in asked]
        assert {r.key: r.text for r in backend.generate(drafted)} == plain
        assert backend._goes_on, "prompts go on from their prefix"
        assert backend._goes_apart, "rows go on by their drafts"
        scored = [replace(r, continuations=("5 6 7", "8", "9 10")) for r in asked]
        backend.assert_live(asked[-1].subject, asked[-1].turns)
        found.append((plain, {s.key: s.logps for s in backend.score(scored)}))
    assert found[0] == found[1]


def test_rows_with_drafts_know_a_mask_by_where_it_lies(networks):
    """Gemma-2 has two masks, of which each layer must be given its own on its own device."""
    for network in networks["gemma2"]:
        ragged.check(network, (5, 6, 7, 8, 9))


def test_memory_is_counted_by_device(worlds):
    _, one, two = worlds
    settings = Controls(lora=LoraSpec(rank=2))
    kept = []
    for network in (one, two):
        adapters.attach(network, settings.lora, "lora", 0)
        kept.append(memory.kept_bytes(network, settings, 64))
        adapters.detach(network)
    assert set(kept[1]) == set(TWO)
    assert 0.9 * sum(kept[0].values()) <= sum(kept[1].values()) <= 1.2 * sum(kept[0].values())
    assert max(kept[1].values()) < 0.8 * sum(kept[0].values())
    assert fits(two, settings).tokens >= 1


def test_prompts_of_one_batch_that_leave_it_take_their_keys_along(networks):
    for network in networks["llama"]:
        prompts = [decoding.DecodingPrompt(f"k{n}", (5, 6, 7), n) for n in (1, 2, 3, 20)]
        answers = decoding.decode(network, prompts, (), tiny.END)
        assert [len(a.ids) for a in answers] == [1, 2, 3, 20]
        assert answers[3].ids[:3] == answers[2].ids


def test_more_devices_than_there_are_is_a_sentence(tmp_path):
    with pytest.raises(UserError, match=r"tiny is to lie on 3 GPUs \(`gpus`\) and this process sees 2: set it lower"):
        placed(tmp_path, 3, lambda spec: _devices(spec))
