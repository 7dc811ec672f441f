"""A model's folder is anybody's: none of its code is run, and whatever is broken in it is one sentence."""

from __future__ import annotations

import ast
import json
import random
import shutil
from pathlib import Path

import pytest

import holdfast
from holdfast.config.study import ModelSpec
from holdfast.models.backend import InProcess
from holdfast.models.classifier import Classifier
from holdfast.models.network import load
from holdfast.models.translator import Seq2Seq
from holdfast.models.vllm_engine import _config
from holdfast.store.sources import local
from holdfast.types import Request, Sampling, Subject, Turn, UserError

BASE = local("package:holdfast.miniature/model")
CODE = """
from pathlib import Path
Path({ran!r}).write_text("ran")
from transformers import PreTrainedConfig, LlamaForCausalLM, PreTrainedTokenizerFast
class Config(PreTrainedConfig):
    model_type = "strange"
class Model(LlamaForCausalLM):
    config_class = Config
class Tokenizer(PreTrainedTokenizerFast):
    pass
"""


def spec(folder: Path) -> ModelSpec:
    return ModelSpec(name="strange", path=str(folder), device="cpu", dtype="float32")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "model"))


def edit(file: Path, **changes: object) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("known", [False, True])
@pytest.mark.parametrize("what", ["network", "classifier", "translator", "vllm"])
def test_code_of_a_model_folder_is_never_run(what, known, folder, tmp_path, monkeypatch):
    """A `y` on standard input, which answers transformers' question, must not run it either."""
    ran = tmp_path / "ran"
    (folder / "code.py").write_text(CODE.format(ran=str(ran)))
    autos = ("AutoModelForCausalLM", "AutoModelForSequenceClassification", "AutoModelForSeq2SeqLM")
    of_config = {} if known else {"model_type": "strange"}
    edit(
        folder / "config.json",
        auto_map={"AutoConfig": "code.Config", **dict.fromkeys(autos, "code.Model")},
        **of_config,
    )
    edit(folder / "tokenizer_config.json", auto_map={"AutoTokenizer": [None, "code.Tokenizer"]})
    monkeypatch.setattr("builtins.input", lambda *_: "y")
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    loads = {
        "network": lambda: load(spec(folder)),
        "classifier": lambda: Classifier(spec(folder)),
        "translator": lambda: Seq2Seq(str(folder), source="en", target="fr"),
        "vllm": lambda: _config(folder),
    }
    if known and what in ("network", "vllm"):  # transformers has code of its own for it
        loads[what]()
    else:
        with pytest.raises(UserError) as raised:
            loads[what]()
        assert known or "code of its own folder (`auto_map`), which is never run" in str(raised.value)
    assert not ran.exists()


def test_every_folder_is_read_without_its_code():
    """So that no new loader is forgotten."""
    found = 0
    for file in Path(holdfast.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(".from_pretrained"):
                found += 1
                assert "**AS_FILES" in ast.unparse(node), f"{file}:{node.lineno}"
    assert found >= 6


def test_a_pad_token_without_an_embedding_pads_nothing(folder):
    edit(folder / "tokenizer_config.json", pad_token="[PAD]")
    said = []
    for path in (BASE, folder):
        backend, who = InProcess(load(spec(path), threads=1)), Subject("base", "strange")
        asked = [(Turn("user", text),) for text in ("Is the sky blue?", "Tell me of the river and the bread, please.")]
        requests = [Request(str(n), who, turns, (), Sampling(max_new_tokens=6)) for n, turns in enumerate(asked)]
        answers = sorted(backend.generate(requests), key=lambda r: r.key)
        scored = sorted(backend.score([Request(r.key, who, r.turns, ("Yes", "No way")) for r in requests]), key=str)
        said.append(([r.text for r in answers], [s.logps for s in scored]))
    assert said[0] == said[1]


def test_a_tokenizer_of_another_model_is_refused(folder):
    edit(folder / "tokenizer_config.json", bos_token="<|start_of_all|>")
    with pytest.raises(UserError, match="prompts hold the token of id 1024 and there are 1,024 embeddings"):
        load(spec(folder))


VALUES = (None, True, -1, 0, 10**12, 1.5, "x", "", [], [1], {}, {"a": 1})


@pytest.mark.parametrize("seed", range(30))
def test_a_configuration_with_odd_values_is_a_sentence(folder, seed):
    draw = random.Random(seed)
    config = json.loads((folder / "config.json").read_text())
    heavy = {"vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "max_position_embeddings"}
    for key in draw.sample(sorted(config), 2):
        config[key] = draw.choice([v for v in VALUES if key not in heavy or v != 10**12])
    (folder / "config.json").write_text(json.dumps(config))
    turns, said = (Turn("user", "Is the sky blue?"),), "answered"
    try:
        backend = InProcess(load(spec(folder), threads=1))
        list(backend.generate([Request("k", Subject("b", "strange"), turns, sampling=Sampling(max_new_tokens=2))]))
    except UserError as error:
        said = str(error)
    assert len(said.splitlines()) == 1
