"""What exact means: the same bytes where that is promised, loss and gradient to 1e-6 relative where it is not."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from dataclasses import replace

import pytest
import tiny_world
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny_world import EXAMPLES, OBJECTIVES, contents, job

from holdfast import interrupt
from holdfast.config.study import MOST_TOKENS, Controls, LoraSpec
from holdfast.data.stream import Usable, stream
from holdfast.models import adapters
from holdfast.models.layouts import micro_batches
from holdfast.objectives.kl_penalty import KLPenalty
from holdfast.objectives.mixture import Mixture, Part
from holdfast.store.adapter_files import adapter_digest
from holdfast.training import batches, loop, references
from holdfast.training.batches import Rows
from holdfast.training.controls import numerics
from holdfast.training.loop import train
from holdfast.training.references import reference_logps
from holdfast.types import UNSAFE


def tokens_of(settings: Controls) -> int:
    return MOST_TOKENS if settings.micro_tokens == "auto" else settings.micro_tokens


def step_of(network, name, settings, cache, examples=EXAMPLES[:9]):
    """Loss and gradient of one whole step, on an adapter that is not zero."""
    objective = OBJECTIVES[name]
    rows = Rows(objective, network.renderer)
    groups = rows.groups(examples)
    counts = batches.counts(groups, objective.needs, 0.0)
    adapters.attach(network, LoraSpec(rank=4, alpha=8), "lora", 0)
    parameters = adapters.trainable(network)
    with torch.no_grad():
        for p in parameters.values():
            p += torch.linspace(-0.05, 0.05, p.numel()).sin().reshape(p.shape) * 0.1
    references = None
    if objective.needs.ref_logps:
        references = reference_logps(network, groups, cache, numerics(network))
    total = 0.0
    for indices in micro_batches(groups, settings.layout, tokens_of(settings)):
        scores = batches.scores(network, [groups[i] for i in indices], objective.needs, settings, references)
        loss, _ = objective.loss(scores, counts)
        loss.backward()
        total += float(loss.detach())
    gradient = torch.cat([p.grad.flatten() for p in parameters.values()]).double()
    adapters.detach(network)
    return total, gradient


@pytest.mark.parametrize("name", OBJECTIVES)
def test_layout_split_and_head_do_not_change_loss_or_gradient(network, tmp_path, name):
    loss, gradient = step_of(network, name, Controls(), tmp_path)
    for layout, micro_tokens, head in [
        ("padded", 60, "frozen"),
        ("padded", 1, "frozen"),
        ("packed", 8192, "frozen"),
        ("packed", 90, "frozen"),
        ("shared", 8192, "frozen"),
        ("shared", 100, "frozen"),
        ("padded", 8192, "full"),
    ]:
        changed = Controls(layout=layout, micro_tokens=micro_tokens, head=head)
        other_loss, other_gradient = step_of(network, name, changed, tmp_path)
        assert other_loss == pytest.approx(loss, rel=1e-6)
        assert float((other_gradient - gradient).norm() / gradient.norm()) < 1e-6, (layout, micro_tokens, head)


@settings(max_examples=8, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_row_order_and_any_split_give_the_same_step(network, tmp_path_factory, data):
    name = data.draw(st.sampled_from(list(OBJECTIVES)))
    chosen = data.draw(st.lists(st.sampled_from(EXAMPLES), min_size=2, max_size=8, unique=True))
    shuffled = data.draw(st.permutations(chosen))
    other = Controls(
        layout=data.draw(st.sampled_from(["padded", "packed", "shared"])),
        micro_tokens=data.draw(st.integers(1, 400)),
    )
    cache = tmp_path_factory.mktemp("references")
    loss, gradient = step_of(network, name, Controls(), cache, chosen)
    other_loss, other_gradient = step_of(network, name, other, cache, shuffled)
    assert other_loss == pytest.approx(loss, rel=1e-6)
    assert float((other_gradient - gradient).norm() / gradient.norm()) < 1e-6


def test_gradient_checkpointing_changes_nothing(network, tmp_path):
    for name in ("sft", "dpo", "kl"):
        plain, kept = tmp_path / f"{name}-plain", tmp_path / f"{name}-kept"
        train(job(network, name, budgets=(3,)), tiny_world.folder(plain), network)
        train(job(network, name, budgets=(3,), gradient_checkpointing=True), tiny_world.folder(kept), network)
        assert (plain / "metrics.jsonl").read_bytes() == (kept / "metrics.jsonl").read_bytes()


@pytest.mark.parametrize("name", ["dpo", "cft"])
def test_a_repeated_run_gives_the_same_bytes(network, tmp_path, name):
    for run_ in ("a", "b"):
        train(job(network, name), tiny_world.folder(tmp_path / run_), network)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_order_of_the_source_rows_gives_the_same_bytes(network, tmp_path):
    for run_, examples in (("a", EXAMPLES), ("b", EXAMPLES[::-1])):
        made = tiny_world.rows(network, examples=examples)
        train(job(network, "dpo", stream=made), tiny_world.folder(tmp_path / run_), network)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize("name", ["sft", "orpo"])
def test_budgets_are_nested(network, tmp_path, name):
    """The 10-step checkpoint of a 30-step run is that of a 10-step run, byte by byte; so are its first metrics."""
    long, short = job(network, name, budgets=(10, 30)), job(network, name, budgets=(10,))
    train(long, tiny_world.folder(tmp_path / "long"), network)
    train(short, tiny_world.folder(tmp_path / "short"), network)
    budget = str(short.budgets[0])
    assert contents(tmp_path / "long/checkpoints" / budget) == contents(tmp_path / "short/checkpoints" / budget)
    first = (tmp_path / "long/metrics.jsonl").read_text().splitlines()[:10]
    assert first == (tmp_path / "short/metrics.jsonl").read_text().splitlines()


def test_a_ladder_grows_by_checkpoints_above_and_between(network, tmp_path):
    """Grown or trained at once: the same bytes, and what was done is not done again."""
    at_once, grown = tiny_world.folder(tmp_path / "at-once"), tiny_world.folder(tmp_path / "grown")
    train(job(network, "dpo", budgets=(3, 6, 9)), at_once, network)
    events: list = []
    train(job(network, "dpo", budgets=(6,)), grown, network)
    train(job(network, "dpo", budgets=(6, 9)), grown, network, events.append)
    assert [e["unit"] for e in events].count("tokens") == 3  # steps 7, 8 and 9 only
    train(job(network, "dpo", budgets=(3, 6, 9)), grown, network)
    a, b = contents(at_once.root), contents(grown.root)
    # References are kept in files as they came to be needed; their content is the same.
    assert {k: v for k, v in a.items() if "references" not in k} == {
        k: v for k, v in b.items() if "references" not in k
    }


def test_two_budgets_within_one_step_share_a_checkpoint(network, tmp_path):
    made = tiny_world.rows(network, steps=4)
    close = (made.tokens_after[2] - 1, made.tokens_after[2])
    folder = tiny_world.folder(tmp_path)
    train(replace(job(network, "sft", budgets=(4,), stream=made), budgets=close), folder, network)
    assert adapter_digest(folder.checkpoint(close[0])) == adapter_digest(folder.checkpoint(close[1]))


def test_a_second_pass_reads_the_same_rows_again(network, tmp_path):
    usable = Usable(EXAMPLES[:10], {})
    made = stream(usable, network.renderer, seed=0, budget=400, batch_rows=4, passes=9)
    folder = tiny_world.folder(tmp_path)
    train(replace(job(network, "dpo", stream=made, budgets=(len(made.steps),))), folder, network)
    about = tiny_world.lines(tmp_path / "checkpoints.jsonl")[-1]
    assert about.exposure["passes"] > 1
    assert about.exposure["rows"] == 4 * len(made.steps)
    assert tiny_world.lines(folder.metrics_jsonl)[-1].__dict__["pass"] >= 1


# -- several at once ------------------------------------------------------------------------------------------------


def test_a_mixtures_loss_and_gradient_are_the_weighted_sums_of_its_parts(network, tmp_path):
    loss, gradient = step_of(network, "mixture", Controls(), tmp_path)
    parts, at = OBJECTIVES["mixture"].parts, {}
    for part, name in zip(parts, ("orpo_prompt", "ip", "kl_penalty"), strict=True):
        one = OBJECTIVES.get(name) or KLPenalty()
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(OBJECTIVES, name, one)
            own, turned = step_of(network, name, Controls(), tmp_path)
        at = {"loss": at.get("loss", 0) + part.weight * own, "gradient": at.get("gradient", 0) + part.weight * turned}
    assert loss == pytest.approx(at["loss"], rel=1e-6)
    assert float((gradient - at["gradient"]).norm() / gradient.norm()) < 1e-6


@pytest.mark.parametrize("micro_tokens", [4096, 64])
def test_a_tagged_part_has_the_loss_of_its_rows_alone(network, tmp_path, monkeypatch, micro_tokens):
    """Also where a micro-batch, or a whole step, has none of them."""
    mixed = Mixture((Part("sft"), Part("dpo", weight=0.5, tag=UNSAFE)))
    monkeypatch.setitem(OBJECTIVES, "mixed", mixed)
    settings = Controls(micro_tokens=micro_tokens)
    rows = EXAMPLES[:9]
    tagged = [e for e in rows if UNSAFE in e.tags]
    assert 0 < len(tagged) < len(rows)
    loss, gradient = step_of(network, "mixed", settings, tmp_path, rows)
    parts = [(1.0, *step_of(network, "sft", settings, tmp_path, rows))]
    parts.append((0.5, *step_of(network, "dpo", settings, tmp_path, tagged)))
    assert loss == pytest.approx(sum(w * own for w, own, _ in parts), rel=1e-6)
    assert float((gradient - sum(w * g for w, _, g in parts)).norm() / gradient.norm()) < 1e-6
    plain = [e for e in rows if UNSAFE not in e.tags]
    assert step_of(network, "mixed", settings, tmp_path, plain)[0] == pytest.approx(
        step_of(network, "sft", settings, tmp_path, plain)[0], rel=1e-6
    )


def test_a_held_weight_follows_its_controller(network, tmp_path):
    folder = tiny_world.folder(tmp_path)
    train(job(network, "mixture"), folder, network)
    told = [line.objective for line in tiny_world.lines(folder.metrics_jsonl)]
    weight = 0.5
    for line in told:
        assert line["kl_penalty weight"] == pytest.approx(weight, rel=1e-12)
        weight *= 1 + 0.1 * max(-0.2, min(0.2, (line["kl_penalty kl"] - 0.02) / 0.02))
        assert line["ip weight"] == 1
    assert len({line["kl_penalty weight"] for line in told}) > 5


# -- killed and taken up again --------------------------------------------------------------------------------------


class Killed(BaseException):
    pass


@pytest.mark.parametrize("name", ["dpo", "kl", "mixture"])
def test_a_run_stopped_at_any_step_ends_with_the_same_bytes(network, tmp_path, monkeypatch, name):
    monkeypatch.setattr(loop, "STATE_EVERY", 5)
    whole = tiny_world.folder(tmp_path / "whole")
    train(job(network, name), whole, network)
    for stop in (1, 5, 8):
        folder = tiny_world.folder(tmp_path / f"stopped-{stop}")

        def kill(event, stop=stop):
            kill.steps += event["unit"] == "tokens"
            if kill.steps == stop:
                raise Killed

        kill.steps = 0
        with pytest.raises(Killed):
            train(job(network, name), folder, network, kill)
        train(job(network, name), folder, network)
        assert contents(folder.root) == contents(whole.root)


@pytest.mark.parametrize("name", ["dpo", "kl"])
def test_a_run_that_is_told_to_leave_saves_that_step_and_ends_with_the_same_bytes(network, tmp_path, monkeypatch, name):
    whole, folder = tiny_world.folder(tmp_path / "whole"), tiny_world.folder(tmp_path / "left")
    train(job(network, name), whole, network)
    steps: list[int] = []

    def leave(event):
        if event["unit"] == "tokens":
            steps.append(len(tiny_world.lines(folder.metrics_jsonl)))
            if interrupt.leaving():
                raise interrupt.Leaving
            if len(steps) == 2:
                interrupt.leave_soon()

    monkeypatch.setattr(interrupt, "_leaving", False)
    with pytest.raises(interrupt.Leaving):
        train(job(network, name), folder, network, leave)
    assert steps[-1] == 3, "the step after, and its line is on the disk"
    monkeypatch.setattr(interrupt, "_leaving", False)
    trained: list[object] = []
    train(
        job(network, name), folder, network, lambda event: trained.append(event) if event["unit"] == "tokens" else None
    )
    assert len(trained) == len(tiny_world.lines(whole.metrics_jsonl)) - 3
    assert contents(folder.root) == contents(whole.root)


def test_a_metrics_line_cut_short_and_a_lost_file_are_made_again(network, tmp_path):
    whole, folder = tiny_world.folder(tmp_path / "whole"), tiny_world.folder(tmp_path / "cut")
    train(job(network, "sft"), whole, network)
    train(job(network, "sft", budgets=(4,)), folder, network)
    with folder.metrics_jsonl.open("a") as file:
        file.write('{"step": 5, "lo')
    train(job(network, "sft"), folder, network)
    assert contents(folder.root) == contents(whole.root)
    folder.metrics_jsonl.unlink()
    folder.done.unlink()
    train(job(network, "sft"), folder, network)
    assert contents(folder.root) == contents(whole.root)


def test_a_run_killed_at_random_moments_ends_with_the_same_bytes(network, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "STATE_EVERY", 3)
    monkeypatch.setattr(references, "CHUNK", 20)
    this = job(network, "dpo", budgets=(5, 10, 40))
    events: list[object] = []
    train(this, tiny_world.folder(tmp_path / "whole"), network, events.append)
    killed = tiny_world.folder(tmp_path / "killed")
    draw, reached = random.Random(7), set()
    for _ in range(6):
        # A fork has the model already; the child's end is a real SIGKILL, in the middle of whatever it does:
        # some random progress made and a random moment after it, whatever else the machine is doing.
        context = multiprocessing.get_context("fork")
        made, enough = context.Value("i", 0), draw.randrange(len(events) // 2)

        def count(_: object, made=made) -> None:
            made.value += 1

        process = context.Process(target=train, args=(this, killed, network, count))
        process.start()
        while made.value < enough and process.is_alive():
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.02))
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        state = killed.state / "state.safetensors"
        reached.add(state.read_bytes() if state.exists() else b"")
    assert len(reached) > 1  # the kills fell into training
    train(this, killed, network)
    assert contents(killed.root) == contents(tmp_path / "whole")
