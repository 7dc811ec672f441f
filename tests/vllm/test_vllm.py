"""vLLM against the in-process backend, on the miniature and four adapters of it. Run by ``make test-vllm``."""

import dataclasses
import json
import pickle
import random
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import pytest
from two_backends import RANKS, write_adapter

from holdfast.miniature import world
from holdfast.types import Sampling, Subject, Turn, UserError

pytestmark = pytest.mark.vllm

NEAR = 1e-3  # nats between the two likeliest tokens: rounding may turn them round
FORMS = ("Yes", "No", " Yes", "yes")


@pytest.fixture(scope="session")
def prompts() -> list[str]:
    """Questions of four kinds in turn: how-tos, sums, facts, and forbidden ones (which are nonsense)."""
    sums = world.arithmetic_rows(200, "test")
    kinds = (world.howto_rows(), sums, world.fact_items(), world.robustness_items())
    return [asked[n * (len(asked) // 12)].prompt[0].content for n in range(12) for asked in kinds]


def texts(backend, asked):
    return {r.key: (r.text, r.n_tokens, r.finish) for r in backend.generate(asked)}


def logps(backend, asked):
    return {s.key: s for s in backend.score(asked)}


def margin(network, request, said: str, want: str) -> float:
    """Nats by which the in-process model prefers its own token where the two responses part."""
    import torch

    renderer = network.renderer
    ids, other = ((*renderer.continuation_ids(text), renderer.end_ids[0]) for text in (want, said))
    at = next(i for i, (a, b) in enumerate(zip(ids, other, strict=False)) if a != b)
    prompt = renderer.prompt_ids(request.turns)
    with torch.no_grad():
        logp = network.model(torch.tensor([prompt + ids[:at]]), use_cache=False).logits[0, -1].log_softmax(-1)
    return float(logp[ids[at]] - logp[other[at]])


def test_greedy_responses_are_those_of_the_in_process_backend(stage, prompts):
    asked = stage.ask(prompts)
    ours, theirs = texts(stage.ours, asked), texts(stage.vllm, asked)
    assert len({ours[r.key] for r in asked}) > len(asked) / 2, "the subjects differ too little to be told apart"
    assert {why for _, _, why in ours.values()} == {"stop", "length"}
    equal_but_near_ties(stage, asked, ours, theirs)


def equal_but_near_ties(stage, asked, ours, theirs):
    from holdfast.models import adapters

    near = []
    for r in asked:
        if ours[r.key] == theirs[r.key]:
            continue
        if r.subject.adapter:
            adapters.load(stage.ours.network, r.subject.adapter)
        else:
            adapters.detach(stage.ours.network)
        stage.ours._loaded = None
        near.append(margin(stage.ours.network, r, theirs[r.key][0], ours[r.key][0]))
    print(f"\n{len(asked)} greedy responses, {len(near)} of them parted at a near-tie")
    assert all(0 <= gap < NEAR for gap in near), near
    assert len(near) <= len(asked) / 100


def test_tensor_parallelism_over_two_processes_changes_rounding_alone(stage, prompts):
    """What ``gpus: 2`` asks of vLLM, here of a CPU, whose two processes add up over gloo."""
    asked, scored = stage.ask(prompts[::4]), stage.ask(prompts[::4], continuations=FORMS)
    questions, answers = stage.folder / "asked.pickle", stage.folder / "answered.pickle"
    questions.write_bytes(pickle.dumps((asked, scored)))
    script = Path(__file__).with_name("on_two_processes.py")
    done = subprocess.run([sys.executable, script, questions, answers], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    said, logps_of = pickle.loads(answers.read_bytes())
    equal_but_near_ties(stage, asked, texts(stage.ours, asked), said)
    for key, ours in logps(stage.ours, scored).items():
        assert logps_of[key] == pytest.approx(ours.logps, abs=1e-3)


def test_log_probs_are_those_of_the_in_process_backend(stage, prompts):
    several = (
        "Yes",
        "No",
        "Yes, it is.",
        "No, it is not so.",
        "Yes, it is not",
        "17",
        "Take the pen and some oil.",
        "Yes",
    )
    apart = 0.0
    for forms in (FORMS, several):
        asked = stage.ask(prompts[::3], continuations=forms)
        ours, theirs = logps(stage.ours, asked), logps(stage.vllm, asked)
        for r in asked:
            assert theirs[r.key].n_tokens == ours[r.key].n_tokens
            assert theirs[r.key].logps == pytest.approx(ours[r.key].logps, abs=1e-3)
            apart = max(apart, *(abs(a - b) for a, b in zip(theirs[r.key].logps, ours[r.key].logps, strict=True)))
    print(f"\nlargest difference of a log-prob: {apart:.1e}")


def test_one_call_says_what_each_subject_says_alone(stage, prompts):
    asked = stage.ask(prompts[::4])
    random.Random(1).shuffle(asked)
    together = texts(stage.vllm, asked)
    scored = stage.ask(prompts[::4], continuations=FORMS)
    at_once = logps(stage.vllm, scored)
    for subject in stage.subjects:
        assert texts(stage.vllm, [r for r in asked if r.subject == subject]).items() <= together.items()
        for key, alone in logps(stage.vllm, [r for r in scored if r.subject == subject]).items():
            assert alone.logps == pytest.approx(at_once[key].logps, abs=1e-5)


def test_the_base_is_the_base_whatever_the_slots_hold(stage):
    """In a CPU's kernels a request without an adapter reads the last slot: every adapter comes to stand in it."""
    base, *others = stage.subjects
    for n in range(len(others)):
        fresh = [f"Is it true that {n + 1} more boats come to town {k}? Yes or No?" for k in range(4)]
        asked = stage.ask(fresh, subjects=[*others[n:], *others[:n], base], continuations=FORMS)
        ours, theirs = logps(stage.ours, asked), logps(stage.vllm, asked)
        assert all(theirs[r.key].logps == pytest.approx(ours[r.key].logps, abs=1e-3) for r in asked)


def test_more_last_tokens_than_one_request_may_ask(stage, prompts):
    renderer = stage.vllm.renderer
    words = [t for t in (renderer.decode([i]) for i in range(10, 900)) if len(renderer.continuation_ids(t)) == 1]
    forms = tuple(dict.fromkeys(words))[:300]
    assert len(forms) > 2 * 128
    asked = stage.ask(prompts[:1], subjects=stage.subjects[:2], continuations=forms)
    ours, theirs = logps(stage.ours, asked), logps(stage.vllm, asked)
    assert all(theirs[k].logps == pytest.approx(ours[k].logps, abs=1e-3) for k in ours)


def test_what_does_not_fit_is_overlong_in_both(stage):
    room = stage.ours.network.max_positions
    assert stage.vllm.max_positions == room
    word = "chair "
    empty, one = (len(stage.vllm.renderer.prompt_ids((Turn("user", word * n),))) for n in (10, 11))
    most = 10 + (room - empty) // (one - empty)
    asked = stage.ask([word * (most - n) for n in range(0, 80, 4)], subjects=stage.subjects[:2])
    ours, theirs = texts(stage.ours, asked), texts(stage.vllm, asked)
    assert [ours[r.key][2] == "overlong" for r in asked] == [theirs[r.key][2] == "overlong" for r in asked]
    assert {why == "overlong" for _, _, why in theirs.values()} == {True, False}
    forms = ("Yes", "No, it is not so.")
    scored = stage.ask([word * (most - n) for n in range(12)], subjects=stage.subjects[:2], continuations=forms)
    want, got = logps(stage.ours, scored), logps(stage.vllm, scored)
    assert {not s.logps for s in got.values()} == {True, False}
    for key in want:
        assert got[key].logps == pytest.approx(want[key].logps, abs=1e-3)
    lengths = {
        len(stage.vllm.renderer.prompt_ids(r.turns)) + want[r.key].n_tokens[1] for r in scored if want[r.key].logps
    }
    assert max(lengths) >= room - 1, "none filled the context"


def test_a_sampled_response_is_its_keys(stage, prompts):
    warm = Sampling(max_new_tokens=20, temperature=1.0, top_p=0.95)
    asked = stage.ask(prompts[:10], subjects=stage.subjects[:3], sampling=warm)
    first = texts(stage.vllm, asked)
    assert texts(stage.vllm, asked[::-1]) == first
    alone = texts(stage.vllm, asked[4:5])
    assert alone[asked[4].key] == first[asked[4].key]
    other = [dataclasses.replace(r, key=f"other-{r.key}") for r in asked]
    assert sum(texts(stage.vllm, other)[f"other-{r.key}"] != first[r.key] for r in asked) > len(asked) / 2
    greedy = texts(stage.vllm, stage.ask(prompts[:10], subjects=stage.subjects[:3]))
    assert any(first[r.key] != greedy[r.key] for r in asked)


def test_samples_follow_the_model(stage):
    """The share of samples that begin with each word against the in-process probability."""
    n, turns = 600, "Is the sky blue?"
    once = Sampling(max_new_tokens=1, temperature=1.5)
    (request,) = stage.ask([turns], subjects=stage.subjects[1:2], sampling=once)
    drawn = texts(stage.vllm, [dataclasses.replace(request, key=f"draw-{i}") for i in range(n)])
    import torch

    from holdfast.models import adapters

    network = stage.ours.network
    adapters.load(network, request.subject.adapter)
    stage.ours._loaded = None
    with torch.no_grad():
        p = network.model(torch.tensor([network.renderer.prompt_ids(request.turns)])).logits[0, -1].div(1.5).softmax(-1)
    for i in p.topk(3).indices.tolist():
        share = sum(text == network.renderer.decode([i]) and k == 1 for text, k, _ in drawn.values()) / n
        assert share == pytest.approx(float(p[i]), abs=4 * (float(p[i]) * (1 - float(p[i])) / n) ** 0.5 + 1 / n)


def test_an_adapter_that_changes_nothing_is_caught(stage):
    from holdfast.models.backend import NotLive

    turns = (Turn("user", "Is the sky blue?"),)
    for subject in stage.subjects:
        stage.vllm.assert_live(subject, turns)
    dead = Subject("dead", "miniature", str(write_adapter(stage.ours.network, stage.folder / "dead", 8, spread=0.0)))
    stage.ours._loaded = None
    for backend in (stage.ours, stage.vllm):
        with pytest.raises(NotLive, match="not live"):
            backend.assert_live(dead, turns)


def test_identity_is_that_of_the_in_process_backend(stage):
    assert [stage.vllm.identity(s) for s in stage.subjects] == [s.id for s in stage.subjects]


def test_an_adapter_that_changed_on_disk_is_read_again(stage, prompts):
    folder = stage.folder / "changing"
    shutil.copytree(stage.subjects[1].adapter, folder)
    asked = stage.ask(prompts[:6], subjects=[Subject("changing", "miniature", str(folder))])
    before = list(texts(stage.vllm, asked).values())
    shutil.rmtree(folder)
    shutil.copytree(stage.subjects[2].adapter, folder)
    after = list(texts(stage.vllm, asked).values())
    assert before == list(texts(stage.vllm, stage.ask(prompts[:6], subjects=stage.subjects[1:2])).values())
    assert after == list(texts(stage.vllm, stage.ask(prompts[:6], subjects=stage.subjects[2:3])).values())
    assert before != after


def test_what_cannot_be_served_is_refused_in_one_sentence(stage, tmp_path):
    turns = (Turn("user", "Is the sky blue?"),)

    def refused(match, request):
        with pytest.raises(UserError, match=match) as said:
            list(stage.vllm.generate([request]))
        assert "\n" not in str(said.value)

    (request,) = stage.ask(["Is the sky blue?"], subjects=stage.subjects[:1])
    for heat in (0.001, 2.5):
        refused("temperature", dataclasses.replace(request, sampling=Sampling(temperature=heat)))
    large = write_adapter(stage.ours.network, tmp_path / "large", 64)
    refused("larger than those", dataclasses.replace(request, subject=Subject("", "miniature", str(large))))
    # An adapter that begins at certain tokens only is refused before vLLM sees it.
    strange = write_adapter(stage.ours.network, tmp_path / "strange", 16, spread=0.01)
    config = json.loads((strange / "adapter_config.json").read_text())
    (strange / "adapter_config.json").write_text(json.dumps(config | {"alora_invocation_tokens": [5]}))
    refused("acts only after its own tokens", dataclasses.replace(request, subject=Subject("", "m", str(strange))))
    with pytest.raises(UserError, match="holds no token"):
        list(stage.vllm.score([dataclasses.replace(request, continuations=("Yes", ""))]))
    stage.vllm.assert_live(stage.subjects[1], turns)  # the engine lives on


def test_models_that_vllm_does_not_know_are_refused(stage, tmp_path):
    from transformers import GPTNeoConfig, GPTNeoForCausalLM, LlamaConfig, LlamaForCausalLM

    from holdfast.config.study import ModelSpec
    from holdfast.models.vllm_engine import VLLM

    special = {"bos_token_id": 1, "eos_token_id": 2, "max_position_embeddings": 128, "vocab_size": 1024}
    models = {
        "not supported": GPTNeoForCausalLM(
            GPTNeoConfig(
                hidden_size=32, num_layers=2, num_heads=2, attention_types=[[["global", "local"], 1]], **special
            )
        ),
        "head_dim=8": LlamaForCausalLM(
            LlamaConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, **special)
        ),
    }
    for n, (why, model) in enumerate(models.items()):
        folder = tmp_path / str(n)
        model.save_pretrained(folder)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(files("holdfast.miniature") / "model" / name, folder)
        with pytest.raises(UserError, match=why) as said:
            VLLM(ModelSpec(name="odd", path=str(folder)))
        assert "in_process" in str(said.value)
        assert "\n" not in str(said.value)
    with pytest.raises(UserError, match="device: auto"):
        VLLM(ModelSpec(name="odd", path="package:holdfast.miniature/model", device="cuda:3"))
    with pytest.raises(UserError, match=r"odd is to lie on 2 GPUs .* and this vLLM runs on a CPU"):
        VLLM(ModelSpec(name="odd", path="package:holdfast.miniature/model", gpus=2))


def test_the_ranks_are_of_both_kinds():
    from holdfast.models.vllm_adapters import RANKS as KERNELS

    assert {rank in KERNELS for rank in RANKS} == {True, False}
