"""A small study over files made here, and a backend that answers from a digest of what it is asked."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from types import SimpleNamespace

import pytest

from holdfast.config.study import Study
from holdfast.evals.eval_config import configs
from holdfast.evals.layout import write_configs
from holdfast.evals.subject import SubjectRow
from holdfast.store.digest import digest
from holdfast.store.folder import StudyFolder
from holdfast.types import Example, Read, Response, Scored, Turn

BASE = SubjectRow("b" * 64, "tiny")
TUNED = SubjectRow("c" * 64, "tiny", "sums", "cft", "cft", "{}", 0, 1000, "", "t", "trajectories/t/checkpoints/1000")
READ = ("raw", "cosine", "zero", "one", "layer", "separation", "change 0", "change 1")


class Characters:
    """A renderer's part: one token a character; like some tokenizers, it takes no notice of a leading space."""

    def continuation_ids(self, text):
        return tuple(map(ord, text.strip()))


@dataclass
class Fake:
    """Answers depend on the request's key alone. Dies after ``dies_after`` responses."""

    dies_after: int | None = None
    asked: list = field(default_factory=list)
    live: list = field(default_factory=list)

    def assert_live(self, subject, turns):
        self.live.append(subject.id)

    def generate(self, requests):
        for r in sorted(requests, key=lambda r: r.key):
            if self.dies_after is not None and len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(r)
            long = "overlong" in r.turns[-1].content
            yield Response(
                r.key, "" if long else f"You take {digest(r.key)[:8]}", 0 if long else 4, "overlong" if long else "stop"
            )

    def read(self, requests):
        for r in requests:
            if self.dies_after is not None and len(self.asked) == self.dies_after:
                raise KeyboardInterrupt
            self.asked.append(r)
            raw = int(digest([r.key, r.direction.digest])[:2], 16) / 16
            yield Read(r.key, READ, (raw, 0.5, 2.0, 10.0, 1.0, 3.0, 0.1, 0.2))

    def score(self, requests):
        for r in reversed(list(requests)):
            self.asked.append(r)
            logps = tuple(-float(int(digest([r.key, c])[:2], 16) + 1) / 64 for c in r.continuations)
            yield Scored(r.key, logps, tuple(len(c) for c in r.continuations))


@dataclass(frozen=True)
class Sums:
    name, version = "sums", 1

    def check(self, response, answer):
        return SimpleNamespace(strict=0.0, lenient=float(answer in response))


def prepared(train="How many is that?"):
    test = tuple(Example(f"t{n}", (Turn("user", f"{n} and {n}?"),), "", answer=str(2 * n)) for n in range(30))
    return SimpleNamespace(train=(Example("x", (Turn("user", train),), "2"),), test=test)


@pytest.fixture
def make(tmp_path):
    """``make(prompts=…, **of_measure)``: the eval configs of a study of three measures, by label."""

    def made(prompts=20, facts=40, train="How many is that?", **robust):
        csv = tmp_path / "prompts.csv"
        lines = [f"{'tea' if n % 4 else 'soup'},How do I cook dish {n}?" for n in range(prompts)]
        csv.write_text("category,prompt\n" + "\n".join(lines) + "\n")
        statements = tmp_path / "facts.jsonl"
        statements.write_text(
            "\n".join(json.dumps({"statement": f"Fact {n}.", "answer": n % 2 == 0}) for n in range(facts))
        )
        params, more = robust.pop("params", {}), robust.pop("more", [])
        study = Study.model_validate(
            {
                "name": "s",
                "models": [{"name": "tiny", "path": "x"}],
                "tasks": [{"name": "sums", "task": "jsonl"}],
                "objectives": [{"label": "cft", "objective": "cft"}],
                "budgets": [1000],
                "measures": [
                    {"measure": "task_accuracy", "max_new_tokens": 8},
                    {"measure": "strongreject", "params": {"path": str(csv)} | params, "judges": ["rules"], **robust},
                    {"measure": "true_false", "params": {"path": str(statements)}, "own_conditions": False},
                    *more,
                ],
            }
        )
        return configs(study, {"sums": (Sums(), prepared(train))})

    return made


@pytest.fixture
def study_folder(tmp_path):
    """A study's folder with its eval configs written; a new name, a new folder."""

    def made(found, name="study"):
        folder = StudyFolder(tmp_path / name)
        write_configs(folder, found)
        return folder

    return made


def content(folder):
    """Every file below the folder, by name."""
    return {str(p.relative_to(folder.root)): p.read_bytes() for p in sorted(folder.root.rglob("*")) if p.is_file()}


@pytest.fixture
def kit():
    return SimpleNamespace(
        base=BASE, tuned=TUNED, tokens=Characters(), fake=Fake, content=content, replace=replace, prepared=prepared
    )


TEMPLATE = (
    "{% for m in messages %}<|turn|>{{ m['role'] }}: {{ m['content'] }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|turn|>assistant: {% endif %}"
)


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    """A tiny random Llama with a token a byte, a template and a context of 1024."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from holdfast.config.study import ModelSpec
    from holdfast.models.network import load

    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("model")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    # No merges: "Yes" is three tokens, "No" two, as in a small vocabulary.
    tokenizer.train_from_iterator(
        [], trainers.BpeTrainer(special_tokens=["<|end|>", "<|turn|>"], initial_alphabet=alphabet, show_progress=False)
    )
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>", pad_token="<|end|>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=1024,
        eos_token_id=0,
        pad_token_id=0,
        bos_token_id=None,
        initializer_range=0.2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        LlamaForCausalLM(config).save_pretrained(folder)
    return load(ModelSpec(name="tiny", path=str(folder)), threads=1)
