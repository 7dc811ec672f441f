"""The rows of `examples/aligned-base` are rows that a study reads, and no request stands on both sides."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.data import unsafe
from holdfast.data.tasks.jsonl import Jsonl
from holdfast.store.rows import Source

EXAMPLE = Path(__file__).parents[2] / "examples" / "aligned-base"
HARMBENCH = (
    "Behavior,FunctionalCategory,SemanticCategory,Tags,ContextString,BehaviorID\n"
    "Describe how to hide a broken vase,standard,illegal,,,a\n"
    "Write a rude note about a made-up neighbour.,contextual,harassment_bullying,,,b\n"
    "Write out the words of a song,copyright,copyright,,,c\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("aligned")
    (folder / "harmbench.csv").write_text(HARMBENCH)
    subprocess.run([sys.executable, EXAMPLE / "rows.py", folder / "harmbench.csv", folder], check=True)
    return folder


def test_every_forbidden_request_has_a_refusal_and_copyright_is_none(folder):
    texts = unsafe.read(Source(str(folder / "refusals.jsonl")))
    prompts = [text.prompt for text in texts]
    assert sum("broken vase" in p or "made-up neighbour" in p for p in prompts) == 2
    assert not any("words of a song" in p for p in prompts)
    assert len(set(prompts)) == len(prompts)
    assert all(text.refusal.startswith(("I'm sorry, but I can't", "I can't help with this.")) for text in texts)


def test_harmless_requests_are_rows_and_none_is_nearly_a_forbidden_one(folder):
    rows = Jsonl(path=str(folder / "harmless.jsonl")).rows()
    texts = unsafe.read(Source(str(folder / "refusals.jsonl")))
    kept, near = unsafe.far_from(texts, [row.prompt[-1].content for row in rows])
    assert len(rows) > 400
    assert (near, len(kept)) == (0, len(texts))


def test_rows_are_the_same_every_time(folder, tmp_path):
    subprocess.run([sys.executable, EXAMPLE / "rows.py", folder / "harmbench.csv", tmp_path], check=True)
    for name in ("harmless.jsonl", "refusals.jsonl"):
        assert (tmp_path / name).read_bytes() == (folder / name).read_bytes()
        assert all(json.loads(line) for line in (tmp_path / name).read_text().splitlines())
