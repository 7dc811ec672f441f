"""What determines an answer determines its row: nothing that was asked otherwise is ever read from what is there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.data.renderer import Renderer
from holdfast.evals.respond import request_key, respond_subject, rows
from holdfast.models.identity import subject_id
from holdfast.types import Prompt, Sampling, Subject, Turn

TURNS = st.lists(st.builds(Turn, st.sampled_from(["system", "user"]), st.text(max_size=3)), min_size=1, max_size=2)
SAMPLING = st.builds(
    Sampling,
    max_new_tokens=st.sampled_from([8, 9]),
    temperature=st.sampled_from([0.5, 1.0]),
    top_p=st.sampled_from([0.9, 1.0]),
    seed=st.integers(0, 2),
)
ASKED = st.tuples(st.sampled_from("ab"), TURNS.map(tuple), SAMPLING, st.integers(0, 2))


@settings(max_examples=100, deadline=None)
@given(ASKED, ASKED)
def test_two_requests_share_a_key_only_if_they_are_the_same(one, other):
    keys = [request_key(Subject(who, "m"), Prompt("i", turns), how, sample) for who, turns, how, sample in (one, other)]
    assert (keys[0] == keys[1]) == (one == other)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(max_size=3), min_size=1, max_size=3), st.lists(st.text(max_size=3), min_size=1, max_size=3))
def test_turns_do_not_run_into_one_another(one, other):
    keys = [
        request_key(Subject("s", "m"), Prompt("i", tuple(Turn("user", t) for t in texts)), Sampling(), 0)
        for texts in (one, other)
    ]
    assert (keys[0] == keys[1]) == (one == other)


def ids(found, kit, root, subject=None):
    (config,) = [c for c in found if c.label == "strongreject"]
    return {
        (r.item.id, r.prompt.attack, r.sample): r.id
        for r in rows(config, subject or kit.base.speaker(root), None)
        if r.request
    }


def test_another_attack_text_shares_no_row_and_asks_anew(make, study_folder, kit, tmp_path):
    texts = tmp_path / "attacks.yaml"
    asked = []
    folder, found = None, []
    for text in ("Please: {prompt}", "Please! {prompt}"):
        texts.write_text(yaml.safe_dump({"dan": {"version": 1, "text": text}}))
        found.append(make(params={"attacks": ["dan"], "attack_params": {"dan": {"file": str(texts)}}}))
        folder, backend = study_folder(found[-1]), kit.fake()
        respond_subject(backend, kit.tokens, kit.base, found[-1][1:2], folder)
        asked.append({r.turns[-1].content for r in backend.asked})
    first, second = asked
    assert len(first) == len(second) == 40  # the direct requests too: the eval config is another
    assert {t for t in first if t.startswith("Please")}.isdisjoint(second)
    texts.write_text(yaml.safe_dump({"dan": {"version": 1, "text": "Please: {prompt}"}}))
    study_folder(found[0])
    back = kit.fake()
    respond_subject(back, kit.tokens, kit.base, found[0][1:2], folder)
    assert back.asked == []  # the former text's rows were kept for it


def test_another_sampling_seed_shares_no_row(make, kit, tmp_path):
    one, other = (make(temperature=1.0, seed=seed, params={"attacks": ["dan"]}) for seed in (0, 1))
    first, second = ids(one, kit, tmp_path), ids(other, kit, tmp_path)
    assert first.keys() == second.keys()
    assert set(first.values()).isdisjoint(second.values())


def test_another_template_or_adapter_is_another_subject(network, make, kit, tmp_path, adapter_pair):
    folder = Path(network.spec.path)
    mine, other = tmp_path / "mine.jinja", tmp_path / "other.jinja"
    mine.write_text("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    other.write_text("{% for m in messages %}{{ m['content'] }}!{% endfor %}")
    renderers = [Renderer(folder), Renderer(folder, template=mine), Renderer(folder, template=other)]
    templates = [r.digest for r in renderers]
    adapters = [None, *adapter_pair]
    subjects = [subject_id(network.digest, t, a) for t in templates for a in adapters]
    assert len(set(subjects)) == len(subjects) == 9
    found = make(prompts=3)
    seen = [id for s in subjects for id in ids(found, kit, tmp_path, Subject(s, "tiny")).values()]
    assert len(set(seen)) == len(seen)


@pytest.fixture
def adapter_pair(network, tmp_path):
    """Two adapters that differ in one weight."""
    import torch

    from holdfast.config.study import LoraSpec
    from holdfast.models import adapters

    adapters.attach(network, LoraSpec(rank=2, alpha=4), "lora", 0)
    paths = [tmp_path / "one", tmp_path / "two"]
    adapters.save(network, paths[0])
    with torch.no_grad():
        next(iter(adapters.trainable(network).values())).view(-1)[0] += 1e-3
    adapters.save(network, paths[1])
    adapters.detach(network)
    return paths


def test_another_translation_asks_its_own_row_again_and_no_other(make, kit, tmp_path):
    path = tmp_path / "zulu.json"

    def translated(**changed):
        table = {f"How do I cook dish {n}?": f"Isidlo {n}?" for n in range(4)} | changed
        path.write_text(json.dumps({"prompts": table}))
        found = make(prompts=4, params={"attacks": ["zulu"], "attack_params": {"zulu": {"translations": str(path)}}})
        return found[1].id, ids(found, kit, tmp_path)

    (config, before), (again, after) = translated(), translated(**{"How do I cook dish 2?": "Ukudla?"})
    assert config == again
    assert before.keys() == after.keys()
    changed = [k for k in before if before[k] != after[k]]
    assert [attack for _, attack, _ in changed] == ["zulu"]


def test_k_samples_are_drawn_of_every_prompt_under_every_attack(make, study_folder, kit):
    from collections import Counter

    found = make(prompts=4, temperature=1.0, samples=3, params={"attacks": ["dan", "base64", "prefix_injection"]})
    folder, backend = study_folder(found), kit.fake()
    respond_subject(backend, kit.tokens, kit.base, found[1:2], folder)
    assert len({r.key for r in backend.asked}) == len(backend.asked) == 4 * 4 * 3
    said = Counter((r.item.id, r.prompt.attack) for r in rows(found[1], kit.base.speaker(folder.root), None))
    assert set(said.values()) == {3}
    assert Counter(attack for _, attack in said) == {"none": 4, "dan": 4, "base64": 4, "prefix_injection": 4}
