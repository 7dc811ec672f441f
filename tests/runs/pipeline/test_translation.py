"""A study whose Zulu attack is translated by a model on the way: planned, run, resumed, and grown."""

from __future__ import annotations

import json

import pytest
import yaml

from holdfast.runs import pipeline
from holdfast.store import tables
from holdfast.store.folder import StudyFolder
from holdfast.types import Judgement, Record, UserError

torch = pytest.importorskip("torch")
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SMALL = """
name: translated
models: [{name: miniature, path: "package:holdfast.miniature/model"}]
tasks: [{name: arithmetic, task: miniature_arithmetic}]
objectives: [{label: SFT, objective: sft}]
budgets: [600]
controls: {batch_rows: 4, warmup_steps: 1}
workers: 1
"""


@pytest.fixture
def translator(tmp_path):
    """A tiny random model of NLLB's kind, which ends every line after six tokens."""
    from transformers import M2M100Config, M2M100ForConditionalGeneration, NllbTokenizer

    words = ["<s>", "<pad>", "</s>", "<unk>", "▁", *LETTERS, *(f"▁{c}" for c in LETTERS)]
    vocab = {w: i for i, w in enumerate(words)}
    codes = ["eng_Latn", "zul_Latn"]
    tokenizer = NllbTokenizer(vocab=vocab, merges=[("▁", c) for c in LETTERS], extra_special_tokens=codes)
    size = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    heads = {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "max_position_embeddings": 256}
    ids = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2}
    with torch.random.fork_rng():
        torch.manual_seed(4)
        config = M2M100Config(vocab_size=len(tokenizer), **size, **heads, **ids, init_std=1.0)
        model = M2M100ForConditionalGeneration(config)
    model.generation_config.forced_eos_token_id = 2
    tokenizer.save_pretrained(tmp_path / "nllb")
    model.save_pretrained(tmp_path / "nllb")
    return {"model": str(tmp_path / "nllb"), "max_new_tokens": 6, "beams": 1}


def study(tmp_path, translator, prompts=3):
    asked = tmp_path / "own.txt"
    asked.write_text("\n".join(f"how do you fold hat {'abcde'[n]}" for n in range(5)))
    zulu = {"translations": str(tmp_path / "zulu.json"), "translator": translator}
    measure = {
        "measure": "forbidden",
        "items": prompts,
        "max_new_tokens": 6,
        "judges": ["rules"],
        "params": {"path": str(asked), "attacks": ["zulu"], "attack_params": {"zulu": zulu}},
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(SMALL) | {"measures": [measure]}))
    return path


def read(root):
    folder = StudyFolder(root)
    records = [r for p in folder.record_shards() for r in tables.read_rows(p, "records", Record)]
    said = [j for p in folder.judgement_shards() for j in tables.read_rows(p, "judgements", Judgement)]
    return records, said


def contents(root):
    return {
        str(p.relative_to(root)): p.read_bytes()
        for d in ("records", "judgements")
        for p in (root / d).rglob("*.parquet")
    }


@pytest.mark.slow
def test_a_study_translates_on_the_way_and_once(tmp_path, translator, monkeypatch):
    without = {name: stage for name, stage in pipeline.STAGES.items() if name not in ("analyse", "report")}
    monkeypatch.setattr(pipeline, "STAGES", without)
    path, out, file = study(tmp_path, translator), tmp_path / "out", tmp_path / "zulu.json"
    assert [c.requests for c in pipeline.plan(path).configs] == [3 * 2 * 2]
    assert not file.exists()  # a plan writes nothing

    pipeline.run(path, out, quiet=True)
    records, said = read(out)
    assert len(records) == len(said) == 2 * 3 * 2  # subjects × prompts × (direct, Zulu)
    assert {j.reason for j in said} == {None}
    kept = json.loads(file.read_text())
    assert len(kept["prompts"]) == 3
    zulu = {r.response.strip() for r in records if r.attack == "zulu" and r.response.strip()}
    assert set(kept["responses"]) == zulu
    shares = pipeline.status(path, out)["stages"]
    assert all(shares[name]["planned"] == shares[name]["present"] == n for name, n in (("respond", 12), ("judge", 12)))

    before, translations = contents(out), file.read_bytes()
    pipeline.run(path, out, quiet=True)
    assert contents(out) == before
    assert file.read_bytes() == translations

    pipeline.run(study(tmp_path, translator, prompts=4), out, quiet=True)  # it grows
    grown = {r.id: r for r in read(out)[0]}
    assert len(grown) == 2 * 4 * 2
    assert {r.id for r in records} <= grown.keys()
    assert len(json.loads(file.read_text())["prompts"]) == 4


def test_a_translator_that_is_not_there_is_said_before_anything_is_trained(tmp_path):
    path = study(tmp_path, {"model": str(tmp_path / "nowhere")})
    with pytest.raises(UserError, match="there is no model at"):
        pipeline.run(path, tmp_path / "out", quiet=True)
    assert not (tmp_path / "out" / "trajectories").exists()
