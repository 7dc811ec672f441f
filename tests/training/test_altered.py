"""What training keeps is believed only as it was written: it is named, and made again or refused."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import tiny_world
from safetensors.torch import load_file
from tiny_world import contents, job

from holdfast.store.folder import RunFolder
from holdfast.training import loop
from holdfast.training.job import check_checkpoint, finished
from holdfast.training.loop import train
from holdfast.types import UserError


def flip(file: Path, draw: random.Random, header: bool = False) -> None:
    """One bit: of the tensors, or of what is said about them."""
    data = bytearray(file.read_bytes())
    begin = 8 + int.from_bytes(data[:8], "little")
    at = draw.randrange(8, begin) if header else draw.randrange(begin, len(data))
    data[at] ^= 1 << draw.randrange(8)
    file.write_bytes(data)


def stopped(network, root: Path, name: str, monkeypatch, steps: int = 6) -> RunFolder:
    """A run that was killed some steps after its last state."""
    monkeypatch.setattr(loop, "STATE_EVERY", 5)
    folder = tiny_world.folder(root)

    class Killed(BaseException):
        pass

    def kill(event):
        kill.steps += event["unit"] == "tokens"
        if kill.steps == steps:
            raise Killed

    kill.steps = 0
    with pytest.raises(Killed):
        train(job(network, name), folder, network, kill)
    return folder


def notes(network, name: str, folder: RunFolder) -> list[str]:
    events: list = []
    train(job(network, name), folder, network, events.append)
    return [e["note"] for e in events if "note" in e]


@pytest.fixture
def whole(network, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY", 5)
    folder = tiny_world.folder(tmp_path / "whole")
    train(job(network, "dpo"), folder, network)
    return folder


@pytest.mark.parametrize("seed", range(4))
def test_a_state_with_one_flipped_bit_is_named_and_the_run_ends_with_the_same_bytes(
    network, tmp_path, monkeypatch, whole, seed
):
    folder = stopped(network, tmp_path / "a", "dpo", monkeypatch)
    flip(folder.state / "state.safetensors", random.Random(seed), header=seed == 3)
    (note,) = notes(network, "dpo", folder)
    assert "state of training" in note
    assert "trained again from the beginning" in note
    assert contents(folder.root) == contents(whole.root)


def test_another_objectives_state_is_not_taken(network, tmp_path, monkeypatch, whole):
    folder = stopped(network, tmp_path / "a", "dpo", monkeypatch)
    other = stopped(network, tmp_path / "b", "orpo", monkeypatch)
    name = "state.safetensors"
    mine, theirs = load_file(folder.state / name), load_file(other.state / name)
    assert {k: v.shape for k, v in mine.items()} == {k: v.shape for k, v in theirs.items()}
    (folder.state / name).write_bytes((other.state / name).read_bytes())
    (note,) = notes(network, "dpo", folder)
    assert "belongs to something else" in note
    assert contents(folder.root) == contents(whole.root)


def test_metrics_that_were_altered_are_made_again(network, tmp_path, monkeypatch, whole):
    folder = stopped(network, tmp_path / "a", "dpo", monkeypatch)
    text = folder.metrics_jsonl.read_text()
    folder.metrics_jsonl.write_text(
        text.replace('"clipped": true', '"clipped": false', 1).replace('"loss": 0', '"loss": 1', 1)
    )
    assert folder.metrics_jsonl.read_text() != text
    (note,) = notes(network, "dpo", folder)
    assert "metrics.jsonl is not what was written" in note
    assert contents(folder.root) == contents(whole.root)


@pytest.mark.parametrize("damage", ["bit", "header", "cut"])
def test_references_that_were_altered_are_named_and_made_again(network, tmp_path, monkeypatch, whole, damage):
    folder = stopped(network, tmp_path / "a", "dpo", monkeypatch)
    (file,) = (folder.root / "references").rglob("*.safetensors")
    before = file.read_bytes()
    if damage == "cut":
        file.write_bytes(before[:-7])
    else:
        flip(file, random.Random(1), header=damage == "header")
    (note,) = notes(network, "dpo", folder)
    assert "reference log-probs" in note
    assert "made again" in note
    assert file.read_bytes() == before
    assert contents(folder.root) == contents(whole.root)


def test_a_checkpoint_with_one_flipped_bit_is_refused_by_name_and_made_again_once_it_is_deleted(
    network, tmp_path, whole
):
    before, budgets = contents(whole.root), job(network, "dpo").budgets
    first = whole.checkpoint(budgets[0])
    for budget in budgets:
        check_checkpoint(whole.checkpoint(budget))
    flip(first / "adapter_model.safetensors", random.Random(0))
    with pytest.raises(UserError, match=r"is not what was written \(adapter_model.safetensors changed\)"):
        check_checkpoint(first)
    for file in first.iterdir():
        file.unlink()
    first.rmdir()
    assert not finished(whole, budgets)
    assert notes(network, "dpo", whole) == []
    assert contents(whole.root) == before
